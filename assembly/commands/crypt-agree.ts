// Crypt command DERIVE: key agreement on elliptic curves (SP 800-56A, SEC 1 §6.1), bare or through a hash.

import { PLAIN2, SHARED } from '../arena'
import {
  HASH_CTX,
  HASH_SHA1,
  HASH_SHA3_224,
  HASH_SHA224,
  HASH_SHA256,
  HASH_SHA384,
  HASH_SHA512,
  hashFinal,
  hashInit,
  hashLength,
  hashUpdate,
} from '../crypto/sha2'
import { store32be } from '../crypto/util'
import {
  CKA_EC_PARAMS,
  CKM_ECDH1_COFACTOR_DERIVE,
  RC_CURVE_NOT_SUPPORTED,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { curveOf } from '../token/curves'
import { nonFips } from '../token/mechanisms'
import { namedAgree, namedField, namedOrder, takeNamed } from '../token/named-curves'
import { curveLength, ecdhOf } from '../token/pka'
import { here } from './context'
import { BASE, base, cut, made, setMade, wanted } from './crypt-derived'
import { mechanism } from './crypt-operation'
import { field32, fieldBytes, fieldLength, fieldsBegin, fieldsDone } from './crypt-parameter'

const HASH: usize = memory.data(HASH_CTX, 16)

const CKD_NULL: u32 = 1

/** Hash of a CKD_… number; the vendor's older numbers and those of SP 800-56C mean the same hashes. */
function agreementHash(kdf: u32): i32 {
  if (kdf === 2 || kdf === 0x0e) return HASH_SHA1
  if (kdf === 5 || kdf === 0x0f || kdf === 0x80000003 || kdf === 0x80000013) return HASH_SHA224
  if (kdf === 6 || kdf === 0x10 || kdf === 0x80000004 || kdf === 0x80000014) return HASH_SHA256
  if (kdf === 7 || kdf === 0x11 || kdf === 0x80000005 || kdf === 0x80000015) return HASH_SHA384
  if (kdf === 8 || kdf === 0x12 || kdf === 0x80000006 || kdf === 0x80000016) return HASH_SHA512
  return kdf >= 0x0a && kdf <= 0x0d ? HASH_SHA3_224 + <i32>(kdf - 0x0a) : 0
}

/** SP 800-56C has its counter before the secret, X9.63 behind it. */
function countsFirst(kdf: u32): bool {
  return (kdf >= 0x0e && kdf <= 0x12) || (kdf >= 0x80000013 && kdf <= 0x80000016)
}

/**
 * Agrees with the private key in hand, whose scalar is in BASE; the result is in PLAIN2. Parameter: kdf u32, shared bytes, public bytes: a
 * point, or one in a DER OCTET STRING.
 */
export function agree(): u32 {
  fieldsBegin()
  const kdf = field32()
  const shared = fieldBytes()
  const sharedLength = fieldLength()
  let point = fieldBytes()
  let pointLength = fieldLength()
  if (!fieldsDone()) return RC_MECHANISM_PARAM_INVALID
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  const paramsLength = valueLength()
  const named = curve === 0 && takeNamed(params, paramsLength)
  // Cofactors other than 1 are not multiplied by.
  if (named && (mechanism === CKM_ECDH1_COFACTOR_DERIVE || !nonFips(here()))) return RC_CURVE_NOT_SUPPORTED
  const L = named ? namedField() : curveLength(curve)
  const head = pointLength - 1 - 2 * L
  if (L === 0 || base !== (named ? namedOrder() : L)) return RC_KEY_TYPE_INCONSISTENT
  if (head === 2 || head === 3) {
    if (load<u8>(point) !== 4 || load<u8>(point + <usize>(head - 1)) !== <u8>(1 + 2 * L)) {
      return RC_MECHANISM_PARAM_INVALID
    }
    point += <usize>head
    pointLength -= head
  }
  if (pointLength !== 1 + 2 * L) return RC_MECHANISM_PARAM_INVALID
  const alg = agreementHash(kdf)
  if (kdf === CKD_NULL ? sharedLength !== 0 : alg === 0) return RC_MECHANISM_PARAM_INVALID
  const agreed = named ? namedAgree(params, paramsLength, BASE, point, SHARED) : ecdhOf(curve, BASE, point, SHARED)
  if (!agreed) return RC_MECHANISM_PARAM_INVALID
  if (kdf === CKD_NULL) {
    const rc = cut(L)
    // What is too much is taken off at the front (PKCS#11 3.0 §6.3.17).
    if (rc === RC_OK) memory.copy(PLAIN2, SHARED + <usize>(L - made), made)
    return rc
  }
  setMade(wanted === 0 ? hashLength(alg) : wanted)
  const count = SHARED + 128
  for (let i: u32 = 1, done = 0; done < made; i++) {
    store32be(count, i)
    hashInit(HASH, alg)
    if (countsFirst(kdf)) hashUpdate(HASH, count, 4)
    hashUpdate(HASH, SHARED, L)
    if (!countsFirst(kdf)) hashUpdate(HASH, count, 4)
    hashUpdate(HASH, shared, sharedLength)
    hashFinal(HASH, PLAIN2 + <usize>done)
    done += hashLength(alg)
  }
  return RC_OK
}
