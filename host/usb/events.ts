import { withdraw } from './command-pipes.js'
import { type Cancel, type Complete, outcome, type UrbStatus } from './urb.js'

// The interrupt pipe: the device tells the host that something has happened (SPEC.md §9). A packet is 4 bytes:
// event ∥ detail ∥ 0000.

/** Names of the events and their numbers on the wire. */
export const USB_EVENTS = {
  /** A person has to attend to the PED; detail: 0 = at the HSM's own connector, 1 = remote. */
  attend: 1,
  /** The tamper line rose; detail: TAMPER_… of assembly/protocol.ts. */
  tamper: 2,
  /** The device will leave the bus. */
  removal: 3,
  /** A frame for the remote PED waits. */
  pedFrame: 4,
  /** The HSM has let the remote PED go. */
  pedGone: 5,
} as const

export type UsbEventName = keyof typeof USB_EVENTS

export interface UsbEvent {
  readonly event: UsbEventName
  readonly detail: number
}

export const EVENT_LENGTH = 4

export function encodeEvent({ event, detail }: UsbEvent): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(USB_EVENTS[event], detail & 0xff, 0, 0)
}

const names = new Map<number, UsbEventName>()
for (const event of ['attend', 'tamper', 'removal', 'pedFrame', 'pedGone'] as const) names.set(USB_EVENTS[event], event)

/** Undefined = an event of another version of this interface. */
export function decodeEvent(bytes: Uint8Array): UsbEvent | undefined {
  const [number = 0, detail = 0] = bytes
  const event = bytes.length === EVENT_LENGTH ? names.get(number) : undefined
  return event && { event, detail }
}

interface Read {
  readonly length: number
  readonly complete: Complete
}

/** The device's side of the interrupt pipe. What happens again before it was told is told once. */
export class EventPipe {
  #waiting: UsbEvent[] = []
  readonly #reads: Read[] = []
  #halted = false

  raise(event: UsbEventName, detail = 0): void {
    if (this.#waiting.some((one) => one.event === event && one.detail === detail)) return
    this.#waiting.push({ event, detail })
    this.#deliver()
  }

  in(length: number, complete: Complete): Cancel {
    const read: Read = { length, complete }
    this.#reads.push(read)
    this.#deliver()
    return () => withdraw(this.#reads, read)
  }

  get halted(): boolean {
    return this.#halted
  }

  set halted(halted: boolean) {
    this.#halted = halted
    this.#deliver()
  }

  /** Drops what nobody has heard and ends every transfer with this status. */
  end(status: UrbStatus): void {
    this.#waiting = []
    this.#halted = false
    for (const { complete } of this.#reads.splice(0)) complete(outcome(status))
  }

  #deliver(): void {
    for (let read = this.#reads[0]; read; read = this.#reads[0]) {
      if (this.#halted) {
        this.#reads.shift()
        read.complete(outcome('stall'))
        continue
      }
      const event = this.#waiting.shift()
      if (!event) return
      this.#reads.shift()
      const packet = encodeEvent(event)
      const data = packet.slice(0, read.length)
      read.complete({ status: data.length < packet.length ? 'babble' : 'ok', data, actual: data.length })
    }
  }
}
