import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  LabError,
  PedServer,
  type PedServerConfig,
  pedServerFolder,
  type StandalonePedOptions,
  StreamTerminal,
} from '../../lab/index.js'
import { openEventLog } from '../event-log.js'
import type { CliIo } from '../program.js'
import type { PedServerArguments } from './arguments.js'

const LOG = 'pedserver.log'
const PROGRAM = fileURLToPath(new URL('../pedserver.js', import.meta.url))

/** What the process in the background tells the one that started it. */
type Report = { readonly ready: true } | { readonly failed: string; readonly code: string }

/** Serves until it is ordered to stop, or interrupted. */
export async function serve(
  stateDir: string,
  { host, port, idleSeconds, log: path }: PedServerConfig,
  { keys, rules, byHand, ped, logLevel }: PedServerArguments,
  io: CliIo,
): Promise<number> {
  const background = process.send !== undefined
  const log = openEventLog(path ?? defaultLog(stateDir), logLevel)
  const seat: StandalonePedOptions = { keys, rules, byHand, ...whoIsThere(io, background) }
  try {
    const server = await PedServer.start(stateDir, {
      ...{ host, port, idleSeconds, ped, ...seat },
      onEvent: (event) => log.write(event),
    })
    const { host: address, port: own } = server.status()
    log.write({ event: 'listening' })
    if (background) tell({ ready: true })
    else io.stdout.write(`Listening at ${address}, port ${own}.\n`)
    const close = () => void server.close()
    io.signal.addEventListener('abort', close, { once: true })
    if (io.signal.aborted) close()
    await server.ended
    await server.close()
    log.write({ event: 'ended' })
    return 0
  } catch (error) {
    if (background && error instanceof Error) {
      tell({ failed: error.message, code: 'code' in error ? String(error.code) : 'INTERNAL' })
    }
    throw error
  } finally {
    log.close()
  }
}

/** A person at the terminal; or nobody, and then what is only shown goes to standard error where that is seen. */
function whoIsThere({ stdin, stderr }: CliIo, background: boolean): Pick<StandalonePedOptions, 'person' | 'pedScreen'> {
  if (background) return { pedScreen: () => undefined }
  if (stdin.isTTY && stderr.isTTY) return { person: new StreamTerminal(stdin, stderr, true) }
  return { pedScreen: (line) => stderr.write(`${line}\n`) }
}

function defaultLog(stateDir: string): string {
  const folder = pedServerFolder(stateDir)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new LabError('LAB_IO', `${folder} cannot be made`, { cause })
  }
  return join(folder, LOG)
}

function tell(report: Report): void {
  process.send?.(report)
  process.disconnect?.()
}

/**
 * Starts the same command in a process of its own and waits until it serves.
 * @throws LabError PED_SERVER_START: it does not; with its reason
 */
export async function startInBackground(
  args: readonly string[],
  [starting, started, leaving]: readonly [string, string, string],
  print: (...lines: string[]) => void,
): Promise<void> {
  print(starting)
  const child = spawn(process.execPath, [PROGRAM, ...args, '--foreground'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  await new Promise<void>((resolve, reject) => {
    const failed = (message: string, cause?: unknown) =>
      reject(new LabError('PED_SERVER_START', `the pedserver did not start: ${message}`, { cause }))
    child.once('error', (cause) => failed(cause.message, cause))
    child.once('exit', (code, signal) => failed(`it ended with ${signal ?? `code ${code}`}`))
    child.once('message', (report: Report) => {
      if ('ready' in report) resolve()
      else failed(`${report.code}: ${report.failed}`)
    })
  })
  child.unref()
  print(started, leaving)
}
