import type { Socket } from 'node:net'
import { ByteQueue } from './byte-queue.js'
import { UsbError } from './errors.js'
import { allows, readFilter } from './redir-filter.js'
import { RedirSession } from './redir-session.js'
import {
  CAPABILITY,
  type Described,
  decodeHeader,
  decodeHello,
  encodeConnect,
  encodeHeader,
  encodeHello,
  type Header,
  headerLength,
  MAX_FILTER,
  MAX_HELLO,
  OWN_CAPABILITIES,
  PACKET,
  violation,
} from './redir-wire.js'
import type { UrbPort } from './urb.js'
import type { UsbipLimits } from './usbip-limits.js'
import type { UsbipEnding } from './usbip-peer.js'

/** Milliseconds for a peer to fetch what was sent last. */
const FAREWELL = 2000
const NOTHING = Buffer.alloc(0)

interface Told {
  greeted(version: string): void
  /** It can be given a device again. */
  ready(): void
  /** The guest does not want the device that it was given. */
  rejected(): void
}

type State = 'greeting' | 'ready' | 'attached' | 'leaving' | 'refusing'

/** One guest of a usbredir server. What breaks a rule ends the connection. */
export class RedirPeer {
  readonly ended: Promise<UsbipEnding>
  /** Address and port. */
  readonly name: string
  readonly #queue = new ByteQueue()
  #resolve: (why: UsbipEnding) => void = () => undefined
  /** Of both ends, bit by bit. */
  #common = 0
  #filter: ReturnType<typeof readFilter> | undefined
  #described: Described | undefined
  #state: State = 'greeting'
  #session: RedirSession | undefined
  #left: () => void = () => undefined
  /** Bytes of a packet that is not looked at. */
  #skipping = 0
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor(
    private readonly socket: Socket,
    private readonly limits: UsbipLimits,
    private readonly told: Told,
  ) {
    this.name = `${socket.remoteAddress}:${socket.remotePort}`
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#wait(limits.greeting)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('drain', () => this.#flow())
    socket.on('error', () => this.end('closed'))
    socket.on('close', () => this.end('closed'))
    socket.on('end', () => this.end('closed'))
    this.#send(PACKET.hello, 0n, encodeHello())
  }

  /** Whether it can be given a device. */
  get isReady(): boolean {
    return this.#state === 'ready' && !this.#over
  }

  /** Whether the guest's filter, if it has said one, lets the device in. */
  admits(described: Described): boolean {
    if (!this.#filter || allows(this.#filter, described)) return true
    this.#state = 'refusing'
    this.told.rejected()
    return false
  }

  /** Gives a guest that is ready the device. Resolves when it no longer has it. */
  offer(model: UrbPort, described: Described): Promise<void> {
    const agreed = { maxPacketSize: this.#can('maxPacketSize'), longBulk: this.#can('longBulk') }
    const send = this.#send.bind(this)
    const session = new RedirSession(model, described, agreed, send, this.limits)
    this.#session = session
    this.#described = described
    this.#state = 'attached'
    session.describe()
    this.#send(PACKET.deviceConnect, 0n, encodeConnect(described, this.#can('deviceVersion')))
    return new Promise((resolve) => {
      this.#left = resolve
    })
  }

  /** The device is pulled out; the guest stays. */
  withdraw(): void {
    if (this.#state === 'refusing') this.#state = 'ready'
    if (this.#state !== 'attached') return
    this.#leave()
    this.#send(PACKET.deviceDisconnect, 0n, NOTHING)
    // Packets that were on their way would be taken for packets to the next device.
    this.#state = this.#can('disconnectAck') ? 'leaving' : 'ready'
  }

  end(why: UsbipEnding): void {
    if (this.#over) return
    this.#over = true
    this.#stop()
    this.#leave()
    this.#queue.clear()
    this.socket.destroySoon()
    // A peer that does not fetch its last message must not keep the socket.
    setTimeout(() => this.socket.destroy(), FAREWELL).unref()
    this.#resolve(why)
  }

  /** A filter that comes when the guest has the device already may take it away again. */
  #review(): void {
    if (this.#state !== 'attached' || !this.#filter || !this.#described || allows(this.#filter, this.#described)) return
    this.withdraw()
    // Where the guest acknowledges that, it is offered again then, and refused.
    if (this.#can('disconnectAck')) return
    this.#state = 'refusing'
    this.told.rejected()
  }

  #leave(): void {
    this.#session?.end()
    this.#session = undefined
    this.#left()
  }

  #can(capability: keyof typeof CAPABILITY): boolean {
    return (this.#common & (1 << CAPABILITY[capability])) !== 0
  }

  // ---- packets in -----------------------------------------------------------------------------------------------------

  #take(bytes: Buffer): void {
    if (this.#over) return
    this.#queue.push(bytes)
    try {
      // Who goes on sending whole packets is not slow.
      while (!this.#over && this.#packet()) this.#stop()
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
      this.end('malformed')
    }
    this.#flow()
  }

  /** False = the next packet has not all come. */
  #packet(): boolean {
    this.#skipping -= this.#queue.skip(this.#skipping)
    const own = headerLength(this.#can('longIds'))
    if (this.#skipping > 0 || this.#queue.length < own) return false
    const header = decodeHeader(this.#queue.peek(own), this.#can('longIds'))
    if (!this.#admit(header)) {
      this.#queue.skip(own)
      this.#skipping = header.length
      return true
    }
    if (this.#queue.length < own + header.length) return false
    this.#queue.skip(own)
    this.#handle(header, header.length > 0 ? this.#queue.take(header.length) : NOTHING)
    return true
  }

  /** Whether a packet is looked at: before its body is there. @throws UsbError REDIR_PROTOCOL */
  #admit({ type, length }: Header): boolean {
    const room = this.#room(type)
    if (room === undefined) throw violation(`sends a packet of kind ${type}`)
    if (length > room) throw violation(`says that a packet of kind ${type} has ${length} bytes`)
    // What is meant for a device that has gone is nobody's.
    return this.#session !== undefined || OWN_PACKETS.has(type)
  }

  #room(type: number): number | undefined {
    if (this.#state === 'greeting') return type === PACKET.hello ? MAX_HELLO : undefined
    switch (type) {
      case PACKET.filter:
        return this.#can('filter') ? MAX_FILTER : undefined
      case PACKET.filterReject:
        return this.#can('filter') ? 0 : undefined
      case PACKET.disconnectAck:
        return this.#can('disconnectAck') ? 0 : undefined
      case PACKET.hello:
        return undefined
      default:
        return this.#session ? this.#session.room(type) : STRAY
    }
  }

  #handle({ type, id }: Header, body: Buffer): void {
    switch (type) {
      case PACKET.hello: {
        const { version, capabilities } = decodeHello(body)
        this.#common = capabilities & OWN_CAPABILITIES
        this.#state = 'ready'
        this.told.greeted(version)
        return
      }
      case PACKET.filter:
        this.#filter = readFilter(body)
        this.#review()
        return
      case PACKET.filterReject:
        if (this.#state !== 'attached') return
        this.#leave()
        this.#state = 'refusing'
        this.told.rejected()
        return
      case PACKET.disconnectAck:
        if (this.#state !== 'leaving') return
        this.#state = 'ready'
        this.told.ready()
        return
      default:
        this.#session?.take(type, id, body)
    }
  }

  // ---- packets out, and flow ------------------------------------------------------------------------------------------

  #send(type: number, id: bigint, header: Buffer, data?: Uint8Array): void {
    if (!this.socket.writable) return
    const length = header.length + (data?.length ?? 0)
    this.socket.cork()
    this.socket.write(encodeHeader(type, length, id, this.#can('longIds')))
    if (header.length > 0) this.socket.write(header)
    if (data && data.length > 0) this.socket.write(data)
    this.socket.uncork()
  }

  /** Back-pressure, and time for what has begun: a guest at rest may stay as long as it likes. */
  #flow(): void {
    if (this.#over || this.#state === 'greeting') return
    const full = this.socket.writableLength > this.limits.unsent
    if (full && !this.socket.isPaused()) this.socket.pause()
    else if (!full && this.socket.isPaused()) this.socket.resume()
    if (full || this.#queue.length > 0 || this.#skipping > 0) this.#wait(this.limits.message)
    else this.#stop()
  }

  /** A packet that comes in drops does not get more time with each. */
  #wait(time: number): void {
    this.#timer ??= setTimeout(() => this.end('slow'), time).unref()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

const OWN_PACKETS: ReadonlySet<number> = new Set([
  PACKET.hello,
  PACKET.filter,
  PACKET.filterReject,
  PACKET.disconnectAck,
])
/** Longest packet to a device that is not there, which is skipped. */
const STRAY = 0x200000
