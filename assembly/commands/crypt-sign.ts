// Crypt commands: sign and verify.

import { PKA_OUT, SHARED } from '../arena'
import { hmac } from '../crypto/hmac'
import { hashLength } from '../crypto/sha2'
import { ctEqual, load32be } from '../crypto/util'
import {
  BIT_LOCAL,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_SIGN,
  CKA_VALUE,
  CKA_VERIFY,
  CKK_EC,
  CKK_RSA,
  CKM_RSA_PKCS,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  POLICY_NON_LOCAL_SIGNING,
  RC_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_SIZE_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_RANDOM_NO_RNG,
  RC_SIGNATURE_INVALID,
  RC_SIGNATURE_LEN_RANGE,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { curveOf } from '../token/curves'
import { canSign, canVerify, hashOf, isEcdsa, isHmac, isPss } from '../token/mechanisms'
import { objectBits, objectClass, objectKeyType } from '../token/objects'
import { curveLength, ecdsaSign, ecdsaVerify } from '../token/pka'
import { partitionPolicy } from '../token/policies'
import { modulusBits, modulusLength, rsaPrivate, rsaPublic } from '../token/private-key'
import { BLOCK, checkPss, digest, encodePkcs1, encodePkcs1Hash, encodePss, pssFits } from '../token/rsa'
import { here, needUser } from './context'
import { data, dataLength, key, mechanism, openKey, parameter, parameterLength, readOperation } from './crypt-operation'
import { readBytes, readDone, readLength, write32, writeSkip } from './frame'

let pssHash: i32 = 0
let pssSalt: i32 = 0

function readPss(): bool {
  if (parameterLength !== 8) return false
  pssHash = hashOf(load32be(parameter))
  const salt = load32be(parameter + 4)
  const own = hashOf(mechanism)
  if (pssHash === 0 || (own !== 0 && own !== pssHash) || salt > 512) return false
  pssSalt = <i32>salt
  return true
}

/** The digest to be signed: hashed here, or brought along. Its length in SHARED, 0 = does not fit the mechanism. */
function digestOfData(alg: i32): i32 {
  if (hashOf(mechanism) !== 0) {
    digest(alg, data, dataLength, SHARED)
    return hashLength(alg)
  }
  if (dataLength < 1 || dataLength > 64) return 0
  memory.copy(SHARED, data, dataLength)
  return dataLength
}

/** BLOCK = the encoded message of an RSA mechanism. */
function encodeRsa(k: i32): u32 {
  if (isPss(mechanism)) {
    if (!readPss()) return RC_MECHANISM_PARAM_INVALID
    if (digestOfData(pssHash) !== hashLength(pssHash)) return RC_DATA_LEN_RANGE
    if (!pssFits(pssHash, pssSalt, modulusBits())) return RC_KEY_SIZE_RANGE
    return encodePss(pssHash, SHARED, pssSalt, k, modulusBits()) ? RC_OK : RC_RANDOM_NO_RNG
  }
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  if (mechanism === CKM_RSA_PKCS) return encodePkcs1(data, dataLength, k) ? RC_OK : RC_DATA_LEN_RANGE
  return encodePkcs1Hash(hashOf(mechanism), data, dataLength, k) ? RC_OK : RC_KEY_SIZE_RANGE
}

export function sign(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canSign(mechanism)) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc === RC_OK) rc = openKey(key, CKA_SIGN, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (isHmac(mechanism)) return signHmac()
  if (objectClass !== CKO_PRIVATE_KEY) return RC_KEY_TYPE_INCONSISTENT
  if ((objectBits & BIT_LOCAL) === 0 && partitionPolicy(here(), POLICY_NON_LOCAL_SIGNING) === 0) {
    return RC_OPERATION_NOT_ALLOWED
  }
  if (isEcdsa(mechanism)) {
    if (objectKeyType !== CKK_EC) return RC_KEY_TYPE_INCONSISTENT
    if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
    const n = digestOfData(hashOf(mechanism))
    if (n === 0) return RC_DATA_LEN_RANGE
    const params = plainFind(CKA_EC_PARAMS)
    const curve = curveOf(params, valueLength())
    const scalar = plainFind(CKA_VALUE)
    const L = curveLength(curve)
    write32(<u32>(2 * L))
    return ecdsaSign(curve, scalar, SHARED, n, writeSkip(2 * L)) ? RC_OK : RC_FUNCTION_FAILED
  }
  if (objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  const k = modulusLength()
  rc = encodeRsa(k)
  if (rc !== RC_OK) return rc
  if (!rsaPrivate(BLOCK)) return RC_FUNCTION_FAILED
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

function signHmac(): u32 {
  if (objectClass !== CKO_SECRET_KEY) return RC_KEY_TYPE_INCONSISTENT
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const value = plainFind(CKA_VALUE)
  const alg = hashOf(mechanism)
  write32(<u32>hashLength(alg))
  hmac(alg, value, valueLength(), data, dataLength, writeSkip(hashLength(alg)))
  return RC_OK
}

export function verify(): u32 {
  readOperation()
  const signature = readBytes()
  const signatureLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canVerify(mechanism)) return RC_MECHANISM_INVALID
  let rc = openKey(key, CKA_VERIFY, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (isHmac(mechanism)) {
    if (objectClass !== CKO_SECRET_KEY) return RC_KEY_TYPE_INCONSISTENT
    if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
    const alg = hashOf(mechanism)
    if (signatureLength !== hashLength(alg)) return RC_SIGNATURE_LEN_RANGE
    const value = plainFind(CKA_VALUE)
    hmac(alg, value, valueLength(), data, dataLength, SHARED)
    return ctEqual(SHARED, signature, signatureLength) ? RC_OK : RC_SIGNATURE_INVALID
  }
  if (objectClass !== CKO_PUBLIC_KEY) return RC_KEY_TYPE_INCONSISTENT
  if (isEcdsa(mechanism)) return verifyEcdsa(signature, signatureLength)
  if (objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  const k = modulusLength()
  if (signatureLength !== k) return RC_SIGNATURE_LEN_RANGE
  if (isPss(mechanism)) {
    if (!readPss()) return RC_MECHANISM_PARAM_INVALID
    if (digestOfData(pssHash) !== hashLength(pssHash)) return RC_DATA_LEN_RANGE
    if (!rsaPublic(signature)) return RC_SIGNATURE_INVALID
    return checkPss(pssHash, SHARED, pssSalt, k, modulusBits()) ? RC_OK : RC_SIGNATURE_INVALID
  }
  rc = encodeRsa(k)
  if (rc !== RC_OK) return rc
  // The block is made anew and compared as a whole: no parsing of what the signer sent.
  return rsaPublic(signature) && ctEqual(PKA_OUT, BLOCK, k) ? RC_OK : RC_SIGNATURE_INVALID
}

function verifyEcdsa(signature: usize, length: i32): u32 {
  if (objectKeyType !== CKK_EC) return RC_KEY_TYPE_INCONSISTENT
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const n = digestOfData(hashOf(mechanism))
  if (n === 0) return RC_DATA_LEN_RANGE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  const L = curveLength(curve)
  if (length !== 2 * L) return RC_SIGNATURE_LEN_RANGE
  const point = plainFind(CKA_EC_POINT)
  const wrapped = valueLength()
  if (curve === 0 || wrapped < 1 + 2 * L) return RC_KEY_TYPE_INCONSISTENT
  return ecdsaVerify(curve, point + <usize>(wrapped - 1 - 2 * L), signature, SHARED, n) === 0
    ? RC_OK
    : RC_SIGNATURE_INVALID
}
