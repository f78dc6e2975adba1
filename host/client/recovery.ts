import * as protocol from '../../assembly/protocol.js'
import { Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** TAMPER_SHOW. */
export interface TamperInfo {
  /** Nobody has cleared it. */
  readonly tampered: boolean
  /** TAMPER_… of the last one, 0 = there never was any. */
  readonly cause: number
  /** Seconds since 1970, 0 = the clock was not set. */
  readonly time: bigint
  readonly count: number
}

export interface TransportStrings {
  /** STM_STRING characters each. */
  readonly random: string
  readonly verification: string
}

/** SRK_SHOW. */
export interface RecoveryInfo {
  /** A split of the master tamper key is on a purple key. */
  readonly external: boolean
  readonly tampered: boolean
  readonly transport: boolean
}

const ascii = new TextDecoder('latin1')

/** Commands around tamper, transport mode and the purple key. `admin` is a session on ADMIN_PARTITION. */
export class RecoveryCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  /** Answered in every state. */
  tamper(): Promise<TamperInfo> {
    return this.#port.call(protocol.CMD_TAMPER_SHOW, 0, empty(), (reader) => ({
      tampered: reader.u8() !== 0,
      cause: reader.u32(),
      time: reader.u64(),
      count: reader.u32(),
    }))
  }

  clearTamper(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_TAMPER_CLEAR, admin, empty(), nothing)
  }

  /** Puts the HSM into transport mode; all sessions and log-ins end. */
  stmTransport(admin: number): Promise<TransportStrings> {
    return this.#port.call(protocol.CMD_STM_TRANSPORT, admin, empty(), (reader) => ({
      random: ascii.decode(reader.fixed(protocol.STM_STRING)),
      verification: ascii.decode(reader.fixed(protocol.STM_STRING)),
    }))
  }

  /** The verification string of a random user string, as the HSM is now. */
  stmVerify(admin: number, random: string): Promise<string> {
    const body = new Writer().fixed(new TextEncoder().encode(random), protocol.STM_STRING)
    return this.#port.call(protocol.CMD_STM_VERIFY, admin, body, (reader) =>
      ascii.decode(reader.fixed(protocol.STM_STRING)),
    )
  }

  stmRecover(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_STM_RECOVER, admin, empty(), nothing)
  }

  /** Answered in every state. */
  srk(): Promise<RecoveryInfo> {
    return this.#port.call(protocol.CMD_SRK_SHOW, 0, empty(), (reader) => ({
      external: reader.u8() !== 0,
      tampered: reader.u8() !== 0,
      transport: reader.u8() !== 0,
    }))
  }

  /** Moves a split to a purple key. */
  srkEnable(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_SRK_ENABLE, admin, empty(), nothing)
  }

  srkDisable(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_SRK_DISABLE, admin, empty(), nothing)
  }

  /** A new split on a purple key; keys made before then open nothing. */
  srkGenerate(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_SRK_GENERATE, admin, empty(), nothing)
  }

  srkTransport(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_SRK_TRANSPORT, admin, empty(), nothing)
  }

  /** With the purple key, after a tamper or transport. */
  srkRecover(): Promise<void> {
    return this.#port.call(protocol.CMD_SRK_RECOVER, 0, empty(), nothing)
  }
}
