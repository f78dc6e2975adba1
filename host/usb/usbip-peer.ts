import type { Socket } from 'node:net'
import { ByteQueue } from './byte-queue.js'
import { UsbError } from './errors.js'
import type { UrbPort } from './urb.js'
import type { UsbipLimits } from './usbip-limits.js'
import { UsbipSession } from './usbip-session.js'
import {
  BUS_ID,
  deviceIdOf,
  encodeDevice,
  encodeDeviceList,
  encodeOp,
  type ListedDevice,
  OP_HEADER,
  OP_REP_IMPORT,
  OP_REQ_DEVLIST,
  OP_REQ_IMPORT,
  readPadded,
  ST_DEV_BUSY,
  ST_NO_DEVICE,
  ST_OK,
  USBIP_VERSION,
} from './usbip-wire.js'

/** Milliseconds for a peer to fetch what was sent last. */
const FAREWELL = 2000

/** Why a connection ended. */
export type UsbipEnding = 'closed' | 'answered' | 'unplugged' | 'malformed' | 'slow' | 'refused'

/** What happens at a USB/IP server; nothing in it is secret. */
export type UsbipEvent =
  | { readonly event: 'plugged' | 'unplugged'; readonly device: string }
  | { readonly event: 'imported' | 'released'; readonly device: string; readonly peer: string }
  | { readonly event: 'disconnected'; readonly peer: string; readonly why: UsbipEnding }

/** What a connection asks its server for. */
export interface UsbipDoor {
  list(): readonly ListedDevice[]
  import(
    busId: string,
    peer: UsbipPeer,
  ): Promise<{ readonly model: UrbPort; readonly listed: ListedDevice } | 'busy' | 'absent'>
}

/** One connection to a USB/IP server: a question for the list, or an import and then URBs. What breaks a rule ends it. */
export class UsbipPeer {
  readonly ended: Promise<UsbipEnding>
  /** Address and port. */
  readonly name: string
  readonly #queue = new ByteQueue()
  #resolve: (why: UsbipEnding) => void = () => undefined
  #session: UsbipSession | undefined
  /** An import waits for its device: what comes meanwhile is left in the socket. */
  #importing = false
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor(
    private readonly socket: Socket,
    private readonly door: UsbipDoor,
    private readonly limits: UsbipLimits,
  ) {
    this.name = `${socket.remoteAddress}:${socket.remotePort}`
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#wait(limits.greeting)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('drain', () => this.#flow())
    socket.on('error', () => this.end('closed'))
    socket.on('close', () => this.end('closed'))
    socket.on('end', () => this.end('closed'))
  }

  get isOver(): boolean {
    return this.#over
  }

  end(why: UsbipEnding): void {
    if (this.#over) return
    this.#over = true
    this.#stop()
    this.#session?.end()
    this.#queue.clear()
    this.socket.destroySoon()
    // A peer that does not fetch its last message must not keep the socket.
    setTimeout(() => this.socket.destroy(), FAREWELL).unref()
    this.#resolve(why)
  }

  #take(bytes: Buffer): void {
    if (this.#over) return
    this.#queue.push(bytes)
    try {
      this.#work()
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
      this.end('malformed')
    }
  }

  #work(): void {
    if (this.#session) {
      // Who goes on sending whole messages is not slow.
      if (this.#session.take(this.#queue) > 0) this.#stop()
      this.#flow()
      return
    }
    if (this.#importing || this.#queue.length < OP_HEADER) return
    const header = this.#queue.peek(OP_HEADER)
    if (header.readUInt16BE() !== USBIP_VERSION) throw new UsbError('USBIP_PROTOCOL', 'another version of USB/IP')
    switch (header.readUInt16BE(2)) {
      case OP_REQ_DEVLIST:
        this.socket.write(encodeDeviceList(this.door.list()))
        this.end('answered')
        return
      case OP_REQ_IMPORT:
        if (this.#queue.length < OP_HEADER + BUS_ID) return
        this.#queue.skip(OP_HEADER)
        this.#import(readPadded(this.#queue.take(BUS_ID)))
        return
      default:
        throw new UsbError('USBIP_PROTOCOL', 'an unknown operation')
    }
  }

  async #import(busId: string): Promise<void> {
    this.#importing = true
    this.socket.pause()
    const granted = await this.door.import(busId, this)
    if (this.#over) return
    if (granted === 'busy' || granted === 'absent') {
      this.socket.write(encodeOp(OP_REP_IMPORT, granted === 'busy' ? ST_DEV_BUSY : ST_NO_DEVICE))
      this.end('refused')
      return
    }
    this.#stop()
    const { model, listed } = granted
    this.socket.write(Buffer.concat([encodeOp(OP_REP_IMPORT, ST_OK), encodeDevice(listed)]))
    this.#session = new UsbipSession(this.socket, model, deviceIdOf(listed), this.limits)
    this.socket.resume()
    this.#take(Buffer.alloc(0))
  }

  /** Back-pressure, and time for what has begun: an importer at rest may stay as long as it likes. */
  #flow(): void {
    if (this.#over || !this.#session) return
    const full = this.socket.writableLength > this.limits.unsent
    if (full && !this.socket.isPaused()) this.socket.pause()
    else if (!full && this.socket.isPaused()) this.socket.resume()
    if (full || this.#session.isInside(this.#queue)) this.#wait(this.limits.message)
    else this.#stop()
  }

  /** A message that comes in drops does not get more time with each. */
  #wait(time: number): void {
    this.#timer ??= setTimeout(() => this.end('slow'), time).unref()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
