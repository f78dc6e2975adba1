import * as protocol from '../../assembly/protocol.js'
import { Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** ROLE_INFO. */
export interface RoleInfo {
  readonly initialized: boolean
  readonly lockedOut: boolean
  readonly activated: boolean
  readonly hasChallenge: boolean
  /** The owner has to change the password, or the challenge, before anything else. */
  readonly pinChange: boolean
  readonly challengeChange: boolean
  /** Wrong log-ins left before the profile's lock-out. */
  readonly attempts: number
  /** ROLE_AUTH_… */
  readonly primary: number
  /** ROLE_AUTH_… */
  readonly secondary: number
}

export interface LoginResult {
  /** The role was activated: its PED secret was cached and the PED not asked. */
  readonly wasActivated: boolean
  readonly nowActivated: boolean
}

/** Commands on roles (ROLE_SO, ROLE_PARTITION_SO, ROLE_CRYPTO_OFFICER, ROLE_CRYPTO_USER, ROLE_AUDITOR) of the session's partition. */
export class RoleCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  /** `password` is the challenge on PED-authenticated HSMs. */
  login(session: number, role: number, password = ''): Promise<LoginResult> {
    return this.#port.call(protocol.CMD_ROLE_LOGIN, session, new Writer().u8(role).text(password), (reader) => {
      const flags = reader.u8()
      return {
        wasActivated: (flags & protocol.LOGIN_WAS_ACTIVATED) !== 0,
        nowActivated: (flags & protocol.LOGIN_NOW_ACTIVATED) !== 0,
      }
    })
  }

  logout(session: number): Promise<void> {
    return this.#port.call(protocol.CMD_ROLE_LOGOUT, session, empty(), nothing)
  }

  info(session: number, role: number): Promise<RoleInfo> {
    return this.#port.call(protocol.CMD_ROLE_INFO, session, new Writer().u8(role), (reader) => {
      const flags = reader.u32()
      return {
        initialized: (flags & protocol.ROLE_INITIALIZED) !== 0,
        lockedOut: (flags & protocol.ROLE_LOCKED_OUT) !== 0,
        activated: (flags & protocol.ROLE_ACTIVATED) !== 0,
        hasChallenge: (flags & protocol.ROLE_HAS_CHALLENGE) !== 0,
        pinChange: (flags & protocol.ROLE_PIN_CHANGE) !== 0,
        challengeChange: (flags & protocol.ROLE_CHALLENGE_CHANGE) !== 0,
        attempts: reader.u8(),
        primary: reader.u8(),
        secondary: reader.u8(),
      }
    })
  }

  init(session: number, role: number, password = ''): Promise<void> {
    return this.#port.call(protocol.CMD_ROLE_INIT, session, new Writer().u8(role).text(password), nothing)
  }

  changeSecret(session: number, role: number, oldSecret: string, newSecret: string): Promise<void> {
    const body = new Writer().u8(role).text(oldSecret).text(newSecret)
    return this.#port.call(protocol.CMD_ROLE_CHANGE_SECRET, session, body, nothing)
  }

  /** An empty challenge is made by the HSM and shown by the PED. */
  createChallenge(session: number, role: number, challenge = ''): Promise<void> {
    const body = new Writer().u8(role).text(challenge)
    return this.#port.call(protocol.CMD_ROLE_CREATE_CHALLENGE, session, body, nothing)
  }

  /** A new secret for a user, by the Partition SO. */
  resetSecret(session: number, role: number, password = ''): Promise<void> {
    return this.#port.call(protocol.CMD_ROLE_RESET_SECRET, session, new Writer().u8(role).text(password), nothing)
  }

  deactivate(session: number, role: number): Promise<void> {
    return this.#port.call(protocol.CMD_ROLE_DEACTIVATE, session, new Writer().u8(role), nothing)
  }
}
