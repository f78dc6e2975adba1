import type { X509Certificate } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import { refusal } from '../board/frames.js'
import type { PedConnector } from '../client/slots.js'
import { NTLS_PORT } from './appliance-settings.js'
import { type CertificateFacts, checkIdentity, factsOf, type Identity } from './certificates.js'
import { messageOf, NtlsError } from './errors.js'
import { FairQueue } from './fair-queue.js'
import { type Refusal, refusedMessage } from './framing.js'
import { applianceContext, shakeHands } from './handshake.js'
import type { Card } from './in-process.js'
import { DEFAULT_LIMITS, type NtlsLimits } from './limits.js'
import { PendingPeers } from './pending.js'
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

/** Where the appliance finds its clients. */
export interface Clients {
  /** The client with this certificate, wherever it comes from; asked with each command, so it has to be quick. */
  find(fingerprint: string): Client | undefined
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

/** What the appliance makes of a peer's certificate. */
interface Verdict {
  readonly client: Client | undefined
  /** Why it is not let in. */
  readonly refusal: Refusal | undefined
  /** The same for the log. */
  readonly why: string
}

/** What TCP tells an appliance of a client that has gone without a word, in milliseconds without one. */
const KEEP_ALIVE = 10_000

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
  readonly #pending: PendingPeers
  readonly #connections = new Map<ServerConnection, string>()
  readonly #server: Server

  private constructor(options: ApplianceOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#facts = checkIdentity(options.identity)
    this.#context = applianceContext(options.identity)
    this.#pending = new PendingPeers(this.#limits.pending, this.#limits.pendingPerAddress)
    this.#visibilities = options.hsms.map(({ card }) => new Visibility(card))
    this.#queues = options.hsms.map(() => new FairQueue())
    const watched = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE }
    this.#server = createServer({ pauseOnConnect: true, ...watched }, (socket) => this.#accept(socket))
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

  /** Peers that have not shown yet who they are, or were told to go and are not gone. */
  get pending(): number {
    return this.#pending.size
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
    if (this.#connections.size >= this.#limits.connections) {
      this.#tell({ event: 'refused', address, why: 'TOO_MANY' })
      socket.destroy()
      return
    }
    const refused = (why: string): void => {
      clearTimeout(patience)
      this.#tell({ event: 'refused', address, why })
    }
    const drop = (why: string): void => {
      if (socket.destroyed) return
      socket.destroy()
      refused(why)
    }
    const patience = setTimeout(() => drop('TOO_SLOW'), this.#limits.greeting)
    this.#sockets.add(socket)
    this.#pending.add(socket, address, () => drop('TOO_MANY'))
    socket.once('close', () => {
      clearTimeout(patience)
      this.#sockets.delete(socket)
      this.#pending.delete(socket, address)
    })
    socket.on('error', () => socket.destroy())
    shakeHands<Verdict>(socket, {
      context: this.#context,
      judge: (certificate) => this.#judge(certificate, address),
      accepts: ({ refusal }) => refusal === undefined,
      done: (tls, verdict) => {
        clearTimeout(patience)
        this.#greet(tls, socket, address, verdict)
      },
      failed: (why, verdict) => refused(verdict?.why ?? why),
      onKeys: this.#options.onKeys,
    })
    socket.resume()
  }

  #refuse(tls: TLSSocket, address: string, why: string, said: Refusal): void {
    this.#tell({ event: 'refused', address, why })
    tls.write(refusedMessage(said))
    tls.destroySoon()
    setTimeout(() => tls.destroy(), FAREWELL).unref()
  }

  async #judge(certificate: X509Certificate, address: string): Promise<Verdict> {
    const facts = factsOf(certificate)
    const refuse = (refusal: Refusal, why: string): Verdict => ({ client: undefined, refusal, why })
    let client: Client | undefined
    try {
      client = await this.#options.clients.match(facts.fingerprint, address)
    } catch (error) {
      return refuse('NOT_REGISTERED', messageOf(error))
    }
    if (!client) return refuse('NOT_REGISTERED', `NOT_REGISTERED: ${facts.commonName}`)
    const now = new Date()
    if (now >= facts.from && now < facts.until) return { client, refusal: undefined, why: '' }
    return refuse('CERTIFICATE_EXPIRED', `CERTIFICATE_EXPIRED: ${client.name}`)
  }

  #greet(tls: TLSSocket, socket: Socket, address: string, { client, refusal, why }: Verdict): void {
    if (tls.destroyed) return
    if (!client || refusal) {
      this.#refuse(tls, address, why, refusal ?? 'NOT_REGISTERED')
      return
    }
    const { name, fingerprint } = client
    const own = [...this.#connections.values()].filter((one) => one === name).length
    if (own >= this.#limits.perClient || this.#connections.size >= this.#limits.connections) {
      this.#refuse(tls, address, `TOO_MANY: ${name}`, 'TOO_MANY')
      return
    }
    this.#pending.delete(socket, address)
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
      return of !== undefined && (this.#known(fingerprint)?.partitions ?? []).includes(of)
    }
    const registered = (): boolean => this.#known(fingerprint) !== undefined
    const door = visibility.connect(whole ? { name, assigned: registered, whole: registered } : { name, assigned })
    return { serial, door: inTurn(door, name, queue), ped }
  }

  #known(fingerprint: string): Client | undefined {
    try {
      return this.#options.clients.find(fingerprint)
    } catch {
      return undefined
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
