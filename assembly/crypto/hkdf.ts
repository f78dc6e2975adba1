// HKDF (RFC 5869) with any hash.
import { HMAC_CTX, hmacDigest, hmacFinal, hmacInit, hmacRestart, hmacUpdate } from './hmac'
import { HASH_MAX_LENGTH, hashLength } from './sha2'
import { wipe } from './util'

const HMAC: usize = memory.data(HMAC_CTX, 16)
const EXTRACTED: usize = memory.data(HASH_MAX_LENGTH, 16)
const LAST: usize = memory.data(HASH_MAX_LENGTH, 16)
const COUNT: usize = memory.data(8, 8)

/**
 * Extracts (`salt` of 0 bytes: as many zeros as the hash has), and expands; either may be left out. `n` bytes to `out`, at most 255
 * times the hash's, or all of the extracted key where it is not expanded.
 */
export function hkdf(
  alg: i32,
  extracts: bool,
  expands: bool,
  key: usize,
  keyLength: i32,
  salt: usize,
  saltLength: i32,
  info: usize,
  infoLength: i32,
  out: usize,
  n: i32,
): void {
  const length = hashLength(alg)
  if (extracts) {
    if (saltLength === 0) hmacInit(HMAC, alg, LAST, length)
    else hmacInit(HMAC, alg, salt, saltLength)
    hmacUpdate(HMAC, key, keyLength)
    hmacFinal(HMAC, EXTRACTED)
    key = EXTRACTED
    keyLength = length
  }
  if (!expands) memory.copy(out, key, keyLength)
  else {
    hmacInit(HMAC, alg, key, keyLength)
    for (let i: u32 = 1, done = 0; done < n; i++) {
      if (i > 1) {
        hmacRestart(HMAC)
        hmacUpdate(HMAC, LAST, length)
      }
      hmacUpdate(HMAC, info, infoLength)
      store<u8>(COUNT, <u8>i)
      hmacUpdate(HMAC, COUNT, 1)
      hmacDigest(HMAC, LAST)
      const part = min(length, n - done)
      memory.copy(out + <usize>done, LAST, part)
      done += part
    }
  }
  wipe(HMAC, HMAC_CTX)
  wipe(EXTRACTED, HASH_MAX_LENGTH)
  wipe(LAST, HASH_MAX_LENGTH)
  wipe(COUNT, 8)
}
