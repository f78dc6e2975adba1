import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { isCommandFrame } from '../board/frames.js'
import { type Transport, TransportError } from '../client/transport.js'
import {
  CONTROL_SOCKET,
  type ControlAnswer,
  type ControlRequest,
  type ControlState,
  readAnswer,
  readLines,
  writeLine,
} from './control-messages.js'

/** What goes wrong at a control socket; codes that the appliance's own parts gave come through as they are. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  constructor(
    /** CONTROL_ABSENT: nobody listens; CONTROL_CLOSED: the appliance has gone; CONTROL_IO, CONTROL_HSM, CONTROL_FRAME, CONTROL_FAILED. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The administrator's connection to an appliance that runs on a folder. */
export class ControlClient {
  readonly closed: Promise<void>
  readonly #waiting = new Map<number, { resolve(answer: ControlAnswer): void; reject(error: Error): void }>()
  #next = 1
  #open = true

  private constructor(private readonly socket: Socket) {
    readLines(socket, (line) => {
      const answer = readAnswer(line)
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (answer.error) waiting?.reject(new ControlError(answer.error.code, answer.error.message))
      else waiting?.resolve(answer)
    })
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#open = false
        for (const { reject } of this.#waiting.values()) reject(gone())
        this.#waiting.clear()
        resolve()
      })
    })
  }

  /** @throws ControlError CONTROL_ABSENT */
  static async connect(dir: string): Promise<ControlClient> {
    const path = join(dir, CONTROL_SOCKET)
    const socket = createConnection({ path })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('error', reject)
      })
    } catch (cause) {
      throw new ControlError('CONTROL_ABSENT', `no appliance runs on ${dir}`, { cause })
    }
    socket.on('error', () => undefined)
    return new ControlClient(socket)
  }

  async state(): Promise<ControlState> {
    const { state } = await this.#ask({ ask: 'state' })
    if (!state) throw new ControlError('CONTROL_FAILED', 'the appliance did not say how it is')
    return state
  }

  async restart(): Promise<void> {
    await this.#ask({ ask: 'restart' })
  }

  /** Orders the service to end; `closed` resolves when it does. */
  async stop(): Promise<void> {
    await this.#ask({ ask: 'stop' })
  }

  async connectPed(hsm: string, host: string, port: number | undefined): Promise<void> {
    await this.#ask({ ask: 'connect-ped', hsm, host, port })
  }

  async disconnectPed(hsm: string): Promise<void> {
    await this.#ask({ ask: 'disconnect-ped', hsm })
  }

  /** The command port of an HSM. Its `close` leaves the connection to its owner. */
  transport(hsm: string): Transport {
    return {
      closed: this.closed,
      exchange: (frame) => this.#exchange(hsm, frame),
      close: async () => undefined,
    }
  }

  async close(): Promise<void> {
    this.socket.end()
    await this.closed
  }

  async #exchange(hsm: string, frame: Uint8Array): Promise<Uint8Array> {
    if (!isCommandFrame(frame)) {
      throw new TransportError('TRANSPORT_FRAME', `${frame.length} bytes are not one command frame`)
    }
    try {
      const { frame: answer } = await this.#ask({ ask: 'exchange', hsm, frame: Buffer.from(frame).toString('base64') })
      return Buffer.from(answer ?? '', 'base64')
    } catch (cause) {
      if (!(cause instanceof ControlError)) throw cause
      throw new TransportError('TRANSPORT_REMOVED', cause.message, { cause })
    }
  }

  #ask(request: Omit<ControlRequest, 'id'>): Promise<ControlAnswer> {
    if (!this.#open) return Promise.reject(gone())
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      writeLine(this.socket, { id, ...request })
    })
  }
}

const gone = (): ControlError => new ControlError('CONTROL_CLOSED', 'the appliance has ended the connection')
