import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { FrameLink } from '../board/frame-link.js'
import { type PedClock, realPedClock } from './clock.js'
import { encodePacket, PacketReader } from './line-code.js'

/** Kinds of packets (SPEC.md §5.2). */
const HERE = 1
const FRAME = 2
const TAKEN = 3
const GONE = 4
const HEAD = 6
const ROLES = { hsm: 0, ped: 1 } as const

/** Milliseconds between two HERE packets. */
export const LINE_HERE = 500
/** HERE intervals without a word from the other end after which nobody is there. */
const SILENT = 4
/** Intervals after which a frame that was not confirmed is sent again, and how often. */
const RESEND_MAX = 8
/** Frames that may wait for the line. */
const QUEUE_MAX = 16

export interface SerialLineOptions {
  readonly stream: Duplex
  /** Which end this is. */
  readonly role: keyof typeof ROLES
  /** Real time unless given. */
  readonly clock?: PedClock
  /** Somebody is at the other end; called again whenever the line is restored. What it throws hangs up. */
  readonly onLink: (link: FrameLink) => void
  readonly onEvent?: (event: SerialEvent) => void
}

/** What happened on a serial line. */
export type SerialEvent =
  | { readonly event: 'line-up' }
  | { readonly event: 'line-down'; readonly reason: string }
  /** Two stations of the other kind are on the line: only the first one is served. */
  | { readonly event: 'conflict' }
  /** So many pieces that were no packets, in all. */
  | { readonly event: 'noise'; readonly pieces: number }

/** One connection between two stations; it ends when either is restarted, silent or pulled out. */
class LineLink implements FrameLink {
  /** Number of the frame sent next and of the one expected next, modulo 256. */
  sending = 0
  expecting = 0
  readonly queue: Uint8Array[] = []
  /** How often the first frame of the queue was sent. */
  sent = 0
  #frame: ((frame: Uint8Array) => void) | undefined
  #close: (() => void) | undefined
  readonly #early: Uint8Array[] = []
  open = true

  constructor(
    readonly peer: number,
    private readonly line: { pump(): void; hangUp(reason: string): void },
  ) {}

  send(frame: Uint8Array): void {
    if (!this.open) return
    if (this.queue.length < QUEUE_MAX) {
      this.queue.push(Uint8Array.from(frame))
      this.line.pump()
    } else {
      this.line.hangUp('too many frames wait for the line')
    }
  }

  arrive(frame: Uint8Array): void {
    if (this.#frame) this.#frame(frame)
    else this.#early.push(frame)
  }

  onFrame(handler: (frame: Uint8Array) => void): void {
    this.#frame = handler
    for (const frame of this.#early.splice(0)) handler(frame)
  }

  onClose(handler: () => void): void {
    this.#close = handler
  }

  close(): void {
    this.line.hangUp('hung up')
  }

  ended(): void {
    this.open = false
    this.#close?.()
  }
}

/**
 * One end of a serial line between an HSM and a PED. Both ends say every LINE_HERE that they are there, and whom they hear; a link stands
 * while each hears the other. Frames are confirmed one by one and sent again where they were not, so noise delays them only.
 */
export class SerialLine {
  readonly #options: SerialLineOptions
  readonly #clock: PedClock
  readonly #reader = new PacketReader()
  readonly #stop = new AbortController()
  /** Name of this station, a new one for each link: a frame of an earlier link belongs to nobody. */
  #self = newName()
  /** Who was heard last, and how many intervals ago. */
  #heard: { readonly name: number; silent: number } | undefined
  #link: LineLink | undefined
  #noise = 0
  #conflict = false
  /** Nothing that comes counts any more. */
  #closing = false

  constructor(options: SerialLineOptions) {
    this.#options = options
    this.#clock = options.clock ?? realPedClock
    const { stream } = options
    stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    stream.on('error', () => undefined)
    stream.once('close', () => this.close())
    stream.once('end', () => this.close())
    void this.#beat()
  }

  /** Somebody is at the other end. */
  get up(): boolean {
    return this.#link !== undefined
  }

  /** Pulls this end out; the stream is ended. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.hangUp('the line is closed')
    this.#stop.abort()
    this.#options.stream.destroy()
  }

  /** Ends the link that stands, and says so; the line is there for the next one. */
  hangUp(reason: string): void {
    const name = this.#self
    this.#endLink(reason, () => this.#write(GONE, 0, new Uint8Array(0), name))
  }

  /** @param tell called last: this end is ready for the next link then */
  #endLink(reason: string, tell: () => void = () => undefined): void {
    const link = this.#link
    if (!link) return
    this.#link = undefined
    this.#heard = undefined
    this.#self = newName()
    this.#options.onEvent?.({ event: 'line-down', reason })
    link.ended()
    tell()
  }

  /** Sends the first frame that waits, if it has not been sent yet. */
  pump(): void {
    const link = this.#link
    const frame = link?.queue[0]
    if (!link || !frame || link.sent > 0) return
    link.sent = 1
    this.#write(FRAME, link.sending, frame)
  }

  async #beat(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#tick()
      await this.#clock.sleep(LINE_HERE, this.#stop.signal).catch(() => undefined)
    }
  }

  #tick(): void {
    if (this.#heard && ++this.#heard.silent > SILENT) {
      this.#heard = undefined
      this.hangUp('nobody answers')
    }
    if (this.#reader.noise > this.#noise) {
      this.#noise = this.#reader.noise
      this.#options.onEvent?.({ event: 'noise', pieces: this.#noise })
    }
    this.#here()
    this.#again()
  }

  /** Sends the frame again that nobody has confirmed. */
  #again(): void {
    const link = this.#link
    const frame = link?.queue[0]
    if (!link || !frame) return
    if (link.sent++ > RESEND_MAX) this.hangUp('a frame was not confirmed')
    else this.#write(FRAME, link.sending, frame)
  }

  #here(): void {
    const body = Buffer.alloc(5)
    body.writeUInt8(ROLES[this.#options.role], 0)
    body.writeUInt32BE(this.#heard?.name ?? 0, 1)
    this.#write(HERE, 0, body)
  }

  #write(kind: number, number: number, body: Uint8Array, name = this.#self): void {
    const { stream } = this.#options
    if (this.#stop.signal.aborted || !stream.writable) return
    const packet = Buffer.alloc(HEAD + body.length)
    packet.writeUInt8(kind, 0)
    packet.writeUInt32BE(name, 1)
    packet.writeUInt8(number, 5)
    packet.set(body, HEAD)
    stream.write(encodePacket(packet))
  }

  #receive(bytes: Buffer): void {
    for (const packet of this.#reader.push(bytes)) {
      if (packet.length < HEAD || this.#closing) continue
      const [kind, name, number] = [packet.readUInt8(0), packet.readUInt32BE(1), packet.readUInt8(5)]
      const body = packet.subarray(HEAD)
      if (kind === HERE) this.#hear(name, body)
      else if (this.#link?.peer === name) this.#take(this.#link, kind, number, body)
    }
  }

  #hear(name: number, body: Buffer): void {
    // One's own echo is of one's own role.
    if (body.length !== 5 || body.readUInt8(0) === ROLES[this.#options.role]) return
    if (this.#heard && this.#heard.name !== name && this.#link) {
      // A second station, or the same one restarted: who is served goes on until it is silent.
      if (!this.#conflict) this.#options.onEvent?.({ event: 'conflict' })
      this.#conflict = true
      return
    }
    const isNew = this.#heard?.name !== name
    this.#heard = { name, silent: 0 }
    const knowsMe = body.readUInt32BE(1) === this.#self
    if (this.#link && !knowsMe) this.hangUp('the other end has begun anew')
    if (isNew) this.#here()
    if (this.#link || !knowsMe) return
    this.#conflict = false
    const link = new LineLink(name, this)
    this.#link = link
    this.#options.onEvent?.({ event: 'line-up' })
    // The other end may not have heard yet that it is heard.
    this.#here()
    try {
      this.#options.onLink(link)
    } catch (error) {
      // Without a word: the other end would begin anew at once, and so it would go on.
      this.#endLink(error instanceof Error ? error.message : String(error))
    }
  }

  #take(link: LineLink, kind: number, number: number, body: Buffer): void {
    if (this.#heard) this.#heard.silent = 0
    if (kind === TAKEN && number === link.sending && link.sent > 0) {
      link.queue.shift()
      link.sent = 0
      link.sending = (link.sending + 1) & 0xff
      this.pump()
      return
    }
    if (kind === GONE) {
      this.#endLink('the other end has hung up')
      this.#here()
      return
    }
    if (kind !== FRAME) return
    const isNext = number === link.expecting
    // One that came already: its confirmation was lost.
    if (!isNext && number !== ((link.expecting - 1) & 0xff)) return
    this.#write(TAKEN, number, new Uint8Array(0))
    if (!isNext) return
    link.expecting = (link.expecting + 1) & 0xff
    link.arrive(Uint8Array.from(body))
  }
}

/** Zero says "nobody". */
function newName(): number {
  return randomBytes(4).readUInt32BE(0) || 1
}
