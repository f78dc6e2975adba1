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
export const DRBG_RESEED_INTERVAL: u64 = 1 << 32

const LENGTH = 64

/**
 * The whole state, so that a self-test can put it aside: requests since the last seed (0 = no instance), whether prediction
 * resistance may be asked for, K, V.
 */
export const DRBG_STATE_LENGTH = 144
export const DRBG_STATE: usize = memory.data(DRBG_STATE_LENGTH, 16)
const REQUESTS: usize = DRBG_STATE
const RESISTANT: usize = DRBG_STATE + 8
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

/**
 * Seeds a new instance (§9.1); `predictionResistance` = `drbgGenerateResistant` may be called on it. False, and no instance,
 * where entropy or nonce is too short.
 */
export function drbgInstantiate(
  predictionResistance: bool,
  entropy: usize,
  entropyLen: i32,
  nonce: usize,
  nonceLen: i32,
  personal: usize,
  personalLen: i32,
): bool {
  drbgUninstantiate()
  if (entropyLen < DRBG_ENTROPY || nonceLen < DRBG_NONCE) return false
  store<u8>(RESISTANT, predictionResistance)
  memory.fill(V, 1, LENGTH)
  update(entropy, entropyLen, nonce, nonceLen, personal, personalLen)
  store<u64>(REQUESTS, 1)
  return true
}

/** Mixes in fresh entropy (§9.2). False, and nothing done, where there is too little or no instance. */
export function drbgReseed(entropy: usize, entropyLen: i32, additional: usize, additionalLen: i32): bool {
  if (load<u64>(REQUESTS) === 0 || entropyLen < DRBG_ENTROPY) return false
  update(entropy, entropyLen, additional, additionalLen, additional, 0)
  store<u64>(REQUESTS, 1)
  return true
}

/**
 * Writes `n` bytes (0 to DRBG_MAX_REQUEST) to `out` (§9.3). False, and nothing written, where there is no instance, the
 * request is too long, or a reseed is due.
 */
export function drbgGenerate(out: usize, n: i32, additional: usize, additionalLen: i32): bool {
  const requests = load<u64>(REQUESTS)
  if (requests === 0 || requests > DRBG_RESEED_INTERVAL || !lengthValid(n)) return false
  if (additionalLen > 0) update(additional, additionalLen, additional, 0, additional, 0)
  for (let done = 0; done < n; done += LENGTH) {
    advance()
    memory.copy(out + done, V, min(LENGTH, n - done))
  }
  update(additional, additionalLen, additional, 0, additional, 0)
  store<u64>(REQUESTS, requests + 1)
  return true
}

/**
 * A request with prediction resistance (§9.3.1, steps 7 and 9): fresh entropy and the additional input are mixed in first,
 * so that a reseed is never due here. False, and nothing done or written, where there is no instance or one without
 * prediction resistance, the request is too long, or the entropy too short.
 */
export function drbgGenerateResistant(
  out: usize,
  n: i32,
  entropy: usize,
  entropyLen: i32,
  additional: usize,
  additionalLen: i32,
): bool {
  if (load<u8>(RESISTANT) === 0 || !lengthValid(n)) return false
  return drbgReseed(entropy, entropyLen, additional, additionalLen) && drbgGenerate(out, n, additional, 0)
}

function lengthValid(n: i32): bool {
  return n >= 0 && n <= DRBG_MAX_REQUEST
}

/** Wipes the instance (§9.4). */
export function drbgUninstantiate(): void {
  wipe(DRBG_STATE, DRBG_STATE_LENGTH)
}
