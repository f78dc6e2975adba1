// Crypt commands: wrap and unwrap.

import { PKA_OUT, PLAIN_MAX, PLAIN2, SECRET, usePlain2 } from '../arena'
import { blockDecrypt, blockEncrypt, chainDecrypt, chainEncrypt } from '../crypto/block-cipher'
import { kwpUnwrapWith, kwpWrapWith, kwUnwrapWith, kwWrapWith } from '../crypto/key-wrap'
import { padTo, unpaddedFrom } from '../crypto/padding'
import {
  BIT_EXTRACTABLE,
  CKA_CLASS,
  CKA_KEY_TYPE,
  CKA_UNWRAP,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKA_WRAP,
  CKK_RSA,
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
import { fixedLength } from '../token/key-types'
import { FAMILY_CBC, FAMILY_CBC_PAD, FAMILY_ECB, FAMILY_KW, FAMILY_KWP } from '../token/mechanism-families'
import { canUnwrap, canWrap, mechFamily, mechKeyType } from '../token/mechanisms'
import { newOuid, objectBits, objectClass, objectHandle, objectKeyType, openObject } from '../token/objects'
import { partitionPolicy } from '../token/policies'
import { modulusLength, pkcs8Start, pkcs8Type, pkcs8Write, rsaPublic, takePrivateKey } from '../token/private-key'
import { BLOCK, rsaMessage } from '../token/rsa'
import { completeObject, objectFrom } from '../token/template'
import { access, here, needOfficer } from './context'
import {
  blockSize,
  CTX,
  cipher,
  data,
  dataLength,
  expandKey,
  hasRoom,
  IV,
  ivFits,
  key,
  kwInitial,
  kwpInitial,
  openKey,
  pairFits,
  readKeyed,
  readOperation,
  secretFits,
} from './crypt-operation'
import { encodeMessage, openMessage, rsaAllowed, rsaLengthFits, rsaParameterFits } from './crypt-rsa'
import { read32, readBytes, readDone, readLength, write32, writePosition, writeSkip } from './frame'
import { keepObject } from './object-keep'

/** The secret key in hand into SECRET; its length. */
function takeSecret(): i32 {
  const value = plainFind(CKA_VALUE)
  memory.copy(SECRET, value, valueLength())
  return valueLength()
}

/** Whether the wrapping key in hand is one of the mechanism, and the parameter too. */
function cipherFits(): u32 {
  const rc = secretFits()
  return rc === RC_OK ? ivFits() : rc
}

export function wrap(): u32 {
  readKeyed()
  const target = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canWrap()) return RC_MECHANISM_INVALID
  let rc = needOfficer()
  if (rc === RC_OK) rc = openKey(key, CKA_WRAP, RC_WRAPPING_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (mechKeyType === CKK_RSA) return wrapRsa(target)
  rc = cipherFits()
  if (rc !== RC_OK) return rc
  const keyLength = takeSecret()
  rc = openTarget(target)
  if (rc !== RC_OK) return rc
  let p = plainFind(CKA_VALUE)
  let n = valueLength()
  const isPrivate = objectClass === CKO_PRIVATE_KEY
  if (isPrivate) {
    // Modes without padding would not say where it ends.
    if (mechFamily === FAMILY_ECB || mechFamily === FAMILY_CBC) return RC_KEY_NOT_WRAPPABLE
    n = pkcs8Write(objectKeyType)
    p = pkcs8Start()
    if (n === 0) return RC_KEY_NOT_WRAPPABLE
  }
  if (!hasRoom(n + 24)) return RC_KEY_SIZE_RANGE
  const start = writePosition()
  write32(0)
  const out = writePosition()
  const total = wrapTo(keyLength, p, n, out)
  if (total === 0) return RC_KEY_SIZE_RANGE
  store<u32>(start, bswap<u32>(<u32>total))
  writeSkip(total)
  return RC_OK
}

/** Wraps `n` bytes under the key in SECRET; the length, 0 where the mechanism does not take so many. */
function wrapTo(keyLength: i32, p: usize, n: i32, out: usize): i32 {
  if (mechFamily === FAMILY_KW) return kwWrapWith(SECRET, keyLength, kwInitial(), p, n, out) ? n + 8 : 0
  if (mechFamily === FAMILY_KWP) return kwpWrapWith(SECRET, keyLength, kwpInitial(), p, n, out)
  const size = blockSize()
  memory.copy(out, p, n)
  let total = (n + size - 1) & ~(size - 1)
  if (mechFamily === FAMILY_CBC_PAD) total = padTo(out, n, size)
  // Zeros fill the last block (PKCS#11 3.0 §6.13.4).
  else memory.fill(out + <usize>n, 0, total - n)
  expandKey(SECRET, keyLength)
  if (mechFamily === FAMILY_ECB) blockEncrypt(CTX, cipher(), out, out, total)
  else chainEncrypt(CTX, cipher(), IV, out, out, total)
  return total
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

function wrapRsa(target: u32): u32 {
  let rc = pairFits(CKO_PUBLIC_KEY)
  if (rc === RC_OK) rc = rsaAllowed()
  if (rc !== RC_OK) return rc
  if (!rsaParameterFits()) return RC_MECHANISM_PARAM_INVALID
  rc = openTarget(target)
  if (rc !== RC_OK) return rc
  if (objectClass !== CKO_SECRET_KEY) return RC_KEY_NOT_WRAPPABLE
  const value = plainFind(CKA_VALUE)
  const n = valueLength()
  usePlain2(n)
  memory.copy(PLAIN2, value, n)
  rc = openObject(access(), here(), key)
  if (rc === RC_OK) rc = encodeMessage(PLAIN2, n, RC_KEY_SIZE_RANGE)
  if (rc !== RC_OK) return rc
  if (!rsaPublic(BLOCK)) return RC_FUNCTION_FAILED
  const k = modulusLength()
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

/** Can what the mechanism wraps be so long? That is no secret, so it may have a code of its own. */
function wrappedLengthFits(): bool {
  if (mechKeyType === CKK_RSA) return rsaLengthFits()
  const size = blockSize()
  if (dataLength < size || dataLength > PLAIN_MAX) return false
  if (mechFamily === FAMILY_KW) return dataLength >= 24 && (dataLength & 7) === 0
  if (mechFamily === FAMILY_KWP) return dataLength >= 16 && (dataLength & 7) === 0
  return (dataLength & (size - 1)) === 0
}

/** Unwraps into PLAIN2; the length, or -1 where the wrapped key does not open. */
function unwrapInto(): i32 {
  if (mechKeyType === CKK_RSA) {
    const n = openMessage()
    if (n < 0) return -1
    usePlain2(n)
    memory.copy(PLAIN2, rsaMessage(), n)
    return n
  }
  usePlain2(dataLength)
  const keyLength = takeSecret()
  if (mechFamily === FAMILY_KW) {
    return kwUnwrapWith(SECRET, keyLength, kwInitial(), data, dataLength, PLAIN2) ? dataLength - 8 : -1
  }
  if (mechFamily === FAMILY_KWP) return kwpUnwrapWith(SECRET, keyLength, kwpInitial(), data, dataLength, PLAIN2)
  const size = blockSize()
  expandKey(SECRET, keyLength)
  if (mechFamily === FAMILY_ECB) blockDecrypt(CTX, cipher(), data, PLAIN2, dataLength)
  else chainDecrypt(CTX, cipher(), IV, data, PLAIN2, dataLength)
  return mechFamily === FAMILY_CBC_PAD ? unpaddedFrom(PLAIN2, dataLength, size) : dataLength
}

/** Modes without padding: how much of what was unwrapped the template means; 0 where it means more than there is. */
function lengthMeant(n: i32, template: usize, templateLength: i32): i32 {
  if (mechFamily !== FAMILY_ECB && mechFamily !== FAMILY_CBC) return n
  const fixed = fixedLength(ulongOf(template, templateLength, CKA_KEY_TYPE, UNAVAILABLE))
  const meant = ulongOf(template, templateLength, CKA_VALUE_LEN, <u32>(fixed !== 0 ? fixed : n))
  return meant <= <u32>n ? <i32>meant : 0
}

export function unwrap(): u32 {
  readOperation()
  const template = readBytes()
  const templateLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canUnwrap()) return RC_MECHANISM_INVALID
  let rc = needOfficer()
  if (rc === RC_OK) rc = checkTemplate(template, templateLength)
  if (rc === RC_OK) rc = openKey(key, CKA_UNWRAP, RC_UNWRAPPING_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (mechKeyType === CKK_RSA) {
    rc = pairFits(CKO_PRIVATE_KEY)
    if (rc === RC_OK) rc = rsaAllowed()
    if (rc === RC_OK && !rsaParameterFits()) rc = RC_MECHANISM_PARAM_INVALID
  } else rc = cipherFits()
  if (rc !== RC_OK) return rc
  const cls = ulongOf(template, templateLength, CKA_CLASS, UNAVAILABLE)
  if (cls === UNAVAILABLE) return RC_TEMPLATE_INCOMPLETE
  if (cls !== CKO_PRIVATE_KEY && cls !== CKO_SECRET_KEY) return RC_ARGUMENTS_BAD
  const isPrivate = cls === CKO_PRIVATE_KEY
  if (partitionPolicy(here(), isPrivate ? POLICY_PRIVATE_UNWRAPPING : POLICY_SECRET_UNWRAPPING) === 0) {
    return RC_OPERATION_NOT_ALLOWED
  }
  if (!wrappedLengthFits()) return RC_WRAPPED_KEY_LEN_RANGE
  const opened = unwrapInto()
  if (opened < 1) return RC_WRAPPED_KEY_INVALID
  const n = isPrivate ? opened : lengthMeant(opened, template, templateLength)
  if (n === 0) return RC_WRAPPED_KEY_LEN_RANGE
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
