import { createHash, createPublicKey, ECDH, verify } from 'node:crypto'
import { OBC_CERTIFICATE } from '../../assembly/protocol.js'
import { Reader } from './codec.js'
import { ChannelError } from './errors.js'

/**
 * The public key of the published test root, `04 ∥ X ∥ Y` on P-384. Its private key is public too (OBC-1 §13, name
 * `root`): a certificate under it says which emulated token speaks, not that it is safe.
 */
export const TEST_ROOT: Uint8Array = Buffer.from(
  '04f5b07215d86d2f8c3d20af22ed945a36c3e8dc81e9cdcf31d8f7d3a4196c18b0169ecbecf020dd5d873a5cff4de279' +
    '5120d18131bcc9559b41d6f1758371f1d3a942a9dc5f8ff60eb04ff9b4f02c10348d7c105ffceb6ce2806e2f869754dcef',
  'hex',
)

export const POINT = 97
const COORDINATE = 48
const RESERVED = 15
/** Bytes under the signature. */
const SIGNED = 160
const MAGIC = 0x4f544331
const HOC = { name: 'HOC', type: 2, usage: 1 } as const
const TWC = { name: 'TWC', type: 3, usage: 2 } as const

/** A certificate of OBC-1 §3, form checked but not yet believed. */
interface Certificate {
  readonly type: number
  readonly usage: number
  readonly issuer: Uint8Array
  readonly serial: bigint
  readonly notBefore: bigint
  readonly notAfter: bigint
  readonly key: Uint8Array
  readonly bytes: Uint8Array
}

/** Whose token this is, after the chain was checked. */
export interface TokenIdentity {
  readonly serial: bigint
  /** The token's certified key-agreement key, `04 ∥ X ∥ Y`. */
  readonly agreementKey: Uint8Array
}

export interface ChainOptions {
  readonly root?: Uint8Array
  /** Refuse any other token. */
  readonly serial?: bigint
  /** Seconds since 1970; 0 = the clock is not set, validity is not looked at. */
  readonly now?: bigint
}

/**
 * Checks root → HOC → TWC in the order of OBC-1 §3.
 * @throws ChannelError CHANNEL_CERTIFICATE with the name of the check that failed
 */
export function verifyChain(hoc: Uint8Array, twc: Uint8Array, options: ChainOptions = {}): TokenIdentity {
  const now = options.now ?? BigInt(Math.floor(Date.now() / 1000))
  const upper = parse(hoc, HOC)
  const serial = options.serial ?? upper.serial
  check(upper, HOC, options.root ?? TEST_ROOT, serial, now)
  const lower = parse(twc, TWC)
  check(lower, TWC, upper.key, serial, now)
  return { serial, agreementKey: lower.key }
}

/** A valid point of P-384, uncompressed: form, range, on the curve. The cofactor is 1. */
export function isPoint(key: Uint8Array): boolean {
  if (key.length !== POINT || key[0] !== 4) return false
  try {
    ECDH.convertKey(key, 'secp384r1')
    return true
  } catch {
    return false
  }
}

type Role = typeof HOC | typeof TWC

function refused(role: Role, what: string): ChannelError {
  return new ChannelError('CHANNEL_CERTIFICATE', `certificate ${role.name} refused: ${what}`)
}

function parse(bytes: Uint8Array, role: Role): Certificate {
  if (bytes.length !== OBC_CERTIFICATE) throw refused(role, 'length')
  const reader = new Reader(bytes)
  const magic = reader.u32()
  const type = reader.u8()
  const version = reader.u8()
  const usage = reader.u16()
  const issuer = reader.fixed(8)
  const serial = reader.u64()
  const notBefore = reader.u64()
  const notAfter = reader.u64()
  reader.u32() // hardware model: informative
  reader.u32() // firmware version at issue: informative
  const key = reader.fixed(POINT)
  const reserved = reader.fixed(RESERVED)
  if (magic !== MAGIC || version !== 1 || reserved.some((byte) => byte !== 0)) throw refused(role, 'form')
  return { type, usage, issuer, serial, notBefore, notAfter, key, bytes }
}

function check(certificate: Certificate, role: Role, issuerKey: Uint8Array, serial: bigint, now: bigint): void {
  const { type, usage, key, bytes } = certificate
  if (type !== role.type || usage !== role.usage) throw refused(role, 'type or usage')
  if (!isPoint(key)) throw refused(role, 'public key')
  const issuer = createHash('sha384').update(issuerKey).digest().subarray(0, 8)
  if (!issuer.equals(certificate.issuer)) throw refused(role, 'issuer')
  if (certificate.serial !== serial) throw refused(role, 'serial number')
  if (now !== 0n && (now < certificate.notBefore || now > certificate.notAfter)) throw refused(role, 'validity')
  if (!signedBy(issuerKey, bytes)) throw refused(role, 'signature')
}

function signedBy(issuerKey: Uint8Array, certificate: Uint8Array): boolean {
  const coordinate = (from: number) => Buffer.from(issuerKey.subarray(from, from + COORDINATE)).toString('base64url')
  const jwk = { kty: 'EC', crv: 'P-384', x: coordinate(1), y: coordinate(1 + COORDINATE) }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const [body, signature] = [certificate.subarray(0, SIGNED), certificate.subarray(SIGNED)]
  return verify('sha384', body, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
