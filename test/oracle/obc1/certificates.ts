// The fixed 256-byte certificate "OTC1": OBC-1 §3.
import { OBC_CERTIFICATE } from '../../../assembly/protocol.js'
import { cat, equal, isZero, u8, u16, u32, u64 } from './bytes.js'
import { H } from './crypto.js'
import { isValidPoint, publicKey, sign, verify } from './p384.js'

export const HOC = 2
export const TWC = 3
export type CertificateType = typeof HOC | typeof TWC
/** Usage bits: sign certificates, key agreement. */
const USAGE = { [HOC]: 1, [TWC]: 2 } as const
const FOREVER = 0xffff_ffff_ffff_ffffn

export interface CertificateFields {
  type: CertificateType
  serial: bigint
  notBefore?: bigint
  notAfter?: bigint
  model: number
  firmware: number
  /** The certified public key. */
  key: Buffer
  issuerPrivateKey: Buffer
}

export const keyId = (key: Buffer): Buffer => H(key).subarray(0, 8)

export function issue(fields: CertificateFields): Buffer {
  const { type, serial, notBefore = 0n, notAfter = FOREVER, model, firmware, key, issuerPrivateKey } = fields
  const head = cat('OTC1', u8(type), u8(1), u16(USAGE[type]), keyId(publicKey(issuerPrivateKey)), u64(serial))
  const body = cat(head, u64(notBefore), u64(notAfter), u32(model), u32(firmware), key, Buffer.alloc(15))
  return cat(body, sign(issuerPrivateKey, body))
}

export const certifiedKey = (certificate: Buffer): Buffer => certificate.subarray(48, 145)

/** What a certificate must be at its place. */
export interface Expected {
  type: CertificateType
  serial: bigint
  issuerKey: Buffer
  /** Seconds, 0 = not set. */
  clock?: bigint
}

/** The checks of §3 in their order: null, or the name of the one that failed. */
export function fault(certificate: Buffer, { type, serial, issuerKey, clock = 0n }: Expected): string | null {
  if (certificate.length !== OBC_CERTIFICATE) return 'length'
  if (!equal(certificate.subarray(0, 4), Buffer.from('OTC1')) || certificate[5] !== 1) return 'form'
  if (!isZero(certificate.subarray(145, 160))) return 'form'
  if (certificate[4] !== type || certificate.readUInt16BE(6) !== USAGE[type]) return 'type or usage'
  if (!isValidPoint(certifiedKey(certificate))) return 'public key'
  if (!equal(certificate.subarray(8, 16), keyId(issuerKey))) return 'issuer'
  if (certificate.readBigUInt64BE(16) !== serial) return 'serial'
  if (clock && (clock < certificate.readBigUInt64BE(24) || clock > certificate.readBigUInt64BE(32))) return 'validity'
  return verify(issuerKey, certificate.subarray(0, 160), certificate.subarray(160)) ? null : 'signature'
}

export interface Chain {
  hoc: Buffer
  twc: Buffer
  serial: bigint
  root: Buffer
  clock: bigint
}

/** root → HOC → TWC. */
export const chainFault = ({ hoc, twc, serial, root, clock }: Chain): string | null =>
  fault(hoc, { type: HOC, serial, issuerKey: root, clock }) ??
  fault(twc, { type: TWC, serial, issuerKey: certifiedKey(hoc), clock })
