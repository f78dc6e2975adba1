// Crypt commands: sign and verify.

import { PKA_OUT, SHARED } from '../arena'
import { hashLength } from '../crypto/sha2'
import { ctEqual, load32be } from '../crypto/util'
import {
  BIT_LOCAL,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_SIGN,
  CKA_VALUE,
  CKA_VERIFY,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  PERIPHERAL_INVALID,
  POLICY_NON_LOCAL_SIGNING,
  RC_CURVE_NOT_SUPPORTED,
  RC_DATA_INVALID,
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
import { curveOf, edwardsLength, edwardsOf } from '../token/curves'
import { dsaOrder, dsaSign, dsaVerify } from '../token/dsa'
import { edFits, edSign, edVerify } from '../token/edwards'
import {
  FAMILY_CBC_MAC,
  FAMILY_CMAC,
  FAMILY_DSA,
  FAMILY_ECDSA,
  FAMILY_EDDSA,
  FAMILY_GMAC,
  FAMILY_HMAC,
  FAMILY_RSA_PSS,
  FAMILY_RSA_RAW,
} from '../token/mechanism-families'
import { canSign, canVerify, hashOf, mechFamily, mechHash, nonFips } from '../token/mechanisms'
import { namedField, namedOrder, namedSign, namedVerify, takeNamed } from '../token/named-curves'
import { objectBits } from '../token/objects'
import { curveLength, ecdsaSign, ecdsaVerify } from '../token/pka'
import { partitionPolicy } from '../token/policies'
import { modulusBits, modulusLength, rsaPrivate, rsaPublic } from '../token/private-key'
import { BLOCK, checkPssOf, digest, encodePkcs1, encodePkcs1Digest, encodePssOf, pssFits } from '../token/rsa'
import { here, needUser } from './context'
import { macLength, macOf } from './crypt-mac'
import {
  data,
  dataLength,
  key,
  openKey,
  pairFits,
  parameter,
  parameterLength,
  readOperation,
  secretFits,
} from './crypt-operation'
import { encodeRaw, rsaAllowed } from './crypt-rsa'
import { readBytes, readDone, readLength, write32, writeFixed, writeSkip } from './frame'

export function isMac(): bool {
  const f = mechFamily
  return f === FAMILY_HMAC || f === FAMILY_CMAC || f === FAMILY_CBC_MAC || f === FAMILY_GMAC
}

// ---- what is signed ---------------------------------------------------------------------------------------------------

/** Bytes of the digest in SHARED, made of a message in parts; 0 = the data in hand is the message, or the digest. */
let digested: i32 = 0

export function setDigested(n: i32): void {
  digested = n
}

/** The digest to be signed: hashed here, or brought along. Its length in SHARED, 0 = does not fit the mechanism. */
function digestOfData(): i32 {
  if (digested !== 0) return digested
  if (mechHash !== 0) {
    digest(mechHash, data, dataLength, SHARED)
    return hashLength(mechHash)
  }
  if (dataLength < 1) return 0
  // Of more than an order has bits the leftmost count, and none has more than these.
  const n = min(dataLength, DIGEST_MAX)
  memory.copy(SHARED, data, n)
  return n
}

const DIGEST_MAX: i32 = 72

let pssHash: i32 = 0
let pssMgf: i32 = 0
let pssSalt: i32 = 0

/** Hash, length of the salt and, where it is another one, hash of MGF1. */
function readPss(): bool {
  if (parameterLength !== 8 && parameterLength !== 12) return false
  pssHash = hashOf(load32be(parameter))
  pssMgf = parameterLength === 8 ? pssHash : hashOf(load32be(parameter + 8))
  const salt = load32be(parameter + 4)
  if (pssHash === 0 || pssMgf === 0 || (mechHash !== 0 && mechHash !== pssHash) || salt > 512) return false
  pssSalt = <i32>salt
  return true
}

/** BLOCK = the encoded message of an RSA mechanism. */
function encodeRsa(k: i32): u32 {
  if (mechFamily === FAMILY_RSA_PSS) {
    if (!readPss()) return RC_MECHANISM_PARAM_INVALID
    if (digestOfData() !== hashLength(pssHash)) return RC_DATA_LEN_RANGE
    if (!pssFits(pssHash, pssSalt, modulusBits())) return RC_KEY_SIZE_RANGE
    return encodePssOf(pssHash, pssMgf, SHARED, pssSalt, k, modulusBits()) ? RC_OK : RC_RANDOM_NO_RNG
  }
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  if (mechFamily === FAMILY_RSA_RAW) {
    if (dataLength < 1 || dataLength > k) return RC_DATA_LEN_RANGE
    encodeRaw(data, dataLength, k)
    return RC_OK
  }
  if (mechHash === 0) return encodePkcs1(data, dataLength, k) ? RC_OK : RC_DATA_LEN_RANGE
  digestOfData()
  return encodePkcs1Digest(mechHash, SHARED, k) ? RC_OK : RC_KEY_SIZE_RANGE
}

// ---- sign -------------------------------------------------------------------------------------------------------------

/** Opens the key that signs, and looks whether it may. */
export function openSigner(): u32 {
  let rc = openKey(key, CKA_SIGN, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (isMac()) return secretFits()
  rc = pairFits(CKO_PRIVATE_KEY)
  if (rc !== RC_OK) return rc
  const foreign = (objectBits & BIT_LOCAL) === 0
  if (foreign && partitionPolicy(here(), POLICY_NON_LOCAL_SIGNING) === 0) return RC_OPERATION_NOT_ALLOWED
  return rsaAllowed()
}

export function sign(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canSign()) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc === RC_OK) rc = openSigner()
  if (rc !== RC_OK) return rc
  setDigested(0)
  if (!isMac()) return signPair()
  const n = macLength()
  if (n === 0) return RC_MECHANISM_PARAM_INVALID
  macOf(data, dataLength, SHARED)
  write32(<u32>n)
  writeFixed(SHARED, n)
  return RC_OK
}

/** Signs with the private key in hand and writes the signature. */
export function signPair(): u32 {
  if (mechFamily === FAMILY_ECDSA) return signEcdsa()
  if (mechFamily === FAMILY_DSA) return signDsa()
  if (mechFamily === FAMILY_EDDSA) return signEdwards()
  const k = modulusLength()
  const rc = encodeRsa(k)
  if (rc !== RC_OK) return rc
  if (!rsaPrivate(BLOCK)) return mechFamily === FAMILY_RSA_RAW ? RC_DATA_INVALID : RC_FUNCTION_FAILED
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

function signEcdsa(): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const n = digestOfData()
  if (n === 0) return RC_DATA_LEN_RANGE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  if (curve === 0) return signNamed(params, valueLength(), n)
  const scalar = plainFind(CKA_VALUE)
  const L = curveLength(curve)
  write32(<u32>(2 * L))
  return ecdsaSign(curve, scalar, SHARED, n, writeSkip(2 * L)) ? RC_OK : RC_FUNCTION_FAILED
}

/** On a curve for old programs, over the digest of n bytes in SHARED. */
function signNamed(params: usize, length: i32, n: i32): u32 {
  if (!takeNamed(params, length) || !nonFips(here())) return RC_CURVE_NOT_SUPPORTED
  const size = 2 * namedOrder()
  if (!namedSign(params, length, plainFind(CKA_VALUE), SHARED, n)) return RC_CURVE_NOT_SUPPORTED
  write32(<u32>size)
  memory.copy(writeSkip(size), PKA_OUT, size)
  return RC_OK
}

function signDsa(): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const n = digestOfData()
  if (n === 0) return RC_DATA_LEN_RANGE
  if (!dsaSign(SHARED, n)) return RC_FUNCTION_FAILED
  const size = 2 * dsaOrder()
  write32(<u32>size)
  memory.copy(writeSkip(size), PKA_OUT, size)
  return RC_OK
}

function signEdwards(): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  if (!edFits(dataLength)) return RC_DATA_LEN_RANGE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = edwardsOf(params, valueLength())
  const seed = plainFind(CKA_VALUE)
  const n = 2 * edwardsLength(curve)
  if (!edSign(curve, seed, data, dataLength)) return RC_FUNCTION_FAILED
  write32(<u32>n)
  memory.copy(writeSkip(n), PKA_OUT, n)
  return RC_OK
}

// ---- verify -----------------------------------------------------------------------------------------------------------

export function openVerifier(): u32 {
  const rc = openKey(key, CKA_VERIFY, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (isMac()) return secretFits()
  const fits = pairFits(CKO_PUBLIC_KEY)
  return fits === RC_OK ? rsaAllowed() : fits
}

/** Whether the whole MAC in SHARED begins as the one given. */
export function macIsRight(given: usize, length: i32): u32 {
  if (length !== macLength()) return RC_SIGNATURE_LEN_RANGE
  return ctEqual(SHARED, given, length) ? RC_OK : RC_SIGNATURE_INVALID
}

export function verify(): u32 {
  readOperation()
  const signature = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canVerify()) return RC_MECHANISM_INVALID
  const rc = openVerifier()
  if (rc !== RC_OK) return rc
  setDigested(0)
  if (!isMac()) return verifyPair(signature, length)
  if (macLength() === 0) return RC_MECHANISM_PARAM_INVALID
  if (length !== macLength()) return RC_SIGNATURE_LEN_RANGE
  macOf(data, dataLength, SHARED)
  return macIsRight(signature, length)
}

/** Verifies with the public key in hand. */
export function verifyPair(signature: usize, length: i32): u32 {
  if (mechFamily === FAMILY_ECDSA) return verifyEcdsa(signature, length)
  if (mechFamily === FAMILY_DSA) return verifyDsa(signature, length)
  if (mechFamily === FAMILY_EDDSA) return verifyEdwards(signature, length)
  const k = modulusLength()
  if (length !== k) return RC_SIGNATURE_LEN_RANGE
  if (mechFamily === FAMILY_RSA_PSS) {
    if (!readPss()) return RC_MECHANISM_PARAM_INVALID
    if (digestOfData() !== hashLength(pssHash)) return RC_DATA_LEN_RANGE
    if (!rsaPublic(signature)) return RC_SIGNATURE_INVALID
    return checkPssOf(pssHash, pssMgf, SHARED, pssSalt, k, modulusBits()) ? RC_OK : RC_SIGNATURE_INVALID
  }
  const rc = encodeRsa(k)
  if (rc !== RC_OK) return rc
  // The block is made anew and compared as a whole: no parsing of what the signer sent.
  return rsaPublic(signature) && ctEqual(PKA_OUT, BLOCK, k) ? RC_OK : RC_SIGNATURE_INVALID
}

function verifyEdwards(signature: usize, length: i32): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  if (!edFits(dataLength)) return RC_DATA_LEN_RANGE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = edwardsOf(params, valueLength())
  const n = edwardsLength(curve)
  if (length !== 2 * n) return RC_SIGNATURE_LEN_RANGE
  const point = plainFind(CKA_EC_POINT)
  if (valueLength() < n) return RC_KEY_TYPE_INCONSISTENT
  const key = point + <usize>(valueLength() - n)
  return edVerify(curve, key, signature, data, dataLength) ? RC_OK : RC_SIGNATURE_INVALID
}

function verifyNamed(params: usize, paramsLength: i32, signature: usize, length: i32, n: i32): u32 {
  if (!takeNamed(params, paramsLength) || !nonFips(here())) return RC_CURVE_NOT_SUPPORTED
  if (length !== 2 * namedOrder()) return RC_SIGNATURE_LEN_RANGE
  const size = 1 + 2 * namedField()
  const point = plainFind(CKA_EC_POINT)
  const wrapped = valueLength()
  if (wrapped < size) return RC_KEY_TYPE_INCONSISTENT
  const rc = namedVerify(params, paramsLength, point + <usize>(wrapped - size), signature, SHARED, n)
  if (rc === -PERIPHERAL_INVALID) return RC_CURVE_NOT_SUPPORTED
  return rc === 0 ? RC_OK : RC_SIGNATURE_INVALID
}

function verifyDsa(signature: usize, length: i32): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const n = digestOfData()
  if (n === 0) return RC_DATA_LEN_RANGE
  if (length !== 2 * dsaOrder()) return RC_SIGNATURE_LEN_RANGE
  return dsaVerify(signature, SHARED, n) ? RC_OK : RC_SIGNATURE_INVALID
}

function verifyEcdsa(signature: usize, length: i32): u32 {
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  const n = digestOfData()
  if (n === 0) return RC_DATA_LEN_RANGE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  if (curve === 0) return verifyNamed(params, valueLength(), signature, length, n)
  const L = curveLength(curve)
  if (length !== 2 * L) return RC_SIGNATURE_LEN_RANGE
  const point = plainFind(CKA_EC_POINT)
  const wrapped = valueLength()
  if (wrapped < 1 + 2 * L) return RC_KEY_TYPE_INCONSISTENT
  return ecdsaVerify(curve, point + <usize>(wrapped - 1 - 2 * L), signature, SHARED, n) === 0
    ? RC_OK
    : RC_SIGNATURE_INVALID
}
