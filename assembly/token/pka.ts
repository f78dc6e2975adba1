// The public-key accelerator, one function per operation (SPEC.md §7). Private scalars are in the input buffer for one call only.

import { PKA_IN, PKA_IN_SIZE, PKA_OUT, PKA_OUT_SIZE } from '../arena'
import { pka } from '../board'
import { wipe } from '../crypto/util'
import {
  CURVE_P256,
  CURVE_P384,
  CURVE_P521,
  CURVE_SECP256K1,
  PERIPHERAL_FAILED,
  PKA_EC_PUBLIC,
  PKA_ECDH,
  PKA_ECDSA_SIGN,
  PKA_ECDSA_VERIFY,
} from '../protocol'
import { fresh } from './random'

/** Bytes of a coordinate and of a scalar. */
export function curveLength(curve: i32): i32 {
  if (curve === CURVE_P256 || curve === CURVE_SECP256K1) return 32
  return curve === CURVE_P384 ? 48 : curve === CURVE_P521 ? 66 : 0
}

/** One call; the input is wiped. Length of the result in PKA_OUT, or minus the status. */
export function accelerate(operation: i32, inputLength: i32): i32 {
  if (inputLength > PKA_IN_SIZE) return -PERIPHERAL_FAILED
  const n = pka(operation, PKA_IN, inputLength, PKA_OUT, PKA_OUT_SIZE)
  wipe(PKA_IN, inputLength)
  return n
}

/** Public point of a scalar into `out` (1 + 2L bytes). False where the scalar is not in range. */
export function ecPublicOf(curve: i32, scalar: usize, out: usize): bool {
  const L = curveLength(curve)
  store<u8>(PKA_IN, <u8>curve)
  memory.copy(PKA_IN + 1, scalar, L)
  const n = accelerate(PKA_EC_PUBLIC, 1 + L)
  if (n !== 1 + 2 * L) return false
  memory.copy(out, PKA_OUT, n)
  return true
}

export function ecPublic(scalar: usize, out: usize): bool {
  return ecPublicOf(CURVE_P384, scalar, out)
}

/** A key pair from fresh TRNG bytes; a scalar out of range is drawn again. False = TRNG or accelerator failed. */
export function ecGenerate(curve: i32, scalar: usize, out: usize): bool {
  const L = curveLength(curve)
  for (let i = 0; i < 64; i++) {
    if (!fresh(scalar, L)) return false
    // 521 bits fill 66 bytes but for seven.
    if (curve === CURVE_P521) store<u8>(scalar, load<u8>(scalar) & 1)
    if (ecPublicOf(curve, scalar, out)) return true
  }
  return false
}

/** ECDH: X coordinate (L bytes) into `out`. False where the peer's point is not valid. */
export function ecdhOf(curve: i32, scalar: usize, peer: usize, out: usize): bool {
  const L = curveLength(curve)
  store<u8>(PKA_IN, <u8>curve)
  memory.copy(PKA_IN + 1, scalar, L)
  memory.copy(PKA_IN + <usize>(1 + L), peer, 1 + 2 * L)
  if (accelerate(PKA_ECDH, 2 + 3 * L) !== L) return false
  memory.copy(out, PKA_OUT, L)
  wipe(PKA_OUT, L)
  return true
}

export function ecdh(scalar: usize, peer: usize, out: usize): bool {
  return ecdhOf(CURVE_P384, scalar, peer, out)
}

/** r ∥ s (2L bytes) over a digest. */
export function ecdsaSign(curve: i32, scalar: usize, digest: usize, length: i32, out: usize): bool {
  const L = curveLength(curve)
  store<u8>(PKA_IN, <u8>curve)
  memory.copy(PKA_IN + 1, scalar, L)
  memory.copy(PKA_IN + <usize>(1 + L), digest, length)
  if (accelerate(PKA_ECDSA_SIGN, 1 + L + length) !== 2 * L) return false
  memory.copy(out, PKA_OUT, 2 * L)
  return true
}

/** 0 = verifies, else minus the PERIPHERAL status. */
export function ecdsaVerify(curve: i32, point: usize, signature: usize, digest: usize, length: i32): i32 {
  const L = curveLength(curve)
  store<u8>(PKA_IN, <u8>curve)
  memory.copy(PKA_IN + 1, point, 1 + 2 * L)
  memory.copy(PKA_IN + <usize>(2 + 2 * L), signature, 2 * L)
  memory.copy(PKA_IN + <usize>(2 + 4 * L), digest, length)
  return accelerate(PKA_ECDSA_VERIFY, 2 + 4 * L + length)
}
