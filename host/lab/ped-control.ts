// How other processes find a pedserver, and steer it: a file that says where it is, and a socket that takes orders.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { LabError } from './errors.js'
import { type Check, fail, listOf, object, optional, text, wholeNumber, yesOrNo } from './json-check.js'
import { type LocalSocket, listenLocally, lockFolder } from './local-socket.js'
import { runningIn } from './run-file.js'

/** Folder below the state folder: certificate, lock, what is running. */
const FOLDER = 'pedserver'
const SOCKET = 'control'
const ORDER_MAX = 128

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
  /** Where the PED is: `own` = in the server's process, `local` = `moonlet ped` of the state folder, or a path. */
  readonly ped: string
  /** It is there. */
  readonly present: boolean
  /** What its display shows; empty where that is not known here. */
  readonly lcd: readonly string[]
  /** Appliances that it calls, and whether they have its connection. */
  readonly appliances: readonly { readonly name: string; readonly up: boolean }[]
}

/** `call` and `leave`: begin and end to call an appliance that is registered. */
export type PedServerOrder = 'show' | 'disconnect' | 'stop' | 'stop force' | `call ${string}` | `leave ${string}`

/** What a running server says to an order. */
export interface PedServerAnswer {
  readonly outcome: 'done' | 'busy' | 'unknown' | 'failed'
  /** Why it has failed. */
  readonly problem?: string | undefined
  readonly status: PedServerStatus
}

const line: Check<string> = (value, path) => (typeof value === 'string' ? value : fail(path, 'must be a text'))
const outcome: Check<PedServerAnswer['outcome']> = (value, path) =>
  value === 'done' || value === 'busy' || value === 'unknown' || value === 'failed'
    ? value
    : fail(path, 'is no outcome')
const checkAnswer: Check<PedServerAnswer> = object({
  outcome,
  problem: optional(text),
  status: object({
    ...place,
    peer: optional(text),
    idleSeconds: wholeNumber(1, 99_999),
    ped: text,
    present: yesOrNo,
    lcd: listOf(line),
    appliances: listOf(object({ name: text, up: yesOrNo })),
  }),
})

export const pedServerFolder = (stateDir: string) => join(stateDir, FOLDER)

/** @throws LabError PED_SERVER_RUNNING, LAB_IO */
export const lockServerFolder = (folder: string) => lockFolder(folder, 'PED_SERVER_RUNNING', 'a pedserver')

/** The pedserver that runs on a state folder, if one does. @throws LabError LAB_FILE_INVALID */
export const runningPedServer = (stateDir: string): Promise<RunningPedServer | undefined> =>
  runningIn(pedServerFolder(stateDir), checkRunning)

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

  #socket: LocalSocket = { path: '', remove: () => undefined }

  private constructor(obey: (order: string) => Promise<PedServerAnswer>) {
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
    const control = new PedServerControl(obey)
    control.#socket = await listenLocally(control.#server, folder, SOCKET)
    return control
  }

  get path(): string {
    return this.#socket.path
  }

  /** Answers that are on their way still go. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) if (socket.readableLength === 0 && socket.bytesRead === 0) socket.destroy()
    await closed
    this.#socket.remove()
  }
}
