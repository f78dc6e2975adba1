// Curves for old programs: what SEC 2, X9.62 and RFC 5639 name, by the accelerator's own knowledge of them, and prime curves that are written
// out. Nothing is signed on those over binary fields.

import { PKA_IN, PKA_OUT } from '../arena'
import { store16be, wipe } from '../crypto/util'
import { PKA_NAMED_ECDH, PKA_NAMED_PUBLIC, PKA_NAMED_SIGN, PKA_NAMED_VERIFY } from '../protocol'
import { derContent, derLength, derRead, derUnsigned } from './der'
import { accelerate } from './pka'
import { fresh } from './random'

/** DER object identifiers but for their last byte. */
const SEC: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00])
const X962_PRIME: usize = memory.data<u8>([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01])
const X962_BINARY: usize = memory.data<u8>([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x00])
const BRAINPOOL: usize = memory.data<u8>([0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01])

/** Which of these, last byte, bits of a coordinate, bits of the order. */
const ROWS: usize = memory.data<u16>(
  [
    0,
    6,
    112,
    112, // secp112r1
    0,
    7,
    112,
    110, // secp112r2
    0,
    28,
    128,
    128, // secp128r1
    0,
    29,
    128,
    126, // secp128r2
    0,
    9,
    160,
    161, // secp160k1
    0,
    8,
    160,
    161, // secp160r1
    0,
    30,
    160,
    161, // secp160r2
    0,
    31,
    192,
    192, // secp192k1
    0,
    32,
    224,
    225, // secp224k1
    0,
    33,
    224,
    224, // secp224r1
    1,
    1,
    192,
    192, // prime192v1
    1,
    2,
    192,
    192, // prime192v2
    1,
    3,
    192,
    192, // prime192v3
    1,
    4,
    239,
    239, // prime239v1
    1,
    5,
    239,
    239, // prime239v2
    1,
    6,
    239,
    239, // prime239v3
    0,
    4,
    113,
    113, // sect113r1
    0,
    5,
    113,
    113, // sect113r2
    0,
    22,
    131,
    131, // sect131r1
    0,
    23,
    131,
    131, // sect131r2
    0,
    1,
    163,
    163, // sect163k1
    0,
    2,
    163,
    162, // sect163r1
    0,
    15,
    163,
    163, // sect163r2
    0,
    24,
    193,
    193, // sect193r1
    0,
    25,
    193,
    193, // sect193r2
    0,
    26,
    233,
    232, // sect233k1
    0,
    27,
    233,
    233, // sect233r1
    0,
    3,
    239,
    238, // sect239k1
    0,
    16,
    283,
    281, // sect283k1
    0,
    17,
    283,
    282, // sect283r1
    0,
    36,
    409,
    407, // sect409k1
    0,
    37,
    409,
    409, // sect409r1
    0,
    38,
    571,
    570, // sect571k1
    0,
    39,
    571,
    570, // sect571r1
    2,
    1,
    163,
    163, // c2pnb163v1
    2,
    2,
    163,
    162, // c2pnb163v2
    2,
    3,
    163,
    162, // c2pnb163v3
    2,
    4,
    176,
    161, // c2pnb176v1
    2,
    5,
    191,
    191, // c2tnb191v1
    2,
    6,
    191,
    190, // c2tnb191v2
    2,
    7,
    191,
    189, // c2tnb191v3
    2,
    10,
    208,
    193, // c2pnb208w1
    2,
    11,
    239,
    238, // c2tnb239v1
    2,
    12,
    239,
    237, // c2tnb239v2
    2,
    13,
    239,
    236, // c2tnb239v3
    2,
    16,
    272,
    257, // c2pnb272w1
    2,
    17,
    304,
    289, // c2pnb304w1
    2,
    18,
    359,
    353, // c2tnb359v1
    2,
    19,
    368,
    353, // c2pnb368w1
    2,
    20,
    431,
    418, // c2tnb431r1
    3,
    1,
    160,
    160, // brainpoolP160r1
    3,
    2,
    160,
    160, // brainpoolP160t1
    3,
    3,
    192,
    192, // brainpoolP192r1
    3,
    4,
    192,
    192, // brainpoolP192t1
    3,
    5,
    224,
    224, // brainpoolP224r1
    3,
    6,
    224,
    224, // brainpoolP224t1
    3,
    7,
    256,
    256, // brainpoolP256r1
    3,
    8,
    256,
    256, // brainpoolP256t1
    3,
    9,
    320,
    320, // brainpoolP320r1
    3,
    10,
    320,
    320, // brainpoolP320t1
    3,
    11,
    384,
    384, // brainpoolP384r1
    3,
    12,
    384,
    384, // brainpoolP384t1
    3,
    13,
    512,
    512, // brainpoolP512r1
    3,
    14,
    512,
    512, // brainpoolP512t1
  ],
  16,
)
const COUNT: i32 = 64

function familyOf(oid: usize, length: i32): i32 {
  if (length === 7 && memory.compare(oid, SEC, 6) === 0) return 0
  if (length === 10 && memory.compare(oid, X962_PRIME, 9) === 0) return 1
  if (length === 10 && memory.compare(oid, X962_BINARY, 9) === 0) return 2
  return length === 11 && memory.compare(oid, BRAINPOOL, 10) === 0 ? 3 : -1
}

let field: i32 = 0
let order: i32 = 0

/** Bytes of parameters that are written out. */
export const EXPLICIT_MAX: i32 = 512
const PRIME_FIELD: usize = memory.data<u8>([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01])

/** Bits of the number that was read last. */
function bitsRead(): i32 {
  return derLength() === 0 ? 0 : derLength() * 8 - <i32>clz<u32>(<u32>load<u8>(derContent())) + 24
}

/** Takes a prime curve that is written out (ECParameters, SEC 1 appendix C.2): the accelerator looks whether it is one. */
function takeExplicit(params: usize, length: i32): bool {
  const limit = params + <usize>length
  if (length > EXPLICIT_MAX || derRead(params, limit, 0x30) !== limit) return false
  let p = derRead(derContent(), limit, 0x02)
  if (p === 0) return false
  const behind = derRead(p, limit, 0x30)
  if (behind === 0) return false
  p = derRead(derContent(), behind, 0x06)
  if (p === 0 || derLength() !== 7 || memory.compare(derContent(), PRIME_FIELD, 7) !== 0) return false
  if (derUnsigned(p, behind) !== behind) return false
  const prime = bitsRead()
  p = derRead(behind, limit, 0x30)
  if (p === 0) return false
  p = derRead(p, limit, 0x04)
  if (p === 0 || derLength() !== 1 + 2 * ((prime + 7) >> 3)) return false
  if (derUnsigned(p, limit) === 0) return false
  field = prime
  order = bitsRead()
  return field >= 112 && field <= 521 && order >= 112 && order <= 521
}

/** Takes a curve by its object identifier or its parameters; false where it is none of these. */
export function takeNamed(oid: usize, length: i32): bool {
  if (length > 0 && load<u8>(oid) === 0x30) return takeExplicit(oid, length)
  const family = familyOf(oid, length)
  for (let i = 0; i < COUNT; i++) {
    const row = ROWS + ((<usize>i) << 3)
    if (<i32>load<u16>(row) !== family || load<u16>(row, 2) !== <u16>load<u8>(oid + <usize>(length - 1))) continue
    field = <i32>load<u16>(row, 4)
    order = <i32>load<u16>(row, 6)
    return true
  }
  return false
}

/** Bytes of a coordinate of the curve taken. */
export function namedField(): i32 {
  return (field + 7) >> 3
}

/** Bytes of its order, and so of a scalar. */
export function namedOrder(): i32 {
  return (order + 7) >> 3
}

/** Puts the parameters into the input; how long the input is by then. */
function begin(params: usize, length: i32): i32 {
  store16be(PKA_IN, <u32>length)
  memory.copy(PKA_IN + 2, params, length)
  return 2 + length
}

/** The same with a scalar behind its length. */
function beginSecret(params: usize, length: i32, scalar: usize): i32 {
  const n = namedOrder()
  const at = begin(params, length)
  store<u8>(PKA_IN + <usize>at, <u8>n)
  memory.copy(PKA_IN + <usize>(at + 1), scalar, n)
  return at + 1 + n
}

/**
 * A key pair on the curve taken: scalar and point. As many bits as the order has; a scalar that is not below it is drawn again
 * (FIPS 186-5 appendix A.2.2). False where the accelerator takes none: the TRNG failed, or the curve is none.
 */
export function namedGenerate(params: usize, length: i32, scalar: usize, point: usize): bool {
  const n = namedOrder()
  for (let i = 0; i < 64; i++) {
    if (!fresh(scalar, n)) return false
    store<u8>(scalar, <u32>load<u8>(scalar) & (<u32>0xff >>> (8 * n - order)))
    const at = begin(params, length)
    memory.copy(PKA_IN + <usize>at, scalar, n)
    const made = accelerate(PKA_NAMED_PUBLIC, at + n)
    if (made !== 1 + 2 * namedField()) continue
    memory.copy(point, PKA_OUT, made)
    return true
  }
  return false
}

/** r ∥ s over a digest into PKA_OUT. False where nothing is signed on the curve taken. */
export function namedSign(params: usize, length: i32, scalar: usize, digest: usize, n: i32): bool {
  const at = beginSecret(params, length, scalar)
  memory.copy(PKA_IN + <usize>at, digest, n)
  return accelerate(PKA_NAMED_SIGN, at + n) === 2 * namedOrder()
}

/** 0 = verifies, else minus the PERIPHERAL status. */
export function namedVerify(params: usize, length: i32, point: usize, signature: usize, digest: usize, n: i32): i32 {
  const size = 1 + 2 * namedField()
  const half = 2 * namedOrder()
  let at = PKA_IN + <usize>begin(params, length)
  store16be(at, <u32>size)
  memory.copy(at + 2, point, size)
  at += 2 + <usize>size
  store16be(at, <u32>half)
  memory.copy(at + 2, signature, half)
  at += 2 + <usize>half
  memory.copy(at, digest, n)
  return accelerate(PKA_NAMED_VERIFY, <i32>(at - PKA_IN) + n)
}

/** X coordinate of the agreement on the curve taken. False where the peer's point is none of it. */
export function namedAgree(params: usize, length: i32, scalar: usize, peer: usize, out: usize): bool {
  const L = namedField()
  const at = beginSecret(params, length, scalar)
  memory.copy(PKA_IN + <usize>at, peer, 1 + 2 * L)
  if (accelerate(PKA_NAMED_ECDH, at + 1 + 2 * L) !== L) return false
  memory.copy(out, PKA_OUT, L)
  wipe(PKA_OUT, L)
  return true
}
