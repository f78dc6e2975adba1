// The firmware's public-key side for test vectors: the encodings of token/rsa.ts and the calls of the accelerator, put together
// as commands/crypt.ts puts them together, but with the key as an argument. Entry of a test-only build; nothing of the product
// imports it.

import { PKA_OUT, SHARED, wipeScratch } from './arena'
import { hashLength } from './crypto/sha2'
import { ctEqual } from './crypto/util'
import {
  CKA_COEFFICIENT,
  CKA_EXPONENT_1,
  CKA_EXPONENT_2,
  CKA_MODULUS,
  CKA_PRIME_1,
  CKA_PRIME_2,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
} from './protocol'
import { plainBegin, plainPut } from './token/attributes'
import { curveLength, ecdhOf, ecdsaSign, ecdsaVerify, ecPublicOf } from './token/pka'
import { modulusBits, modulusLength, rsaPrivate, rsaPublic } from './token/private-key'
import {
  BLOCK,
  checkPssOf,
  decodeOaepOf,
  digest,
  encodeOaepOf,
  encodePkcs1Hash,
  encodePssOf,
  rsaMessage,
  wipeRsa,
} from './token/rsa'

export { trngHealthReset } from './crypto/trng-health'
export { curveLength }

/** Memory free for whoever drives this module. */
export function scratch(): usize {
  return (__heap_base + 255) & ~255
}

export function scratchSize(): usize {
  return ((<usize>memory.size()) << 16) - scratch()
}

// ---- RSA: the key in hand, then what is done with it ----------------------------------------------------------------------

/** Takes an RSA key in hand, without any component yet. */
export function rsaBegin(): void {
  plainBegin()
}

/**
 * Component 0 to 7 in the order of RFC 8017 A.1.2: modulus, public exponent, private exponent, two primes, two exponents,
 * coefficient. False where there is no room for it.
 */
export function rsaComponent(which: i32, p: usize, n: i32): bool {
  let type: u32 = CKA_MODULUS
  if (which === 1) type = CKA_PUBLIC_EXPONENT
  else if (which === 2) type = CKA_PRIVATE_EXPONENT
  else if (which === 3) type = CKA_PRIME_1
  else if (which === 4) type = CKA_PRIME_2
  else if (which === 5) type = CKA_EXPONENT_1
  else if (which === 6) type = CKA_EXPONENT_2
  else if (which === 7) type = CKA_COEFFICIENT
  return plainPut(type, p, n) === 0
}

function end(): void {
  wipeRsa()
  wipeScratch()
}

/** The result of the accelerator to `out`; its length, or -1. */
function result(good: bool, out: usize): i32 {
  const k = modulusLength()
  if (good) memory.copy(out, PKA_OUT, k)
  end()
  return good ? k : -1
}

/** RSASSA-PKCS1-v1_5 of `n` bytes at `p` to `out`: its length, or -1. */
export function pkcs1Sign(alg: i32, p: usize, n: i32, out: usize): i32 {
  return result(encodePkcs1Hash(alg, p, n, modulusLength()) && rsaPrivate(BLOCK), out)
}

export function pkcs1Verify(alg: i32, p: usize, n: i32, signature: usize, length: i32): bool {
  const k = modulusLength()
  const good = length === k && encodePkcs1Hash(alg, p, n, k) && rsaPublic(signature) && ctEqual(PKA_OUT, BLOCK, k)
  end()
  return good
}

/** RSASSA-PSS with MGF1 of the hash `mgf` and a salt out of the TRNG, to `out`: its length, or -1. */
export function pssSign(alg: i32, mgf: i32, saltLength: i32, p: usize, n: i32, out: usize): i32 {
  digest(alg, p, n, SHARED)
  const encoded = encodePssOf(alg, mgf, SHARED, saltLength, modulusLength(), modulusBits())
  return result(encoded && rsaPrivate(BLOCK), out)
}

export function pssVerify(alg: i32, mgf: i32, saltLength: i32, p: usize, n: i32, signature: usize, length: i32): bool {
  const k = modulusLength()
  digest(alg, p, n, SHARED)
  const good = length === k && rsaPublic(signature) && checkPssOf(alg, mgf, SHARED, saltLength, k, modulusBits())
  end()
  return good
}

/** RSAES-OAEP with MGF1 of the hash `mgf`, a label, and a seed out of the TRNG, to `out`: its length, or -1. */
export function oaepSeal(alg: i32, mgf: i32, label: usize, labelLength: i32, p: usize, n: i32, out: usize): i32 {
  return result(encodeOaepOf(alg, mgf, label, labelLength, p, n, modulusLength()) && rsaPublic(BLOCK), out)
}

/** Its message to `out`: the length, or -1. */
export function oaepOpen(alg: i32, mgf: i32, label: usize, labelLength: i32, p: usize, length: i32, out: usize): i32 {
  const opened = length === modulusLength() && rsaPrivate(p)
  const n = opened ? decodeOaepOf(alg, mgf, label, labelLength, length) : -1
  if (n >= 0) memory.copy(out, rsaMessage(), n)
  end()
  return n
}

// ---- elliptic curves ------------------------------------------------------------------------------------------------------

/** Public point of a scalar to `out`; false where the scalar is not in range. */
export function ecPoint(curve: i32, scalar: usize, out: usize): bool {
  const good = ecPublicOf(curve, scalar, out)
  end()
  return good
}

/** X coordinate of scalar times peer to `out`; false where either is not valid. */
export function ecAgree(curve: i32, scalar: usize, peer: usize, peerLength: i32, out: usize): bool {
  const good = peerLength === 1 + 2 * curveLength(curve) && ecdhOf(curve, scalar, peer, out)
  end()
  return good
}

/** r ∥ s of `n` bytes at `p` to `out`; false where the scalar is not in range. */
export function ecSign(curve: i32, scalar: usize, alg: i32, p: usize, n: i32, out: usize): bool {
  digest(alg, p, n, SHARED)
  const good = ecdsaSign(curve, scalar, SHARED, hashLength(alg), out)
  end()
  return good
}

export function ecVerify(
  curve: i32,
  point: usize,
  pointLength: i32,
  alg: i32,
  p: usize,
  n: i32,
  signature: usize,
  length: i32,
): bool {
  const L = curveLength(curve)
  digest(alg, p, n, SHARED)
  const fits = pointLength === 1 + 2 * L && length === 2 * L
  const good = fits && ecdsaVerify(curve, point, signature, SHARED, hashLength(alg)) === 0
  end()
  return good
}
