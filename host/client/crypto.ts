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

/** A part of a message, for PART. */
export interface Part {
  readonly purpose: 'digest' | 'sign' | 'verify'
  readonly mechanism: Mechanism
  /** Of a digest: the key whose value is the part, 0 = none. */
  readonly key: number
  /** What the last part was answered with; empty = this is the first. */
  readonly state: Uint8Array
  readonly data: Uint8Array
  readonly last: boolean
  /** Of `verify`, with the last part. */
  readonly signature?: Uint8Array
}

/** A message of GCM or CCM, for MESSAGE_NONCE and MESSAGE_SEAL. */
export interface Message {
  readonly mechanism: number
  readonly key: number
  /** The first of a process: counters begin anew. */
  readonly first: boolean
  /** CKG_…: who makes the nonce. */
  readonly generator: number
  /** Bits of `nonce`, from the front, that stay. */
  readonly fixed: number
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
  /** Length of the tag, in bits for GCM, in bytes for CCM. */
  readonly tag: number
}

/** A part of what GCM or CCM encrypts or decrypts, for AEAD_PART. */
export interface AeadPart {
  readonly purpose: 'seal' | 'check' | 'open'
  readonly mechanism: Mechanism
  readonly key: number
  /** Bytes of all data, for CCM; of GCM nobody looks at it. */
  readonly length: number
  /** What the part before was answered with; empty = this is the first. */
  readonly state: Uint8Array
  readonly data: Uint8Array
  readonly last: boolean
  /** Of `check` with the last part the tag, of `open` what the token has given for the part behind this one. */
  readonly proof: Uint8Array
  /** Of `seal`: the parameter is that of a message. */
  readonly message: boolean
}

const AEAD = { seal: protocol.AEAD_SEAL, check: protocol.AEAD_CHECK, open: protocol.AEAD_OPEN } as const
const PURPOSES = { digest: protocol.PART_DIGEST, sign: protocol.PART_SIGN, verify: protocol.PART_VERIFY } as const

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

  /** Answers the state for the next part, or with the last one the digest or signature. */
  part(session: number, { purpose, mechanism, key, state, data, last, signature }: Part): Promise<Uint8Array> {
    const keyed = purpose === 'digest' && key !== 0
    const flags = (last ? protocol.PART_LAST : 0) | (keyed ? protocol.PART_KEY : 0)
    const body = new Writer()
      .u8(PURPOSES[purpose])
      .u8(flags)
      .u32(mechanism.mechanism)
      .bytes(mechanism.parameter ?? new Uint8Array(0))
      .u32(key)
      .bytes(state)
      .bytes(data)
      .bytes(signature ?? new Uint8Array(0))
    return this.#port.call(protocol.CMD_PART, session, body, last && purpose === 'verify' ? noBytes : readBytes)
  }

  /** Answers the nonce of a message whose data comes later, with `seal`. */
  messageNonce(session: number, message: Message): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_MESSAGE_NONCE, session, messageBody(message, false, NONE), readBytes)
  }

  /** Answers the nonce, the one that was given out before where `begun`, and ciphertext ∥ tag. */
  messageSeal(session: number, message: Message, begun: boolean, data: Uint8Array): Promise<[Uint8Array, Uint8Array]> {
    const body = messageBody(message, begun, data)
    return this.#port.call(protocol.CMD_MESSAGE_SEAL, session, body, (reader) => [reader.bytes(), reader.bytes()])
  }

  /** Answers the state or proof for the next part, empty where none follows, and the result: of `check` none. */
  aeadPart(session: number, part: AeadPart): Promise<[Uint8Array, Uint8Array]> {
    const { purpose, mechanism, key, length, state, data, last, proof, message } = part
    const body = new Writer()
      .u8(AEAD[purpose])
      .u8((last ? protocol.AEAD_LAST : 0) | (message ? protocol.AEAD_MESSAGE : 0))
      .u32(mechanism.mechanism)
      .bytes(mechanism.parameter ?? NONE)
      .u32(key)
      .u64(BigInt(length))
      .bytes(state)
      .bytes(data)
      .bytes(proof)
    return this.#port.call(protocol.CMD_AEAD_PART, session, body, (reader) => [reader.bytes(), reader.bytes()])
  }

  /** Answers the handle of the new key. A password (key 0) goes sealed. */
  derive(session: number, mechanism: Mechanism, key: number, attributes: readonly Attribute[]): Promise<number> {
    const body = start(mechanism).u32(key).attributes(attributes)
    return this.#port.call(protocol.CMD_DERIVE, session, body, (reader) => reader.u32(), { sealed: key === 0 })
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

const NONE = new Uint8Array(0)

/** A message's parameter. `begun`: its nonce was given out before. */
export function messageMechanism(message: Message, begun: boolean): Mechanism {
  const { mechanism, first, generator, fixed, nonce, aad, tag } = message
  const flags = (first ? protocol.MESSAGE_FIRST : 0) | (begun ? protocol.MESSAGE_BEGUN : 0)
  const parameter = new Writer().u8(flags).u8(generator).u32(fixed).bytes(nonce).bytes(aad).u32(tag).finish()
  return { mechanism, parameter }
}

function messageBody(message: Message, begun: boolean, data: Uint8Array): Writer {
  return start(messageMechanism(message, begun)).u32(message.key).bytes(data)
}

function noBytes(): Uint8Array {
  return new Uint8Array(0)
}

function readBytes(reader: Reader): Uint8Array {
  return reader.bytes()
}
