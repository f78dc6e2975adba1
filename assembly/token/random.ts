// Random bytes. What makes a key or nonce unique comes straight from the TRNG at the moment of use (OBC-1 §10 rule 8); longer-lived
// secrets come from the DRBG, with prediction resistance: reseeded from the TRNG for every request. Both run the continuous health tests.

import { trng } from '../board'
import { drbgGenerateResistant, drbgInstantiate, drbgReseed, trngHealth, trngHealthReset } from '../crypto/drbg'
import { selfTestIsCorrupt } from '../crypto/self-test'
import { wipe } from '../crypto/util'
import { nameKey } from '../flash/name-index'
import { PERIPHERAL_OK, RC_OK, RC_SELF_TEST_RNG } from '../protocol'

const SEED: usize = memory.data(1024, 16)
const START_UP: i32 = 1024

/** The start-up health test, over 1,024 bytes that nothing else uses. */
function sourceIsHealthy(): bool {
  return fresh(SEED, START_UP) && !selfTestIsCorrupt(RC_SELF_TEST_RNG)
}

/** The same on demand; the DRBG goes on as it is. */
export function randomTest(): u32 {
  const healthy = sourceIsHealthy()
  wipe(SEED, START_UP)
  return healthy ? RC_OK : RC_SELF_TEST_RNG
}

/** Power-up: start-up health test, then the DRBG gets its first seed. */
export function randomBegin(serial: usize): u32 {
  trngHealthReset()
  const seeded = sourceIsHealthy() && fresh(SEED, 104) && drbgInstantiate(true, SEED, 64, SEED + 64, 32, serial, 8)
  if (seeded) nameKey(load<u64>(SEED + 96))
  wipe(SEED, START_UP)
  return seeded ? RC_OK : RC_SELF_TEST_RNG
}

/** `n` bytes straight from the TRNG. False = the TRNG failed: the caller answers RC_RANDOM_NO_RNG. */
export function fresh(out: usize, n: i32): bool {
  return trng(out, n) === PERIPHERAL_OK && trngHealth(out, n)
}

/** Mixes what a client brings into the DRBG, beside fresh entropy: it cannot make it weaker (SP 800-90A r1 §8.7.2). */
export function stir(additional: usize, n: i32): bool {
  const done = fresh(SEED, 48) && drbgReseed(SEED, 48, additional, n)
  wipe(SEED, 48)
  return done
}

/** `n` bytes from the DRBG, at most 65,536. False, and nothing written, where the TRNG failed or there is no instance. */
export function random(out: usize, n: i32): bool {
  const made = fresh(SEED, 48) && drbgGenerateResistant(out, n, SEED, 48, 0, 0)
  wipe(SEED, 48)
  return made
}
