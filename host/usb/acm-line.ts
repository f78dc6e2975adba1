import { Duplex } from 'node:stream'
import { ACM_CONTROL, ACM_EVENTS, ACM_IN, ACM_OUT } from './acm-descriptors.js'
import { ByteQueue } from './byte-queue.js'
import { withdraw } from './command-pipes.js'
import { type Cancel, type Complete, outcome, type Urb, type UrbStatus } from './urb.js'

/** Bytes that wait for a host which has the port open and does not fetch them; what comes then is lost, as on any serial line. */
const MOST_WAITING = 65_536
/** SERIAL_STATE (PSTN 1.2 §6.5.4): bmRequestType, bNotification; carrier and data set ready. */
const [NOTIFICATION, SERIAL_STATE, CARRIER] = [0xa1, 0x20, 0x03]

interface Pending {
  readonly urb: Urb
  readonly complete: Complete
}

/** The three pipes of a serial port at a USB device, and the stream that is this end of its line. */
export class AcmLine {
  /** By endpoint. */
  readonly #pending = new Map<number, Pending[]>([
    [ACM_OUT, []],
    [ACM_IN, []],
    [ACM_EVENTS, []],
  ])
  readonly #halted = new Set<number>()
  readonly #toHost = new ByteQueue()
  #end: LineEnd | undefined
  /** The host has the port open (DTR). */
  #isOpen = false
  /** The carrier has changed since the host has heard of it. */
  #isNews = false

  /** Plugs something into this end; what was there is pulled out. */
  open(): Duplex {
    this.#end?.destroy()
    const end = new LineEnd({
      wanted: () => this.#receive(),
      send: (bytes) => this.#send(bytes),
      closed: () => {
        if (this.#end !== end) return
        this.#end = undefined
        this.#carrier()
      },
    })
    this.#end = end
    this.#carrier()
    return end
  }

  /** DTR, as the host has it. A port that nobody has open takes nothing, and keeps nothing. */
  set isOpen(isOpen: boolean) {
    this.#isOpen = isOpen
    if (!isOpen) this.#toHost.clear()
  }

  submit(urb: Urb, complete: Complete): Cancel {
    const queue = this.#pending.get(urb.endpoint) ?? []
    const pending: Pending = { urb, complete }
    queue.push(pending)
    this.#serve(urb.endpoint)
    return () => withdraw(queue, pending)
  }

  isHalted(endpoint: number): boolean {
    return this.#halted.has(endpoint)
  }

  halt(endpoint: number, halted: boolean): void {
    if (halted) this.#halted.add(endpoint)
    else this.#halted.delete(endpoint)
    this.#serve(endpoint)
  }

  /** The host begins anew, or has gone: its transfers end with this status. What is plugged in at this end stays. */
  reset(status: UrbStatus): void {
    this.isOpen = false
    this.#halted.clear()
    this.#isNews = this.#end !== undefined
    for (const queue of this.#pending.values()) {
      for (const { complete } of queue.splice(0)) complete(outcome(status))
    }
  }

  #serve(endpoint: number): void {
    const queue = this.#pending.get(endpoint) ?? []
    if (this.#halted.has(endpoint)) {
      for (const { complete } of queue.splice(0)) complete(outcome('stall'))
    } else if (endpoint === ACM_OUT) this.#receive()
    else this.#deliver(endpoint, queue)
  }

  #deliver(endpoint: number, queue: Pending[]): void {
    for (let first = queue[0]; first; first = queue[0]) {
      const data = endpoint === ACM_IN ? this.#fetch(first.urb.length) : this.#news(first.urb.length)
      if (!data) return
      queue.shift()
      first.complete({ status: 'ok', data, actual: data.length })
    }
  }

  #fetch(room: number): Uint8Array<ArrayBuffer> | undefined {
    const length = Math.min(room, this.#toHost.length)
    return length > 0 || room === 0 ? Uint8Array.from(this.#toHost.take(length)) : undefined
  }

  #news(room: number): Uint8Array<ArrayBuffer> | undefined {
    if (!this.#isNews) return undefined
    this.#isNews = false
    const state = this.#end ? CARRIER : 0
    return Uint8Array.of(NOTIFICATION, SERIAL_STATE, 0, 0, ACM_CONTROL, 0, 2, 0, state, 0).slice(0, room)
  }

  #carrier(): void {
    this.#isNews = true
    this.#serve(ACM_EVENTS)
  }

  #send(bytes: Buffer): void {
    if (!this.#isOpen || this.#toHost.length + bytes.length > MOST_WAITING) return
    this.#toHost.push(Buffer.from(bytes))
    this.#serve(ACM_IN)
  }

  /** From the host to whatever is plugged in; where that does not take it, the host waits. Without anything it is lost. */
  #receive(): void {
    const queue = this.#pending.get(ACM_OUT) ?? []
    for (let first = queue[0]; first; first = queue[0]) {
      const { data } = first.urb
      if (this.#end?.isFull) return
      queue.shift()
      this.#end?.arrive(Buffer.from(data))
      first.complete(outcome('ok', data.length))
    }
  }
}

interface Port {
  wanted(): void
  send(bytes: Buffer): void
  closed(): void
}

/** What is plugged into the device's end of the line. */
class LineEnd extends Duplex {
  #isFull = false

  constructor(private readonly port: Port) {
    super()
  }

  get isFull(): boolean {
    return this.#isFull
  }

  arrive(bytes: Buffer): void {
    if (bytes.length > 0) this.#isFull = !this.push(bytes)
  }

  override _read(): void {
    this.#isFull = false
    this.port.wanted()
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.port.send(bytes)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.port.closed()
    done(error)
  }
}
