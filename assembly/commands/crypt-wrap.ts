// Crypt commands: wrap and unwrap.

import { PKA_OUT, PLAIN_MAX, PLAIN2, SECRET, usePlain2 } from '../arena'
import { aesKey } from '../crypto/aes'
import { kwpUnwrap, kwpWrap, kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { cbcDecrypt, cbcEncrypt } from '../crypto/modes'
import { pad, unpadded } from '../crypto/padding'
import {
  BIT_EXTRACTABLE,
  CKA_CLASS,
  CKA_KEY_TYPE,
  CKA_UNWRAP,
  CKA_VALUE,
  CKA_WRAP,
  CKK_AES,
  CKK_RSA,
  CKM_AES_CBC_PAD,
  CKM_RSA_PKCS_OAEP,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  POLICY_PRIVATE_UNWRAPPING,
  POLICY_PRIVATE_WRAPPING,
  POLICY_SECRET_UNWRAPPING,
  POLICY_SECRET_WRAPPING,
  RC_ARGUMENTS_BAD,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_NOT_WRAPPABLE,
  RC_KEY_SIZE_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_KEY_UNEXTRACTABLE,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCOMPLETE,
  RC_UNWRAPPING_KEY_HANDLE_INVALID,
  RC_WRAPPED_KEY_INVALID,
  RC_WRAPPED_KEY_LEN_RANGE,
  RC_WRAPPING_KEY_HANDLE_INVALID,
  UNAVAILABLE,
} from '../protocol'
import { checkTemplate, plainFind, plainPut, ulongOf, valueLength } from '../token/attributes'
import { canUnwrap, canWrap, isKw, isKwp } from '../token/mechanisms'
import { newOuid, objectBits, objectClass, objectHandle, objectKeyType, openObject } from '../token/objects'
import { partitionPolicy } from '../token/policies'
import { modulusLength, pkcs8Start, pkcs8Type, pkcs8Write, rsaPublic, takePrivateKey } from '../token/private-key'
import { BLOCK, encodeOaep, oaepFits, oaepMessage } from '../token/rsa'
import { completeObject, objectFrom } from '../token/template'
import { access, here, needOfficer } from './context'
import {
  CTX,
  data,
  dataLength,
  hasRoom,
  IV,
  key,
  mechanism,
  oaepHash,
  oaepLengthFits,
  openKey,
  openOaep,
  parameter,
  parameterLength,
  readKeyed,
  readOperation,
} from './crypt-operation'
import { read32, readBytes, readDone, readLength, write32, writePosition, writeSkip } from './frame'
import { keepObject } from './object-keep'

/** The AES key in hand into SECRET; its length. */
function takeAesKey(): i32 {
  const value = plainFind(CKA_VALUE)
  memory.copy(SECRET, value, valueLength())
  return valueLength()
}

export function wrap(): u32 {
  readKeyed()
  const target = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canWrap(mechanism)) return RC_MECHANISM_INVALID
  let rc = needOfficer()
  if (rc === RC_OK) rc = openKey(key, CKA_WRAP, RC_WRAPPING_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (mechanism === CKM_RSA_PKCS_OAEP) return wrapOaep(target)
  if (objectClass !== CKO_SECRET_KEY || objectKeyType !== CKK_AES) return RC_KEY_TYPE_INCONSISTENT
  if (parameterLength !== (mechanism === CKM_AES_CBC_PAD ? 16 : 0)) return RC_MECHANISM_PARAM_INVALID
  const keyLength = takeAesKey()
  rc = openTarget(target)
  if (rc !== RC_OK) return rc
  let p = plainFind(CKA_VALUE)
  let n = valueLength()
  if (objectClass === CKO_PRIVATE_KEY) {
    n = pkcs8Write(objectKeyType)
    p = pkcs8Start()
    if (n === 0) return RC_KEY_NOT_WRAPPABLE
  }
  if (!hasRoom(n + 24)) return RC_KEY_SIZE_RANGE
  const start = writePosition()
  write32(0)
  const out = writePosition()
  let total = 0
  if (isKw(mechanism)) {
    if (n < 16 || (n & 7) !== 0) return RC_KEY_SIZE_RANGE
    kwWrap(SECRET, keyLength, p, n, out)
    total = n + 8
  } else if (isKwp(mechanism)) total = kwpWrap(SECRET, keyLength, p, n, out)
  else {
    memory.copy(out, p, n)
    total = pad(out, n)
    aesKey(CTX, SECRET, keyLength)
    memory.copy(IV, parameter, 16)
    cbcEncrypt(CTX, IV, out, out, total)
  }
  store<u32>(start, bswap<u32>(<u32>total))
  writeSkip(total)
  return RC_OK
}

/** Opens the key to be wrapped and asks whether it may leave. */
function openTarget(handle: u32): u32 {
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc === RC_OBJECT_HANDLE_INVALID ? RC_KEY_HANDLE_INVALID : rc
  const isPrivate = objectClass === CKO_PRIVATE_KEY
  if (!isPrivate && objectClass !== CKO_SECRET_KEY) return RC_KEY_NOT_WRAPPABLE
  if (partitionPolicy(here(), isPrivate ? POLICY_PRIVATE_WRAPPING : POLICY_SECRET_WRAPPING) === 0) {
    return RC_KEY_NOT_WRAPPABLE
  }
  return (objectBits & BIT_EXTRACTABLE) !== 0 ? RC_OK : RC_KEY_UNEXTRACTABLE
}

function wrapOaep(target: u32): u32 {
  if (objectClass !== CKO_PUBLIC_KEY || objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  const alg = oaepHash()
  if (alg === 0) return RC_MECHANISM_PARAM_INVALID
  let rc = openTarget(target)
  if (rc !== RC_OK) return rc
  if (objectClass !== CKO_SECRET_KEY) return RC_KEY_NOT_WRAPPABLE
  const value = plainFind(CKA_VALUE)
  const n = valueLength()
  usePlain2(n)
  memory.copy(PLAIN2, value, n)
  rc = openObject(access(), here(), key)
  if (rc !== RC_OK) return rc
  const k = modulusLength()
  if (!oaepFits(alg, n, k)) return RC_KEY_SIZE_RANGE
  if (!encodeOaep(alg, PLAIN2, n, k)) return RC_RANDOM_NO_RNG
  if (!rsaPublic(BLOCK)) return RC_FUNCTION_FAILED
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

/** Can what the mechanism wraps be so long? That is no secret, so it may have a code of its own. */
function wrappedLengthFits(): bool {
  if (mechanism === CKM_RSA_PKCS_OAEP) return oaepLengthFits()
  if (dataLength < 16 || dataLength > PLAIN_MAX) return false
  if (isKw(mechanism)) return dataLength >= 24 && (dataLength & 7) === 0
  return (dataLength & (isKwp(mechanism) ? 7 : 15)) === 0
}

/** Unwraps into PLAIN2; the length, or -1 where the wrapped key does not open. */
function unwrapInto(): i32 {
  if (mechanism === CKM_RSA_PKCS_OAEP) {
    const n = openOaep()
    if (n < 0) return -1
    usePlain2(n)
    memory.copy(PLAIN2, oaepMessage(), n)
    return n
  }
  usePlain2(dataLength)
  const keyLength = takeAesKey()
  if (isKw(mechanism)) return kwUnwrap(SECRET, keyLength, data, dataLength, PLAIN2) ? dataLength - 8 : -1
  if (isKwp(mechanism)) return kwpUnwrap(SECRET, keyLength, data, dataLength, PLAIN2)
  aesKey(CTX, SECRET, keyLength)
  memory.copy(IV, parameter, 16)
  cbcDecrypt(CTX, IV, data, PLAIN2, dataLength)
  return unpadded(PLAIN2, dataLength)
}

export function unwrap(): u32 {
  readOperation()
  const template = readBytes()
  const templateLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canUnwrap(mechanism)) return RC_MECHANISM_INVALID
  let rc = needOfficer()
  if (rc === RC_OK) rc = checkTemplate(template, templateLength)
  if (rc === RC_OK) rc = openKey(key, CKA_UNWRAP, RC_UNWRAPPING_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  const oaep = mechanism === CKM_RSA_PKCS_OAEP
  const fits = oaep
    ? objectClass === CKO_PRIVATE_KEY && objectKeyType === CKK_RSA
    : objectClass === CKO_SECRET_KEY && objectKeyType === CKK_AES
  if (!fits) return RC_KEY_TYPE_INCONSISTENT
  if (oaep ? oaepHash() === 0 : parameterLength !== (mechanism === CKM_AES_CBC_PAD ? 16 : 0)) {
    return RC_MECHANISM_PARAM_INVALID
  }
  const cls = ulongOf(template, templateLength, CKA_CLASS, UNAVAILABLE)
  if (cls === UNAVAILABLE) return RC_TEMPLATE_INCOMPLETE
  if (cls !== CKO_PRIVATE_KEY && cls !== CKO_SECRET_KEY) return RC_ARGUMENTS_BAD
  const isPrivate = cls === CKO_PRIVATE_KEY
  if (partitionPolicy(here(), isPrivate ? POLICY_PRIVATE_UNWRAPPING : POLICY_SECRET_UNWRAPPING) === 0) {
    return RC_OPERATION_NOT_ALLOWED
  }
  if (!wrappedLengthFits()) return RC_WRAPPED_KEY_LEN_RANGE
  const n = unwrapInto()
  if (n < 1) return RC_WRAPPED_KEY_INVALID
  if (isPrivate) {
    const keyType = pkcs8Type(n)
    if (keyType < 0) return RC_WRAPPED_KEY_INVALID
    rc = objectFrom(template, templateLength, cls, <u32>keyType, false)
    if (rc === RC_OK) rc = takePrivateKey(<u32>keyType)
  } else {
    if (ulongOf(template, templateLength, CKA_KEY_TYPE, UNAVAILABLE) === UNAVAILABLE) return RC_TEMPLATE_INCOMPLETE
    rc = objectFrom(template, templateLength, cls, UNAVAILABLE, false)
    if (rc === RC_OK) rc = plainFind(CKA_VALUE) !== 0 ? RC_ARGUMENTS_BAD : plainPut(CKA_VALUE, PLAIN2, n)
  }
  if (rc === RC_OK) rc = completeObject(UNAVAILABLE)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}
