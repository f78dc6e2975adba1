import * as protocol from '../../assembly/protocol.js'
import { type Reader, Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** HSM_INFO. Storage in bytes. */
export interface HsmInfo {
  readonly label: string
  readonly serial: bigint
  /** MODEL_… */
  readonly model: number
  /** PROFILE_… */
  readonly profile: number
  /** AUTH_… */
  readonly auth: number
  /** STATE_… */
  readonly state: number
  /** ROLE_… state flags of the HSM SO. */
  readonly soFlags: number
  readonly soAttempts: number
  /** A remote PED vector is set. */
  readonly vector: boolean
  readonly total: bigint
  readonly used: bigint
  readonly free: bigint
  readonly maxPartitions: number
  readonly partitions: number
  /** Milliseconds. */
  readonly uptime: bigint
  /** Seconds since 1970, 0 = not set. */
  readonly rtc: bigint
}

/** FLASH_INFO: how full and how worn the record log is. */
export interface FlashInfo {
  /** Bytes of a sector. */
  readonly sectorSize: number
  readonly sectors: number
  readonly free: number
  /** Free sectors that only deleting and cleaning may use. */
  readonly reserve: number
  /** Bytes of records that count. */
  readonly live: bigint
  /** Bytes that come back when their sectors are cleaned. */
  readonly dead: bigint
  /** Of the least and of the most worn sector. */
  readonly leastErases: number
  readonly mostErases: number
  /** Erases that a sector is good for. */
  readonly endurance: number
  /** Superblocks written since the HSM was made. */
  readonly superblocks: bigint
}

/** One capability and the policy under it. */
export interface Policy {
  readonly id: number
  readonly offToOnDestructive: boolean
  readonly onToOffDestructive: boolean
  /** A number, not a switch. */
  readonly numeric: boolean
  /** The capability allows no change. */
  readonly fixed: boolean
  readonly capability: number
  readonly value: number
}

/**
 * The domain that `-defaultdomain` of lunacm and C_InitToken stand for. Everybody knows it, so it keeps nobody out;
 * the vendor's own is not published.
 */
export const DEFAULT_DOMAIN = 'moonlet default domain'

/** Secrets of an initialization. On PED-authenticated HSMs empty: the PED asks. */
export interface InitSecrets {
  readonly label: string
  readonly password?: string
  readonly domain?: string
}

/** Commands on the HSM as a whole. `session` is one on ADMIN_PARTITION. */
export class HsmCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  info(): Promise<HsmInfo> {
    return this.#port.call(protocol.CMD_HSM_INFO, 0, empty(), (reader) => ({
      label: reader.text(),
      serial: reader.u64(),
      model: reader.u32(),
      profile: reader.u32(),
      auth: reader.u8(),
      state: reader.u8(),
      soFlags: reader.u32(),
      soAttempts: reader.u8(),
      vector: reader.u8() !== 0,
      total: reader.u64(),
      used: reader.u64(),
      free: reader.u64(),
      maxPartitions: reader.u32(),
      partitions: reader.u32(),
      uptime: reader.u64(),
      rtc: reader.u64(),
    }))
  }

  flash(): Promise<FlashInfo> {
    return this.#port.call(protocol.CMD_FLASH_INFO, 0, empty(), (reader) => ({
      sectorSize: reader.u32(),
      sectors: reader.u32(),
      free: reader.u32(),
      reserve: reader.u32(),
      live: reader.u64(),
      dead: reader.u64(),
      leastErases: reader.u32(),
      mostErases: reader.u32(),
      endurance: reader.u32(),
      superblocks: reader.u64(),
    }))
  }

  init(session: number, secrets: InitSecrets): Promise<void> {
    return this.#port.call(protocol.CMD_HSM_INIT, session, writeSecrets(secrets), nothing)
  }

  factoryReset(session: number): Promise<void> {
    return this.#port.call(protocol.CMD_HSM_FACTORY_RESET, session, empty(), nothing)
  }

  zeroize(session: number): Promise<void> {
    return this.#port.call(protocol.CMD_HSM_ZEROIZE, session, empty(), nothing)
  }

  policies(): Promise<Policy[]> {
    return this.#port.call(protocol.CMD_HSM_POLICIES, 0, empty(), readPolicies)
  }

  setPolicy(session: number, policy: number, value: number): Promise<void> {
    const body = new Writer().u16(policy).u32(value)
    return this.#port.call(protocol.CMD_HSM_SET_POLICY, session, body, nothing)
  }
}

export function writeSecrets(secrets: InitSecrets): Writer {
  return new Writer()
    .text(secrets.label)
    .text(secrets.password ?? '')
    .text(secrets.domain ?? '')
}

export function readPolicies(reader: Reader): Policy[] {
  return reader.rows((row) => {
    const id = row.u16()
    const flags = row.u8()
    return {
      id,
      offToOnDestructive: (flags & protocol.POLICY_OFF_TO_ON_DESTRUCTIVE) !== 0,
      onToOffDestructive: (flags & protocol.POLICY_ON_TO_OFF_DESTRUCTIVE) !== 0,
      numeric: (flags & protocol.POLICY_NUMERIC) !== 0,
      fixed: (flags & protocol.POLICY_FIXED) !== 0,
      capability: row.u32(),
      value: row.u32(),
    }
  })
}
