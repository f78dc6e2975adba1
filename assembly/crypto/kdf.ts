// Key derivation: SP 800-108 r1 §4.1 (counter mode) and PBKDF2 (RFC 8018 §5.2, SP 800-132).
import { HMAC_CTX, hmacChain, hmacChainPad, hmacDigest, hmacInit, hmacRestart, hmacUpdate } from './hmac'
import { HASH_MAX_BLOCK, HASH_MAX_LENGTH, HASH_SHA384, hashLength } from './sha2'
import { store32be, wipe } from './util'

const WORK: usize = memory.data(HMAC_CTX, 16)
const BLOCK: usize = memory.data(HASH_MAX_BLOCK, 16)
const SUM: usize = memory.data(HASH_MAX_LENGTH, 16)
const WORD: usize = memory.data(8, 16)

/** The OBC-1 KDF: counter mode with HMAC-SHA-384. Arguments as `kdfAlg`. */
export function kdf(
  key: usize,
  keyLen: i32,
  label: usize,
  labelLen: i32,
  context: usize,
  contextLen: i32,
  out: usize,
  n: i32,
): void {
  kdfAlg(HASH_SHA384, key, keyLen, label, labelLen, context, contextLen, out, n)
}

/**
 * Writes `n` bytes to `out`: block i = HMAC(key, [i]32 ∥ label ∥ 00 ∥ context ∥ [8n]32), i from 1. `out` must not
 * overlap label or context; it may be the key.
 */
export function kdfAlg(
  alg: i32,
  key: usize,
  keyLen: i32,
  label: usize,
  labelLen: i32,
  context: usize,
  contextLen: i32,
  out: usize,
  n: i32,
): void {
  const length = hashLength(alg)
  hmacInit(WORK, alg, key, keyLen)
  for (let i = 1, done = 0; done < n; i++) {
    if (i > 1) hmacRestart(WORK)
    store32be(WORD, i)
    hmacUpdate(WORK, WORD, 4)
    hmacUpdate(WORK, label, labelLen)
    store<u8>(WORD, 0)
    hmacUpdate(WORK, WORD, 1)
    hmacUpdate(WORK, context, contextLen)
    store32be(WORD, (<u32>n) << 3)
    hmacUpdate(WORK, WORD, 4)
    hmacDigest(WORK, BLOCK)
    const part = min(length, n - done)
    memory.copy(out + done, BLOCK, part)
    done += part
  }
  wipe(WORK, HMAC_CTX)
  wipe(BLOCK, HASH_MAX_BLOCK)
  wipe(WORD, 8)
}

/** PBKDF2 with HMAC: `n` bytes to `out`; `iterations` >= 1. */
export function pbkdf2(
  alg: i32,
  pw: usize,
  pwLen: i32,
  salt: usize,
  saltLen: i32,
  iterations: i32,
  out: usize,
  n: i32,
): void {
  const length = hashLength(alg)
  hmacInit(WORK, alg, pw, pwLen)
  for (let i = 1, done = 0; done < n; i++) {
    if (i > 1) hmacRestart(WORK)
    hmacUpdate(WORK, salt, saltLen)
    store32be(WORD, i)
    hmacUpdate(WORK, WORD, 4)
    hmacDigest(WORK, BLOCK)
    memory.copy(SUM, BLOCK, length)
    hmacChainPad(WORK, BLOCK)
    for (let round = 1; round < iterations; round++) {
      hmacChain(WORK, BLOCK)
      for (let b = 0; b < HASH_MAX_LENGTH; b += 8) store<u64>(SUM + b, load<u64>(SUM + b) ^ load<u64>(BLOCK + b))
    }
    const part = min(length, n - done)
    memory.copy(out + done, SUM, part)
    done += part
  }
  wipe(WORK, HMAC_CTX)
  wipe(BLOCK, HASH_MAX_BLOCK)
  wipe(WORD, 8)
  wipe(SUM, HASH_MAX_LENGTH)
}
