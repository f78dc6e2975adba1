// A USB/IP host of bytes: says what a test tells it to, reads what comes.
import { connect, type Socket } from 'node:net'
import { ByteQueue } from '../../host/usb/byte-queue.js'
import { encodeImportRequest, URB_HEADER } from '../../host/usb/usbip-wire.js'

export interface Answer {
  readonly kind: number
  readonly sequence: number
  readonly status: number
  readonly actual: number
  readonly data: Buffer
}

export interface RawSubmit {
  readonly sequence: number
  readonly deviceId?: number
  readonly isIn?: boolean
  readonly endpoint?: number
  readonly flags?: number
  readonly length?: number
  readonly packets?: number
  /** Eight bytes in hexadecimal. */
  readonly setup?: string
  readonly data?: Uint8Array
}

/** CMD_SUBMIT, written down here a second time: the fields where the kernel's documentation has them. */
export function submit(one: RawSubmit): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  const { sequence, deviceId = 0x10001, isIn = false, endpoint = 0, flags = 0, packets = 0xffffffff, setup = '' } = one
  const numbers = [
    1,
    sequence,
    deviceId,
    isIn ? 1 : 0,
    endpoint,
    flags,
    one.length ?? one.data?.length ?? 0,
    0,
    packets,
  ]
  numbers.forEach((value, i) => {
    header.writeUInt32BE(value, 4 * i)
  })
  header.write(setup, 40, 'hex')
  return Buffer.concat([header, one.data ?? Buffer.alloc(0)])
}

export function unlink(sequence: number, target: number, deviceId = 0x10001): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  for (const [i, value] of [2, sequence, deviceId, 0, 0, target].entries()) header.writeUInt32BE(value, 4 * i)
  return header
}

export const getDescriptor = (sequence: number, type: number, length: number): Buffer =>
  submit({ sequence, isIn: true, length, setup: `800600${hex(type)}0000${hex(length & 0xff)}${hex(length >> 8)}` })
export const setConfiguration = (sequence: number): Buffer => submit({ sequence, setup: '0009010000000000' })

const hex = (value: number): string => value.toString(16).padStart(2, '0')

export class RawPeer {
  readonly closed: Promise<void>
  readonly #queue = new ByteQueue()
  #waiting: (() => void) | undefined
  #over = false
  /** Numbers of IN transfers whose answers have data. */
  readonly #reads = new Set<number>()

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      this.#queue.push(bytes)
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#over = true
        this.#wake()
        resolve()
      })
    })
  }

  static open(port: number): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawPeer(socket)))
    })
  }

  /** Imports a device; the answer's device record. */
  static async import(port: number, busId: string): Promise<{ peer: RawPeer; record: Buffer }> {
    const peer = await RawPeer.open(port)
    peer.send(encodeImportRequest(busId))
    const record = await peer.read(320)
    return { peer, record: record.subarray(8) }
  }

  get over(): boolean {
    return this.#over
  }

  send(...messages: Uint8Array[]): void {
    for (const message of messages) {
      const bytes = Buffer.from(message)
      if (bytes.length >= URB_HEADER && bytes.readUInt32BE() === 1 && bytes.readUInt32BE(12) === 1) {
        this.#reads.add(bytes.readUInt32BE(4))
      }
      if (!this.socket.destroyed) this.socket.write(bytes)
    }
  }

  /** Rejects where the connection ends before. */
  async read(count: number): Promise<Buffer> {
    while (this.#queue.length < count) {
      if (this.#over) throw new Error(`the connection ended; ${this.#queue.length} of ${count} bytes came`)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
    return this.#queue.take(count)
  }

  /** Everything until the connection ends. */
  async rest(): Promise<Buffer> {
    await this.closed
    return this.#queue.take(this.#queue.length)
  }

  async answer(): Promise<Answer> {
    const header = await this.read(URB_HEADER)
    const [kind, sequence, actual] = [header.readUInt32BE(), header.readUInt32BE(4), header.readUInt32BE(24)]
    const length = kind === 3 && this.#reads.delete(sequence) ? actual : 0
    return { kind, sequence, status: header.readInt32BE(20), actual, data: await this.read(length) }
  }

  end(): void {
    this.socket.destroy()
  }

  #wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }
}
