import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FrameLink } from '../board/frame-link.js'
import { PedError, type PedErrorCode } from './errors.js'
import {
  encodeMessage,
  MessageReader,
  REFUSED_ABSENT,
  REFUSED_BUSY,
  REFUSED_IDLE,
  REFUSED_STOPPED,
  REFUSED_UNKNOWN,
  REFUSED_VERSION,
  REMOTE_FRAME,
  type RemoteMessage,
} from './remote-wire.js'

/** Bytes that may wait for a peer that does not read before the connection counts as dead. */
const BACKLOG = 64 * 1024

const REASONS: Readonly<Record<number, string>> = {
  [REFUSED_BUSY]: 'the PED serves another HSM',
  [REFUSED_VERSION]: 'it speaks another version',
  [REFUSED_IDLE]: 'the connection was idle for too long',
  [REFUSED_STOPPED]: 'it has ended the connection',
  [REFUSED_ABSENT]: 'no PED is connected to it',
  [REFUSED_UNKNOWN]: "this server's certificate is not registered there, or not valid",
}

const CODES: Readonly<Record<number, PedErrorCode>> = {
  [REFUSED_BUSY]: 'PED_IN_USE',
  [REFUSED_ABSENT]: 'PED_ABSENT',
}

/** `address:port` of the other end. */
export function peerOf({ remoteAddress, remotePort }: TLSSocket): string {
  return remoteAddress === undefined ? 'somebody' : `${remoteAddress}:${remotePort}`
}

/** SHA-256 of a certificate in DER, hexadecimal, lower case. */
export const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex')

/** What a REFUSED says. */
export function refusalOf({ body }: RemoteMessage, who = 'the PED server'): PedError {
  const reason = body.length === 1 ? body.readUInt8(0) : 0
  const code = CODES[reason] ?? 'PED_REMOTE_REFUSED'
  return new PedError(code, `${who} refuses: ${REASONS[reason] ?? `reason ${reason}`}`)
}

/** Messages on a socket, until either side ends it. */
export class MessageSocket {
  onMessage: (message: RemoteMessage) => void = () => undefined
  /** Called once; with what was wrong, if anything was. */
  onEnd: (error: Error | undefined) => void = () => undefined
  readonly #socket: TLSSocket
  readonly #reader = new MessageReader()
  #error: Error | undefined
  #open = true

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('error', (error) => {
      this.#error ??= error
    })
    // Half of a cable is none.
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  get open(): boolean {
    return this.#open
  }

  send(type: number, body?: Uint8Array): void {
    if (!this.#open) return
    this.#socket.write(encodeMessage(type, body))
    if (this.#socket.writableLength > BACKLOG) {
      this.#error = new PedError('PED_REMOTE_PROTOCOL', 'the other end does not read')
      this.#end()
    }
  }

  /** Ends the connection after what was sent. */
  close(): void {
    this.#end()
  }

  #receive(bytes: Buffer): void {
    if (!this.#open) return
    try {
      for (const message of this.#reader.push(bytes)) if (this.#open) this.onMessage(message)
    } catch (error) {
      if (!(error instanceof PedError)) throw error
      this.#error = error
      this.#end()
    }
  }

  #end(): void {
    if (!this.#open) return
    this.#open = false
    // A peer that never closes its half is not waited for.
    this.#socket.end(() => this.#socket.destroy())
    if (this.#error) this.#socket.destroy()
    this.onEnd(this.#error)
  }
}

/** The PED cable on such a connection. */
export class RemoteLink implements FrameLink {
  #frame: ((frame: Uint8Array) => void) | undefined
  #close: (() => void) | undefined
  #waiting: Uint8Array[] = []
  #open = true

  /** @param traffic called for every frame of either direction */
  constructor(
    private readonly socket: MessageSocket,
    private readonly traffic: () => void,
  ) {}

  send(frame: Uint8Array): void {
    if (!this.#open) return
    this.traffic()
    this.socket.send(REMOTE_FRAME, frame)
  }

  onFrame(handler: (frame: Uint8Array) => void): void {
    this.#frame = handler
    for (const frame of this.#waiting.splice(0)) handler(frame)
  }

  onClose(handler: () => void): void {
    this.#close = handler
    if (!this.#open) handler()
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.socket.close()
    this.#close?.()
  }

  /** A frame has come. */
  arrive(frame: Uint8Array): void {
    if (!this.#open) return
    this.traffic()
    const copy = Uint8Array.from(frame)
    if (this.#frame) this.#frame(copy)
    else this.#waiting.push(copy)
  }
}
