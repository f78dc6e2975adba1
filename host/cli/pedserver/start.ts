import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  codeOf,
  LabError,
  messageOf,
  PedServer,
  type PedServerConfig,
  pedServerFolder,
  type StandalonePedOptions,
  StreamTerminal,
} from '../../lab/index.js'
import { startInBackground, tellStarter } from '../background.js'
import { openEventLog } from '../event-log.js'
import { type CliIo, untilAborted } from '../program.js'
import type { PedServerArguments } from './arguments.js'

const LOG = 'pedserver.log'
const PROGRAM = fileURLToPath(new URL('../pedserver.js', import.meta.url))

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
    if (background) tellStarter()
    else io.stdout.write(`Listening at ${address}, port ${own}.\n`)
    io.expectSignal()
    await Promise.race([server.ended, untilAborted(io.signal)])
    await server.close()
    log.write({ event: 'ended' })
    return 0
  } catch (error) {
    if (background) tellStarter({ failed: messageOf(error), code: codeOf(error) ?? 'INTERNAL' })
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

/**
 * Starts the same command in a process of its own and waits until it serves.
 * @throws LabError PED_SERVER_START: it does not; with its reason
 */
export async function startDetached(
  args: readonly string[],
  [starting, started, leaving]: readonly [string, string, string],
  print: (...lines: string[]) => void,
): Promise<void> {
  print(starting)
  try {
    await startInBackground(PROGRAM, [...args, '--foreground'])
  } catch (cause) {
    throw new LabError('PED_SERVER_START', `the pedserver did not start: ${messageOf(cause)}`, { cause })
  }
  print(started, leaving)
}
