import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readUvuReport, suitesNotRun, type UvuReport } from './uvu-report.js'

export interface TestFileOptions {
  /** Milliseconds until a file that has not ended is ended; a file may ask for more. */
  timeout: number
  /** Milliseconds a process may go on after its last test. */
  grace: number
  signal: AbortSignal
}

export interface TestFileResult {
  file: string
  passed: number
  /** Failed tests, plus one where the file itself is at fault. */
  failed: number
  /** Why the file as a whole counts as failed, in a few words. */
  faults: string[]
  /** Standard output and standard error as they came. */
  output: string
  milliseconds: number
}

const HANDLE_REPORTER = fileURLToPath(new URL('./handle-reporter.js', import.meta.url))
/** Kept of one file's output: the end of it, where the summary is. */
const OUTPUT_LIMIT = 4 * 1024 * 1024
/** Milliseconds between one way to end a process and the next, harder one. */
const KILL_DELAY = 3000
/** Milliseconds that a process may take before it begins with its file, beside the time of the file. */
const START = 60_000

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    // The file leads a process group of its own: what it started ends with it.
    process.kill(-child.pid, signal)
  } catch (error) {
    // Nothing of the group is left.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Milliseconds: the file's own line "// test-timeout: SECONDS" can only raise the limit. */
function timeoutOf(source: string, standard: number): number {
  const own = /^\/\/ test-timeout: (\d+)$/m.exec(source)?.[1]
  return Math.max(standard, Number(own ?? 0) * 1000)
}

interface Ending {
  output: string
  code: number | null
  signal: NodeJS.Signals | null
  /** What had to be ended, if anything. */
  stopped: 'time-out' | 'open handles' | 'left-over processes' | 'interrupted' | undefined
}

function runProcess(file: string, timeout: number, { grace, signal }: TestFileOptions): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', '--import', HANDLE_REPORTER, file], {
      detached: true,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', MOONLET_RUNNER: String(process.pid) },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    const [, stdout, stderr, begun] = child.stdio
    let output = ''
    let stopped: Ending['stopped']
    let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined
    const timers = new Set<NodeJS.Timeout>()
    const after = (milliseconds: number, action: () => void) => timers.add(setTimeout(action, milliseconds))

    const stop = (reason: NonNullable<Ending['stopped']>) => {
      if (stopped) return
      stopped = reason
      // The reporter names what keeps the process alive, and ends it; one that is too busy to hear this is killed.
      if (reason !== 'interrupted' && !exit) endGroup(child, 'SIGUSR2')
      after(reason === 'interrupted' || exit ? 0 : KILL_DELAY, () => {
        endGroup(child, 'SIGKILL')
        // One that left the group cannot be ended from here, but it shall not hold up the others.
        after(KILL_DELAY, () => {
          stdout?.destroy()
          stderr?.destroy()
        })
      })
    }
    const onAbort = () => stop('interrupted')
    const finish = (settle: () => void) => {
      for (const timer of timers) clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      settle()
    }

    // The time of the file begins with it: before that the process could not say what keeps it alive.
    let late = setTimeout(() => stop('time-out'), timeout + START)
    timers.add(late)
    begun?.once('data', () => {
      clearTimeout(late)
      late = setTimeout(() => stop('time-out'), timeout)
      timers.add(late)
    })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()

    let lastTests: NodeJS.Timeout | undefined
    let summaries = 0
    const take = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_LIMIT)
      const seen = readUvuReport(output).summaries
      if (seen === summaries) return
      summaries = seen
      clearTimeout(lastTests)
      lastTests = setTimeout(() => stop('open handles'), grace)
      timers.add(lastTests)
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', take)
    }
    child.on('error', (error) => finish(() => reject(error)))
    child.on('exit', (code, killer) => {
      exit = { code, signal: killer }
      clearTimeout(lastTests)
      // "close" comes once nobody holds the output any more; a process that the file left behind still does.
      after(grace, () => stop('left-over processes'))
    })
    child.on('close', (code, killer) => {
      endGroup(child, 'SIGKILL')
      finish(() => resolve({ output, code, signal: killer, stopped }))
    })
  })
}

function faultsOf(report: UvuReport, ending: Ending, source: string, timeout: number): string[] {
  const faults: string[] = []
  if (ending.stopped === 'interrupted') return ['interrupted']
  if (ending.stopped === 'time-out') faults.push(`not done after ${timeout / 1000} s`)
  if (ending.stopped === 'open handles') faults.push('did not exit after its last test: something is still open')
  if (ending.stopped === 'left-over processes') faults.push('left a process running')
  if (!ending.stopped) {
    if (ending.signal) faults.push(`killed by ${ending.signal}`)
    if (report.summaries === 0)
      faults.push(`ended without a summary (exit code ${ending.code}): died early, or test.run() is missing`)
    else if (ending.code !== 0 && report.passed === report.total)
      faults.push(`exit code ${ending.code} although its tests passed`)
  }
  if (report.summaries > 0 && report.total === 0) faults.push('no tests in it')
  if (report.skipped > 0) faults.push(`${report.skipped} tests skipped (.skip or .only)`)
  for (const name of suitesNotRun(source)) faults.push(`the suite "${name}" is never run`)
  return faults
}

/** Runs one compiled test file in a process of its own. Never rejects for what the file does. */
export async function runTestFile(file: string, options: TestFileOptions): Promise<TestFileResult> {
  const source = await readFile(file, 'utf8')
  const timeout = timeoutOf(source, options.timeout)
  const started = performance.now()
  const ending = await runProcess(file, timeout, options)
  const report = readUvuReport(ending.output)
  const faults = faultsOf(report, ending, source, timeout)
  return {
    file,
    // uvu's exit code does not tell of a "before" hook that threw: its tests just did not pass.
    passed: report.passed,
    failed: report.total - report.passed + (faults.length > 0 ? 1 : 0),
    faults,
    output: ending.output,
    milliseconds: performance.now() - started,
  }
}
