import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import { type CommandDoor, isCommandFrame, refusal } from '../board/frames.js'
import { ENDPOINT_IN, ENDPOINT_OUT, PACKET_SIZE } from './descriptors.js'
import { UsbError } from './errors.js'
import { encodeTransfer, needsEmptyPacket, TransferReader } from './framing.js'
import { type Cancel, type Complete, outcome, type UrbResult, type UrbStatus } from './urb.js'

/** Requests that the device takes in before it lets the host wait (NAK): taken, under way, or answered but not fetched. */
const WINDOW = 16

interface Outgoing {
  readonly bytes: Uint8Array<ArrayBuffer>
  sent: number
}

interface Write {
  readonly data: Uint8Array
  taken: number
  readonly complete: Complete
}

interface Read {
  readonly length: number
  readonly complete: Complete
}

/** Takes an entry out of a queue; false = it is no longer in there. */
export function withdraw<Entry>(queue: Entry[], entry: Entry): boolean {
  const at = queue.indexOf(entry)
  if (at < 0) return false
  queue.splice(at, 1)
  return true
}

/** The device's side of the two bulk pipes: command frames in, answers out (SPEC.md §9). */
export class CommandPipes {
  readonly #halted = new Set<number>()
  #reader = new TransferReader()
  #outgoing: Outgoing[] = []
  readonly #reads: Read[] = []
  readonly #writes: Write[] = []
  #inFlight = 0
  /** Answers to what was sent before an abort belong to nobody. */
  #epoch = 0
  #pumping = false

  constructor(private readonly door: CommandDoor) {}

  /**
   * Bytes for the OUT pipe, in pieces of any size. Over when the device has taken them all, which may wait until the host
   * has fetched answers; 'stall' while the pipe is halted, which it is from the first byte that is no transfer on.
   */
  out(data: Uint8Array, complete: Complete): Cancel {
    const write: Write = { data, taken: 0, complete }
    this.#writes.push(write)
    this.#pump()
    return () => withdraw(this.#writes, write)
  }

  /**
   * Reads the IN pipe into a buffer of `length` bytes: over when it is full or with a short packet. Babble where a packet
   * does not fit the rest of the buffer. Giving it up loses no data.
   */
  in(length: number, complete: Complete): Cancel {
    const read: Read = { length, complete }
    this.#reads.push(read)
    this.#deliver()
    return () => withdraw(this.#reads, read)
  }

  isHalted(endpoint: number): boolean {
    return this.#halted.has(endpoint)
  }

  halt(endpoint: number): void {
    this.#halted.add(endpoint)
    this.#pump()
    this.#deliver()
  }

  clearHalt(endpoint: number): void {
    this.#halted.delete(endpoint)
    if (endpoint === ENDPOINT_OUT) this.#reader = new TransferReader()
    this.#deliver()
  }

  /** Drops half a transfer, all answers not fetched and all halts. What the host is still writing is dropped as it comes. */
  abort(): void {
    this.#epoch += 1
    this.#halted.clear()
    this.#reader = new TransferReader()
    this.#outgoing = []
    this.#inFlight = 0
    for (const { data, complete } of this.#writes.splice(0)) complete(outcome('ok', data.length))
  }

  /** The same, and ends every transfer with this status. */
  end(status: UrbStatus): void {
    const pending = [...this.#writes.splice(0), ...this.#reads.splice(0)]
    this.abort()
    for (const { complete } of pending) complete(outcome(status))
  }

  // ---- OUT ------------------------------------------------------------------------------------------------------------

  #pump(): void {
    // Whoever is told that a transfer is over may begin the next one.
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let write = this.#writes[0]; write; write = this.#writes[0]) {
        const status = this.#take(write)
        if (!status) return
        if (withdraw(this.#writes, write)) write.complete(outcome(status, write.taken))
      }
    } finally {
      this.#pumping = false
    }
  }

  /** How a write ended; undefined = there is no room for the rest of it. */
  #take(write: Write): 'ok' | 'stall' | undefined {
    if (this.#halted.has(ENDPOINT_OUT)) return 'stall'
    try {
      while (write.taken < write.data.length) {
        if (this.#inFlight >= WINDOW) return undefined
        const { used, frame } = this.#reader.next(write.data.subarray(write.taken))
        write.taken += used
        if (!frame) continue
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

  // ---- IN -------------------------------------------------------------------------------------------------------------

  #deliver(): void {
    for (let read = this.#reads[0]; read; read = this.#reads[0]) {
      const result = this.#halted.has(ENDPOINT_IN) ? outcome('stall') : this.#fetch(read.length)
      if (!result) return
      this.#reads.shift()
      read.complete(result)
    }
  }

  /** What the IN pipe has for a buffer of this size; undefined = nothing yet. */
  #fetch(room: number): UrbResult | undefined {
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
      // Not before the read is told of its answer: what comes next must not overtake it.
      queueMicrotask(() => this.#pump())
    }
    return { status: babble ? 'babble' : 'ok', data, actual: data.length }
  }
}
