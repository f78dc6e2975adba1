// From a program's mechanism parameters to the token's (SPEC.md §2.4).

import * as protocol from '../../assembly/protocol.js'
import { type Mechanism, Writer } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { CANCEL, type CkMechanism, type KdfSegment, type Parameter } from './mechanism-codec.js'
import { kindOf } from './mechanism-kinds.js'

/** Flags of CK_MECHANISM_INFO. */
export const CKF = {
  HW: 0x1,
  MESSAGE_ENCRYPT: 0x2,
  MESSAGE_DECRYPT: 0x4,
  MESSAGE_SIGN: 0x8,
  MESSAGE_VERIFY: 0x10,
  MULTI_MESSAGE: 0x20,
  ENCRYPT: 0x100,
  DECRYPT: 0x200,
  DIGEST: 0x400,
  SIGN: 0x800,
  VERIFY: 0x2000,
  EC_F_P: 0x100000,
  EC_OID: 0x800000,
  EC_UNCOMPRESS: 0x1000000,
} as const

/** Hash of a CKG_MGF1_… number, the vendor's older ones for SHA-3 too. */
const MGF1: ReadonlyMap<number, number> = new Map([
  [1, protocol.CKM_SHA_1],
  [2, protocol.CKM_SHA256],
  [3, protocol.CKM_SHA384],
  [4, protocol.CKM_SHA512],
  [5, protocol.CKM_SHA224],
  ...[protocol.CKM_SHA3_224, protocol.CKM_SHA3_256, protocol.CKM_SHA3_384, protocol.CKM_SHA3_512].flatMap(
    (hash, i) =>
      [
        [6 + i, hash],
        [0x80000006 + i, hash],
      ] as const,
  ),
])
const CKZ_DATA_SPECIFIED = 1
const CKZ_SALT_SPECIFIED = 1

function isWrap(type: number): boolean {
  const family = kindOf(type)?.family
  return family === 'kw' || family === 'kwp'
}

function refuse(): Pkcs11Error {
  return new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
}

/** A number of the token's, which have 32 bits. @throws Pkcs11Error MECHANISM_PARAM_INVALID */
function small(value: number): number {
  if (!(value >= 0 && value <= 0xffffffff)) throw refuse()
  return value
}

function mgfHash(mgf: number): number {
  const hash = MGF1.get(mgf)
  if (hash === undefined) throw refuse()
  return hash
}

const [ITERATION, COUNTER, KEY_LENGTH, BYTES] = [1, 2, 3, 4]

/** A segment's value is a C structure where it is not bytes: CK_SP800_108_COUNTER_FORMAT, CK_SP800_108_DKM_LENGTH_FORMAT. */
function putSegment(out: Writer, { type, value }: KdfSegment, feedback: boolean): void {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  const ulongAt = (at: number): number => {
    if (value.length < at + 8) throw refuse()
    return small(view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true))
  }
  if (type !== ITERATION && type !== COUNTER && type !== KEY_LENGTH && type !== BYTES) throw refuse()
  out.u8(type)
  if (type === BYTES) out.bytes(value)
  else if (type === KEY_LENGTH) {
    const bits = ulongAt(16)
    out
      .u8(Math.min(255, ulongAt(0)))
      .u8(view.getUint8(8))
      .u32(bits)
  } else if (type === COUNTER || !feedback) {
    const bits = ulongAt(8)
    out.u8(view.getUint8(0)).u32(bits)
  }
}

/** @throws Pkcs11Error MECHANISM_PARAM_INVALID */
function tokenParameter(parameter: Parameter | undefined): Uint8Array | undefined {
  if (parameter === undefined) throw refuse()
  switch (parameter.form) {
    case 'none':
      return undefined
    case 'iv':
      return parameter.iv.slice()
    case 'effective':
      return new Writer().u32(small(parameter.bits)).fixed(parameter.iv, parameter.iv.length).finish()
    case 'number':
      return new Writer().u32(small(parameter.value)).finish()
    case 'string':
      return parameter.data.slice()
    case 'chained':
      return new Writer().fixed(parameter.iv, parameter.iv.length).fixed(parameter.data, parameter.data.length).finish()
    case 'counter':
      // The token counts in all 128 bits, which is the same for as long as no counter of fewer bits runs over.
      if (!(parameter.bits >= 1 && parameter.bits <= 128)) throw refuse()
      return parameter.block.slice()
    case 'gcm':
      // The IV is as long as its bytes (PKCS#11 3.0 §2.12.1): programs leave ulIvBits unset.
      if (parameter.tagBits > 128) throw refuse()
      return new Writer().bytes(parameter.iv).bytes(parameter.aad).u32(parameter.tagBits).finish()
    case 'ccm':
      return new Writer().bytes(parameter.nonce).bytes(parameter.aad).u32(small(parameter.mac)).finish()
    case 'pss': {
      const mgf = mgfHash(parameter.mgf)
      if (parameter.salt > 512) throw refuse()
      const own = new Writer().u32(small(parameter.hash)).u32(parameter.salt)
      return (mgf === parameter.hash ? own : own.u32(mgf)).finish()
    }
    case 'oaep': {
      const mgf = mgfHash(parameter.mgf)
      const { label, source } = parameter
      if (source !== CKZ_DATA_SPECIFIED && (source !== 0 || label.length > 0)) throw refuse()
      const own = new Writer().u32(small(parameter.hash))
      return (mgf === parameter.hash && label.length === 0 ? own : own.u32(mgf).bytes(label)).finish()
    }
    case 'ecdh':
      return new Writer().u32(small(parameter.kdf)).bytes(parameter.shared).bytes(parameter.point).finish()
    case 'hkdf': {
      const { extracts, expands, hash, saltType, salt, saltKey, info } = parameter
      const flags = (extracts ? 1 : 0) | (expands ? 2 : 0)
      return new Writer()
        .u8(flags)
        .u32(small(hash))
        .u32(small(saltType))
        .bytes(salt)
        .u32(small(saltKey))
        .bytes(info)
        .finish()
    }
    case 'kdf': {
      const out = new Writer().u32(small(parameter.prf))
      if (parameter.iv) out.bytes(parameter.iv)
      if (parameter.segments.length > 255 || parameter.more !== 0) throw refuse()
      out.u8(parameter.segments.length)
      for (const segment of parameter.segments) putSegment(out, segment, parameter.iv !== undefined)
      return out.finish()
    }
    case 'prf': {
      const { prf, label, context, counter, scheme } = parameter
      return new Writer().u32(small(prf)).bytes(label).bytes(context).u32(small(counter)).u32(small(scheme)).finish()
    }
    case 'password':
      if (parameter.saltSource !== CKZ_SALT_SPECIFIED || parameter.prfData.length > 0) throw refuse()
      return new Writer()
        .bytes(parameter.salt)
        .u32(small(parameter.iterations))
        .u32(small(parameter.prf))
        .bytes(parameter.password)
        .finish()
  }
}

/** @throws Pkcs11Error MECHANISM_PARAM_INVALID, MECHANISM_INVALID */
export function tokenMechanism({ type, parameter }: CkMechanism): Mechanism {
  if (type === CANCEL) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
  // Key wrap has an initial value of its own.
  const own = parameter === undefined && isWrap(type) ? undefined : tokenParameter(parameter)
  return { mechanism: type, ...(own ? { parameter: own } : {}) }
}

/** The first number of a parameter in the token's form: the hash of PSS and OAEP, the length of a MAC. */
export function parameterNumber({ parameter }: Mechanism): number {
  return parameter && parameter.length >= 4 ? new DataView(parameter.buffer, parameter.byteOffset).getUint32(0) : 0
}
