// Crypt commands: sign and verify, encrypt and decrypt, wrap and unwrap.

import { PKA_OUT, PLAIN, PLAIN_MAX, PLAIN2, SECRET, SHARED, usePlain2 } from '../arena'
import { AES_CTX, aesDecrypt, aesEncrypt, aesKey } from '../crypto/aes'
import { hmac } from '../crypto/hmac'
import { kwpUnwrap, kwpWrap, kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { cbcDecrypt, cbcEncrypt, ctrCrypt, gcmOpen, gcmSeal } from '../crypto/modes'
import { pad, unpadded } from '../crypto/padding'
import { hashLength } from '../crypto/sha2'
import { ctEqual, load32be, wipe } from '../crypto/util'
import {
  BIT_EXTRACTABLE,
  BIT_LOCAL,
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_ENCRYPT,
  CKA_KEY_TYPE,
  CKA_SIGN,
  CKA_UNWRAP,
  CKA_VALUE,
  CKA_VERIFY,
  CKA_WRAP,
  CKK_AES,
  CKK_EC,
  CKK_RSA,
  CKM_AES_CBC,
  CKM_AES_CBC_PAD,
  CKM_AES_CTR,
  CKM_AES_ECB,
  CKM_AES_GCM,
  CKM_RSA_PKCS,
  CKM_RSA_PKCS_OAEP,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  CMD_DECRYPT,
  CMD_ENCRYPT,
  CMD_MECHANISM_LIST,
  CMD_SIGN,
  CMD_UNWRAP,
  CMD_VERIFY,
  CMD_WRAP,
  HSM_POLICY_FULL_FUNCTION,
  POLICY_NON_LOCAL_SIGNING,
  POLICY_PRIVATE_UNWRAPPING,
  POLICY_PRIVATE_WRAPPING,
  POLICY_SECRET_UNWRAPPING,
  POLICY_SECRET_WRAPPING,
  RC_ARGUMENTS_BAD,
  RC_COMMAND_NON_BACKUP,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_KEY_FUNCTION_NOT_PERMITTED,
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
  RC_SIGNATURE_INVALID,
  RC_SIGNATURE_LEN_RANGE,
  RC_TEMPLATE_INCOMPLETE,
  RC_TOKEN_NOT_RECOGNIZED,
  RC_UNWRAPPING_KEY_HANDLE_INVALID,
  RC_WRAPPED_KEY_INVALID,
  RC_WRAPPED_KEY_LEN_RANGE,
  RC_WRAPPING_KEY_HANDLE_INVALID,
  SEALED_OVERHEAD,
  STATE_FUNCTIONAL,
  UNAVAILABLE,
} from '../protocol'
import { boolOf, checkTemplate, plainFind, plainPut, plainSize, ulongOf, valueLength } from '../token/attributes'
import { curveOf } from '../token/curves'
import {
  canDecrypt,
  canEncrypt,
  canSign,
  canUnwrap,
  canVerify,
  canWrap,
  hashOf,
  isEcdsa,
  isHmac,
  isKw,
  isKwp,
  isPss,
  mechanismCount,
  mechanismRow,
} from '../token/mechanisms'
import { newOuid, objectBits, objectClass, objectHandle, objectKeyType, openObject } from '../token/objects'
import { curveLength, ecdsaSign, ecdsaVerify } from '../token/pka'
import { hsmPolicy, partitionPolicy } from '../token/policies'
import {
  modulusBits,
  modulusLength,
  pkcs8Start,
  pkcs8Type,
  pkcs8Write,
  rsaPrivate,
  rsaPublic,
  takePrivateKey,
} from '../token/private-key'
import {
  BLOCK,
  checkPss,
  decodeOaep,
  digest,
  encodeOaep,
  encodePkcs1,
  encodePkcs1Hash,
  encodePss,
  oaepFits,
  oaepMessage,
  pssFits,
  wipeRsa,
} from '../token/rsa'
import { isBackup, state } from '../token/state'
import { completeObject, objectFrom } from '../token/template'
import { access, here, needOfficer, needUser } from './context'
import { read32, readBytes, readDone, readLength, write16, write32, writePosition, writeRoom, writeSkip } from './frame'
import { keepObject } from './object'

const CTX: usize = memory.data(8192, 16)
const IV: usize = memory.data(16, 16)

let mechanism: u32 = 0
let parameter: usize = 0
let parameterLength: i32 = 0
let key: u32 = 0
let data: usize = 0
let dataLength: i32 = 0

export function cryptCommand(command: u32): u32 {
  if (command === CMD_MECHANISM_LIST) return list()
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  if (isBackup() || hsmPolicy(HSM_POLICY_FULL_FUNCTION) === 0) return RC_COMMAND_NON_BACKUP
  let rc: u32 = RC_FUNCTION_NOT_SUPPORTED
  if (command === CMD_SIGN) rc = sign()
  else if (command === CMD_VERIFY) rc = verify()
  else if (command === CMD_ENCRYPT) rc = encrypt()
  else if (command === CMD_DECRYPT) rc = decrypt()
  else if (command === CMD_WRAP) rc = wrap()
  else if (command === CMD_UNWRAP) rc = unwrap()
  wipe(CTX, AES_CTX)
  wipeRsa()
  return rc
}

/** A backup device has no mechanisms of its own. */
function list(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const n = isBackup() ? 0 : mechanismCount()
  write16(<u32>n)
  for (let i = 0; i < n; i++) for (let f: usize = 0; f < 16; f += 4) write32(load<u32>(mechanismRow(i) + f))
  return RC_OK
}

function readOperation(): void {
  mechanism = read32()
  parameter = readBytes()
  parameterLength = readLength()
  key = read32()
  data = readBytes()
  dataLength = readLength()
}

/** Opens the key and checks that it may be used so. */
function openKey(handle: u32, usage: u32, notThere: u32): u32 {
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc === RC_OBJECT_HANDLE_INVALID ? notThere : rc
  if (objectKeyType === UNAVAILABLE) return notThere
  return boolOf(PLAIN, plainSize(), usage, false) ? RC_OK : RC_KEY_FUNCTION_NOT_PERMITTED
}

// ---- sign and verify --------------------------------------------------------------------------------------------------

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

function sign(): u32 {
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

function verify(): u32 {
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

// ---- encrypt and decrypt ----------------------------------------------------------------------------------------------

let gcmIv: usize = 0
let gcmIvLength: i32 = 0
let gcmAad: usize = 0
let gcmAadLength: i32 = 0
let gcmTag: i32 = 0

function readGcm(): bool {
  if (parameterLength < 12) return false
  const end = parameter + <usize>parameterLength
  const iv = load32be(parameter)
  if (iv === 0 || iv > 256 || iv > <u32>parameterLength - 12) return false
  gcmIv = parameter + 4
  gcmIvLength = <i32>iv
  const p = gcmIv + <usize>iv
  const aad = load32be(p)
  gcmAad = p + 4
  if (<usize>aad > end - gcmAad || gcmAad + <usize>aad + 4 !== end) return false
  gcmAadLength = <i32>aad
  const bits = load32be(gcmAad + <usize>aad)
  if (bits < 96 || bits > 128 || (bits & 7) !== 0) return false
  gcmTag = <i32>(bits >>> 3)
  return true
}

function openAes(usage: u32): u32 {
  const rc = openKey(key, usage, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  return objectClass === CKO_SECRET_KEY && objectKeyType === CKK_AES ? RC_OK : RC_KEY_TYPE_INCONSISTENT
}

function needsIv(): bool {
  return mechanism === CKM_AES_CBC || mechanism === CKM_AES_CBC_PAD || mechanism === CKM_AES_CTR
}

function expand(): void {
  const value = plainFind(CKA_VALUE)
  aesKey(CTX, value, valueLength())
  if (needsIv()) memory.copy(IV, parameter, 16)
}

function hasRoom(n: i32): bool {
  return n + 4 + SEALED_OVERHEAD <= writeRoom()
}

function encrypt(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canEncrypt(mechanism)) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  if (mechanism === CKM_RSA_PKCS_OAEP) return encryptOaep()
  rc = openAes(CKA_ENCRYPT)
  if (rc !== RC_OK) return rc
  const gcm = mechanism === CKM_AES_GCM
  if (gcm ? !readGcm() : parameterLength !== (needsIv() ? 16 : 0)) return RC_MECHANISM_PARAM_INVALID
  const pads = mechanism === CKM_AES_CBC_PAD
  const whole = mechanism === CKM_AES_ECB || mechanism === CKM_AES_CBC
  if (whole && (dataLength & 15) !== 0) return RC_DATA_LEN_RANGE
  const n = pads ? (dataLength + 16) & ~15 : gcm ? dataLength + gcmTag : dataLength
  if (!hasRoom(n)) return RC_DATA_LEN_RANGE
  write32(<u32>n)
  const out = writeSkip(n)
  if (gcm) {
    const value = plainFind(CKA_VALUE)
    const tag = out + <usize>dataLength
    gcmSeal(value, valueLength(), gcmIv, gcmIvLength, gcmAad, gcmAadLength, data, dataLength, out, tag, gcmTag)
    return RC_OK
  }
  expand()
  if (mechanism === CKM_AES_ECB) aesEncrypt(CTX, data, out, n >> 4)
  else if (mechanism === CKM_AES_CTR) ctrCrypt(CTX, IV, data, out, n)
  else {
    memory.copy(out, data, dataLength)
    if (pads) pad(out, dataLength)
    cbcEncrypt(CTX, IV, out, out, n)
  }
  return RC_OK
}

function decrypt(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canDecrypt(mechanism)) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  if (mechanism === CKM_RSA_PKCS_OAEP) return decryptOaep()
  rc = openAes(CKA_DECRYPT)
  if (rc !== RC_OK) return rc
  const gcm = mechanism === CKM_AES_GCM
  if (gcm ? !readGcm() : parameterLength !== (needsIv() ? 16 : 0)) return RC_MECHANISM_PARAM_INVALID
  if (gcm && dataLength < gcmTag) return RC_ENCRYPTED_DATA_LEN_RANGE
  if (!gcm && mechanism !== CKM_AES_CTR && (dataLength & 15) !== 0) return RC_ENCRYPTED_DATA_LEN_RANGE
  if (mechanism === CKM_AES_CBC_PAD && dataLength === 0) return RC_ENCRYPTED_DATA_LEN_RANGE
  const n = gcm ? dataLength - gcmTag : dataLength
  if (!hasRoom(n)) return RC_ENCRYPTED_DATA_LEN_RANGE
  const start = writePosition()
  write32(<u32>n)
  const out = writePosition()
  if (gcm) {
    const value = plainFind(CKA_VALUE)
    const tag = data + <usize>n
    writeSkip(n)
    const good = gcmOpen(value, valueLength(), gcmIv, gcmIvLength, gcmAad, gcmAadLength, data, n, out, tag, gcmTag)
    return good ? RC_OK : RC_ENCRYPTED_DATA_INVALID
  }
  expand()
  if (mechanism === CKM_AES_ECB) aesDecrypt(CTX, data, out, n >> 4)
  else if (mechanism === CKM_AES_CTR) ctrCrypt(CTX, IV, data, out, n)
  else cbcDecrypt(CTX, IV, data, out, n)
  if (mechanism !== CKM_AES_CBC_PAD) {
    writeSkip(n)
    return RC_OK
  }
  const plain = unpadded(out, n)
  if (plain < 0) {
    wipe(out, n)
    return RC_ENCRYPTED_DATA_INVALID
  }
  wipe(out + <usize>plain, n - plain)
  store<u32>(start, bswap<u32>(<u32>plain))
  writeSkip(plain)
  return RC_OK
}

function oaepHash(): i32 {
  return parameterLength === 4 ? hashOf(load32be(parameter)) : 0
}

function encryptOaep(): u32 {
  const rc = openKey(key, CKA_ENCRYPT, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (objectClass !== CKO_PUBLIC_KEY || objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  const alg = oaepHash()
  if (alg === 0) return RC_MECHANISM_PARAM_INVALID
  const k = modulusLength()
  if (!oaepFits(alg, dataLength, k)) return RC_DATA_LEN_RANGE
  if (!encodeOaep(alg, data, dataLength, k)) return RC_RANDOM_NO_RNG
  if (!rsaPublic(BLOCK)) return RC_FUNCTION_FAILED
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

/** Opens an OAEP message with the private key in hand; its length, or -1 whatever the fault. */
function openOaep(): i32 {
  return rsaPrivate(data) ? decodeOaep(oaepHash(), dataLength) : -1
}

function decryptOaep(): u32 {
  const rc = openKey(key, CKA_DECRYPT, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (objectClass !== CKO_PRIVATE_KEY || objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  if (oaepHash() === 0) return RC_MECHANISM_PARAM_INVALID
  if (dataLength !== modulusLength()) return RC_ENCRYPTED_DATA_LEN_RANGE
  const n = openOaep()
  if (n < 0) return RC_ENCRYPTED_DATA_INVALID
  write32(<u32>n)
  memory.copy(writeSkip(n), oaepMessage(), n)
  return RC_OK
}

// ---- wrap and unwrap --------------------------------------------------------------------------------------------------

/** The AES key in hand into SECRET; its length. */
function takeAesKey(): i32 {
  const value = plainFind(CKA_VALUE)
  memory.copy(SECRET, value, valueLength())
  return valueLength()
}

function wrap(): u32 {
  mechanism = read32()
  parameter = readBytes()
  parameterLength = readLength()
  key = read32()
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
  if (mechanism === CKM_RSA_PKCS_OAEP) return dataLength === modulusLength()
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

function unwrap(): u32 {
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
