// A usbredir guest in user space, its numbers written down a second time: what QEMU is to a usbredir server, for tests.
import { connect, type Socket } from 'node:net'
import { ByteQueue } from '../../host/usb/byte-queue.js'
import {
  type Cancel,
  type Complete,
  isInUrb,
  OVER,
  outcome,
  type Urb,
  type UrbPort,
  type UrbStatus,
} from '../../host/usb/urb.js'

/** Device version, filter, disconnect ack, max packet size, 64-bit ids, 32-bit bulk lengths. */
export const ALL_CAPABILITIES = 0b1111110

export interface Packet {
  readonly type: number
  readonly id: bigint
  readonly body: Buffer
}

export const TYPES = {
  hello: 0,
  connect: 1,
  disconnect: 2,
  reset: 3,
  interfaces: 4,
  endpoints: 5,
  setConfiguration: 6,
  getConfiguration: 7,
  configurationStatus: 8,
  setAlternate: 9,
  getAlternate: 10,
  alternateStatus: 11,
  startIsochronous: 12,
  isochronousStatus: 14,
  startInterrupt: 15,
  stopInterrupt: 16,
  interruptStatus: 17,
  cancel: 21,
  reject: 22,
  filter: 23,
  ack: 24,
  control: 100,
  bulk: 101,
  interrupt: 103,
} as const

export function packet(type: number, id: number, body: Uint8Array, longIds: boolean): Buffer {
  const header = Buffer.alloc(longIds ? 16 : 12)
  header.writeUInt32LE(type)
  header.writeUInt32LE(body.length, 4)
  header.writeUInt32LE(id, 8)
  return Buffer.concat([header, body])
}

export function hello(capabilities = ALL_CAPABILITIES): Buffer {
  const body = Buffer.alloc(68)
  body.write('a guest')
  body.writeUInt32LE(capabilities, 64)
  return packet(TYPES.hello, 0, body, false)
}

export function control(setup: string, endpoint: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.from(setup, 'hex')
  const [requestType = 0, request = 0] = bytes
  return Buffer.concat([Buffer.of(endpoint, request, requestType, 0), bytes.subarray(2, 8), data])
}

export function bulk(endpoint: number, length: number, data: Uint8Array = Buffer.alloc(0), stream = 0): Buffer {
  const header = Buffer.alloc(10)
  header[0] = endpoint
  header.writeUInt16LE(length & 0xffff, 2)
  header.writeUInt32LE(stream, 4)
  header.writeUInt16LE(length >>> 16, 8)
  return Buffer.concat([header, data])
}

const STATUSES: readonly UrbStatus[] = ['ok', 'reset', 'absent', 'refused', 'stall', 'gone', 'babble']
const EVENTS = 0x82

export class RedirGuest implements UrbPort {
  readonly packets: Packet[] = []
  readonly closed: Promise<void>
  over = false
  hasDevice = false
  /** That the device is gone, at once. */
  acknowledges = true
  readonly #queue = new ByteQueue()
  readonly #pending = new Map<
    bigint,
    { readonly isIn: boolean; readonly header: number; readonly complete: Complete }
  >()
  #reads: Complete[] = []
  #events: Buffer[] = []
  #listening = false
  #last = 0
  #longIds = false
  #heard = false
  #news: (() => void)[] = []

  private constructor(
    readonly socket: Socket,
    private readonly capabilities: number,
  ) {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      this.#queue.push(bytes)
      while (this.#packet()) {}
      this.#tell()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.over = true
        this.#lost()
        this.#tell()
        resolve()
      })
    })
  }

  static open(port: number, capabilities = ALL_CAPABILITIES): Promise<RedirGuest> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RedirGuest(socket, capabilities)))
    })
  }

  /** A guest that has greeted and been given the device. */
  static async attached(port: number, capabilities = ALL_CAPABILITIES): Promise<RedirGuest> {
    const guest = await RedirGuest.open(port, capabilities)
    guest.greet()
    await guest.until(() => guest.hasDevice)
    return guest
  }

  greet(): void {
    this.socket.write(hello(this.capabilities))
    this.#longIds = (this.capabilities & (1 << 5)) !== 0
  }

  send(type: number, id: number, body: Uint8Array = Buffer.alloc(0)): void {
    if (!this.socket.destroyed) this.socket.write(packet(type, id, body, this.#longIds))
  }

  /** Waits until this holds; rejects where the connection ends before. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.over) throw new Error('the connection ended')
      await new Promise<void>((resolve) => this.#news.push(resolve))
    }
  }

  /** The next packet of this type that was not fetched yet. */
  async next(type: number): Promise<Packet> {
    const at = (): number => this.packets.findIndex((one) => one.type === type)
    await this.until(() => at() >= 0)
    const [found] = this.packets.splice(at(), 1)
    if (!found) throw new Error('unreachable')
    return found
  }

  // ---- as a port for URBs ---------------------------------------------------------------------------------------------

  submit(urb: Urb, complete: Complete): Cancel {
    if (!this.hasDevice) {
      complete(outcome('gone'))
      return OVER
    }
    if (urb.endpoint === EVENTS) return this.#read(complete)
    this.#last += 1
    const id = this.#last
    const isIn = isInUrb(urb)
    const { setup, data, length, endpoint } = urb
    const settings = setup && (setup.requestType === 0 || setup.requestType === 1) ? setup.request : 0
    const header = settings === 9 || settings === 11 ? 0 : 10
    this.#pending.set(BigInt(id), { isIn, header, complete })
    if (setup && settings === 9) this.send(TYPES.setConfiguration, id, Buffer.of(setup.value))
    else if (setup && settings === 11) this.send(TYPES.setAlternate, id, Buffer.of(setup.index, setup.value))
    else if (setup) this.send(TYPES.control, id, Buffer.concat([controlOf(urb, isIn), data]))
    else this.send(TYPES.bulk, id, bulk(endpoint, isIn ? length : data.length, data))
    return () => {
      if (!this.#pending.delete(BigInt(id))) return false
      this.send(TYPES.cancel, id)
      return true
    }
  }

  reset(): void {
    this.send(TYPES.reset, 0)
    this.#endReads('reset')
  }

  #read(complete: Complete): Cancel {
    this.#reads.push(complete)
    if (!this.#listening) this.send(TYPES.startInterrupt, 0, Buffer.of(EVENTS))
    this.#listening = true
    this.#deliver()
    return () => {
      const at = this.#reads.indexOf(complete)
      if (at >= 0) this.#reads.splice(at, 1)
      return at >= 0
    }
  }

  #deliver(): void {
    while (this.#reads.length > 0 && this.#events.length > 0) {
      const data = Uint8Array.from(this.#events.shift() ?? [])
      this.#reads.shift()?.({ status: 'ok', data, actual: data.length })
    }
  }

  #endReads(status: UrbStatus): void {
    this.#listening = false
    for (const complete of this.#reads.splice(0)) complete(outcome(status))
  }

  #lost(): void {
    this.hasDevice = false
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { complete } of pending) complete(outcome('gone'))
    this.#endReads('gone')
  }

  // ---- packets --------------------------------------------------------------------------------------------------------

  #packet(): boolean {
    const own = this.#heard && this.#longIds ? 16 : 12
    if (this.#queue.length < own) return false
    const header = this.#queue.peek(own)
    const [type, length] = [header.readUInt32LE(), header.readUInt32LE(4)]
    const id = own === 16 ? header.readBigUInt64LE(8) : BigInt(header.readUInt32LE(8))
    if (this.#queue.length < own + length) return false
    this.#queue.skip(own)
    const body = Buffer.from(length > 0 ? this.#queue.take(length) : [])
    this.#take({ type, id, body })
    return true
  }

  #take(one: Packet): void {
    const { type, id, body } = one
    if (type === TYPES.hello) this.#heard = true
    if (type === TYPES.connect) this.hasDevice = true
    if (type === TYPES.disconnect) {
      this.#lost()
      if (this.acknowledges && this.capabilities & (1 << 3)) this.send(TYPES.ack, 0)
    }
    if (type === TYPES.interrupt && this.#listening) {
      this.#events.push(body.subarray(4))
      this.#deliver()
    }
    if (type === TYPES.interruptStatus && body[0] !== 0 && this.#listening) this.#endReads('stall')
    const pending = this.#pending.get(id)
    if (!pending || type < TYPES.configurationStatus || type === TYPES.interrupt || type === TYPES.interruptStatus) {
      this.packets.push(one)
      return
    }
    this.#pending.delete(id)
    if (pending.header === 0) {
      if (body[0] === 0) this.#endReads('reset')
      pending.complete(outcome(STATUSES[body[0] ?? 2] ?? 'refused'))
      return
    }
    const isControl = type === TYPES.control
    const status = STATUSES[body[isControl ? 3 : 1] ?? 3] ?? 'refused'
    const actual = isControl ? body.readUInt16LE(8) : body.readUInt16LE(2) + body.readUInt16LE(8) * 0x10000
    pending.complete({ status, data: Uint8Array.from(body.subarray(pending.header)), actual })
  }

  #tell(): void {
    for (const resolve of this.#news.splice(0)) resolve()
  }
}

function controlOf({ setup }: Urb, isIn: boolean): Buffer {
  const header = Buffer.alloc(10)
  if (!setup) return header
  header.set([isIn ? 0x80 : 0, setup.request, setup.requestType])
  header.writeUInt16LE(setup.value, 4)
  header.writeUInt16LE(setup.index, 6)
  header.writeUInt16LE(setup.length, 8)
  return header
}
