// An appliance on a free port with the real firmware behind it, and clients that are registered with it.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import * as protocol from '../../../assembly/protocol.js'
import { commandOf } from '../../../host/board/frames.js'
import { TokenClient, TokenError } from '../../../host/client/index.js'
import { MessageReader, REFUSED, refusalOf } from '../../../host/ntls/framing.js'
import {
  Appliance,
  createIdentity,
  type Identity,
  NtlsClient,
  type NtlsEvent,
  type NtlsLimits,
  Registry,
} from '../../../host/ntls/index.js'
import { initHsm, legacyPartition } from '../../firmware/support/officer.js'
import { TestToken } from '../../firmware/support/test-token.js'

/** Rows of the firmware's table of sessions. */
export const SESSION_TABLE = 2048
const OWN_SERIAL = 500409n
const FIRST_SERIAL = 500_409_000

export interface SiteOptions {
  readonly partitions?: number
  /** Bytes of each partition. */
  readonly size?: bigint
  /** Sectors of the HSM's flash. */
  readonly sectors?: number
  readonly limits?: Partial<NtlsLimits>
}

export class Site {
  readonly events: NtlsEvent[] = []
  readonly registry: Registry
  /** How often the HSM was asked for each command over the network. */
  readonly asked = new Map<number, number>()
  readonly #looking: { fits: () => boolean; resolve: () => void }[] = []
  #appliance: Appliance | undefined

  private constructor(
    readonly dir: string,
    readonly token: TestToken,
    /** Session of the HSM's SO, at the HSM itself. */
    readonly admin: number,
    readonly partitions: readonly number[],
    readonly identity: Identity,
  ) {
    this.registry = new Registry(dir)
  }

  static async open({ partitions = 1, size, sectors = 16, limits = {} }: SiteOptions = {}): Promise<Site> {
    const storage = size === undefined ? 500_000n : size * BigInt(partitions)
    const token = await TestToken.make({ sectors, storage })
    const admin = await initHsm(token)
    const made: number[] = []
    for (let i = 0; i < partitions; i++) {
      const { partition, session } = await legacyPartition(token.client, admin, {
        label: `partition ${i}`,
        ...(size === undefined ? {} : { size }),
      })
      await token.client.closeSession(session)
      made.push(partition)
    }
    const dir = mkdtempSync(join(tmpdir(), 'moonlet-site-'))
    const site = new Site(dir, token, admin, made, await createIdentity({ commonName: 'appliance' }))
    await site.listen(limits)
    return site
  }

  async listen(limits: Partial<NtlsLimits> = {}): Promise<void> {
    this.#appliance = await Appliance.listen({
      port: 0,
      identity: this.identity,
      clients: {
        find: (fingerprint) => this.registry.find(fingerprint),
        match: async (fingerprint) => this.registry.find(fingerprint),
      },
      hsms: [
        {
          serial: OWN_SERIAL,
          card: { exchange: (frame) => this.#exchange(frame) },
          serialOf: (partition) => (this.partitions.includes(partition) ? this.serialOf(partition) : undefined),
        },
      ],
      limits,
      onEvent: (event) => {
        this.events.push(event)
        this.look()
      },
    })
  }

  #exchange(frame: Uint8Array): Promise<Uint8Array> {
    const command = commandOf(frame)
    this.asked.set(command, (this.asked.get(command) ?? 0) + 1)
    return this.token.exchange(frame)
  }

  get appliance(): Appliance {
    if (!this.#appliance) throw new Error('the appliance is not there yet')
    return this.#appliance
  }

  serialOf(partition: number): string {
    return String(FIRST_SERIAL + partition)
  }

  /** Registers a client, for one of the partitions unless told otherwise. */
  async client(name: string, partitions: readonly number[] = this.partitions.slice(0, 1)): Promise<Identity> {
    const identity = await createIdentity({ commonName: name })
    this.registry.register(name, identity.certificate)
    for (const partition of partitions) this.registry.assign(name, this.serialOf(partition))
    return identity
  }

  connect(identity: Identity, port = this.appliance.port): Promise<NtlsClient> {
    return NtlsClient.connect({ host: '127.0.0.1', port, identity, server: this.identity.certificate })
  }

  /** A socket that has said nothing yet. */
  plain(): Socket {
    return connectPlain(this.appliance.port, '127.0.0.1').on('error', () => undefined)
  }

  /** A client that says what it likes, inside TLS. */
  raw(identity: Identity, plain = this.plain()): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const { certificate: cert, privateKey: key } = identity
      const socket = connect({ socket: plain, cert, key, rejectUnauthorized: false })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        socket.off('error', reject).on('error', () => undefined)
        resolve(socket)
      })
    })
  }

  /** Resolves once it holds; looked at with every event of the appliance. */
  until(fits: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#looking.push({ fits, resolve })
      this.look()
    })
  }

  look(): void {
    for (const one of this.#looking) if (one.fits()) one.resolve()
  }

  /** Resolves once nobody is connected and no socket is waited for. */
  async empty(): Promise<void> {
    while (this.appliance.connections + this.appliance.pending > 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /**
   * Sessions that are open at the HSM beside the SO's: the rows of its table that its console cannot fill. The console closes what
   * it opened.
   */
  async sessionsLeft(): Promise<number> {
    const { client } = this.token
    const own: number[] = []
    for (;;) {
      try {
        own.push(await client.openSession(protocol.ADMIN_PARTITION, { readWrite: false }))
      } catch (error) {
        if (!(error instanceof TokenError && error.rc === protocol.RC_SESSION_COUNT)) throw error
        break
      }
    }
    for (const session of own) await client.closeSession(session)
    return SESSION_TABLE - 1 - own.length
  }

  async close(): Promise<void> {
    await this.appliance.close()
    await this.token.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export const tokenOf = (client: NtlsClient, access?: bigint): TokenClient =>
  new TokenClient(client.transport(0), access === undefined ? { now: 0n } : { now: 0n, access })

/** All that the peer says until it ends. */
export function drained(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    socket.on('data', (bytes: Buffer) => parts.push(bytes))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(parts)))
  })
}

/** Why the appliance said it ends. */
export function refusalIn(bytes: Buffer): string | undefined {
  const said = new MessageReader().push(bytes).find(({ kind }) => kind === REFUSED)
  return said && refusalOf(said.body.readUInt16BE())
}

/** The code that work rejects with, and the message; 'none' = it did not. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `${error.code}: ${error.message}`
    throw error
  }
}
