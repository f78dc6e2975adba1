// DSA on the public-key accelerator (FIPS 186-4): the object in hand has the group, and the key.

import { PKA_IN } from '../arena'
import { store32be } from '../crypto/util'
import {
  CKA_BASE,
  CKA_PRIME,
  CKA_SUBPRIME,
  CKA_VALUE,
  PKA_DSA_GENERATE,
  PKA_DSA_PARAMETERS,
  PKA_DSA_SIGN,
  PKA_DSA_VERIFY,
} from '../protocol'
import { plainFind, valueLength } from './attributes'
import { accelerate } from './pka'

let at: usize = 0

function put(type: u32): void {
  const p = plainFind(type)
  const n = valueLength()
  store32be(at, <u32>n)
  memory.copy(at + 4, p, n)
  at += 4 + <usize>n
}

function group(): void {
  at = PKA_IN
  put(CKA_PRIME)
  put(CKA_SUBPRIME)
  put(CKA_BASE)
}

/** Bytes of q of the object in hand: half a signature. */
export function dsaOrder(): i32 {
  plainFind(CKA_SUBPRIME)
  return valueLength()
}

/** p ∥ q ∥ g of so many bits into PKA_OUT. */
export function dsaParameters(bits: u32, subprime: u32): bool {
  store32be(PKA_IN, bits)
  store32be(PKA_IN + 4, subprime)
  return accelerate(PKA_DSA_PARAMETERS, 8) === <i32>((2 * bits + subprime) >>> 3)
}

/** x ∥ y of a new key of the group in hand into PKA_OUT. False where the group is none. */
export function dsaGenerate(): bool {
  group()
  plainFind(CKA_PRIME)
  const n = valueLength()
  return accelerate(PKA_DSA_GENERATE, <i32>(at - PKA_IN)) === n + dsaOrder()
}

/** r ∥ s over a digest into PKA_OUT. */
export function dsaSign(digest: usize, n: i32): bool {
  group()
  put(CKA_VALUE)
  memory.copy(at, digest, n)
  return accelerate(PKA_DSA_SIGN, <i32>(at - PKA_IN) + n) === 2 * dsaOrder()
}

export function dsaVerify(signature: usize, digest: usize, n: i32): bool {
  group()
  put(CKA_VALUE)
  const length = 2 * dsaOrder()
  memory.copy(at, signature, length)
  memory.copy(at + <usize>length, digest, n)
  return accelerate(PKA_DSA_VERIFY, <i32>(at - PKA_IN) + length + n) === 0
}
