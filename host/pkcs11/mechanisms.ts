// What the door has to know of mechanisms: the token's form of their parameters, and how long their results are.

import * as protocol from '../../assembly/protocol.js'
import { type Mechanism, Writer } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { CANCEL, type CkMechanism, type Parameter } from './mechanism-codec.js'

const { CKM_SHA256, CKM_SHA384, CKM_SHA512 } = protocol

/** Flags of CK_MECHANISM_INFO. */
export const CKF = {
  HW: 0x1,
  ENCRYPT: 0x100,
  DECRYPT: 0x200,
  SIGN: 0x800,
  VERIFY: 0x2000,
  EC_F_P: 0x100000,
  EC_OID: 0x800000,
  EC_UNCOMPRESS: 0x1000000,
} as const

/** CKG_MGF1_… of a hash. */
const MGF1: ReadonlyMap<number, number> = new Map([
  [CKM_SHA256, 2],
  [CKM_SHA384, 3],
  [CKM_SHA512, 4],
])
const CKZ_DATA_SPECIFIED = 1

/** Bytes of a digest. */
const HASH_LENGTHS: ReadonlyMap<number, number> = new Map([
  [CKM_SHA256, 32],
  [CKM_SHA384, 48],
  [CKM_SHA512, 64],
])

/** Hashes of mechanisms that hash by themselves. */
const HASHES: ReadonlyMap<number, number> = new Map([
  ...[protocol.CKM_SHA256_HMAC, protocol.CKM_SHA256_RSA_PKCS, protocol.CKM_SHA256_RSA_PKCS_PSS].map(
    (type) => [type, CKM_SHA256] as const,
  ),
  [protocol.CKM_ECDSA_SHA256, CKM_SHA256],
  ...[protocol.CKM_SHA384_HMAC, protocol.CKM_SHA384_RSA_PKCS, protocol.CKM_SHA384_RSA_PKCS_PSS].map(
    (type) => [type, CKM_SHA384] as const,
  ),
  [protocol.CKM_ECDSA_SHA384, CKM_SHA384],
  ...[protocol.CKM_SHA512_HMAC, protocol.CKM_SHA512_RSA_PKCS, protocol.CKM_SHA512_RSA_PKCS_PSS].map(
    (type) => [type, CKM_SHA512] as const,
  ),
  [protocol.CKM_ECDSA_SHA512, CKM_SHA512],
])

/** The hash that a signature mechanism uses on the data itself; undefined = what it signs was hashed by the caller. */
export function hashOf(type: number): number | undefined {
  return HASHES.get(type)
}

export function digestLength(hash: number): number {
  return HASH_LENGTHS.get(hash) ?? 0
}

const HMACS: ReadonlySet<number> = new Set([
  protocol.CKM_SHA256_HMAC,
  protocol.CKM_SHA384_HMAC,
  protocol.CKM_SHA512_HMAC,
])

export function isHmac(type: number): boolean {
  return HMACS.has(type)
}

export function isEc(type: number): boolean {
  return type === protocol.CKM_EC_KEY_PAIR_GEN || (type >= protocol.CKM_ECDSA && type <= protocol.CKM_ECDSA_SHA512)
}

export function isAes(type: number): boolean {
  return type >= protocol.CKM_AES_KEY_GEN && type <= protocol.CKM_AES_GCM
}

/** CKK_… that keys of a mechanism have; HMAC takes any secret. */
export function keyTypesOf(type: number): readonly number[] {
  if (isHmac(type)) return [protocol.CKK_GENERIC_SECRET, protocol.CKK_AES]
  if (isAes(type)) return [protocol.CKK_AES]
  return isEc(type) ? [protocol.CKK_EC] : [protocol.CKK_RSA]
}

function refuse(): Pkcs11Error {
  return new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
}

/** SPEC.md §2.4. @throws Pkcs11Error MECHANISM_PARAM_INVALID */
function tokenParameter(parameter: Parameter | undefined): Uint8Array | undefined {
  if (parameter === undefined) throw refuse()
  switch (parameter.form) {
    case 'none':
      return undefined
    case 'iv':
      return parameter.iv.slice()
    case 'counter':
      // The token counts in all 128 bits, which is the same for as long as no counter of fewer bits runs over.
      if (!(parameter.bits >= 1 && parameter.bits <= 128)) throw refuse()
      return parameter.block.slice()
    case 'gcm':
      if (parameter.ivBits !== 0 && parameter.ivBits !== parameter.iv.length * 8) throw refuse()
      if (parameter.tagBits > 128) throw refuse()
      return new Writer().bytes(parameter.iv).bytes(parameter.aad).u32(parameter.tagBits).finish()
    case 'pss':
      if (MGF1.get(parameter.hash) !== parameter.mgf || parameter.salt > 512) throw refuse()
      return new Writer().u32(parameter.hash).u32(parameter.salt).finish()
    case 'oaep': {
      const labelled = parameter.label.length > 0 || (parameter.source !== 0 && parameter.source !== CKZ_DATA_SPECIFIED)
      if (MGF1.get(parameter.hash) !== parameter.mgf || labelled) throw refuse()
      return new Writer().u32(parameter.hash).finish()
    }
  }
}

/** @throws Pkcs11Error MECHANISM_PARAM_INVALID, MECHANISM_INVALID */
export function tokenMechanism({ type, parameter }: CkMechanism): Mechanism {
  if (type === CANCEL) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
  const own = tokenParameter(parameter)
  return { mechanism: type, ...(own ? { parameter: own } : {}) }
}

/** The hash of a PSS or OAEP parameter in the token's form. */
export function parameterHash({ parameter }: Mechanism): number {
  return parameter && parameter.length >= 4 ? new DataView(parameter.buffer, parameter.byteOffset).getUint32(0) : 0
}
