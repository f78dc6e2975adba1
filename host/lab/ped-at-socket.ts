// The PED in a process of its own, `moonlet ped`: a socket in the state folder at which a pedserver finds it.

import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { PedError, type PedEvent, type SerialEvent, SerialLine } from '../ped/index.js'
import { messageOf } from './errors.js'
import { type Check, object, text, wholeNumber } from './json-check.js'
import { listenLocally, lockFolder } from './local-socket.js'
import type { PedAtLine } from './ped-at-line.js'
import { type StandalonePedOptions, standalonePed } from './ped-seat.js'
import { readRunFile, removeRunFile, runningIn, writeRunFile } from './run-file.js'

/** Folder below the state folder: lock, socket, what is running. */
const FOLDER = 'ped'
const SOCKET = 'line'

/** A PED in a process of its own. */
export interface RunningPed {
  readonly pid: number
  /** Path of the socket. */
  readonly socket: string
}

const checkRunning: Check<RunningPed> = object({ pid: wholeNumber(1, Number.MAX_SAFE_INTEGER), socket: text })

export interface PedAtSocketOptions extends Omit<StandalonePedOptions, 'onEvent'> {
  readonly onEvent?: ((event: PedEvent | SerialEvent) => void) | undefined
}

/** A PED that waits for a pedserver. */
export interface PedAtSocket extends PedAtLine {
  readonly path: string
}

/**
 * Puts a PED at the socket of a state folder; one pedserver at a time is served.
 * @throws LabError PED_RUNNING: there is one already; LAB_IO; what `standalonePed` throws
 */
export async function pedAtSocket(stateDir: string, options: PedAtSocketOptions): Promise<PedAtSocket> {
  const { clock, onEvent } = options
  const ped = await standalonePed(stateDir, { ...options, remote: true })
  const folder = join(stateDir, FOLDER)
  const lock = await lockFolder(folder, 'PED_RUNNING', 'a PED')
  let line: SerialLine | undefined
  let told = false
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (line) {
      // A second pedserver: it goes on trying, and is told of once.
      if (!told) onEvent?.({ event: 'conflict' })
      told = true
      socket.destroy()
      return
    }
    const own = new SerialLine({
      stream: socket,
      role: 'ped',
      onLink: (link) => ped.connect(link),
      ...(clock ? { clock } : {}),
      ...(onEvent ? { onEvent } : {}),
    })
    line = own
    socket.once('close', () => {
      if (line === own) line = undefined
      told = false
    })
  })
  try {
    const { path, remove } = await listenLocally(server, folder, SOCKET)
    const running: RunningPed = { pid: process.pid, socket: path }
    writeRunFile(folder, running)
    return {
      path,
      close: async () => {
        removeRunFile(folder)
        const closed = new Promise<void>((resolve) => server.close(() => resolve()))
        line?.close()
        await closed
        remove()
        await lock.release()
      },
    }
  } catch (error) {
    server.close()
    await lock.release()
    throw error
  }
}

/** The PED that runs on a state folder, if one does. @throws LabError LAB_FILE_INVALID */
export const runningPed = (stateDir: string): Promise<RunningPed | undefined> =>
  runningIn(join(stateDir, FOLDER), checkRunning)

/** Connects to the PED of a state folder, or the one at a socket's path. @throws PedError PED_ABSENT; LabError LAB_FILE_INVALID */
export async function openPedSocket(at: {
  readonly stateDir: string
  readonly path?: string | undefined
}): Promise<Duplex> {
  const path = at.path ?? readRunFile(join(at.stateDir, FOLDER), checkRunning)?.socket
  if (path === undefined) throw new PedError('PED_ABSENT', `no PED runs on ${at.stateDir}`)
  const socket: Socket = connect(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (cause) {
    throw new PedError('PED_ABSENT', `no PED answers at ${path}: ${messageOf(cause)}`, { cause })
  }
  return socket
}
