// Crypt commands: encrypt and decrypt.

import { blockDecrypt, blockEncrypt, chainDecrypt, chainEncrypt } from '../crypto/block-cipher'
import { kwpUnwrapWith, kwpWrapWith, kwUnwrapWith, kwWrapWith } from '../crypto/key-wrap'
import { ctrCrypt } from '../crypto/modes'
import { padTo, unpaddedFrom } from '../crypto/padding'
import { rc4Crypt } from '../crypto/rc4'
import { wipe } from '../crypto/util'
import {
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_VALUE,
  CKK_RSA,
  GCM_MADE_IV,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_KEY_HANDLE_INVALID,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import {
  FAMILY_CBC_PAD,
  FAMILY_CCM,
  FAMILY_CTR,
  FAMILY_ECB,
  FAMILY_GCM,
  FAMILY_KW,
  FAMILY_KWP,
  FAMILY_STREAM,
} from '../token/mechanism-families'
import { canDecrypt, canEncrypt, mechFamily, mechKeyType } from '../token/mechanisms'
import { needUser } from './context'
import { aeadCounts, aeadOpen, aeadSeal, aeadTag, drawIv, ivMade, MADE_IV, makesIv, readAead } from './crypt-aead'
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
  readOperation,
  secretFits,
} from './crypt-operation'
import { decryptRsa, encryptRsa } from './crypt-rsa'
import { readDone, write32, writePosition, writeSkip } from './frame'

export function isAead(): bool {
  return mechFamily === FAMILY_GCM || mechFamily === FAMILY_CCM
}

/** Opens a secret key that the mechanism works with. */
export function openCipher(usage: u32): u32 {
  const rc = openKey(key, usage, RC_KEY_HANDLE_INVALID)
  return rc === RC_OK ? secretFits() : rc
}

function expand(): void {
  const value = plainFind(CKA_VALUE)
  expandKey(value, valueLength())
}

/** RC_OK, or what is wrong with the parameter. */
function parameterFits(seals: bool): u32 {
  if (!isAead()) return ivFits()
  return readAead(seals) ? RC_OK : RC_MECHANISM_PARAM_INVALID
}

export function encrypt(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canEncrypt()) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  if (mechKeyType === CKK_RSA) return encryptRsa()
  rc = openCipher(CKA_ENCRYPT)
  if (rc !== RC_OK) return rc
  rc = parameterFits(true)
  if (rc !== RC_OK) return rc
  const family = mechFamily
  const size = blockSize()
  const rest = dataLength & (size - 1)
  let n = dataLength
  if (isAead()) {
    if (!aeadCounts(n)) return RC_DATA_LEN_RANGE
    n += aeadTag()
    if (makesIv()) n += GCM_MADE_IV
  } else if (family === FAMILY_CBC_PAD) n += size - rest
  else if (family === FAMILY_KW) {
    if (n < 16 || (n & 7) !== 0) return RC_DATA_LEN_RANGE
    n += 8
  } else if (family === FAMILY_KWP) {
    if (n < 1) return RC_DATA_LEN_RANGE
    n = ((n + 7) & ~7) + 8
  } else if (family !== FAMILY_CTR && family !== FAMILY_STREAM && rest !== 0) return RC_DATA_LEN_RANGE
  if (!hasRoom(n)) return RC_DATA_LEN_RANGE
  if (isAead() && makesIv()) {
    rc = drawIv()
    if (rc !== RC_OK) return rc
    // A tamper that came while it was drawn has taken the key.
    if (plainFind(CKA_VALUE) === 0) return RC_KEY_HANDLE_INVALID
  }
  write32(<u32>n)
  const out = writeSkip(n)
  const value = plainFind(CKA_VALUE)
  if (isAead()) {
    aeadSeal(out)
    if (ivMade()) memory.copy(out + <usize>(n - GCM_MADE_IV), MADE_IV, GCM_MADE_IV)
  } else if (family === FAMILY_KW) kwWrapWith(value, valueLength(), kwInitial(), data, dataLength, out)
  else if (family === FAMILY_KWP) kwpWrapWith(value, valueLength(), kwpInitial(), data, dataLength, out)
  else if (family === FAMILY_STREAM) rc4Crypt(value, valueLength(), data, out, n)
  else {
    expand()
    if (family === FAMILY_ECB) blockEncrypt(CTX, cipher(), data, out, n)
    else if (family === FAMILY_CTR) ctrCrypt(CTX, IV, data, out, n)
    else {
      memory.copy(out, data, dataLength)
      if (family === FAMILY_CBC_PAD) padTo(out, dataLength, size)
      chainEncrypt(CTX, cipher(), IV, out, out, n)
    }
  }
  return RC_OK
}

/** Whether encryption makes ciphertexts of this length. */
function lengthFits(): bool {
  if (isAead()) return dataLength >= aeadTag() && aeadCounts(dataLength - aeadTag())
  if (mechFamily === FAMILY_CTR || mechFamily === FAMILY_STREAM) return true
  if (mechFamily === FAMILY_KW) return dataLength >= 24 && (dataLength & 7) === 0
  if (mechFamily === FAMILY_KWP) return dataLength >= 16 && (dataLength & 7) === 0
  if (mechFamily === FAMILY_CBC_PAD && dataLength === 0) return false
  return (dataLength & (blockSize() - 1)) === 0
}

export function decrypt(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canDecrypt()) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  if (mechKeyType === CKK_RSA) return decryptRsa()
  rc = openCipher(CKA_DECRYPT)
  if (rc !== RC_OK) return rc
  rc = parameterFits(false)
  if (rc !== RC_OK) return rc
  if (!lengthFits() || !hasRoom(dataLength)) return RC_ENCRYPTED_DATA_LEN_RANGE
  const start = writePosition()
  write32(0)
  const out = writePosition()
  const n = plaintext(out)
  if (n < 0) {
    wipe(out, dataLength)
    return RC_ENCRYPTED_DATA_INVALID
  }
  if (n < dataLength) wipe(out + <usize>n, dataLength - n)
  store<u32>(start, bswap<u32>(<u32>n))
  writeSkip(n)
  return RC_OK
}

/** Decrypts to `out`; the length of the plaintext, or -1 where the ciphertext does not open. */
function plaintext(out: usize): i32 {
  const family = mechFamily
  const size = blockSize()
  if (isAead()) {
    const n = dataLength - aeadTag()
    return aeadOpen(n, out) ? n : -1
  }
  const value = plainFind(CKA_VALUE)
  if (family === FAMILY_KW) {
    return kwUnwrapWith(value, valueLength(), kwInitial(), data, dataLength, out) ? dataLength - 8 : -1
  }
  if (family === FAMILY_KWP) return kwpUnwrapWith(value, valueLength(), kwpInitial(), data, dataLength, out)
  if (family === FAMILY_STREAM) {
    rc4Crypt(value, valueLength(), data, out, dataLength)
    return dataLength
  }
  expand()
  if (family === FAMILY_ECB) blockDecrypt(CTX, cipher(), data, out, dataLength)
  else if (family === FAMILY_CTR) ctrCrypt(CTX, IV, data, out, dataLength)
  else chainDecrypt(CTX, cipher(), IV, data, out, dataLength)
  return family === FAMILY_CBC_PAD ? unpaddedFrom(out, dataLength, size) : dataLength
}
