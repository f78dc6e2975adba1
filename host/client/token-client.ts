import * as protocol from '../../assembly/protocol.js'
import { AuditCommands } from './audit.js'
import type { TokenIdentity } from './certificate.js'
import { CloningCommands } from './cloning.js'
import { type Reader, Writer } from './codec.js'
import { CommandPort, type CommandPortOptions, empty, nothing } from './command-port.js'
import { CryptoCommands } from './crypto.js'
import { HsmCommands } from './hsm.js'
import { ObjectCommands } from './objects.js'
import { PartitionCommands } from './partitions.js'
import { PedCommands } from './ped.js'
import { RecoveryCommands } from './recovery.js'
import { RoleCommands } from './roles.js'
import type { Transport } from './transport.js'

/** STATUS, answered in every state. */
export interface TokenStatus {
  /** STATE_… */
  readonly state: number
  /** Return code that put the token into its error state, 0 = none. */
  readonly error: number
  readonly backup: boolean
  readonly ped: boolean
  readonly initialized: boolean
  readonly vector: boolean
  readonly nonFips: boolean
  readonly partitionSo: boolean
  /** Firmware 7 and later. */
  readonly generation7: boolean
  /** Partitions may have several domains. */
  readonly extendedDomains: boolean
  /** As a source of clones it ends a job at the first object that the target refuses. */
  readonly stopsAtFailure: boolean
  /** Transport mode is `stm`, not `srk`. */
  readonly stm: boolean
  /** A tamper that nobody has cleared. */
  readonly tampered: boolean
  /** The HSM is in transport mode. */
  readonly transport: boolean
  readonly decommissioned: boolean
  /** A split of the master tamper key is on a purple key. */
  readonly externalSplit: boolean
  readonly auditor: boolean
  readonly serial: bigint
  /** MODEL_… */
  readonly model: number
  /** PROFILE_…: firmware version as major, minor, patch, 0. */
  readonly profile: number
  /** AUTH_… */
  readonly auth: number
  readonly label: string
}

/** The manufacturing record (FACTORY_BEGIN). */
export interface FactoryRecord {
  readonly serial: bigint
  readonly model: number
  readonly profile: number
  readonly auth: number
  readonly maxPartitions: number
  readonly storage: bigint
  readonly partitionBase: number
  readonly partitionMultiplier: number
}

export interface SessionInfo {
  readonly partition: number
  readonly readWrite: boolean
  /** ROLE_…, undefined = nobody is logged in. */
  readonly role: number | undefined
}

const HOC_BODY = 160
const SIGNATURE = 96

/**
 * Every command of SPEC.md §2.2 as a method: what concerns the token and its sessions here, the rest by topic.
 * All methods reject with TokenError when the token refuses, FrameError, ChannelError or TransportError when the way fails.
 */
export class TokenClient {
  readonly #port: CommandPort
  readonly #transport: Transport
  readonly #options: CommandPortOptions
  readonly hsm: HsmCommands
  readonly partitions: PartitionCommands
  readonly roles: RoleCommands
  readonly ped: PedCommands
  readonly objects: ObjectCommands
  readonly crypto: CryptoCommands
  readonly cloning: CloningCommands
  readonly audit: AuditCommands
  readonly recovery: RecoveryCommands

  constructor(transport: Transport, options: CommandPortOptions = {}) {
    this.#transport = transport
    this.#options = options
    this.#port = new CommandPort(transport, options)
    this.hsm = new HsmCommands(this.#port)
    this.partitions = new PartitionCommands(this.#port)
    this.roles = new RoleCommands(this.#port)
    this.ped = new PedCommands(this.#port)
    this.objects = new ObjectCommands(this.#port)
    this.crypto = new CryptoCommands(this.#port)
    this.cloning = new CloningCommands(this.#port)
    this.audit = new AuditCommands(this.#port)
    this.recovery = new RecoveryCommands(this.#port)
  }

  /** The access id all sessions of this client carry. */
  get access(): bigint {
    return this.#port.access
  }

  /** Another client on the same cable, which shares neither log-ins nor session objects with this one. The cable is this one's to close. */
  another(): TokenClient {
    const { access: _, ...options } = this.#options
    return new TokenClient(this.#transport, options)
  }

  /** The token's serial number and certified key, from a chain that was checked against the root. */
  identity(): Promise<TokenIdentity> {
    return this.#port.identity()
  }

  close(): Promise<void> {
    return this.#port.close()
  }

  status(): Promise<TokenStatus> {
    return this.#port.call(protocol.CMD_STATUS, 0, empty(), readStatus)
  }

  selfTest(): Promise<void> {
    return this.#port.call(protocol.CMD_SELF_TEST, 0, empty(), nothing)
  }

  /** `count` random bytes of the token, 1 to 4096. */
  random(count: number): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_RANDOM, 0, new Writer().u32(count), (reader) => reader.bytes())
  }

  /** Stirs bytes, at most 65,000, into the token's random numbers. */
  seedRandom(seed: Uint8Array): Promise<void> {
    return this.#port.call(protocol.CMD_RANDOM_SEED, 0, new Writer().bytes(seed), nothing)
  }

  /** The token's certificates as it sends them, not checked. */
  certificates(): Promise<{ hoc: Uint8Array; twc: Uint8Array }> {
    return this.#port.call(protocol.CMD_CERTIFICATES, 0, empty(), (reader) => ({
      hoc: reader.fixed(protocol.OBC_CERTIFICATE),
      twc: reader.fixed(protocol.OBC_CERTIFICATE),
    }))
  }

  /** Answers the token's certificate without its signature, 160 bytes. */
  factoryBegin(record: FactoryRecord): Promise<Uint8Array> {
    const body = new Writer().u64(record.serial).u32(record.model).u32(record.profile).u8(record.auth)
    body.u32(record.maxPartitions).u64(record.storage).u32(record.partitionBase).u32(record.partitionMultiplier)
    return this.#port.call(protocol.CMD_FACTORY_BEGIN, 0, body, (reader) => reader.fixed(HOC_BODY))
  }

  /** `signature` is the root's, r ∥ s, 96 bytes. */
  factoryFinish(signature: Uint8Array): Promise<void> {
    return this.#port.call(protocol.CMD_FACTORY_FINISH, 0, new Writer().fixed(signature, SIGNATURE), nothing)
  }

  /** Opens a session on a partition (ADMIN_PARTITION = the HSM itself) and answers its handle. */
  openSession(partition: number, options: { readWrite?: boolean } = {}): Promise<number> {
    const flags = (options.readWrite ?? true) ? protocol.SESSION_RW : 0
    const body = new Writer().u32(partition).u64(this.access).u8(flags)
    return this.#port.call(protocol.CMD_SESSION_OPEN, 0, body, (reader) => reader.u32())
  }

  closeSession(session: number): Promise<void> {
    return this.#port.call(protocol.CMD_SESSION_CLOSE, session, empty(), nothing)
  }

  sessionInfo(session: number): Promise<SessionInfo> {
    return this.#port.call(protocol.CMD_SESSION_INFO, session, empty(), (reader) => {
      const partition = reader.u32()
      const readWrite = (reader.u8() & protocol.SESSION_RW) !== 0
      const role = reader.u8()
      return { partition, readWrite, role: role === protocol.ROLE_NONE ? undefined : role }
    })
  }
}

function readStatus(reader: Reader): TokenStatus {
  const state = reader.u8()
  const error = reader.u32()
  const flags = reader.u32()
  const has = (flag: number) => (flags & flag) !== 0
  return {
    state,
    error,
    backup: has(protocol.STATUS_BACKUP),
    ped: has(protocol.STATUS_PED),
    initialized: has(protocol.STATUS_INITIALIZED),
    vector: has(protocol.STATUS_VECTOR),
    nonFips: has(protocol.STATUS_NON_FIPS),
    partitionSo: has(protocol.STATUS_PARTITION_SO),
    generation7: has(protocol.STATUS_GENERATION_7),
    extendedDomains: has(protocol.STATUS_EXTENDED_DOMAINS),
    stopsAtFailure: has(protocol.STATUS_STOPS_AT_FAILURE),
    stm: has(protocol.STATUS_STM),
    tampered: has(protocol.STATUS_TAMPERED),
    transport: has(protocol.STATUS_TRANSPORT),
    decommissioned: has(protocol.STATUS_DECOMMISSIONED),
    externalSplit: has(protocol.STATUS_EXTERNAL_SPLIT),
    auditor: has(protocol.STATUS_AUDITOR),
    serial: reader.u64(),
    model: reader.u32(),
    profile: reader.u32(),
    auth: reader.u8(),
    label: reader.text(),
  }
}
