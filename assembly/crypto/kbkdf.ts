// Key derivation in counter mode (SP 800-108 r1 §4.1) in its general form: any PRF, a counter of 8 to 32 bits, anywhere
// in the fixed input data. What the firmware itself derives has one form, which kdf.ts holds.
import { AES_CTX, aesKeyEncrypt, aesKeyLengthValid } from './aes'
import { CMAC_CTX, cmacFinal, cmacInit, cmacUpdate } from './cmac'
import { HMAC_CTX, hmacDigest, hmacInit, hmacRestart, hmacUpdate } from './hmac'
import { HASH_MAX_LENGTH, hashLength } from './sha2'
import { store32be, wipe } from './util'

/** PRF: HMAC by the number of its hash, or this. */
export const PRF_CMAC_AES = 16

const HMAC: usize = memory.data(HMAC_CTX, 16)
const AES: usize = memory.data(AES_CTX, 16)
const CMAC: usize = memory.data(CMAC_CTX, 16)
const BLOCK: usize = memory.data(HASH_MAX_LENGTH, 16)
const COUNT: usize = memory.data(8, 16)

/** Whether these arguments of `kdfCounter` are usable: lengths in bytes. */
export function kdfCounterValid(prf: i32, keyLen: i32, counterLen: i32, n: i32): bool {
  if (counterLen < 1 || counterLen > 4 || n < 0) return false
  if (prf === PRF_CMAC_AES && !aesKeyLengthValid(keyLen)) return false
  const length = prfLength(prf)
  const blocks = (<u64>n + length - 1) / length
  return blocks >> ((<u64>counterLen) << 3) === 0
}

/**
 * Writes `n` bytes to `out`: block i = PRF(key, before ∥ [i] ∥ after), i from 1 in `counterLen` bytes. `out` must not
 * overlap before or after; it may be the key. False, and nothing written, where `kdfCounterValid` says no; traps on an
 * unknown PRF.
 */
export function kdfCounter(
  prf: i32,
  key: usize,
  keyLen: i32,
  before: usize,
  beforeLen: i32,
  after: usize,
  afterLen: i32,
  counterLen: i32,
  out: usize,
  n: i32,
): bool {
  if (!kdfCounterValid(prf, keyLen, counterLen, n)) return false
  const length = prfLength(prf)
  if (prf === PRF_CMAC_AES) aesKeyEncrypt(AES, key, keyLen)
  else hmacInit(HMAC, prf, key, keyLen)
  for (let i = 1, done = 0; done < n; i++) {
    store32be(COUNT, i)
    const count = COUNT + 4 - counterLen
    if (prf === PRF_CMAC_AES) {
      cmacInit(CMAC, AES)
      cmacUpdate(CMAC, before, beforeLen)
      cmacUpdate(CMAC, count, counterLen)
      cmacUpdate(CMAC, after, afterLen)
      cmacFinal(CMAC, BLOCK)
    } else {
      if (i > 1) hmacRestart(HMAC)
      hmacUpdate(HMAC, before, beforeLen)
      hmacUpdate(HMAC, count, counterLen)
      hmacUpdate(HMAC, after, afterLen)
      hmacDigest(HMAC, BLOCK)
    }
    const part = min(length, n - done)
    memory.copy(out + done, BLOCK, part)
    done += part
  }
  wipe(HMAC, HMAC_CTX)
  wipe(AES, AES_CTX)
  wipe(BLOCK, HASH_MAX_LENGTH)
  wipe(COUNT, 8)
  return true
}

function prfLength(prf: i32): i32 {
  return prf === PRF_CMAC_AES ? 16 : hashLength(prf)
}
