import type { Readable, Writable } from 'node:stream'
import { inspect } from 'node:util'
import { UsageError } from './command-line.js'
import { HINTS } from './hints.js'

/** What a command works with. */
export interface CliIo {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C and its like: what is open has to be closed. */
  readonly signal: AbortSignal
  /** From now on a signal is how this program is meant to end: the exit code is the command's own then. */
  expectSignal(): void
  /** The process is to end with the command, whatever native code has under way: a transfer at a real device, say, which nobody can take back. */
  endAtOnce(): void
}

export interface CliCommand {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly help: string
  /** Answers the exit code. */
  run(args: readonly string[], io: CliIo): Promise<number>
}

const FAILURE = 1
const USAGE = 2
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Resolves once the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Runs the program and sets the process's exit code: 0, 1 = failed, 2 = wrong usage, 128 + n = ended by signal n. */
export async function runProgram(name: string, args: readonly string[], main: CliCommand['run']): Promise<void> {
  const controller = new AbortController()
  let interrupted: number | undefined
  let expected = false
  let atOnce = false
  for (const [signal, code] of Object.entries(SIGNALS)) {
    // Once: a second Ctrl-C ends the process whatever it is doing.
    process.once(signal, () => {
      interrupted = code
      controller.abort()
    })
  }
  process.stdout.on('error', (error) => {
    // Whoever read the output has gone away, as `head` does.
    if (!('code' in error) || error.code !== 'EPIPE') throw error
    interrupted = FAILURE
    controller.abort()
  })
  const { stdin, stdout, stderr, env } = process
  const expectSignal = (): void => {
    expected = true
  }
  const endAtOnce = (): void => {
    atOnce = true
  }
  const { signal } = controller
  try {
    process.exitCode = await main(args, { stdin, stdout, stderr, env, signal, expectSignal, endAtOnce })
  } catch (error) {
    process.exitCode = error instanceof UsageError ? USAGE : FAILURE
    if (interrupted === undefined) explain(name, error, args.includes('--debug'))
  }
  if (interrupted !== undefined && !(expected && process.exitCode === 0)) {
    stderr.write(`${name}: ended before it was done\n`)
    // What was given up may still hold timers or the terminal.
    process.exit(interrupted)
  }
  if (atOnce) process.exit()
}

/** `moonlet: CODE: message`; the stack with its causes only where it is asked for. */
function explain(name: string, error: unknown, debug: boolean): void {
  const { stderr } = process
  if (debug) stderr.write(`${inspect(error)}\n`)
  if (!(error instanceof Error)) {
    stderr.write(`${name}: ${String(error)}\n`)
    return
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL'
  const hint = error instanceof UsageError ? `Try '${[name, ...error.words].join(' ')} --help'.` : HINTS[code]
  stderr.write(`${name}: ${code}: ${error.message}\n${hint === undefined ? '' : `${hint}\n`}`)
}
