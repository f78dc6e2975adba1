import { withdraw } from './command-pipes.js'
import { type Cancel, type Complete, NO_DATA, outcome, type Urb, type UrbStatus } from './urb.js'
import { bytesOf, statusOfRejection } from './web-usb-calls.js'

// Transfers of one endpoint on their way to a WebUSB device: queued here, one at a time there. WebUSB cannot take a transfer
// back, so one that its host gives up goes on at the device.

/** What came in, and what ended it: a short packet, or why no more came. Undefined = nothing did, more packets belong to it. */
interface Arrival {
  readonly data: Uint8Array
  readonly end: 'short' | Exclude<UrbStatus, 'ok'> | undefined
}

interface Waiting {
  readonly length: number
  readonly complete: Complete
}

/** How a pipe learns that its device is gone. */
export type OnGone = () => void

/**
 * Bulk or interrupt IN. What a transfer that was given up still brings belongs to the next one: packets are neither lost nor
 * put into another order.
 */
export class WebUsbInPipe {
  readonly #urbs: Waiting[] = []
  #arrived: Arrival[] = []
  #reading = false
  #era = 0

  /** @param read reads at most this many bytes, a whole number of packets */
  constructor(
    private readonly packetSize: number,
    private readonly read: (length: number) => Promise<USBInTransferResult>,
    private readonly onGone: OnGone,
  ) {}

  submit({ length }: Urb, complete: Complete): Cancel {
    const urb: Waiting = { length, complete }
    this.#urbs.push(urb)
    this.#serve()
    return () => withdraw(this.#urbs, urb)
  }

  /** Ends every transfer with this status and forgets what has come. */
  end(status: UrbStatus): void {
    this.#era += 1
    this.#reading = false
    this.#arrived = []
    for (const { complete } of this.#urbs.splice(0)) complete(outcome(status))
  }

  #serve(): void {
    for (let urb = this.#urbs[0]; urb; urb = this.#urbs[0]) {
      const room = Math.max(1, Math.ceil(urb.length / this.packetSize)) * this.packetSize
      const have = this.#arrived.reduce((sum, { data }) => sum + data.length, 0)
      if (have < room && this.#arrived.every(({ end }) => end === undefined)) {
        // The first packet alone: where its host gives the transfer up, no more than that is still asked for.
        this.#read(have === 0 ? this.packetSize : room - have)
        return
      }
      this.#urbs.shift()
      const { data, end } = this.#take(room)
      // Whole packets are asked for, and some devices (QEMU's) fill what they are asked for: what is too much is left out.
      const fits = data.slice(0, urb.length)
      urb.complete({ status: end === undefined || end === 'short' ? 'ok' : end, data: fits, actual: fits.length })
    }
  }

  #take(room: number): { data: Uint8Array<ArrayBuffer>; end: Arrival['end'] } {
    const parts: Uint8Array[] = []
    let [taken, end]: [number, Arrival['end']] = [0, undefined]
    while (taken < room && end === undefined) {
      const first = this.#arrived.shift()
      if (!first) break
      const part = first.data.subarray(0, room - taken)
      parts.push(part)
      taken += part.length
      const isFull = taken === room
      // What ends a full transfer is not part of it: the empty packet, or the stall, is the next one's.
      if (isFull && (first.end !== undefined || part.length < first.data.length)) {
        this.#arrived.unshift({ data: first.data.subarray(part.length), end: first.end })
      } else end = first.end
    }
    return { data: new Uint8Array(Buffer.concat(parts)), end }
  }

  async #read(length: number): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    const era = this.#era
    const arrival = await this.#arrival(length)
    if (era !== this.#era) return
    this.#reading = false
    if (arrival.end === 'gone') {
      this.onGone()
      return
    }
    this.#arrived.push(arrival)
    this.#serve()
  }

  async #arrival(length: number): Promise<Arrival> {
    try {
      const { status, data } = await this.read(length)
      const bytes = bytesOf(data)
      if (status && status !== 'ok') return { data: bytes, end: status }
      return { data: bytes, end: bytes.length < length ? 'short' : undefined }
    } catch (error) {
      return { data: NO_DATA, end: statusOfRejection(error) }
    }
  }
}

interface Sending {
  readonly data: Uint8Array
  readonly zeroPacket: boolean
  /** Undefined = it was given up. */
  complete: Complete | undefined
}

/** Bulk or interrupt OUT. A transfer that is given up before its turn is never sent; one that has begun is sent to its end. */
export class WebUsbOutPipe {
  readonly #urbs: Sending[] = []
  #sending = false
  #era = 0

  constructor(
    private readonly packetSize: number,
    private readonly write: (data: Uint8Array<ArrayBuffer>) => Promise<USBOutTransferResult>,
    private readonly onGone: OnGone,
  ) {}

  submit({ data, zeroPacket = false }: Urb, complete: Complete): Cancel {
    const urb: Sending = { data, zeroPacket, complete }
    this.#urbs.push(urb)
    this.#serve()
    return () => {
      if (!urb.complete) return false
      urb.complete = undefined
      withdraw(this.#urbs, urb)
      return true
    }
  }

  end(status: UrbStatus): void {
    this.#era += 1
    this.#sending = false
    for (const urb of this.#urbs.splice(0)) finish(urb, status, 0)
  }

  async #serve(): Promise<void> {
    if (this.#sending) return
    const era = this.#era
    this.#sending = true
    for (let urb = this.#urbs[0]; urb; urb = this.#urbs[0]) {
      const { status, actual } = await this.#send(urb)
      if (era !== this.#era) return
      if (status === 'gone') {
        this.onGone()
        return
      }
      withdraw(this.#urbs, urb)
      finish(urb, status, actual)
    }
    this.#sending = false
  }

  async #send({ data, zeroPacket }: Sending): Promise<{ status: UrbStatus; actual: number }> {
    try {
      const { status, bytesWritten } = await this.write(new Uint8Array(data))
      if (status && status !== 'ok') return { status, actual: bytesWritten }
      if (zeroPacket && data.length > 0 && data.length % this.packetSize === 0) await this.write(new Uint8Array(0))
      return { status: 'ok', actual: bytesWritten }
    } catch (error) {
      return { status: statusOfRejection(error), actual: 0 }
    }
  }
}

function finish(urb: Sending, status: UrbStatus, actual: number): void {
  const { complete } = urb
  urb.complete = undefined
  complete?.(outcome(status, actual))
}
