/** What uvu says about one process, added up over its summaries. */
export interface UvuReport {
  /** Summaries printed: none means that the tests did not come to their end. */
  summaries: number
  total: number
  passed: number
  skipped: number
}

const SUMMARY = /^ {2}Total: {5}(\d+)\n {2}Passed: {4}(\d+)\n {2}Skipped: {3}(\d+)\n {2}Duration: /gm

/**
 * Reads the totals out of a process's output (no colours).
 * uvu prints a second summary where a suite is started late, and the exit code then tells of the last one only: so all are added.
 */
export function readUvuReport(output: string): UvuReport {
  const report: UvuReport = { summaries: 0, total: 0, passed: 0, skipped: 0 }
  for (const [, total, passed, skipped] of output.matchAll(SUMMARY)) {
    report.summaries++
    report.total += Number(total)
    report.passed += Number(passed)
    report.skipped += Number(skipped)
  }
  return report
}

/** Suites of a compiled test file that are made but never run: uvu says nothing about them and exits with 0. */
export function suitesNotRun(source: string): string[] {
  const names = [...source.matchAll(/^(?:const|let|var)\s+(\w+)\s*=\s*suite\s*\(/gm)].map(([, name]) => name ?? '')
  if (/^import\s*\{[^}]*\btest\b[^}]*\}\s*from\s*['"]uvu['"]/m.test(source)) names.push('test')
  return names.filter((name) => !new RegExp(`\\b${name}\\.run\\s*\\(`).test(source))
}
