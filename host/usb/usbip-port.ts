import type { Socket } from 'node:net'
import type { ByteQueue } from './byte-queue.js'
import { UsbError } from './errors.js'
import {
  type Cancel,
  type Complete,
  DIRECTION_IN,
  isInUrb,
  NO_DATA,
  OVER,
  outcome,
  type Urb,
  type UrbPort,
  type UrbStatus,
} from './urb.js'
import type { Imported } from './usbip-handshake.js'
import { deviceIdOf, ERRNO, encodeSubmit, encodeUnlink, RET_SUBMIT, RET_UNLINK, URB_HEADER } from './usbip-wire.js'

/** SET_FEATURE(PORT_RESET), as to the port of a hub. */
const RESET = { requestType: 0x23, request: 3, value: 4, index: 1, length: 0 } as const

const STATUS: ReadonlyMap<number, UrbStatus> = new Map([
  [0, 'ok'],
  [-ERRNO.EREMOTEIO, 'ok'],
  [-ERRNO.EPIPE, 'stall'],
  [-ERRNO.EOVERFLOW, 'babble'],
  [-ERRNO.ENOENT, 'absent'],
  [-ERRNO.ECONNRESET, 'reset'],
  [-ERRNO.EPROTO, 'fault'],
  [-ERRNO.ESHUTDOWN, 'gone'],
  [-ERRNO.ENODEV, 'gone'],
])

interface Pending {
  readonly isIn: boolean
  /** Bytes that may come, or that were sent. */
  readonly length: number
  /** Undefined = it was given up. */
  complete: Complete | undefined
}

const violation = (what: string): UsbError => new UsbError('USBIP_PROTOCOL', `the USB/IP server ${what}`)

/** The near end of a USB/IP connection whose device was imported: URBs go in. A lost connection is a device that is gone. */
export class UsbipPort implements UrbPort {
  /** Resolves when the device is gone; never rejects. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #queue: ByteQueue
  readonly #deviceId: number
  readonly #pending = new Map<number, Pending>()
  /** Unlink requests that are not answered, and which URB each is about. */
  readonly #unlinks = new Map<number, number>()
  #ended: () => void = () => undefined
  #sequence = 0
  #gone = false

  constructor({ socket, device, queue }: Imported) {
    this.#socket = socket
    this.#queue = queue
    this.#deviceId = deviceIdOf(device)
    this.closed = new Promise((resolve) => {
      this.#ended = resolve
    })
    socket.on('data', (bytes: Buffer) => {
      this.#queue.push(bytes)
      this.#work()
    })
    socket.on('error', () => this.end())
    socket.on('end', () => this.end())
    socket.on('close', () => this.end())
    if (socket.destroyed) this.end()
    else socket.resume()
    this.#work()
  }

  submit(urb: Urb, complete: Complete): Cancel {
    if (this.#gone) {
      complete(outcome('gone'))
      return OVER
    }
    const isIn = isInUrb(urb)
    const length = isIn ? urb.length : urb.data.length
    const pending: Pending = { isIn, length, complete }
    const sequence = this.#freeNumber()
    this.#pending.set(sequence, pending)
    const header = { sequence, deviceId: this.#deviceId, isIn, endpoint: urb.endpoint & ~DIRECTION_IN, length }
    this.#write(encodeSubmit(header, urb.setup), isIn ? NO_DATA : urb.data)
    return () => {
      if (!pending.complete) return false
      pending.complete = undefined
      this.#unlink(sequence)
      return true
    }
  }

  reset(): void {
    const submit: Urb = { endpoint: 0, setup: RESET, data: NO_DATA, length: 0 }
    this.submit(submit, () => undefined)
  }

  /** Gives the device back. What is under way ends with `gone`. */
  end(): void {
    if (this.#gone) return
    this.#gone = true
    this.#socket.destroy()
    this.#queue.clear()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    this.#ended()
    for (const one of pending) {
      const { complete } = one
      one.complete = undefined
      complete?.(outcome('gone'))
    }
  }

  #freeNumber(): number {
    do this.#sequence = (this.#sequence + 1) >>> 0
    while (this.#sequence === 0 || this.#pending.has(this.#sequence) || this.#unlinks.has(this.#sequence))
    return this.#sequence
  }

  #unlink(target: number): void {
    if (this.#gone || !this.#pending.has(target)) return
    const sequence = this.#freeNumber()
    this.#unlinks.set(sequence, target)
    this.#write(encodeUnlink(sequence, this.#deviceId, target), NO_DATA)
  }

  #write(header: Buffer, data: Uint8Array): void {
    this.#socket.cork()
    this.#socket.write(header)
    if (data.length > 0) this.#socket.write(data)
    this.#socket.uncork()
  }

  #work(): void {
    try {
      while (!this.#gone && this.#queue.length >= URB_HEADER && this.#message()) {}
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
      // Nothing that follows can be understood.
      this.end()
    }
  }

  /** False = not all of it has come. */
  #message(): boolean {
    const header = this.#queue.peek(URB_HEADER)
    const [kind, sequence] = [header.readUInt32BE(), header.readUInt32BE(4)]
    if (kind === RET_UNLINK) {
      this.#queue.skip(URB_HEADER)
      this.#unlinked(sequence)
      return true
    }
    const pending = kind === RET_SUBMIT ? this.#pending.get(sequence) : undefined
    if (!pending) throw violation('answers something that nobody asked')
    const [status, actual] = [header.readInt32BE(20), header.readUInt32BE(24)]
    if (actual > pending.length) throw violation('says that more was moved than there was')
    const data = pending.isIn ? actual : 0
    if (this.#queue.length < URB_HEADER + data) return false
    this.#queue.skip(URB_HEADER)
    this.#pending.delete(sequence)
    const bytes = data > 0 ? new Uint8Array(this.#queue.take(data)) : NO_DATA
    const { complete } = pending
    pending.complete = undefined
    complete?.({ status: STATUS.get(status) ?? 'refused', data: bytes, actual })
    return true
  }

  #unlinked(sequence: number): void {
    const target = this.#unlinks.get(sequence)
    if (target === undefined) throw violation('answers something that nobody asked')
    this.#unlinks.delete(sequence)
    this.#pending.delete(target)
  }
}
