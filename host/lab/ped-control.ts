// How other processes find a pedserver, and steer it: a file that says where it is, and a socket that takes orders.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BoardError, FolderLock } from '../board/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { type Check, fail, listOf, object, optional, text, wholeNumber } from './json-check.js'

/** Folder below the state folder: certificate, lock, what is running. */
const FOLDER = 'pedserver'
export const RUNNING = 'running.json'
const SOCKET = 'control'
/** What every kernel takes as the path of a socket. */
const SOCKET_PATH_MAX = 103
const ORDER_MAX = 64

/** What a running pedserver says of itself in `running.json`. */
export interface RunningPedServer {
  readonly pid: number
  readonly host: string
  readonly port: number
  /** SHA-256 of its certificate, hexadecimal. */
  readonly fingerprint: string
  /** Path of the socket on which it takes orders. */
  readonly control: string
}

const place = {
  pid: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  host: text,
  port: wholeNumber(1, 0xffff),
  fingerprint: text,
}
const checkRunning: Check<RunningPedServer> = object({ ...place, control: text })

export interface PedServerStatus {
  readonly pid: number
  readonly host: string
  readonly port: number
  readonly fingerprint: string
  /** Address of the HSM that is served; undefined = none. */
  readonly peer?: string | undefined
  readonly idleSeconds: number
  /** What the display shows. */
  readonly lcd: readonly string[]
}

export const PED_SERVER_ORDERS = ['show', 'disconnect', 'stop', 'stop force'] as const
export type PedServerOrder = (typeof PED_SERVER_ORDERS)[number]

/** What a running server says to an order. */
export interface PedServerAnswer {
  readonly outcome: 'done' | 'busy' | 'unknown'
  readonly status: PedServerStatus
}

const line: Check<string> = (value, path) => (typeof value === 'string' ? value : fail(path, 'must be a text'))
const outcome: Check<PedServerAnswer['outcome']> = (value, path) =>
  value === 'done' || value === 'busy' || value === 'unknown' ? value : fail(path, 'is no outcome')
const checkAnswer: Check<PedServerAnswer> = object({
  outcome,
  status: object({ ...place, peer: optional(text), idleSeconds: wholeNumber(1, 99_999), lcd: listOf(line) }),
})

export const pedServerFolder = (stateDir: string) => join(stateDir, FOLDER)

/** The lock of a folder, made where it is not there. @throws LabError PED_SERVER_RUNNING, LAB_IO */
export async function lockServerFolder(folder: string): Promise<FolderLock> {
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true })
  } catch (cause) {
    throw new LabError('LAB_IO', `${folder} cannot be made: ${messageOf(cause)}`, { cause })
  }
  try {
    return await FolderLock.acquire(folder)
  } catch (cause) {
    if (!(cause instanceof BoardError && cause.code === 'STATE_LOCKED')) throw cause
    throw new LabError('PED_SERVER_RUNNING', `a pedserver runs already: ${cause.message}`, { cause })
  }
}

/** The pedserver that runs on a state folder, if one does. */
export async function runningPedServer(stateDir: string): Promise<RunningPedServer | undefined> {
  const folder = pedServerFolder(stateDir)
  const said = read(join(folder, RUNNING))
  if (!said) return undefined
  try {
    const lock = await FolderLock.acquire(folder)
    // Nobody held it: it is what one that was killed has left.
    await lock.release()
    return undefined
  } catch (error) {
    if (error instanceof BoardError && error.code === 'STATE_LOCKED') return said
    throw error
  }
}

function read(path: string): RunningPedServer | undefined {
  try {
    return checkRunning(JSON.parse(readFileSync(path, 'utf8')), '')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** Gives a running pedserver an order and waits until it is carried out. @throws LabError PED_SERVER_NOT_RUNNING */
export async function orderPedServer(stateDir: string, order: PedServerOrder): Promise<PedServerAnswer> {
  const absent = (cause?: unknown) =>
    new LabError('PED_SERVER_NOT_RUNNING', `no pedserver runs on ${stateDir}`, { cause })
  const running = await runningPedServer(stateDir)
  if (!running) throw absent()
  const answer = await new Promise<string>((resolve, reject) => {
    let got = ''
    const socket = connect(running.control)
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(`${order}\n`))
    socket.on('data', (piece: string) => {
      got += piece
    })
    socket.once('error', (cause) => reject(absent(cause)))
    socket.once('close', () => resolve(got))
  })
  try {
    return checkAnswer(JSON.parse(answer), '')
  } catch (cause) {
    throw absent(cause)
  }
}

/** The socket for orders, at the server's end. */
export class PedServerControl {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(
    readonly path: string,
    obey: (order: string) => Promise<PedServerAnswer>,
  ) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      socket.on('error', () => undefined)
      socket.setEncoding('utf8')
      let text = ''
      socket.on('data', (piece: string) => {
        text += piece
        const end = text.indexOf('\n')
        if (end < 0 && text.length <= ORDER_MAX) return
        socket.removeAllListeners('data')
        obey(text.slice(0, Math.max(end, 0))).then(
          (answer) => socket.end(JSON.stringify(answer)),
          () => socket.destroy(),
        )
      })
    })
  }

  /** @throws LabError LAB_IO */
  static async listen(folder: string, obey: (order: string) => Promise<PedServerAnswer>): Promise<PedServerControl> {
    const near = join(folder, SOCKET)
    const fits = Buffer.byteLength(near) <= SOCKET_PATH_MAX
    const path = fits ? near : join(mkdtempSync(join(tmpdir(), 'pedserver-')), SOCKET)
    const control = new PedServerControl(path, obey)
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', (cause) => {
        reject(new LabError('LAB_IO', `the socket ${path} cannot be made: ${cause.message}`, { cause }))
      })
      control.#server.listen(path, resolve)
    })
    return control
  }

  /** Answers that are on their way still go. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) if (socket.readableLength === 0 && socket.bytesRead === 0) socket.destroy()
    await closed
    if (!this.path.includes(join(FOLDER, SOCKET))) rmSync(dirname(this.path), { recursive: true, force: true })
  }
}
