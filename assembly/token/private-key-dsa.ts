// DSA in PKCS#8 PrivateKeyInfo: Dss-Parms as the algorithm's parameters (RFC 3279 §2.3.2), the private value as an INTEGER.

import { SECRET, SECRET2 } from '../arena'
import {
  CKA_BASE,
  CKA_PRIME,
  CKA_SUBPRIME,
  CKA_VALUE,
  RC_OK,
  RC_TEMPLATE_INCONSISTENT,
  RC_WRAPPED_KEY_INVALID,
} from '../protocol'
import { plainFind, plainPut, valueLength } from './attributes'
import { derContent, derLength, derPutUnsigned, derStart, derUnsigned, derWrap } from './der'
import { dsaGenerate, dsaSign } from './dsa'

const SEQUENCE: i32 = 0x30
/** Bytes of the largest p and q. */
const P_MAX: i32 = 384
const Q_MAX: i32 = 32

/** Puts group and private value into the object in hand, and signs with them once. */
export function takeDsa(groupAt: usize, groupEnd: usize, keyAt: usize, keyEnd: usize): u32 {
  let p = groupAt
  let order: i32 = 0
  for (let i = 0; i < 3; i++) {
    const type: u32 = i === 0 ? CKA_PRIME : i === 1 ? CKA_SUBPRIME : CKA_BASE
    p = derUnsigned(p, groupEnd)
    if (p === 0 || derLength() > (i === 1 ? Q_MAX : P_MAX)) return RC_WRAPPED_KEY_INVALID
    if (i === 1) order = derLength()
    if (plainFind(type) !== 0) return RC_TEMPLATE_INCONSISTENT
    const rc = plainPut(type, derContent(), derLength())
    if (rc !== RC_OK) return rc
  }
  if (p !== groupEnd || derUnsigned(keyAt, keyEnd) !== keyEnd || derLength() > order) return RC_WRAPPED_KEY_INVALID
  if (plainFind(CKA_VALUE) !== 0) return RC_TEMPLATE_INCONSISTENT
  // As long as q, as a value that is made here is.
  memory.fill(SECRET, 0, order)
  memory.copy(SECRET + <usize>(order - derLength()), derContent(), derLength())
  const rc = plainPut(CKA_VALUE, SECRET, order)
  if (rc !== RC_OK) return rc
  // The accelerator makes keys of nothing but a group, and signs with no value that is out of range.
  if (!dsaGenerate()) return RC_WRAPPED_KEY_INVALID
  memory.fill(SECRET2, 0x5a, order)
  return dsaSign(SECRET2, order) ? RC_OK : RC_WRAPPED_KEY_INVALID
}

/** Writes the private value of the key in hand. */
export function putDsaKey(): bool {
  const x = plainFind(CKA_VALUE)
  if (x === 0) return false
  derPutUnsigned(x, valueLength())
  return plainFind(CKA_PRIME) !== 0 && plainFind(CKA_SUBPRIME) !== 0 && plainFind(CKA_BASE) !== 0
}

/** Writes Dss-Parms of the key in hand: p, q and g. */
export function putDsaGroup(): void {
  const mark = derStart()
  for (let i = 2; i >= 0; i--) {
    const p = plainFind(i === 0 ? CKA_PRIME : i === 1 ? CKA_SUBPRIME : CKA_BASE)
    derPutUnsigned(p, valueLength())
  }
  derWrap(SEQUENCE, mark)
}
