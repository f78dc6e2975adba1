// EdDSA on the public-key accelerator (RFC 8032): it takes the message itself, so that its operands are put together in PLAIN2.

import { PKA_IN, PKA_OUT, PKA_OUT_SIZE, PLAIN_MAX, PLAIN2, usePlain2 } from '../arena'
import { pka } from '../board'
import { wipe } from '../crypto/util'
import { PKA_ED_PUBLIC, PKA_ED_SIGN, PKA_ED_VERIFY } from '../protocol'
import { edwardsLength } from './curves'
import { accelerate } from './pka'
import { fresh } from './random'

/** Public key of a seed into `out`. */
export function edPublic(curve: i32, seed: usize, out: usize): bool {
  const n = edwardsLength(curve)
  store<u8>(PKA_IN, <u8>curve)
  memory.copy(PKA_IN + 1, seed, n)
  if (accelerate(PKA_ED_PUBLIC, 1 + n) !== n) return false
  memory.copy(out, PKA_OUT, n)
  return true
}

/** A key pair from fresh TRNG bytes: any seed is one. */
export function edGenerate(curve: i32, seed: usize, out: usize): bool {
  return fresh(seed, edwardsLength(curve)) && edPublic(curve, seed, out)
}

/** Whether a message of so many bytes fits. */
export function edFits(n: i32): bool {
  return n <= PLAIN_MAX - 256
}

/** Puts curve, key and what follows into PLAIN2; where the next bytes go. */
function begin(curve: i32, key: usize): usize {
  usePlain2(PLAIN_MAX)
  store<u8>(PLAIN2, <u8>curve)
  memory.copy(PLAIN2 + 1, key, edwardsLength(curve))
  return PLAIN2 + 1 + <usize>edwardsLength(curve)
}

/** Signature, twice as long as the key, into PKA_OUT. */
export function edSign(curve: i32, seed: usize, message: usize, n: i32): bool {
  const p = begin(curve, seed)
  memory.copy(p, message, n)
  const made = pka(PKA_ED_SIGN, PLAIN2, <i32>(p - PLAIN2) + n, PKA_OUT, PKA_OUT_SIZE)
  wipe(PLAIN2, 64)
  return made === 2 * edwardsLength(curve)
}

export function edVerify(curve: i32, point: usize, signature: usize, message: usize, n: i32): bool {
  const p = begin(curve, point)
  const length = 2 * edwardsLength(curve)
  memory.copy(p, signature, length)
  memory.copy(p + <usize>length, message, n)
  return pka(PKA_ED_VERIFY, PLAIN2, <i32>(p - PLAIN2) + length + n, PKA_OUT, PKA_OUT_SIZE) === 0
}
