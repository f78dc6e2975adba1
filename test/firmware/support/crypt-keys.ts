// Keys for tests of the crypt commands: secret ones by value, private ones by unwrapping; and the parameters of mechanisms.
import { createCipheriv, createDecipheriv, createHash, type KeyObject } from 'node:crypto'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, type Mechanism, Writer } from '../../../host/client/index.js'
import { type Officer, prepare } from './officer.js'
import { aesKey } from './templates.js'
import { TestToken, type TokenOptions, type TokenParts } from './test-token.js'

const { ulong, bool, bytes } = attribute

/** Mechanism numbers of one hash, and its name and length in node:crypto. */
export const HASHES = [
  {
    name: 'sha256',
    length: 32,
    hash: protocol.CKM_SHA256,
    hmac: protocol.CKM_SHA256_HMAC,
    pkcs1: protocol.CKM_SHA256_RSA_PKCS,
    pss: protocol.CKM_SHA256_RSA_PKCS_PSS,
    ecdsa: protocol.CKM_ECDSA_SHA256,
  },
  {
    name: 'sha384',
    length: 48,
    hash: protocol.CKM_SHA384,
    hmac: protocol.CKM_SHA384_HMAC,
    pkcs1: protocol.CKM_SHA384_RSA_PKCS,
    pss: protocol.CKM_SHA384_RSA_PKCS_PSS,
    ecdsa: protocol.CKM_ECDSA_SHA384,
  },
  {
    name: 'sha512',
    length: 64,
    hash: protocol.CKM_SHA512,
    hmac: protocol.CKM_SHA512_HMAC,
    pkcs1: protocol.CKM_SHA512_RSA_PKCS,
    pss: protocol.CKM_SHA512_RSA_PKCS_PSS,
    ecdsa: protocol.CKM_ECDSA_SHA512,
  },
] as const

export const digestOf = (name: string, data: Uint8Array): Buffer => createHash(name).update(data).digest()

/** Bytes that look random and are the same everywhere. */
export function fill(length: number, seed = 1): Buffer {
  const block = (i: number) => createHash('sha256').update(`${seed} ${i}`).digest()
  return Buffer.concat(Array.from({ length: Math.ceil(length / 32) }, (_, i) => block(i))).subarray(0, length)
}

/** A copy with one bit changed. */
export function flipped(data: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(data)
  copy[bit >>> 3] = (copy[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

// ---- mechanism parameters, SPEC.md §2.4 -------------------------------------------------------------------------------

export function gcm(iv: Uint8Array, aad: Uint8Array, tagBits: number): Mechanism {
  return { mechanism: protocol.CKM_AES_GCM, parameter: new Writer().bytes(iv).bytes(aad).u32(tagBits).finish() }
}

/** @param hash CKM_… of the digest */
export function pss(mechanism: number, hash: number, saltLength: number): Mechanism {
  return { mechanism, parameter: new Writer().u32(hash).u32(saltLength).finish() }
}

export function oaep(hash: number): Mechanism {
  return { mechanism: protocol.CKM_RSA_PKCS_OAEP, parameter: new Writer().u32(hash).finish() }
}

// ---- keys -------------------------------------------------------------------------------------------------------------

/** Crypto Officer on a new password HSM. */
export async function cryptOfficer(options: TokenOptions = {}, parts: TokenParts = {}): Promise<Officer> {
  return prepare(await TestToken.make(options, parts))
}

/** An AES session key with this value that may do everything. */
export function importAes(officer: Officer, value: Uint8Array, more: readonly Attribute[] = []): Promise<number> {
  const template = aesKey('aes', value, merged([bool(protocol.CKA_TOKEN, false)], more))
  return officer.client.objects.create(officer.session, template)
}

/** A generic secret session key for HMAC. */
export function importGeneric(officer: Officer, value: Uint8Array, more: readonly Attribute[] = []): Promise<number> {
  const own = [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
    bool(protocol.CKA_TOKEN, false),
    bytes(protocol.CKA_VALUE, value),
  ]
  return officer.client.objects.create(officer.session, merged(own, more))
}

/** The attributes of `own` with those of `more` in their place. */
export function merged(own: readonly Attribute[], more: readonly Attribute[]): Attribute[] {
  const byType = new Map([...own, ...more].map((one) => [one.type, one]))
  return [...byType.values()]
}

const KWP_IV = Buffer.from('a65959a6', 'hex')
const KW_IV = Buffer.alloc(8, 0xa6)

/** AES key wrap (RFC 3394), or with padding (RFC 5649), by OpenSSL. */
export function opensslWrap(kek: Uint8Array, data: Uint8Array, padded: boolean): Buffer {
  const name = `id-aes${8 * kek.length}-wrap${padded ? '-pad' : ''}`
  const cipher = createCipheriv(name, kek, padded ? KWP_IV : KW_IV)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

export function opensslUnwrap(kek: Uint8Array, wrapped: Uint8Array, padded: boolean): Buffer {
  const name = `id-aes${8 * kek.length}-wrap${padded ? '-pad' : ''}`
  const decipher = createDecipheriv(name, kek, padded ? KWP_IV : KW_IV)
  return Buffer.concat([decipher.update(wrapped), decipher.final()])
}

export const pkcs8 = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'pkcs8' })

/** A private session key, unwrapped from its PKCS#8 form. */
export async function importPrivate(
  officer: Officer,
  key: KeyObject,
  more: readonly Attribute[] = [],
): Promise<number> {
  const kek = fill(32, 99)
  const unwrapper = await importAes(officer, kek)
  const own = [ulong(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY), bool(protocol.CKA_TOKEN, false)]
  try {
    const mechanism = { mechanism: protocol.CKM_AES_KEY_WRAP_KWP }
    const wrapped = opensslWrap(kek, pkcs8(key), true)
    return await officer.client.crypto.unwrap(officer.session, mechanism, unwrapper, wrapped, merged(own, more))
  } finally {
    await officer.client.objects.destroy(officer.session, [unwrapper])
  }
}

function member(value: string | undefined): Buffer {
  if (value === undefined) throw new Error('the key has no such number')
  return Buffer.from(value, 'base64url')
}

const OIDS: Readonly<Record<string, string>> = {
  'P-256': '06082a8648ce3d030107',
  'P-384': '06052b81040022',
  'P-521': '06052b81040023',
  secp256k1: '06052b8104000a',
}

/** The template of a public key: RSA, or EC with the point in its DER OCTET STRING. */
export function publicTemplate(key: KeyObject): Attribute[] {
  const { kty, n, e, crv, x, y } = key.export({ format: 'jwk' })
  const common = [ulong(protocol.CKA_CLASS, protocol.CKO_PUBLIC_KEY), bool(protocol.CKA_TOKEN, false)]
  if (kty === 'RSA') {
    return [
      ...common,
      ulong(protocol.CKA_KEY_TYPE, protocol.CKK_RSA),
      bytes(protocol.CKA_MODULUS, member(n)),
      bytes(protocol.CKA_PUBLIC_EXPONENT, member(e)),
    ]
  }
  const point = Buffer.concat([Buffer.of(4), member(x), member(y)])
  const head = point.length > 127 ? Buffer.of(4, 0x81, point.length) : Buffer.of(4, point.length)
  return [
    ...common,
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_EC),
    bytes(protocol.CKA_EC_PARAMS, Buffer.from(OIDS[crv ?? ''] ?? '', 'hex')),
    bytes(protocol.CKA_EC_POINT, Buffer.concat([head, point])),
  ]
}

export function importPublic(officer: Officer, key: KeyObject, more: readonly Attribute[] = []): Promise<number> {
  return officer.client.objects.create(officer.session, merged(publicTemplate(key), more))
}

// ---- nothing is stored ------------------------------------------------------------------------------------------------

/** Everything that a refused command must leave as it is: flash, counter, the objects that the officer sees. */
async function holdings({ token, client, session }: Officer): Promise<string> {
  const objects = (await client.objects.list(session)).map(({ handle, bits }) => `${handle} ${bits}`).sort()
  const flash = createHash('sha256').update(token.state.flash.image).digest('hex')
  return [flash, token.state.counter, ...objects].join('\n')
}

/** Asserts that the work leaves everything that is stored as it is, session objects too. */
export async function storesNothing(officer: Officer, work: () => Promise<unknown>): Promise<void> {
  const before = await holdings(officer)
  await work()
  assert.is(await holdings(officer), before, 'something was stored')
}
