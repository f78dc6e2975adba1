import * as protocol from '../../assembly/protocol.js'
import { concat, Reader, Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** AUDIT_STATUS. */
export interface AuditStatus {
  readonly initialized: boolean
  /** The auditor has a domain: the log can be configured, its key exported. */
  readonly domain: boolean
  /** AUDIT_… bits of what is logged. */
  readonly mask: number
  /** Number of the oldest record that the HSM still has; last + 1 where none is. */
  readonly oldest: bigint
  readonly last: bigint
  /** Records that find room. */
  readonly free: number
  readonly capacity: number
  /** Serial number of the HSM whose log can be verified beside its own, 0 = none. */
  readonly imported: bigint
}

/** A record taken apart. */
export interface AuditRecord {
  readonly sequence: bigint
  /** Seconds since 1970. */
  readonly time: bigint
  readonly serial: bigint
  /** CMD_…, or AUDIT_POWER_UP. */
  readonly command: number
  /** AUDIT_…: one category and the outcome. */
  readonly category: number
  readonly result: number
  readonly partition: number
  /** ROLE_… that was logged in, ROLE_NONE = nobody. */
  readonly actor: number
  /** ROLE_… that the command is about, ROLE_NONE = none. */
  readonly role: number
  /** Names the client, in hexadecimal; not its access id. */
  readonly client: string
  /** What the command is about: a partition, a handle, a policy. */
  readonly subject: number
  readonly value: number
  readonly text: string
}

/** Consecutive records as the token gives them, and what it takes to verify them. */
export interface AuditBlock {
  /** MAC of the record before the first, 48 bytes. */
  readonly previous: Uint8Array
  /** AUDIT_RECORD bytes each. */
  readonly records: readonly Uint8Array[]
}

const MAC = 48
const PLAIN = 4 + 8 + 8 + 8 + 2 + 2 + 4 + 4

/** Takes a record apart; its MAC is for the token to check. @throws FrameError */
export function decodeAuditRecord(bytes: Uint8Array): AuditRecord {
  const reader = new Reader(bytes)
  reader.fixed(4)
  const head = {
    sequence: reader.u64(),
    time: reader.u64(),
    serial: reader.u64(),
    command: reader.u16(),
    category: reader.u16(),
    result: reader.u32(),
    partition: reader.u32(),
    actor: reader.u8(),
    role: reader.u8(),
  }
  reader.fixed(2)
  const client = Buffer.from(reader.fixed(8)).toString('hex')
  const rest = { client, subject: reader.u32(), value: reader.u32() }
  const text = Buffer.from(reader.fixed(protocol.AUDIT_TEXT)).toString('utf8').replace(/\0+$/, '')
  reader.fixed(bytes.length - PLAIN - 4 - 8 - 8 - protocol.AUDIT_TEXT)
  return { ...head, ...rest, text }
}

/** Commands of the auditor. `session` is one on ADMIN_PARTITION with ROLE_AUDITOR logged in. */
export class AuditCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  status(): Promise<AuditStatus> {
    return this.#port.call(protocol.CMD_AUDIT_STATUS, 0, empty(), (reader) => ({
      initialized: reader.u8() !== 0,
      domain: reader.u8() !== 0,
      mask: reader.u32(),
      oldest: reader.u64(),
      last: reader.u64(),
      free: reader.u32(),
      capacity: reader.u32(),
      imported: reader.u64(),
    }))
  }

  configure(session: number, mask: number): Promise<void> {
    return this.#port.call(protocol.CMD_AUDIT_CONFIG, session, new Writer().u32(mask), nothing)
  }

  /** The auditor's domain; without a text the red key at the PED. */
  setDomain(session: number, domain = ''): Promise<void> {
    return this.#port.call(protocol.CMD_AUDIT_SET_DOMAIN, session, new Writer().text(domain), nothing)
  }

  /** At most AUDIT_BATCH records from number `from` on. */
  read(session: number, from: bigint, limit: number = protocol.AUDIT_BATCH): Promise<AuditBlock> {
    const body = new Writer().u64(from).u16(limit)
    return this.#port.call(protocol.CMD_AUDIT_READ, session, body, (reader) => ({
      previous: reader.fixed(MAC),
      records: reader.rows((row) => row.fixed(protocol.AUDIT_RECORD)),
    }))
  }

  /** Gives the records up to this number up, so that their room is used again. */
  clear(session: number, through: bigint): Promise<void> {
    return this.#port.call(protocol.CMD_AUDIT_CLEAR, session, new Writer().u64(through), nothing)
  }

  /** How many of the records, from the first on, are as the HSM with this serial number logged them. */
  verify(session: number, serial: bigint, { previous, records }: AuditBlock): Promise<number> {
    const body = new Writer().u64(serial).fixed(previous, MAC).u16(records.length)
    body.fixed(concat(...records), records.length * protocol.AUDIT_RECORD)
    return this.#port.call(protocol.CMD_AUDIT_VERIFY, session, body, (reader) => reader.u16())
  }

  /** The key of the log, wrapped for HSMs of the auditor's domain. */
  exportSecret(session: number): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_AUDIT_EXPORT, session, empty(), (reader) => reader.bytes())
  }

  /** Another HSM's, kept until the auditor logs out. */
  importSecret(session: number, secret: Uint8Array): Promise<void> {
    return this.#port.call(protocol.CMD_AUDIT_IMPORT, session, new Writer().bytes(secret), nothing)
  }

  /** Logs a text of at most AUDIT_TEXT bytes. */
  message(session: number, text: string): Promise<void> {
    return this.#port.call(protocol.CMD_AUDIT_MESSAGE, session, new Writer().text(text), nothing)
  }
}
