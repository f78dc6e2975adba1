import * as protocol from '../../assembly/protocol.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** PED_GET: which PED the HSM listens to. */
export interface PedInfo {
  /** PED_ID_LOCAL or PED_ID_REMOTE. */
  readonly id: number
  /** PED_LINE_… bits of the connectors that are up. */
  readonly line: number
  /** A remote PED vector is set. */
  readonly vector: boolean
}

/** Commands on the HSM's PED connection. `admin` is a session on ADMIN_PARTITION. */
export class PedCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  get(): Promise<PedInfo> {
    return this.#port.call(protocol.CMD_PED_GET, 0, empty(), (reader) => ({
      id: reader.u16(),
      line: reader.u8(),
      vector: reader.u8() !== 0,
    }))
  }

  /** Authenticates the remote PED whose link is already up; its person presents the orange key. */
  connect(): Promise<void> {
    return this.#port.call(protocol.CMD_PED_CONNECT, 0, empty(), nothing)
  }

  disconnect(): Promise<void> {
    return this.#port.call(protocol.CMD_PED_DISCONNECT, 0, empty(), nothing)
  }

  initVector(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_PED_VECTOR_INIT, admin, empty(), nothing)
  }

  eraseVector(admin: number): Promise<void> {
    return this.#port.call(protocol.CMD_PED_VECTOR_ERASE, admin, empty(), nothing)
  }
}
