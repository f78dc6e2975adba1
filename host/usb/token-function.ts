import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import { type CommandDoor, isCommandFrame, refusal } from '../board/frames.js'
import {
  CONFIGURATION_VALUE,
  descriptorOf,
  ENDPOINT_IN,
  ENDPOINT_OUT,
  INTERFACE_NUMBER,
  PACKET_SIZE,
  REQUEST_ABORT,
  type UsbIdentity,
} from './descriptors.js'
import { UsbError } from './errors.js'
import { encodeTransfer, needsEmptyPacket, TransferReader } from './framing.js'

/** The eight bytes of a SETUP packet. */
export interface SetupPacket {
  readonly requestType: number
  readonly request: number
  readonly value: number
  readonly index: number
  readonly length: number
}

export interface InResult {
  readonly status: 'ok' | 'stall' | 'babble'
  readonly data: Uint8Array<ArrayBuffer>
}

// bmRequestType of the requests that we know, and the standard bRequest numbers (USB 2.0 §9.3, §9.4).
const IN_DEVICE = 0x80
const IN_INTERFACE = 0x81
const IN_ENDPOINT = 0x82
const OUT_DEVICE = 0x00
const OUT_INTERFACE = 0x01
const OUT_ENDPOINT = 0x02
const OUT_VENDOR_INTERFACE = 0x41
const GET_STATUS = 0
const CLEAR_FEATURE = 1
const SET_FEATURE = 3
const GET_DESCRIPTOR = 6
const GET_CONFIGURATION = 8
const SET_CONFIGURATION = 9
const GET_INTERFACE = 10
const SET_INTERFACE = 11
const ENDPOINT_HALT = 0

const SELF_POWERED = 1
const EMPTY = new Uint8Array(0)

/** Requests that the device takes in before it lets the host wait (NAK): taken, under way, or answered but not fetched. */
const WINDOW = 16

interface Outgoing {
  readonly bytes: Uint8Array<ArrayBuffer>
  sent: number
}

interface Read {
  readonly length: number
  readonly resolve: (result: InResult) => void
}

const key = (requestType: number, request: number): number => (requestType << 8) | request

/**
 * The device side of the token's USB interface: control requests and the two bulk pipes in front of a token's command
 * port. It knows no host; a virtual device, a USB/IP server or a gadget brings the bytes.
 */
export class TokenFunction {
  #configuration = 0
  #halted = new Set<number>()
  #reader = new TransferReader()
  #outgoing: Outgoing[] = []
  #reads: Read[] = []
  #inFlight = 0
  /** Answers to what was sent before an abort belong to nobody. */
  #epoch = 0
  #writing: Promise<unknown> = Promise.resolve()
  #room: (() => void)[] = []

  constructor(
    private readonly door: CommandDoor,
    readonly identity: UsbIdentity,
  ) {}

  /** 0 = not configured. */
  get configuration(): number {
    return this.#configuration
  }

  /** A control transfer: the data of its IN stage (empty for OUT), or undefined for a stall. */
  control(setup: SetupPacket): Uint8Array | undefined {
    return this.#answer(setup)?.subarray(0, setup.length)
  }

  /**
   * Bytes for the OUT pipe, in packets of any size. Resolves when the device has taken them, which may wait until the
   * host has fetched answers; 'stall' while the pipe is halted, which it is from the first byte that is no transfer on.
   */
  bulkOut(data: Uint8Array, signal?: AbortSignal): Promise<'ok' | 'stall'> {
    const epoch = this.#epoch
    const written = this.#writing.then(() => this.#write(data, epoch, signal))
    this.#writing = written.catch(() => undefined)
    return written
  }

  /**
   * Reads the IN pipe into a buffer of `length` bytes: completes when it is full or with a short packet. Babble where a
   * packet does not fit the rest of the buffer. Given up, without losing data, when the signal fires.
   */
  bulkIn(length: number, signal?: AbortSignal): Promise<InResult> {
    return new Promise((resolve, reject) => {
      const read = { length, resolve }
      const abandon = (): void => {
        this.#reads = this.#reads.filter((one) => one !== read)
        reject(signal?.reason)
      }
      if (signal?.aborted) return abandon()
      signal?.addEventListener('abort', abandon, { once: true })
      this.#reads.push(read)
      this.#deliver()
    })
  }

  /** Bus reset: as after plugging in. */
  reset(): void {
    this.#configuration = 0
    this.#abort()
  }

  // ---- control pipe -------------------------------------------------------------------------------------------------

  #answer({ requestType, request, value, index }: SetupPacket): Uint8Array | undefined {
    switch (key(requestType, request)) {
      case key(IN_DEVICE, GET_STATUS):
        return Uint8Array.of(SELF_POWERED, 0)
      case key(IN_DEVICE, GET_DESCRIPTOR):
        return descriptorOf(this.identity, value >> 8, value & 0xff)
      case key(IN_DEVICE, GET_CONFIGURATION):
        return Uint8Array.of(this.#configuration)
      case key(OUT_DEVICE, SET_CONFIGURATION):
        if (value !== 0 && value !== CONFIGURATION_VALUE) return undefined
        this.#abort()
        this.#configuration = value
        return EMPTY
    }
    return this.#configuration === 0 ? undefined : this.#configuredAnswer({ requestType, request, value, index })
  }

  #configuredAnswer({ requestType, request, value, index }: Omit<SetupPacket, 'length'>): Uint8Array | undefined {
    const ours = index === INTERFACE_NUMBER
    const endpoint = index === ENDPOINT_IN || index === ENDPOINT_OUT
    switch (key(requestType, request)) {
      case key(IN_INTERFACE, GET_STATUS):
        return ours ? Uint8Array.of(0, 0) : undefined
      case key(IN_INTERFACE, GET_INTERFACE):
        return ours ? Uint8Array.of(0) : undefined
      case key(OUT_INTERFACE, SET_INTERFACE):
        if (!ours || value !== 0) return undefined
        this.#abort()
        return EMPTY
      case key(OUT_VENDOR_INTERFACE, REQUEST_ABORT):
        if (!ours) return undefined
        this.#abort()
        return EMPTY
      case key(IN_ENDPOINT, GET_STATUS):
        return endpoint ? Uint8Array.of(this.#halted.has(index) ? 1 : 0, 0) : undefined
      case key(OUT_ENDPOINT, CLEAR_FEATURE):
        if (!endpoint || value !== ENDPOINT_HALT) return undefined
        this.#halted.delete(index)
        if (index === ENDPOINT_OUT) this.#reader = new TransferReader()
        this.#deliver()
        return EMPTY
      case key(OUT_ENDPOINT, SET_FEATURE):
        if (!endpoint || value !== ENDPOINT_HALT) return undefined
        this.#halted.add(index)
        this.#deliver()
        return EMPTY
      default:
        return undefined
    }
  }

  #abort(): void {
    this.#epoch += 1
    this.#halted.clear()
    this.#reader = new TransferReader()
    this.#outgoing = []
    this.#inFlight = 0
    this.#makeRoom()
  }

  // ---- bulk pipes ---------------------------------------------------------------------------------------------------

  async #write(data: Uint8Array, epoch: number, signal: AbortSignal | undefined): Promise<'ok' | 'stall'> {
    while (this.#inFlight >= WINDOW && this.#epoch === epoch) await this.#waitForRoom(signal)
    signal?.throwIfAborted()
    // What an abort overtook is dropped with everything else from before it.
    if (this.#epoch !== epoch) return 'ok'
    if (this.#halted.has(ENDPOINT_OUT)) return 'stall'
    try {
      for (const frame of this.#reader.push(data)) {
        if (!isCommandFrame(frame)) throw new UsbError('USB_FRAMING', 'a transfer holds no command frame')
        this.#start(frame)
      }
      return 'ok'
    } catch (thrown) {
      if (!(thrown instanceof UsbError)) throw thrown
      this.#halted.add(ENDPOINT_OUT)
      return 'stall'
    }
  }

  #start(frame: Uint8Array): void {
    const epoch = this.#epoch
    this.#inFlight += 1
    this.door
      .exchange(frame)
      // The board was reset or is gone, and its firmware will not say so.
      .catch(() => refusal(frame, RC_DEVICE_ERROR))
      .then((answer) => {
        if (this.#epoch !== epoch) return
        this.#outgoing.push({ bytes: encodeTransfer(answer), sent: 0 })
        this.#deliver()
      })
  }

  #deliver(): void {
    for (let read = this.#reads[0]; read; read = this.#reads[0]) {
      const result = this.#halted.has(ENDPOINT_IN)
        ? { status: 'stall' as const, data: EMPTY }
        : this.#fetch(read.length)
      if (!result) return
      this.#reads.shift()
      read.resolve(result)
    }
  }

  /** What the IN pipe has for a buffer of this size; undefined = nothing yet. */
  #fetch(room: number): InResult | undefined {
    const [first] = this.#outgoing
    if (!first) return undefined
    const left = first.bytes.subarray(first.sent)
    const data = left.slice(0, room)
    first.sent += data.length
    // A packet that is larger than what the host has room for overruns its buffer: the rest of the packet is lost.
    const babble = data.length < left.length && room % PACKET_SIZE !== 0
    if (babble) first.sent = Math.min(first.bytes.length, Math.ceil(first.sent / PACKET_SIZE) * PACKET_SIZE)
    // A full buffer completes a read before the empty packet comes: that one is for the next read.
    const emptyPacketWaits = data.length > 0 && data.length === room && needsEmptyPacket(first.bytes.length)
    if (first.sent === first.bytes.length && !emptyPacketWaits) {
      this.#outgoing.shift()
      this.#inFlight -= 1
      this.#makeRoom()
    }
    return { status: babble ? 'babble' : 'ok', data }
  }

  #waitForRoom(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#room.push(resolve)
      signal?.addEventListener('abort', () => resolve(), { once: true })
    }).then(() => signal?.throwIfAborted())
  }

  #makeRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve()
  }
}
