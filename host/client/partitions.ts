import * as protocol from '../../assembly/protocol.js'
import { type Reader, Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'
import { type InitSecrets, type Policy, readPolicies, writeSecrets } from './hsm.js'

/** PARTITION_INFO. Storage in bytes. */
export interface PartitionInfo {
  readonly id: number
  readonly serial: bigint
  readonly initialized: boolean
  /** The HSM SO owns it. */
  readonly legacy: boolean
  readonly hasDomain: boolean
  readonly label: string
  readonly total: bigint
  readonly used: bigint
  readonly objects: number
  readonly domains: number
}

export interface PartitionRequest {
  readonly legacy: boolean
  readonly label: string
  /** Bytes; left out = the HSM's default. */
  readonly size?: bigint
  readonly password?: string
}

/** One domain of a partition; the first of a list is the primary one. */
export interface DomainInfo {
  /** DOMAIN_RED or DOMAIN_TEXT. */
  readonly type: number
  /** Empty = it has none. */
  readonly label: string
}

/** A domain to add: a text, or without one the red key at the PED. */
export interface DomainRequest {
  readonly label: string
  readonly text?: string
  readonly primary?: boolean
}

/** Commands on partitions. `admin` is a session on ADMIN_PARTITION, `session` one on the partition. */
export class PartitionCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  list(): Promise<PartitionInfo[]> {
    return this.#port.call(protocol.CMD_PARTITION_LIST, 0, empty(), (reader) => reader.rows(readInfo))
  }

  info(id: number): Promise<PartitionInfo> {
    return this.#port.call(protocol.CMD_PARTITION_INFO, 0, new Writer().u32(id), readInfo)
  }

  create(admin: number, request: PartitionRequest): Promise<{ id: number; serial: bigint }> {
    const body = new Writer().u8(request.legacy ? 1 : 0).text(request.label)
    body.u64(request.size ?? 0n).text(request.password ?? '')
    return this.#port.call(protocol.CMD_PARTITION_CREATE, admin, body, (reader) => ({
      id: reader.u32(),
      serial: reader.u64(),
    }))
  }

  delete(admin: number, id: number): Promise<void> {
    return this.#port.call(protocol.CMD_PARTITION_DELETE, admin, new Writer().u32(id), nothing)
  }

  init(session: number, secrets: InitSecrets): Promise<void> {
    return this.#port.call(protocol.CMD_PARTITION_INIT, session, writeSecrets(secrets), nothing)
  }

  policies(id: number): Promise<Policy[]> {
    return this.#port.call(protocol.CMD_PARTITION_POLICIES, 0, new Writer().u32(id), readPolicies)
  }

  setPolicy(session: number, id: number, policy: number, value: number): Promise<void> {
    const body = new Writer().u32(id).u16(policy).u32(value)
    return this.#port.call(protocol.CMD_PARTITION_SET_POLICY, session, body, nothing)
  }

  resize(admin: number, id: number, size: bigint): Promise<void> {
    return this.#port.call(protocol.CMD_PARTITION_RESIZE, admin, new Writer().u32(id).u64(size), nothing)
  }

  /** Destroys all objects; answers how many there were. */
  clear(session: number): Promise<number> {
    return this.#port.call(protocol.CMD_PARTITION_CLEAR, session, empty(), (reader) => reader.u32())
  }

  /** Empty text: the default domain, or on PED-authenticated HSMs the red key. */
  setDomain(session: number, domain = ''): Promise<void> {
    return this.#port.call(protocol.CMD_PARTITION_SET_DOMAIN, session, new Writer().text(domain), nothing)
  }

  /** The domains of the session's partition. */
  domains(session: number): Promise<DomainInfo[]> {
    return this.#port.call(protocol.CMD_PARTITION_DOMAIN_LIST, session, empty(), (reader) =>
      reader.rows((row) => ({ type: row.u8(), label: row.text() })),
    )
  }

  addDomain(session: number, { label, text, primary = false }: DomainRequest): Promise<void> {
    const body = new Writer().u8(text === undefined ? protocol.DOMAIN_RED : protocol.DOMAIN_TEXT)
    body.u8(primary ? protocol.DOMAIN_PRIMARY : 0).text(label)
    return this.#port.call(protocol.CMD_PARTITION_DOMAIN_ADD, session, body.text(text ?? ''), nothing)
  }

  /** `index` counts in the list of `domains`. */
  removeDomain(session: number, index: number): Promise<void> {
    return this.#port.call(protocol.CMD_PARTITION_DOMAIN_REMOVE, session, new Writer().u8(index), nothing)
  }

  changeDomain(session: number, index: number, change: { label?: string; primary?: boolean }): Promise<void> {
    const body = new Writer().u8(index).u8(change.primary ? protocol.DOMAIN_PRIMARY : 0)
    return this.#port.call(protocol.CMD_PARTITION_DOMAIN_CHANGE, session, body.text(change.label ?? ''), nothing)
  }
}

function readInfo(reader: Reader): PartitionInfo {
  const id = reader.u32()
  const serial = reader.u64()
  const flags = reader.u32()
  return {
    id,
    serial,
    initialized: (flags & protocol.PARTITION_INITIALIZED) !== 0,
    legacy: (flags & protocol.PARTITION_LEGACY) !== 0,
    hasDomain: (flags & protocol.PARTITION_HAS_DOMAIN) !== 0,
    label: reader.text(),
    total: reader.u64(),
    used: reader.u64(),
    objects: reader.u32(),
    domains: reader.u8(),
  }
}
