import type { Writable } from 'node:stream'
import type { ByteQueue } from './byte-queue.js'
import { UsbError } from './errors.js'
import { type Cancel, DIRECTION_IN, NO_DATA, type Urb, type UrbPort, type UrbResult, type UrbStatus } from './urb.js'
import type { UsbipLimits } from './usbip-limits.js'
import {
  CMD_SUBMIT,
  CMD_UNLINK,
  decodeSubmit,
  ERRNO,
  encodeReturn,
  encodeUnlinked,
  NOT_ISOCHRONOUS,
  type Submit,
  URB_HEADER,
  URB_SHORT_NOT_OK,
  URB_ZERO_PACKET,
} from './usbip-wire.js'

const LAST_ENDPOINT = 15
/** Of an isochronous transfer, as Linux has it; and bytes that each of them takes behind the data. */
const [MOST_PACKETS, PACKET_DESCRIPTOR] = [1024, 16]
/** SET_FEATURE(PORT_RESET) to a hub's port: how a USB/IP host asks for a reset of the device itself. */
const PORT_REQUEST = { requestType: 0x23, request: 3, value: 4 } as const

const STATUS: Readonly<Record<UrbStatus, number>> = {
  ok: 0,
  stall: -ERRNO.EPIPE,
  babble: -ERRNO.EOVERFLOW,
  absent: -ERRNO.ENOENT,
  refused: -ERRNO.ENOMEM,
  reset: -ERRNO.ECONNRESET,
  fault: -ERRNO.EPROTO,
  gone: -ERRNO.ESHUTDOWN,
}

const violation = (what: string): UsbError => new UsbError('USBIP_PROTOCOL', `the USB/IP host ${what}`)

const isIsochronous = ({ packets }: Submit): boolean => packets !== 0 && packets !== NOT_ISOCHRONOUS

/** An importer's URBs on their way to one device and back. Whoever owns the socket feeds it. */
export class UsbipSession {
  readonly #pending = new Map<number, { readonly cancel: Cancel; readonly bytes: number }>()
  /** Bytes of OUT transfers that the device has not taken. */
  #held = 0
  /** An OUT transfer that is larger than what is taken, and how much of its data is still to come. */
  #skipping = 0

  constructor(
    private readonly socket: Pick<Writable, 'writable' | 'write' | 'cork' | 'uncork'>,
    private readonly device: UrbPort,
    private readonly deviceId: number,
    private readonly limits: UsbipLimits,
  ) {}

  /** Whether a message has begun and not ended. */
  isInside(queue: ByteQueue): boolean {
    return queue.length > 0 || this.#skipping > 0
  }

  /**
   * Works off the messages that are complete; answers how many there were.
   * @throws UsbError USBIP_PROTOCOL: nothing that follows can be understood
   */
  take(queue: ByteQueue): number {
    for (let count = 0; ; count++) {
      this.#skipping -= queue.skip(this.#skipping)
      if (this.#skipping > 0 || queue.length < URB_HEADER) return count
      const header = queue.peek(URB_HEADER)
      const command = header.readUInt32BE()
      if (command === CMD_UNLINK) this.#unlink(queue.take(URB_HEADER))
      else if (command !== CMD_SUBMIT) throw violation(`sent a message of kind ${command}`)
      else if (!this.#takeSubmit(decodeSubmit(header), queue)) return count
    }
  }

  /** The importer is gone: nothing is answered any more. The device ends its transfers itself. */
  end(): void {
    this.#pending.clear()
  }

  /** False = its data has not all come yet. */
  #takeSubmit(submit: Submit, queue: ByteQueue): boolean {
    this.#check(submit)
    const data = submit.isIn ? 0 : submit.length
    if (isIsochronous(submit)) {
      queue.skip(URB_HEADER)
      this.#skipping = data + submit.packets * PACKET_DESCRIPTOR
      // A host's driver takes this for a transfer that was ended, and does not begin it anew.
      this.#reply(submit, { status: 'absent', data: NO_DATA, actual: 0 })
      return true
    }
    const fits = this.#pending.size < this.limits.urbs && this.#held + data <= this.limits.held
    if (!fits || data > this.limits.urb) {
      queue.skip(URB_HEADER)
      this.#skipping = data
      this.#reply(submit, { status: 'refused', data: NO_DATA, actual: 0 })
      return true
    }
    if (queue.length < URB_HEADER + data) return false
    queue.skip(URB_HEADER)
    this.#submit(submit, data > 0 ? queue.take(data) : NO_DATA)
    return true
  }

  #check({ sequence, deviceId, endpoint, packets }: Submit): void {
    if (deviceId !== this.deviceId) throw violation('names another device than the one it has imported')
    if (endpoint > LAST_ENDPOINT) throw violation(`names an endpoint ${endpoint}`)
    if (packets > MOST_PACKETS && packets !== NOT_ISOCHRONOUS) throw violation(`has ${packets} packets in a transfer`)
    if (this.#pending.has(sequence)) throw violation(`uses number ${sequence} twice`)
  }

  #submit(submit: Submit, data: Uint8Array): void {
    const { sequence, isIn, endpoint, flags, length, setup } = submit
    if (endpoint === 0 && this.#isReset(submit)) {
      this.device.reset()
      this.#reply(submit, { status: 'ok', data: NO_DATA, actual: 0 })
      return
    }
    const address = endpoint === 0 ? 0 : endpoint | (isIn ? DIRECTION_IN : 0)
    const urb: Urb = {
      endpoint: address,
      setup: endpoint === 0 ? setup : undefined,
      data,
      length: isIn ? length : 0,
      zeroPacket: (flags & URB_ZERO_PACKET) !== 0,
    }
    let over = false
    const cancel = this.device.submit(urb, (result) => {
      over = true
      this.#settle(sequence)
      this.#reply(submit, result)
    })
    if (over) return
    this.#pending.set(sequence, { cancel, bytes: data.length })
    this.#held += data.length
  }

  #isReset({ setup: { requestType, request, value } }: Submit): boolean {
    return requestType === PORT_REQUEST.requestType && request === PORT_REQUEST.request && value === PORT_REQUEST.value
  }

  #settle(sequence: number): void {
    const pending = this.#pending.get(sequence)
    if (!pending) return
    this.#pending.delete(sequence)
    this.#held -= pending.bytes
  }

  #unlink(header: Buffer): void {
    const [sequence, target] = [header.readUInt32BE(4), header.readUInt32BE(20)]
    const cancelled = this.#pending.get(target)?.cancel() ?? false
    if (cancelled) this.#settle(target)
    // A transfer that was over has been answered before.
    this.#write(encodeUnlinked(sequence, cancelled ? -ERRNO.ECONNRESET : 0))
  }

  #reply(submit: Submit, { status, data, actual }: UrbResult): void {
    const { sequence, isIn, flags, length } = submit
    const short = isIn && status === 'ok' && actual < length && (flags & URB_SHORT_NOT_OK) !== 0
    const packets = isIsochronous(submit) ? 0 : NOT_ISOCHRONOUS
    const header = encodeReturn(sequence, short ? -ERRNO.EREMOTEIO : STATUS[status], actual, packets)
    this.#write(header, isIn ? data : NO_DATA)
  }

  #write(header: Buffer, data: Uint8Array = NO_DATA): void {
    if (!this.socket.writable) return
    if (data.length === 0) {
      this.socket.write(header)
      return
    }
    this.socket.cork()
    this.socket.write(header)
    this.socket.write(data)
    this.socket.uncork()
  }
}
