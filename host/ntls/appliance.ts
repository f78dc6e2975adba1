import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import { refusal } from '../board/frames.js'
import type { PedConnector } from '../client/slots.js'
import { NTLS_PORT } from './appliance-settings.js'
import { type CertificateFacts, checkIdentity, factsOf, type Identity } from './certificates.js'
import { messageOf, NtlsError } from './errors.js'
import { FairQueue } from './fair-queue.js'
import { type Refusal, refusedMessage } from './framing.js'
import type { Card } from './in-process.js'
import { DEFAULT_LIMITS, type NtlsLimits } from './limits.js'
import type { Client } from './registry.js'
import { type Ending, FAREWELL, type OpenDoor, ServerConnection } from './server-connection.js'
import { type ClientDoor, Visibility } from './visibility.js'

/** One Network HSM that the appliance serves. */
export interface ServedHsm {
  readonly serial: bigint
  readonly card: Card
  /** Serial number of a partition of it; undefined = there is none with that id. */
  serialOf(partition: number): string | undefined
  /** Every registered client has all of it, the HSM itself included: a Backup HSM that is lent out. */
  readonly whole?: boolean
  /** Carries the link of a remote PED that a client asks for to this HSM. */
  readonly ped?: PedConnector
}

/** Where the appliance finds its clients; asked anew for each connection and each command. */
export interface Clients {
  list(): readonly Client[]
  /** The client with this certificate, if it may come from this address. */
  match(fingerprint: string, address: string): Promise<Client | undefined>
}

/** What happens at an appliance; nothing secret is in it. */
export type NtlsEvent =
  | { readonly event: 'connected'; readonly client: string; readonly address: string }
  | { readonly event: 'ended'; readonly client: string; readonly address: string; readonly why: Ending }
  | { readonly event: 'refused'; readonly address: string; readonly why: string }

export interface ApplianceOptions {
  readonly host?: string
  /** 0 = any free one. */
  readonly port?: number
  readonly identity: Identity
  readonly clients: Clients
  readonly hsms: readonly ServedHsm[]
  readonly limits?: Partial<NtlsLimits>
  readonly onEvent?: (event: NtlsEvent) => void
  /** Gets TLS secrets in the form of SSLKEYLOGFILE: whoever has them reads all that is said. */
  readonly onKeys?: (line: Buffer) => void
}

const HSMS = 255

/**
 * A Network HSM's appliance on a real network: mutual TLS, a registered certificate for each client, SPEC.md §10 inside. The HSMs stay their
 * owner's: closing the appliance does not switch them off.
 */
export class Appliance {
  readonly #options: ApplianceOptions
  readonly #limits: NtlsLimits
  readonly #facts: CertificateFacts
  readonly #context: SecureContext
  readonly #visibilities: readonly Visibility[]
  readonly #queues: readonly FairQueue[]
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Map<ServerConnection, string>()
  readonly #server: Server

  private constructor(options: ApplianceOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#facts = checkIdentity(options.identity)
    const { certificate: cert, privateKey: key } = options.identity
    this.#context = createSecureContext({ cert, key, minVersion: 'TLSv1.2' })
    this.#visibilities = options.hsms.map(({ card }) => new Visibility(card))
    this.#queues = options.hsms.map(() => new FairQueue())
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket))
  }

  /** @throws NtlsError LISTEN_FAILED, CERTIFICATE_INVALID */
  static async listen(options: ApplianceOptions): Promise<Appliance> {
    if (options.hsms.length < 1 || options.hsms.length > HSMS) {
      throw new NtlsError('LISTEN_FAILED', `an appliance serves 1 to ${HSMS} HSMs`)
    }
    const appliance = new Appliance(options)
    const { host = '127.0.0.1', port = NTLS_PORT } = options
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void =>
        reject(new NtlsError('LISTEN_FAILED', `${host}:${port} cannot be listened on: ${cause.message}`, { cause }))
      appliance.#server.once('error', failed)
      appliance.#server.listen({ host, port }, () => {
        appliance.#server.off('error', failed)
        // Later ones are of single connections, such as when no more files can be opened.
        appliance.#server.on('error', (error) =>
          appliance.#tell({ event: 'refused', address: '', why: messageOf(error) }),
        )
        resolve()
      })
    })
    return appliance
  }

  get certificate(): CertificateFacts {
    return this.#facts
  }

  get host(): string {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.address : ''
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Clients that are connected and known. */
  get connections(): number {
    return this.#connections.size
  }

  /** Takes no more connections, lets what is under way come to its end for a while, ends all connections and their sessions. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const open = [...this.#connections.keys()]
    const until = Date.now() + this.#limits.drain
    while (open.some(({ underWay }) => underWay > 0) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK))
    }
    for (const connection of open) connection.refuse('SHUTDOWN')
    await Promise.all(open.map(({ ended }) => ended))
    for (const socket of this.#sockets) socket.destroySoon()
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, DRAIN_LOOK)
    await closed
    clearTimeout(late)
  }

  #tell(event: NtlsEvent): void {
    this.#options.onEvent?.(event)
  }

  #accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '')
    if (this.#sockets.size >= this.#limits.connections) {
      this.#tell({ event: 'refused', address, why: 'TOO_MANY' })
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      // Who is registered is decided below, by the certificate itself: nobody vouches for it.
      rejectUnauthorized: false,
    })
    if (this.#options.onKeys) tls.on('keylog', this.#options.onKeys)
    const patience = setTimeout(() => refuse('TOO_SLOW'), this.#limits.greeting)
    const refuse = (why: string): void => {
      clearTimeout(patience)
      this.#tell({ event: 'refused', address, why })
      socket.destroy()
    }
    const failed = (error: Error): void => refuse(messageOf(error))
    tls.once('error', failed)
    socket.once('close', () => clearTimeout(patience))
    tls.once('secure', () => {
      clearTimeout(patience)
      tls.off('error', failed)
      tls.on('error', () => socket.destroy())
      this.#admit(tls, address)
    })
    socket.resume()
  }

  #refuse(tls: TLSSocket, address: string, why: string, said: Refusal): void {
    this.#tell({ event: 'refused', address, why })
    tls.write(refusedMessage(said))
    tls.destroySoon()
    setTimeout(() => tls.destroy(), FAREWELL).unref()
  }

  /** The handshake is done: the client holds the key of its certificate, whatever that is. */
  #admit(tls: TLSSocket, address: string): void {
    const certificate = tls.getPeerX509Certificate()
    if (!certificate) {
      this.#refuse(tls, address, 'no certificate', 'NOT_REGISTERED')
      return
    }
    const facts = factsOf(certificate)
    this.#options.clients.match(facts.fingerprint, address).then(
      (client) => this.#greet(tls, address, facts, client),
      (error: unknown) => this.#refuse(tls, address, messageOf(error), 'NOT_REGISTERED'),
    )
  }

  /** The registry has said who it is. */
  #greet(tls: TLSSocket, address: string, facts: CertificateFacts, client: Client | undefined): void {
    if (tls.destroyed) return
    const refuse = (why: string, said: Refusal): void => this.#refuse(tls, address, why, said)
    if (!client) {
      refuse(`NOT_REGISTERED: ${facts.commonName}`, 'NOT_REGISTERED')
      return
    }
    const now = new Date()
    if (now < facts.from || now >= facts.until) {
      refuse(`CERTIFICATE_EXPIRED: ${client.name}`, 'CERTIFICATE_EXPIRED')
      return
    }
    const { name, fingerprint } = client
    if ([...this.#connections.values()].filter((one) => one === name).length >= this.#limits.perClient) {
      refuse(`TOO_MANY: ${name}`, 'TOO_MANY')
      return
    }
    const doors = this.#options.hsms.map((hsm, i) => this.#door(hsm, i, name, fingerprint))
    const connection = new ServerConnection(tls, doors, this.#limits)
    this.#connections.set(connection, name)
    this.#tell({ event: 'connected', client: name, address })
    connection.ended.then((why) => {
      this.#connections.delete(connection)
      this.#tell({ event: 'ended', client: name, address, why })
    })
  }

  #door(
    { serial, serialOf, whole = false, ped }: ServedHsm,
    number: number,
    name: string,
    fingerprint: string,
  ): OpenDoor {
    const [visibility, queue] = [this.#visibilities[number], this.#queues[number]]
    if (!visibility || !queue) throw new NtlsError('LISTEN_FAILED', `there is no HSM ${number}`)
    const assigned = (partition: number): boolean => {
      const of = serialOf(partition)
      // Deleted, or registered anew with another certificate: what is open sees nothing any more.
      return of !== undefined && this.#assigned(fingerprint).includes(of)
    }
    const door = visibility.connect({ name, assigned: whole ? () => true : assigned, whole })
    return { serial, door: inTurn(door, name, queue), ped }
  }

  #assigned(fingerprint: string): readonly string[] {
    try {
      return this.#options.clients.list().find((one) => one.fingerprint === fingerprint)?.partitions ?? []
    } catch {
      return []
    }
  }
}

/** Milliseconds between looks at what is under way. */
const DRAIN_LOOK = 20

/** An IPv4 address is written as one, whatever the socket. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

/** A connection's way to an HSM behind which all clients take turns. */
function inTurn(door: ClientDoor, client: string, queue: FairQueue): OpenDoor['door'] {
  let isClosed = false
  return {
    // Once it is closed nobody looks at the answer.
    exchange: async (frame) =>
      (await queue.run(
        client,
        () => isClosed,
        () => door.exchange(frame),
      )) ?? refusal(frame, RC_DEVICE_ERROR),
    close: () => {
      isClosed = true
      return door.close()
    },
  }
}
