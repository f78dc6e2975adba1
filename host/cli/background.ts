import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { LabError } from '../lab/index.js'

/** What a process in the background tells the one that started it: it does its work now, or why not. */
type Report = { readonly ready: true } | { readonly failed: string; readonly code: string }

/** Tells whoever started this process in the background, if somebody did; nothing more is said then. */
export function tellStarter(report: Report = { ready: true }): void {
  process.send?.(report)
  process.disconnect?.()
}

/**
 * Starts a program in the background, which outlives this process, and waits until it is ready.
 * @param log file that its output is appended to; unless given nobody sees it
 * @throws LabError LAB_START with what it said
 */
export async function startInBackground(program: string, args: readonly string[], log?: string): Promise<void> {
  const file = log === undefined ? undefined : openSync(log, 'a', 0o600)
  const begin = log === undefined ? 0 : statSync(log).size
  const output = file ?? 'ignore'
  const child = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  })
  if (file !== undefined) closeSync(file)
  return new Promise<void>((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void => {
      const said = log === undefined ? '' : lastError(readFileSync(log).subarray(begin).toString('utf8'))
      reject(new LabError('LAB_START', said === '' ? why : said, { cause }))
    }
    child.once('error', (cause) => failed(cause.message, cause))
    child.once('exit', (code, signal) => failed(`it ended with ${signal ?? `code ${code}`}`))
    child.once('message', (report: Report) => {
      if ('failed' in report) return failed(`${report.code}: ${report.failed}`)
      child.removeAllListeners('exit')
      child.unref()
      resolve()
    })
  })
}

/** The last line that says what has gone wrong; a hint may follow it. */
function lastError(output: string): string {
  const lines = output.trim().split('\n')
  return lines.findLast((line) => /^\w+: \w+: /.test(line)) ?? lines.at(-1) ?? ''
}
