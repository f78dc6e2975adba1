// One session of a Crypto Officer at the door, and what tests of mechanisms do there.
import * as protocol from '../../assembly/protocol.js'
import type { SlotSource } from '../../host/client/index.js'
import type { CkAttribute } from '../../host/pkcs11/attribute-codec.js'
import { calls } from '../../host/pkcs11/calls.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { data, flag, number, Program, partitionInSlot, room, whole } from './support.js'

const ROOM = room(1 << 20)

/** A mechanism without a parameter. */
export const bare = (type: number): CkMechanism => ({ type, parameter: { form: 'none' } })
export const withIv = (type: number, iv: Uint8Array): CkMechanism => ({ type, parameter: { form: 'iv', iv } })
export const withNumber = (type: number, value: number): CkMechanism => ({ type, parameter: { form: 'number', value } })

export const secret = (keyType: number, value: Uint8Array, more: readonly CkAttribute[] = []): CkAttribute[] => {
  const usages = [
    ...[protocol.CKA_ENCRYPT, protocol.CKA_DECRYPT, protocol.CKA_SIGN, protocol.CKA_VERIFY],
    ...[protocol.CKA_WRAP, protocol.CKA_UNWRAP, protocol.CKA_DERIVE],
  ]
  const own = [
    number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    number(protocol.CKA_KEY_TYPE, keyType),
    ...usages.map((usage) => flag(usage, true)),
    data(protocol.CKA_VALUE, value),
  ]
  const types = new Set(more.map(({ type }) => type))
  return [...own.filter(({ type }) => !types.has(type)), ...more]
}

/** A template for a key that may be looked at. */
export const open = (keyType: number, length: number, more: readonly CkAttribute[] = []): CkAttribute[] => [
  number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
  number(protocol.CKA_KEY_TYPE, keyType),
  ...(length > 0 ? [number(protocol.CKA_VALUE_LEN, length)] : []),
  flag(protocol.CKA_SENSITIVE, false),
  flag(protocol.CKA_EXTRACTABLE, true),
  ...more,
]

/** A generic secret that may be read. */
export const generic = (length: number, more: readonly CkAttribute[] = []): CkAttribute[] =>
  open(protocol.CKK_GENERIC_SECRET, length, more)
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

export class Desk {
  private constructor(
    readonly program: Program,
    readonly session: number,
    readonly slots: SlotSource,
    readonly partition: number,
  ) {}

  static async open(): Promise<Desk> {
    const { slots, partition } = await partitionInSlot()
    // The newest client: every mechanism that the token has.
    const { program } = Program.at(slots, 2)
    await program.initialize()
    return new Desk(program, await program.officer(), slots, partition)
  }

  create(template: readonly CkAttribute[]): Promise<number> {
    return this.program.call(calls.createObject, [this.session, template])
  }

  secret(keyType: number, value: Uint8Array, more: readonly CkAttribute[] = []): Promise<number> {
    return this.create(secret(keyType, value, more))
  }

  pair(
    mechanism: CkMechanism,
    publicTemplate: readonly CkAttribute[],
    privateTemplate: readonly CkAttribute[],
  ): Promise<[number, number]> {
    return this.program.call(calls.generateKeyPair, [this.session, mechanism, publicTemplate, privateTemplate])
  }

  derive(mechanism: CkMechanism, key: number, template: readonly CkAttribute[]): Promise<number> {
    return this.program.call(calls.deriveKey, [this.session, mechanism, key, template])
  }

  generate(mechanism: CkMechanism, template: readonly CkAttribute[]): Promise<number> {
    return this.program.call(calls.generateKey, [this.session, mechanism, template])
  }

  /** The value of a derived key. */
  async derived(mechanism: CkMechanism, base: number, template: readonly CkAttribute[]): Promise<Buffer> {
    return this.value(await this.derive(mechanism, base, template))
  }

  /** The value of one attribute. */
  async value(key: number, type: number = protocol.CKA_VALUE): Promise<Buffer> {
    const [[found]] = await this.program.call(calls.getAttributeValue, [this.session, key, [{ type, capacity: 4096 }]])
    if (!(found?.value instanceof Uint8Array)) throw new Error('no such value')
    return Buffer.from(found.value)
  }

  async flag(key: number, type: number): Promise<boolean> {
    return (await this.value(key, type))[0] === 1
  }

  async digest(type: number, input: Uint8Array): Promise<Buffer> {
    await this.program.call(calls.digestInit, [this.session, bare(type)])
    return Buffer.from(whole(await this.program.call(calls.digest, [this.session, input, ROOM])))
  }

  /** The same in pieces of `size` bytes. */
  async digestParts(type: number, input: Uint8Array, size: number): Promise<Buffer> {
    const { program, session } = this
    await program.call(calls.digestInit, [session, bare(type)])
    for (let at = 0; at < input.length; at += size) {
      await program.call(calls.digestUpdate, [session, input.slice(at, at + size)])
    }
    return Buffer.from(whole(await program.call(calls.digestFinal, [session, ROOM])))
  }

  async sign(mechanism: CkMechanism, key: number, input: Uint8Array): Promise<Buffer> {
    await this.program.call(calls.signInit, [this.session, mechanism, key])
    return Buffer.from(whole(await this.program.call(calls.sign, [this.session, input, ROOM])))
  }

  async signParts(mechanism: CkMechanism, key: number, input: Uint8Array, size: number): Promise<Buffer> {
    const { program, session } = this
    await program.call(calls.signInit, [session, mechanism, key])
    for (let at = 0; at < input.length; at += size) {
      await program.call(calls.signUpdate, [session, input.slice(at, at + size)])
    }
    return Buffer.from(whole(await program.call(calls.signFinal, [session, ROOM])))
  }

  async verify(mechanism: CkMechanism, key: number, input: Uint8Array, signature: Uint8Array): Promise<void> {
    await this.program.call(calls.verifyInit, [this.session, mechanism, key])
    await this.program.call(calls.verify, [this.session, input, signature])
  }

  async verifyParts(
    mechanism: CkMechanism,
    key: number,
    input: Uint8Array,
    signature: Uint8Array,
    size: number,
  ): Promise<void> {
    const { program, session } = this
    await program.call(calls.verifyInit, [session, mechanism, key])
    for (let at = 0; at < input.length; at += size) {
      await program.call(calls.verifyUpdate, [session, input.slice(at, at + size)])
    }
    await program.call(calls.verifyFinal, [session, signature])
  }

  async encrypt(mechanism: CkMechanism, key: number, input: Uint8Array): Promise<Buffer> {
    await this.program.call(calls.encryptInit, [this.session, mechanism, key])
    return Buffer.from(whole(await this.program.call(calls.encrypt, [this.session, input, ROOM])))
  }

  async decrypt(mechanism: CkMechanism, key: number, input: Uint8Array): Promise<Buffer> {
    await this.program.call(calls.decryptInit, [this.session, mechanism, key])
    return Buffer.from(whole(await this.program.call(calls.decrypt, [this.session, input, ROOM])))
  }

  async encryptParts(mechanism: CkMechanism, key: number, input: Uint8Array, size: number): Promise<Buffer> {
    const { program, session } = this
    await program.call(calls.encryptInit, [session, mechanism, key])
    const results: Uint8Array[] = []
    for (let at = 0; at < input.length; at += size) {
      results.push(whole(await program.call(calls.encryptUpdate, [session, input.slice(at, at + size), ROOM])))
    }
    results.push(whole(await program.call(calls.encryptFinal, [session, ROOM])))
    return Buffer.concat(results)
  }

  async decryptParts(mechanism: CkMechanism, key: number, input: Uint8Array, size: number): Promise<Buffer> {
    const { program, session } = this
    await program.call(calls.decryptInit, [session, mechanism, key])
    const results: Uint8Array[] = []
    for (let at = 0; at < input.length; at += size) {
      results.push(whole(await program.call(calls.decryptUpdate, [session, input.slice(at, at + size), ROOM])))
    }
    results.push(whole(await program.call(calls.decryptFinal, [session, ROOM])))
    return Buffer.concat(results)
  }

  async wrap(mechanism: CkMechanism, by: number, key: number): Promise<Buffer> {
    return Buffer.from(whole(await this.program.call(calls.wrapKey, [this.session, mechanism, by, key, ROOM])))
  }

  unwrap(mechanism: CkMechanism, by: number, wrapped: Uint8Array, template: readonly CkAttribute[]): Promise<number> {
    return this.program.call(calls.unwrapKey, [this.session, mechanism, by, wrapped, template])
  }
}

/** The numbers of one hash, by its name in node:crypto. */
export const HASHES = [
  { name: 'sha1', length: 20, hash: protocol.CKM_SHA_1, key: protocol.CKM_SHA1_KEY_DERIVATION, mgf: 1, prefix: 'SHA1' },
  {
    name: 'sha224',
    length: 28,
    hash: protocol.CKM_SHA224,
    key: protocol.CKM_SHA224_KEY_DERIVATION,
    mgf: 5,
    prefix: 'SHA224',
  },
  {
    name: 'sha256',
    length: 32,
    hash: protocol.CKM_SHA256,
    key: protocol.CKM_SHA256_KEY_DERIVATION,
    mgf: 2,
    prefix: 'SHA256',
  },
  {
    name: 'sha384',
    length: 48,
    hash: protocol.CKM_SHA384,
    key: protocol.CKM_SHA384_KEY_DERIVATION,
    mgf: 3,
    prefix: 'SHA384',
  },
  {
    name: 'sha512',
    length: 64,
    hash: protocol.CKM_SHA512,
    key: protocol.CKM_SHA512_KEY_DERIVATION,
    mgf: 4,
    prefix: 'SHA512',
  },
  {
    name: 'sha3-224',
    length: 28,
    hash: protocol.CKM_SHA3_224,
    key: protocol.CKM_SHA3_224_KEY_DERIVATION,
    mgf: 6,
    prefix: 'SHA3_224',
  },
  {
    name: 'sha3-256',
    length: 32,
    hash: protocol.CKM_SHA3_256,
    key: protocol.CKM_SHA3_256_KEY_DERIVATION,
    mgf: 7,
    prefix: 'SHA3_256',
  },
  {
    name: 'sha3-384',
    length: 48,
    hash: protocol.CKM_SHA3_384,
    key: protocol.CKM_SHA3_384_KEY_DERIVATION,
    mgf: 8,
    prefix: 'SHA3_384',
  },
  {
    name: 'sha3-512',
    length: 64,
    hash: protocol.CKM_SHA3_512,
    key: protocol.CKM_SHA3_512_KEY_DERIVATION,
    mgf: 9,
    prefix: 'SHA3_512',
  },
] as const

const NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(protocol).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : [])),
)

/** CKM_… by its name. */
export function mechanismNamed(name: string): number {
  const found = NUMBERS.get(`CKM_${name}`)
  if (found === undefined) throw new Error(`no mechanism ${name}`)
  return found
}
