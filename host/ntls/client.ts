import { connect, type TLSSocket } from 'node:tls'
import { attention } from '../board/attention.js'
import { isCommandFrame, tagOf, withTag } from '../board/frames.js'
import type { PedConnector } from '../client/slots.js'
import { type Transport, TransportError } from '../client/transport.js'
import { type CertificateFacts, checkIdentity, factsOf, type Identity, readCertificate } from './certificates.js'
import type { ClientTimeouts } from './client-config.js'
import { FarEndError, messageOf, NtlsError } from './errors.js'
import {
  COMMAND,
  encodeMessage,
  helloMessage,
  type Message,
  MessageReader,
  PED_DONE,
  type PedOrder,
  pedOrderMessage,
  REFUSED,
  REPLY,
  readPedOutcome,
  readWelcome,
  refusalOf,
  WELCOME,
} from './framing.js'
import { patienceFor } from './patience.js'
import { MessageWriter } from './writer.js'

export interface NtlsClientOptions {
  readonly host: string
  readonly port: number
  /** The client's own. */
  readonly identity: Identity
  /** The appliance's, PEM: exactly this one is talked to. */
  readonly server: string
  /** Milliseconds for connection, handshake and welcome. */
  readonly timeout?: number
  /** How long answers are waited for; a link whose appliance does not answer is given up. For ever unless given. */
  readonly timeouts?: ClientTimeouts
  /** The link was lost, and is there again: sessions and log-ins are gone. */
  readonly onReconnect?: () => void
  readonly onKeys?: (line: Buffer) => void
}

interface Waiting {
  readonly tag: number
  readonly timer: NodeJS.Timeout | undefined
  resolve(answer: Uint8Array): void
  reject(error: TransportError): void
}

/** One TLS connection, from its welcome to its end. */
class Link {
  readonly waiting = new Map<number, Waiting>()
  readonly #orders = new Map<number, { resolve(): void; reject(error: Error): void }>()
  readonly #writer: MessageWriter
  #lastTag = 0
  #lastOrder = 0
  #gone: TransportError | undefined

  constructor(
    readonly socket: TLSSocket,
    readonly serials: readonly bigint[],
    private readonly timeouts: ClientTimeouts | undefined,
  ) {
    this.#writer = new MessageWriter(socket)
  }

  get lost(): boolean {
    return this.#gone !== undefined
  }

  exchange(hsm: number, frame: Uint8Array): Promise<Uint8Array> {
    if (this.#gone) return Promise.reject(this.#gone)
    do this.#lastTag = (this.#lastTag + 1) >>> 0
    while (this.waiting.has(this.#lastTag))
    const inner = this.#lastTag
    return new Promise((resolve, reject) => {
      this.waiting.set(inner, { tag: tagOf(frame), timer: this.#watch(frame), resolve, reject })
      this.#writer.write(encodeMessage(COMMAND, hsm, withTag(frame, inner)))
      attention.stay()
    })
  }

  order(hsm: number, to: PedOrder['to']): Promise<void> {
    if (this.#gone) return Promise.reject(this.#gone)
    const tag = ++this.#lastOrder
    return new Promise((resolve, reject) => {
      this.#orders.set(tag, { resolve, reject })
      this.socket.write(pedOrderMessage(hsm, { tag, to }))
    })
  }

  take({ kind, body }: Message): void {
    if (kind === REFUSED) {
      const why = refusalOf(body.length === 2 ? body.readUInt16BE() : 0) ?? 'no reason that is known here'
      this.end(new TransportError('TRANSPORT_REMOVED', `the appliance has ended the connection: ${why}`))
      return
    }
    if (kind === PED_DONE && this.#ordered(body)) return
    const waiting = kind === REPLY && isCommandFrame(body) ? this.waiting.get(tagOf(body)) : undefined
    if (!waiting) {
      this.end(new TransportError('TRANSPORT_FRAME', 'the appliance has answered what nobody asked'))
      return
    }
    this.waiting.delete(tagOf(body))
    clearTimeout(waiting.timer)
    attention.stay()
    waiting.resolve(withTag(body, waiting.tag))
  }

  end(error: TransportError): void {
    if (this.#gone) return
    this.#gone = error
    this.socket.destroy()
    for (const { timer } of this.waiting.values()) clearTimeout(timer)
    for (const { reject } of [...this.waiting.values(), ...this.#orders.values()]) reject(error)
    this.waiting.clear()
    this.#orders.clear()
  }

  #watch(frame: Uint8Array): NodeJS.Timeout | undefined {
    if (!this.timeouts) return undefined
    const patience = patienceFor(frame, this.timeouts)
    const late = (): void =>
      this.end(new TransportError('TRANSPORT_TIMEOUT', `the appliance has not answered within ${patience} ms`))
    return setTimeout(late, patience).unref()
  }

  /** @returns whether it is the outcome of an order */
  #ordered(body: Buffer): boolean {
    const outcome = readPedOutcome(body)
    const order = outcome && this.#orders.get(outcome.tag)
    if (!outcome || !order) return false
    this.#orders.delete(outcome.tag)
    const { failure } = outcome
    if (failure) order.reject(new FarEndError(failure.code, failure.message))
    else order.resolve()
    return true
  }
}

const TIMEOUT = 20_000

/**
 * A client's connection to one appliance, shared by the slots of all its HSMs. A lost link fails what is under way with
 * TRANSPORT_REMOVED; the next command connects anew.
 */
export class NtlsClient {
  readonly #options: NtlsClientOptions
  readonly #server: CertificateFacts
  #link: Link
  #connecting: Promise<Link> | undefined
  #closed: TransportError | undefined
  readonly #ended: Promise<void>
  #end = (): void => undefined

  private constructor(options: NtlsClientOptions, server: CertificateFacts, link: Link) {
    this.#options = options
    this.#server = server
    this.#link = link
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** @throws NtlsError CONNECT_FAILED, REFUSED, CERTIFICATE_INVALID, NTLS_FRAMING */
  static async connect(options: NtlsClientOptions): Promise<NtlsClient> {
    const server = readCertificate(options.server)
    checkIdentity(options.identity)
    return new NtlsClient(options, server, await openLink(options, server))
  }

  /** Serial numbers of the appliance's HSMs. */
  get serials(): readonly bigint[] {
    return this.#link.serials
  }

  /** The cable to one of them, by its place in `serials`. Closing it closes nothing else. */
  transport(hsm: number): Transport {
    const serial = this.#serial(hsm)
    return {
      closed: this.#ended,
      close: async () => undefined,
      exchange: (frame) => this.#exchange(serial, frame),
    }
  }

  /** Plugs remote PEDs into one of them, by its place in `serials`. @throws FarEndError, TransportError */
  ped(hsm: number): PedConnector {
    const serial = this.#serial(hsm)
    const order = async (to: PedOrder['to']): Promise<void> => {
      const { link, number } = await this.#way(serial)
      await link.order(number, to)
    }
    return { connect: (host, port) => order({ host, port }), disconnect: () => order(undefined) }
  }

  async close(): Promise<void> {
    this.#closed ??= new TransportError('TRANSPORT_CLOSED', 'the connection was closed')
    this.#link.end(this.#closed)
    this.#end()
  }

  async #exchange(serial: bigint, frame: Uint8Array): Promise<Uint8Array> {
    if (!isCommandFrame(frame)) {
      throw new TransportError('TRANSPORT_FRAME', `${frame.length} bytes are not one command frame`)
    }
    const { link, number } = await this.#way(serial)
    return link.exchange(number, frame)
  }

  #serial(hsm: number): bigint {
    const serial = this.serials[hsm]
    if (serial === undefined) throw new NtlsError('CONNECT_FAILED', `the appliance has no HSM ${hsm}`)
    return serial
  }

  /** The link that is up, or a new one, and the HSM's number there. */
  async #way(serial: bigint): Promise<{ readonly link: Link; readonly number: number }> {
    if (this.#closed) throw this.#closed
    const link = this.#link.lost ? await this.#again() : this.#link
    const number = link.serials.indexOf(serial)
    if (number < 0) throw new TransportError('TRANSPORT_REMOVED', `the appliance no longer has HSM ${serial}`)
    return { link, number }
  }

  #again(): Promise<Link> {
    this.#connecting ??= openLink(this.#options, this.#server)
      .then(
        (link) => {
          if (this.#closed) link.end(this.#closed)
          else this.#options.onReconnect?.()
          this.#link = link
          return link
        },
        (cause: unknown) => {
          throw new TransportError('TRANSPORT_REMOVED', messageOf(cause), { cause })
        },
      )
      .finally(() => {
        this.#connecting = undefined
      })
    return this.#connecting
  }
}

function openLink(options: NtlsClientOptions, server: CertificateFacts): Promise<Link> {
  const { host, port, identity, timeout = TIMEOUT, onKeys } = options
  const where = `${host}:${port}`
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      cert: identity.certificate,
      key: identity.privateKey,
      ca: [server.pem],
      minVersion: 'TLSv1.2',
      // The certificate itself is compared, which is more than a name in it.
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    })
    if (onKeys) socket.on('keylog', onKeys)
    const reader = new MessageReader()
    let link: Link | undefined
    const fail = (error: NtlsError): void => {
      clearTimeout(patience)
      socket.destroy()
      reject(error)
    }
    const lost = (why: string, cause?: unknown): void => {
      if (link) link.end(new TransportError('TRANSPORT_REMOVED', `${where}: ${why}`, { cause }))
      else fail(new NtlsError('CONNECT_FAILED', `${where}: ${why}`, { cause }))
    }
    const patience = setTimeout(() => lost('no welcome in time'), timeout)
    socket.on('error', (cause) => lost(cause.message, cause))
    socket.on('close', () => lost('the connection was lost'))
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      if (!certificate || factsOf(certificate).fingerprint !== server.fingerprint) {
        fail(new NtlsError('CONNECT_FAILED', `${where} has another certificate than the one of "${server.commonName}"`))
        return
      }
      socket.setNoDelay(true)
      socket.write(helloMessage())
    })
    const take = (message: Message): void => {
      if (link) {
        link.take(message)
        return
      }
      const { kind, body } = message
      if (kind === REFUSED) {
        const why = refusalOf(body.length === 2 ? body.readUInt16BE() : 0) ?? 'no reason that is known here'
        fail(new NtlsError('REFUSED', `${where} refuses this client: ${why}`))
        return
      }
      if (kind !== WELCOME) {
        fail(new NtlsError('NTLS_FRAMING', `${where} does not say welcome`))
        return
      }
      link = new Link(socket, readWelcome(body), options.timeouts)
      clearTimeout(patience)
      resolve(link)
    }
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const message of reader.push(bytes)) take(message)
      } catch (error) {
        const broken =
          error instanceof NtlsError ? error : new NtlsError('NTLS_FRAMING', messageOf(error), { cause: error })
        if (link) link.end(new TransportError('TRANSPORT_FRAME', `${where}: ${broken.message}`, { cause: broken }))
        else fail(broken)
      }
    })
  })
}
