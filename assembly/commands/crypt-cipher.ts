// Crypt commands: encrypt and decrypt.

import { PKA_OUT } from '../arena'
import { aesDecrypt, aesEncrypt, aesKey } from '../crypto/aes'
import { cbcDecrypt, cbcEncrypt, ctrCrypt, gcmOpen, gcmSeal } from '../crypto/modes'
import { pad, unpadded } from '../crypto/padding'
import { load32be, wipe } from '../crypto/util'
import {
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_VALUE,
  CKK_AES,
  CKK_RSA,
  CKM_AES_CBC,
  CKM_AES_CBC_PAD,
  CKM_AES_CTR,
  CKM_AES_ECB,
  CKM_AES_GCM,
  CKM_RSA_PKCS_OAEP,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { canDecrypt, canEncrypt } from '../token/mechanisms'
import { objectClass, objectKeyType } from '../token/objects'
import { modulusLength, rsaPublic } from '../token/private-key'
import { BLOCK, encodeOaep, oaepFits, oaepMessage } from '../token/rsa'
import { needUser } from './context'
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
  readOperation,
} from './crypt-operation'
import { readDone, write32, writePosition, writeSkip } from './frame'

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

export function encrypt(): u32 {
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

export function decrypt(): u32 {
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

function decryptOaep(): u32 {
  const rc = openKey(key, CKA_DECRYPT, RC_KEY_HANDLE_INVALID)
  if (rc !== RC_OK) return rc
  if (objectClass !== CKO_PRIVATE_KEY || objectKeyType !== CKK_RSA) return RC_KEY_TYPE_INCONSISTENT
  if (oaepHash() === 0) return RC_MECHANISM_PARAM_INVALID
  if (!oaepLengthFits()) return RC_ENCRYPTED_DATA_LEN_RANGE
  const n = openOaep()
  if (n < 0) return RC_ENCRYPTED_DATA_INVALID
  write32(<u32>n)
  memory.copy(writeSkip(n), oaepMessage(), n)
  return RC_OK
}
