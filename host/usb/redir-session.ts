import {
  bulkHeader,
  CONTROL_HEADER,
  type Described,
  ENDPOINT_TYPE,
  type Endpoint,
  encodeEndpoints,
  encodeInterfaces,
  endpointsOf,
  INTERRUPT_HEADER,
  PACKET,
  STATUS,
  violation,
} from './redir-wire.js'
import {
  type Cancel,
  DIRECTION_IN,
  NO_DATA,
  OVER,
  type Urb,
  type UrbPort,
  type UrbResult,
  type UrbStatus,
} from './urb.js'
import type { UsbipLimits } from './usbip-limits.js'

const GET_CONFIGURATION = 8
const SET_CONFIGURATION = 9
const SET_INTERFACE = 11
const GET_INTERFACE = 10
const [OUT_DEVICE, OUT_INTERFACE] = [0x00, 0x01]

const STATUS_OF: Readonly<Record<UrbStatus, number>> = {
  ok: STATUS.success,
  stall: STATUS.stall,
  babble: STATUS.babble,
  absent: STATUS.invalid,
  refused: STATUS.failed,
  reset: STATUS.cancelled,
  fault: STATUS.failed,
  gone: STATUS.failed,
}

/** What a guest and this end agreed on. */
export interface Agreed {
  readonly maxPacketSize: boolean
  readonly longBulk: boolean
}

export type SendPacket = (type: number, id: bigint, header: Buffer, data?: Uint8Array) => void

/** One transfer of a guest. */
interface Transfer {
  readonly type: number
  readonly id: bigint
  /** The header it came with, of which the answer is made. */
  readonly header: Buffer
}

interface Pending extends Transfer {
  readonly cancel: Cancel
  readonly bytes: number
}

/** The packets of a guest that has the device, as URBs; and their answers. Whoever owns the socket feeds it. */
export class RedirSession {
  readonly #pending = new Map<bigint, Pending>()
  /** Interrupt endpoints that are read for the guest, by address. */
  readonly #streams = new Map<number, { cancel: Cancel }>()
  readonly #settings = new Map<number, number>()
  #endpoints: readonly Endpoint[]
  #held = 0
  #interrupts = 0n
  #over = false

  constructor(
    private readonly device: UrbPort,
    private readonly described: Described,
    private readonly agreed: Agreed,
    private readonly send: SendPacket,
    private readonly limits: UsbipLimits,
  ) {
    this.#endpoints = endpointsOf(described, this.#settings)
  }

  /** The packets that a guest has to have before it hears of the device. */
  describe(id = 0n): void {
    this.send(PACKET.interfaceInfo, id, encodeInterfaces(this.described))
    this.send(PACKET.endpointInfo, id, encodeEndpoints(this.#endpoints, this.agreed.maxPacketSize))
  }

  /** The guest no longer has the device: nothing is answered any more. The device ends its transfers itself. */
  end(): void {
    this.#over = true
    this.#pending.clear()
    this.#streams.clear()
  }

  /** Longest body of a packet of this type that is taken; undefined = it is none that a guest sends. */
  room(type: number): number | undefined {
    switch (type) {
      case PACKET.reset:
      case PACKET.getConfiguration:
      case PACKET.cancel:
        return 0
      case PACKET.setConfiguration:
      case PACKET.getAlternate:
      case PACKET.stopIsochronous:
      case PACKET.startInterrupt:
      case PACKET.stopInterrupt:
        return 1
      case PACKET.setAlternate:
        return 2
      case PACKET.startIsochronous:
        return 3
      case PACKET.control:
        return CONTROL_HEADER + 0xffff
      case PACKET.bulk:
        return bulkHeader(this.agreed.longBulk) + this.limits.urb
      case PACKET.interrupt:
        return INTERRUPT_HEADER + 0xffff
      default:
        return undefined
    }
  }

  /** @param body at most `room` bytes. @throws UsbError REDIR_PROTOCOL: nothing that follows can be trusted */
  take(type: number, id: bigint, body: Buffer): void {
    switch (type) {
      case PACKET.control:
        this.#control(id, body)
        return
      case PACKET.bulk:
        this.#bulk(id, body)
        return
      case PACKET.interrupt:
        this.#interruptOut(id, body)
        return
    }
    if (body.length !== this.room(type)) throw violation(`sends a packet of kind ${type} that is too short`)
    const [first = 0, second = 0] = body
    switch (type) {
      case PACKET.reset:
        this.#settings.clear()
        this.#endpoints = endpointsOf(this.described, this.#settings)
        this.device.reset()
        return
      case PACKET.cancel:
        this.#cancel(id)
        return
      case PACKET.setConfiguration:
        this.#setConfiguration(id, first)
        return
      case PACKET.getConfiguration:
        this.#ask(DIRECTION_IN, GET_CONFIGURATION, 0, 0, ({ status, data }) => {
          this.send(PACKET.configurationStatus, id, Buffer.of(STATUS_OF[status], data[0] ?? 0))
        })
        return
      case PACKET.setAlternate:
        this.#setAlternate(id, first, second)
        return
      case PACKET.getAlternate:
        this.#ask(DIRECTION_IN | OUT_INTERFACE, GET_INTERFACE, 0, first, ({ status, data }) => {
          this.send(PACKET.alternateStatus, id, Buffer.of(STATUS_OF[status], first, data[0] ?? 0))
        })
        return
      case PACKET.startInterrupt:
        this.#startInterrupt(id, first)
        return
      case PACKET.stopInterrupt:
        this.#streams.get(first)?.cancel()
        this.#streams.delete(first)
        this.send(PACKET.interruptStatus, id, Buffer.of(STATUS.success, first))
        return
      default:
        // The device has no isochronous endpoints.
        this.send(PACKET.isochronousStatus, id, Buffer.of(STATUS.invalid, first))
        return
    }
  }

  // ---- configuration --------------------------------------------------------------------------------------------------

  #setConfiguration(id: bigint, value: number): void {
    this.#ask(OUT_DEVICE, SET_CONFIGURATION, value, 0, ({ status }) => {
      if (status === 'ok') {
        this.#settings.clear()
        this.#endpoints = endpointsOf(this.described, this.#settings)
        this.describe(id)
      }
      this.send(PACKET.configurationStatus, id, Buffer.of(STATUS_OF[status], value))
    })
  }

  #setAlternate(id: bigint, interfaceNumber: number, setting: number): void {
    this.#ask(OUT_INTERFACE, SET_INTERFACE, setting, interfaceNumber, ({ status }) => {
      if (status === 'ok') {
        this.#settings.set(interfaceNumber, setting)
        this.#endpoints = endpointsOf(this.described, this.#settings)
        this.describe(id)
      }
      this.send(PACKET.alternateStatus, id, Buffer.of(STATUS_OF[status], interfaceNumber, setting))
    })
  }

  /** A standard request of at most one byte. */
  #ask(requestType: number, request: number, value: number, index: number, then: (result: UrbResult) => void): void {
    const length = requestType & DIRECTION_IN ? 1 : 0
    const setup = { requestType, request, value, index, length }
    this.device.submit({ endpoint: 0, setup, data: NO_DATA, length }, (result) => {
      if (!this.#over) then(result)
    })
  }

  // ---- transfers ------------------------------------------------------------------------------------------------------

  #control(id: bigint, body: Buffer): void {
    if (body.length < CONTROL_HEADER) throw violation('sends half a control packet')
    const [header, data] = [body.subarray(0, CONTROL_HEADER), body.subarray(CONTROL_HEADER)]
    const [endpoint = 0, request = 0, requestType = 0] = header
    const length = header.readUInt16LE(8)
    const isIn = (endpoint & DIRECTION_IN) !== 0
    checkLength(isIn, length, data)
    const transfer = { type: PACKET.control, id, header }
    if ((endpoint & ~DIRECTION_IN) !== 0) {
      this.#refuse(transfer)
      return
    }
    const setup = { requestType, request, value: header.readUInt16LE(4), index: header.readUInt16LE(6), length }
    this.#submit(transfer, { endpoint: 0, setup, data, length: isIn ? length : 0 })
  }

  #bulk(id: bigint, body: Buffer): void {
    const own = bulkHeader(this.agreed.longBulk)
    if (body.length < own) throw violation('sends half a bulk packet')
    const [header, data] = [body.subarray(0, own), body.subarray(own)]
    const [endpoint = 0] = header
    const high = this.agreed.longBulk ? header.readUInt16LE(8) : 0
    const length = header.readUInt16LE(2) + high * 0x10000
    const isIn = (endpoint & DIRECTION_IN) !== 0
    checkLength(isIn, length, data)
    const transfer = { type: PACKET.bulk, id, header }
    const hasStream = header.readUInt32LE(4) !== 0
    if (hasStream || !this.#find(endpoint, ENDPOINT_TYPE.bulk)) {
      this.#refuse(transfer)
      return
    }
    this.#submit(transfer, { endpoint, data, length: isIn ? length : 0 })
  }

  #interruptOut(id: bigint, body: Buffer): void {
    if (body.length < INTERRUPT_HEADER) throw violation('sends half an interrupt packet')
    const [header, data] = [body.subarray(0, INTERRUPT_HEADER), body.subarray(INTERRUPT_HEADER)]
    const [endpoint = 0] = header
    if ((endpoint & DIRECTION_IN) !== 0) throw violation('sends a packet of an IN endpoint')
    checkLength(false, header.readUInt16LE(2), data)
    const transfer = { type: PACKET.interrupt, id, header }
    if (!this.#find(endpoint, ENDPOINT_TYPE.interrupt)) {
      this.#refuse(transfer)
      return
    }
    this.#submit(transfer, { endpoint, data, length: 0 })
  }

  #find(address: number, type: number): Endpoint | undefined {
    return this.#endpoints.find((one) => one.address === address && one.type === type)
  }

  #submit(transfer: Transfer, urb: Urb): void {
    const { id } = transfer
    if (this.#pending.has(id)) throw violation(`uses number ${id} twice`)
    if (this.#pending.size >= this.limits.urbs || this.#held + urb.data.length > this.limits.held) {
      this.#answer(transfer, STATUS.failed, 0, NO_DATA)
      return
    }
    let over = false
    const cancel = this.device.submit(urb, ({ status, data, actual }) => {
      over = true
      if (this.#over) return
      this.#settle(id)
      this.#answer(transfer, STATUS_OF[status], actual, data)
    })
    if (over) return
    this.#pending.set(id, { ...transfer, cancel, bytes: urb.data.length })
    this.#held += urb.data.length
  }

  #settle(id: bigint): void {
    this.#held -= this.#pending.get(id)?.bytes ?? 0
    this.#pending.delete(id)
  }

  /** A transfer that was over has been answered before. */
  #cancel(id: bigint): void {
    const pending = this.#pending.get(id)
    if (!pending?.cancel()) return
    this.#settle(id)
    this.#answer(pending, STATUS.cancelled, 0, NO_DATA)
  }

  #refuse(transfer: Transfer): void {
    this.#answer(transfer, STATUS.invalid, 0, NO_DATA)
  }

  /** The header that came, with what became of the transfer. */
  #answer({ type, id, header }: Transfer, status: number, actual: number, data: Uint8Array): void {
    const answer = Buffer.from(header)
    if (type === PACKET.control) {
      answer[3] = status
      answer.writeUInt16LE(actual & 0xffff, 8)
    } else {
      answer[1] = status
      answer.writeUInt16LE(actual & 0xffff, 2)
      if (type === PACKET.bulk && this.agreed.longBulk) answer.writeUInt16LE(actual >>> 16, 8)
    }
    this.send(type, id, answer, data)
  }

  // ---- interrupt endpoints --------------------------------------------------------------------------------------------

  #startInterrupt(id: bigint, address: number): void {
    const endpoint = this.#find(address, ENDPOINT_TYPE.interrupt)
    const usable = endpoint !== undefined && (address & DIRECTION_IN) !== 0
    this.send(PACKET.interruptStatus, id, Buffer.of(usable ? STATUS.success : STATUS.invalid, address))
    if (!usable || this.#streams.has(address)) return
    const stream = { cancel: OVER }
    this.#streams.set(address, stream)
    this.#listen(endpoint, stream)
  }

  #listen(endpoint: Endpoint, stream: { cancel: Cancel }): void {
    const { address, packetSize } = endpoint
    stream.cancel = this.device.submit({ endpoint: address, data: NO_DATA, length: packetSize }, (result) => {
      if (this.#over || this.#streams.get(address) !== stream) return
      const { status, data } = result
      if (status !== 'ok' && status !== 'babble') {
        this.#streams.delete(address)
        // Who is told of a stall clears it and begins anew; after a reset or a new configuration the guest does so by itself.
        if (status === 'stall') this.send(PACKET.interruptStatus, 0n, Buffer.of(STATUS.stall, address))
        return
      }
      const header = Buffer.of(address, STATUS_OF[status], data.length & 0xff, data.length >> 8)
      this.send(PACKET.interrupt, this.#interrupts++, header, data)
      // Not at once: a device that always has something to say must not keep the thread.
      setImmediate(() => {
        if (this.#streams.get(address) === stream) this.#listen(endpoint, stream)
      })
    })
  }
}

/** @throws UsbError REDIR_PROTOCOL */
function checkLength(isIn: boolean, length: number, data: Buffer): void {
  if (data.length !== (isIn ? 0 : length)) throw violation('sends a packet whose lengths disagree')
}
