import * as protocol from '../../assembly/protocol.js'
import { type Attribute, type Reader, Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

/** A row of MECHANISM_LIST. */
export interface MechanismInfo {
  readonly mechanism: number
  readonly min: number
  readonly max: number
  readonly flags: number
}

/** A mechanism and its parameter, already in the form of SPEC.md §2.4. */
export interface Mechanism {
  readonly mechanism: number
  readonly parameter?: Uint8Array
}

/** Cryptographic commands of the session's partition. */
export class CryptoCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  mechanisms(): Promise<MechanismInfo[]> {
    return this.#port.call(protocol.CMD_MECHANISM_LIST, 0, empty(), (reader) =>
      reader.rows((row) => ({ mechanism: row.u32(), min: row.u32(), max: row.u32(), flags: row.u32() })),
    )
  }

  sign(session: number, mechanism: Mechanism, key: number, data: Uint8Array): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_SIGN, session, start(mechanism).u32(key).bytes(data), readBytes)
  }

  /** Rejects with CKR_SIGNATURE_INVALID where the signature is not of this data and key. */
  verify(session: number, mechanism: Mechanism, key: number, data: Uint8Array, signature: Uint8Array): Promise<void> {
    const body = start(mechanism).u32(key).bytes(data).bytes(signature)
    return this.#port.call(protocol.CMD_VERIFY, session, body, nothing)
  }

  encrypt(session: number, mechanism: Mechanism, key: number, data: Uint8Array): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_ENCRYPT, session, start(mechanism).u32(key).bytes(data), readBytes)
  }

  decrypt(session: number, mechanism: Mechanism, key: number, data: Uint8Array): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_DECRYPT, session, start(mechanism).u32(key).bytes(data), readBytes)
  }

  wrap(session: number, mechanism: Mechanism, wrappingKey: number, key: number): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_WRAP, session, start(mechanism).u32(wrappingKey).u32(key), readBytes)
  }

  /** Answers the handle of the new key. */
  unwrap(
    session: number,
    mechanism: Mechanism,
    unwrappingKey: number,
    wrapped: Uint8Array,
    attributes: readonly Attribute[],
  ): Promise<number> {
    const body = start(mechanism).u32(unwrappingKey).bytes(wrapped).attributes(attributes)
    return this.#port.call(protocol.CMD_UNWRAP, session, body, (reader) => reader.u32())
  }
}

function start(mechanism: Mechanism): Writer {
  return new Writer().u32(mechanism.mechanism).bytes(mechanism.parameter ?? new Uint8Array(0))
}

function readBytes(reader: Reader): Uint8Array {
  return reader.bytes()
}
