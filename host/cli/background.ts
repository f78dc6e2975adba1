import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { LabError } from '../lab/index.js'

/** What a process in the background tells the one that started it: it does its work now, or why not. */
export type Report = { readonly ready: true } | { readonly failed: string; readonly code: string }

/** Tells whoever started this process in the background, if somebody did; nothing more is said then. */
export function tellStarter(report: Report = { ready: true }): void {
  process.send?.(report)
  process.disconnect?.()
}

/**
 * Starts a program in the background, which outlives this process, and waits until it is ready.
 * @param log file that its output is appended to
 * @returns its process number
 * @throws LabError LAB_START with what it said
 */
export async function startInBackground(program: string, args: readonly string[], log: string): Promise<number> {
  const file = openSync(log, 'a', 0o600)
  const begin = statSync(log).size
  const child = spawn(process.execPath, [program, ...args], { detached: true, stdio: ['ignore', file, file, 'ipc'] })
  closeSync(file)
  return new Promise<number>((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void => {
      const said = readFileSync(log).subarray(begin).toString('utf8').trim().split('\n').at(-1) ?? ''
      reject(new LabError('LAB_START', said === '' ? why : said, { cause }))
    }
    child.once('error', (cause) => failed(cause.message, cause))
    child.once('exit', (code, signal) => failed(`it ended with ${signal ?? `code ${code}`}`))
    child.once('message', (report: Report) => {
      if (!('ready' in report) || child.pid === undefined) return
      child.removeAllListeners('exit')
      child.unref()
      resolve(child.pid)
    })
  })
}
