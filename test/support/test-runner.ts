import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { runTestFile, type TestFileOptions, type TestFileResult } from './test-file.js'

export interface RunOptions extends TestFileOptions {
  /** Printed paths are relative to it. */
  root: string
  parallel: number
  print: (line: string) => void
  /** Prints what files that pass have written, too. */
  verbose?: boolean
}

/** How many power cuts a file has made, in its own words: a count is what such a test is worth. */
const CUTS = /\d+ power cuts[^•✘\n]*/

/** Files below `root` whose names end in `suffix` and whose paths contain one of the patterns (none = all), sorted. */
export async function findTestFiles(root: string, suffix: string, patterns: readonly string[]): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => relative(root, file).includes(pattern)))
    .sort()
}

function printResult(result: TestFileResult, { root, print, verbose }: RunOptions): void {
  const { passed, failed, faults, milliseconds } = result
  const tests = failed ? `${passed} passed, ${failed} failed` : `${passed} passed`
  const cuts = failed ? undefined : CUTS.exec(result.output)?.[0].trim()
  const notes = `${(milliseconds / 1000).toFixed(1)} s${cuts ? `, ${cuts}` : ''}`
  print(`${failed ? 'FAIL' : 'ok  '} ${relative(root, result.file)}  ${tests}, ${notes}`)
  if (!failed && !verbose) return
  for (const fault of faults) print(`     ${fault}`)
  for (const line of result.output.trimEnd().split('\n')) print(`     | ${line}`)
}

/** Runs the files and prints a line for each, with its output where it failed. Resolves to the sums over all tests. */
export async function runTestFiles(
  files: readonly string[],
  options: RunOptions,
): Promise<{ passed: number; failed: number }> {
  const waiting = [...files]
  const sums = { passed: 0, failed: 0 }
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined && !options.signal.aborted; file = waiting.shift()) {
      const result = await runTestFile(file, options)
      printResult(result, options)
      sums.passed += result.passed
      sums.failed += result.failed
    }
  }
  await Promise.all(Array.from({ length: options.parallel }, worker))
  return sums
}
