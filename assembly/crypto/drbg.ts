// HMAC_DRBG with SHA-512 (SP 800-90A r1 §10.1.2), one static instance of 256-bit strength.
import { HMAC_CTX, hmacFinal, hmacInit, hmacUpdate } from './hmac'
import { HASH_SHA512 } from './sha2'
import { wipe } from './util'

export { TRNG_STARTUP, trngHealth, trngHealthReset } from './trng-health'

/** Least entropy and nonce for 256-bit strength, bytes (SP 800-90A r1 §8.6.7, §10.1). */
export const DRBG_ENTROPY = 32
export const DRBG_NONCE = 16
/** Most bytes of one request (table 2: 2^19 bits). */
export const DRBG_MAX_REQUEST = 65536
/** Requests after which only a reseed helps: far below the 2^48 that are allowed. */
const RESEED_INTERVAL: u64 = 1 << 32

const LENGTH = 64

/** The whole state, so that a self-test can put it aside: requests since the last seed (0 = no instance), K, V. */
export const DRBG_STATE_LENGTH = 144
export const DRBG_STATE: usize = memory.data(DRBG_STATE_LENGTH, 16)
const REQUESTS: usize = DRBG_STATE
const K: usize = DRBG_STATE + 16
const V: usize = DRBG_STATE + 80

const WORK: usize = memory.data(HMAC_CTX, 16)
const BYTE: usize = memory.data(16, 16)

/** K = HMAC(K, V ∥ separator ∥ a ∥ b ∥ c), V = HMAC(K, V). */
function mix(separator: u32, a: usize, aLen: i32, b: usize, bLen: i32, c: usize, cLen: i32): void {
  store<u8>(BYTE, separator)
  hmacInit(WORK, HASH_SHA512, K, LENGTH)
  hmacUpdate(WORK, V, LENGTH)
  hmacUpdate(WORK, BYTE, 1)
  hmacUpdate(WORK, a, aLen)
  hmacUpdate(WORK, b, bLen)
  hmacUpdate(WORK, c, cLen)
  hmacFinal(WORK, K)
  wipe(BYTE, 1)
  advance()
}

/** V = HMAC(K, V). */
function advance(): void {
  hmacInit(WORK, HASH_SHA512, K, LENGTH)
  hmacUpdate(WORK, V, LENGTH)
  hmacFinal(WORK, V)
}

/** HMAC_DRBG_Update with provided data a ∥ b ∥ c. */
function update(a: usize, aLen: i32, b: usize, bLen: i32, c: usize, cLen: i32): void {
  mix(0, a, aLen, b, bLen, c, cLen)
  if (aLen + bLen + cLen > 0) mix(1, a, aLen, b, bLen, c, cLen)
}

/** Seeds a new instance. False, and no instance, where entropy or nonce is too short. */
export function drbgInstantiate(
  entropy: usize,
  entropyLen: i32,
  nonce: usize,
  nonceLen: i32,
  personal: usize,
  personalLen: i32,
): bool {
  drbgUninstantiate()
  if (entropyLen < DRBG_ENTROPY || nonceLen < DRBG_NONCE) return false
  memory.fill(V, 1, LENGTH)
  update(entropy, entropyLen, nonce, nonceLen, personal, personalLen)
  store<u64>(REQUESTS, 1)
  return true
}

/** Mixes in fresh entropy. False, and nothing done, where there is too little or no instance. */
export function drbgReseed(entropy: usize, entropyLen: i32, additional: usize, additionalLen: i32): bool {
  if (load<u64>(REQUESTS) === 0 || entropyLen < DRBG_ENTROPY) return false
  update(entropy, entropyLen, additional, additionalLen, additional, 0)
  store<u64>(REQUESTS, 1)
  return true
}

/**
 * Writes `n` bytes (0 to DRBG_MAX_REQUEST) to `out`. False, and nothing written, where there is no instance, the
 * request is too long, or a reseed is due.
 */
export function drbgGenerate(out: usize, n: i32, additional: usize, additionalLen: i32): bool {
  const requests = load<u64>(REQUESTS)
  if (requests === 0 || requests > RESEED_INTERVAL || n < 0 || n > DRBG_MAX_REQUEST) return false
  if (additionalLen > 0) update(additional, additionalLen, additional, 0, additional, 0)
  for (let done = 0; done < n; done += LENGTH) {
    advance()
    memory.copy(out + done, V, min(LENGTH, n - done))
  }
  update(additional, additionalLen, additional, 0, additional, 0)
  store<u64>(REQUESTS, requests + 1)
  return true
}

/** Wipes the instance. */
export function drbgUninstantiate(): void {
  wipe(DRBG_STATE, DRBG_STATE_LENGTH)
}
