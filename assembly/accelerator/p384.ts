// P-384 for the board's accelerator (dist/accelerator.wasm, SPEC.md §7): a scalar times G, or times a point that the caller has found valid.
// The number of steps and all addresses are the same for every scalar. What a call leaves in memory is wiped at its end, but for the
// multiples of G and the result.

import { wipe } from '../crypto/util'
import { FIELD, FIELD_1, FIELD_P, FIELD_R2, fieldMultiply, fieldSquare, LIMBS } from './p384-field'

const BYTES: i32 = 48
/** X, Y, Z of (X/Z², Y/Z³). */
const POINT: usize = 3 * FIELD
const Y: usize = FIELD
const Z: usize = 2 * FIELD

/** Scalars are digits of 4 bits, all odd, between -15 and 15: 95 of them and one on top. */
const DIGITS: i32 = 95
/** Odd multiples of a point: 1, 3, … 15. */
const MULTIPLES: i32 = 8
const ROW: usize = 8 * POINT

const SCALAR: usize = memory.data(48, 16)
/** X ∥ Y, big-endian, of the point that comes and of the one that goes. */
const AFFINE: usize = memory.data(96, 16)
/** An odd number that stands for the scalar, little-endian, and room to read behind it. */
const ODD: usize = memory.data(64, 16)
const SUM: usize = memory.data(336, 16)
const PICKED: usize = memory.data(336, 16)
const TWICE: usize = memory.data(336, 16)
const POINT_ROW: usize = memory.data(2688, 16)
/** The odd multiples of 16^i G for every digit. */
const BASE_ROWS: usize = memory.data(258048, 16)
let baseIsThere: bool = false
/** Multiples of G that were asked for before. Making the table takes as long as the first few by themselves. */
let asked: i32 = 0
const FEW: i32 = 3

/** Numbers on the way; those of the inversion come after them. */
const T: usize = memory.data(1344, 16)
const TEMPORARIES: i32 = 1344
const LITTLE: usize = memory.data(64, 16)

/** The order of the group and G (SP 800-186 §3.2.1.4), big-endian. */
const N: usize = memory.data<u8>([
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
  0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
])
const G: usize = memory.data<u8>([
  0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3, 0x20, 0xad, 0x74, 0x6e, 0x1d, 0x3b,
  0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41, 0xe0, 0x82, 0x54, 0x2a, 0x38, 0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55,
  0x29, 0x6c, 0x3a, 0x54, 0x5e, 0x38, 0x72, 0x76, 0x0a, 0xb7, 0x36, 0x17, 0xde, 0x4a, 0x96, 0x26, 0x2c, 0x6f, 0x5d,
  0x9e, 0x98, 0xbf, 0x92, 0x92, 0xdc, 0x29, 0xf8, 0xf4, 0x1d, 0xbd, 0x28, 0x9a, 0x14, 0x7c, 0xe9, 0xda, 0x31, 0x13,
  0xb5, 0xf0, 0xb8, 0xc0, 0x0a, 0x60, 0xb1, 0xce, 0x1d, 0x7e, 0x81, 0x9d, 0x7a, 0x43, 0x1d, 0x7c, 0x90, 0xea, 0x0e,
  0x5f,
])

/** Where a scalar of 48 bytes goes: 1 to n - 1. It is wiped by the call that uses it. */
export function scalar(): usize {
  return SCALAR
}

/** Where a point goes, X ∥ Y in 96 bytes, and where the result is. */
export function point(): usize {
  return AFFINE
}

/** The result is the scalar times G. */
export function multiplyBase(): void {
  if (asked < FEW) {
    asked++
    memory.copy(AFFINE, G, 96)
    multiplyPoint()
    return
  }
  const negative = recode()
  if (!baseIsThere) makeBase()
  for (let i = 0; i < DIGITS; i++) {
    const row = BASE_ROWS + <usize>i * ROW
    if (i === 0) pick(SUM, row, digit(0))
    else {
      pick(PICKED, row, digit(i))
      addPoints(SUM, SUM, PICKED)
    }
  }
  pick(PICKED, BASE_ROWS + <usize>DIGITS * ROW, top())
  addLast(SUM, PICKED)
  finish(negative)
}

/** The result is the scalar times the point, which is on the curve. */
export function multiplyPoint(): void {
  const negative = recode()
  loadPoint(POINT_ROW, AFFINE)
  makeMultiples(POINT_ROW)
  pick(SUM, POINT_ROW, top())
  for (let i = DIGITS - 1; i >= 0; i--) {
    for (let k = 0; k < 4; k++) double(SUM, SUM)
    pick(PICKED, POINT_ROW, digit(i))
    if (i > 0) addPoints(SUM, SUM, PICKED)
    else addLast(SUM, PICKED)
  }
  finish(negative)
}

// ---- scalars ----------------------------------------------------------------------------------------------------------

/** The scalar k, or n - k where it is even, to ODD; all ones in the second case. */
function recode(): u64 {
  let borrow: i64 = 0
  const even: u64 = <u64>(load<u8>(SCALAR + 47) & 1) - 1
  for (let i = 0; i < BYTES; i++) {
    const k = load<u8>(SCALAR + (BYTES - 1 - i))
    borrow += <i64>load<u8>(N + (BYTES - 1 - i)) - <i64>k
    store<u8>(ODD + i, <u8>(k ^ ((k ^ <u8>borrow) & <u8>even)))
    borrow >>= 8
  }
  wipe(SCALAR, BYTES)
  return even
}

/** Digit i: bits 4 i + 1 to 4 i + 4 say which odd number. */
function digit(i: i32): i32 {
  const bits = <i32>load<u16>(ODD + (<usize>i >> 1)) >> ((i & 1) << 2)
  return ((bits & 31) | 1) - 16
}

function top(): i32 {
  return (<i32>load<u8>(ODD + 47) >> 4) | 1
}

/** The multiple of a row that an odd digit names; every entry is read. */
function pick(out: usize, row: usize, value: i32): void {
  const sign = value >> 31
  const index = ((value ^ sign) - sign) >> 1
  memory.fill(out, 0, POINT)
  for (let j = 0; j < MULTIPLES; j++) {
    const mask = i64x2.splat(<i64>(((index ^ j) - 1) >> 31))
    const entry = row + <usize>j * POINT
    for (let o: usize = 0; o < POINT; o += 16) {
      v128.store(out + o, v128.or(v128.load(out + o), v128.and(v128.load(entry + o), mask)))
    }
  }
  const mask = i64x2.splat(<i64>sign)
  for (let o = out + Y; o < out + Z; o += 16) v128.store(o, i64x2.sub(v128.xor(v128.load(o), mask), mask))
}

// ---- points -----------------------------------------------------------------------------------------------------------

function makeMultiples(row: usize): void {
  double(TWICE, row)
  for (let j: usize = 1; j < <usize>MULTIPLES; j++) addPoints(row + j * POINT, row + (j - 1) * POINT, TWICE)
}

function makeBase(): void {
  loadPoint(BASE_ROWS, G)
  for (let i = 0; i <= DIGITS; i++) {
    const row = BASE_ROWS + <usize>i * ROW
    makeMultiples(row)
    if (i === DIGITS) break
    memory.copy(row + ROW, row, POINT)
    for (let k = 0; k < 4; k++) double(row + ROW, row + ROW)
  }
  baseIsThere = true
}

/** p = 2 a for a = -3 (EFD, dbl-2001-b); may be the same. Limbs of X are those of a product, those of Y and Z one times the limb. */
function double(p: usize, a: usize): void {
  const delta = T
  const gamma = T + FIELD
  const beta = T + 2 * FIELD
  const t = T + 3 * FIELD
  const u = T + 4 * FIELD
  const h = T + 5 * FIELD
  fieldSquare(delta, a + Z)
  fieldSquare(gamma, a + Y)
  fieldMultiply(beta, a, gamma)
  plus(u, a + Y, a + Y)
  fieldMultiply(p + Z, u, a + Z)
  // alpha = (X - delta) (3 (X + delta)), one and six times the limb.
  minus(t, a, delta)
  plus(u, a, delta)
  plus(h, u, u)
  plus(u, u, h)
  fieldMultiply(delta, t, u)
  fieldSquare(t, delta)
  carried(p, t, 3, beta)
  plus(u, beta, beta)
  plus(u, u, u)
  minus(u, u, p)
  fieldMultiply(t, delta, u)
  fieldSquare(u, gamma)
  carried(p + Y, t, 3, u)
}

/** p = a + b, which are neither equal nor opposite; p may be a. The same limbs as those of `double`. */
function addPoints(p: usize, a: usize, b: usize): void {
  const zz = T
  const u1 = T + FIELD
  const s1 = T + 2 * FIELD
  const h = T + 3 * FIELD
  const r = T + 4 * FIELD
  const t = T + 5 * FIELD
  fieldSquare(zz, b + Z)
  fieldMultiply(u1, a, zz)
  fieldMultiply(s1, zz, b + Z)
  fieldMultiply(s1, s1, a + Y)
  fieldSquare(zz, a + Z)
  fieldMultiply(h, b, zz)
  fieldMultiply(r, zz, a + Z)
  fieldMultiply(r, r, b + Y)
  minus(h, h, u1)
  minus(r, r, s1)
  fieldMultiply(t, a + Z, b + Z)
  fieldMultiply(p + Z, t, h)
  fieldSquare(zz, h)
  fieldMultiply(h, h, zz)
  fieldMultiply(u1, u1, zz)
  fieldSquare(t, r)
  minus(t, t, h)
  carried(p, t, 1, u1)
  minus(t, u1, p)
  fieldMultiply(t, t, r)
  fieldMultiply(s1, s1, h)
  minus(p + Y, t, s1)
}

/** a += b where they may be equal: of all the sums only the last one can meet the same point, for a scalar or two. */
function addLast(a: usize, b: usize): void {
  double(TWICE, b)
  const zz = T
  const h = T + FIELD
  const t = T + 2 * FIELD
  fieldSquare(zz, a + Z)
  fieldMultiply(h, b, zz)
  fieldSquare(zz, b + Z)
  fieldMultiply(t, a, zz)
  minus(h, h, t)
  const same = i64x2.splat(zeroMask(h))
  addPoints(a, a, b)
  for (let o: usize = 0; o < POINT; o += 16) {
    v128.store(a + o, v128.bitselect(v128.load(TWICE + o), v128.load(a + o), same))
  }
}

// ---- numbers ----------------------------------------------------------------------------------------------------------

/** out = a + b, without carries. */
function plus(out: usize, a: usize, b: usize): void {
  for (let o: usize = 0; o < FIELD; o += 16) v128.store(out + o, i64x2.add(v128.load(a + o), v128.load(b + o)))
}

/** out = a - b, without carries. */
function minus(out: usize, a: usize, b: usize): void {
  for (let o: usize = 0; o < FIELD; o += 16) v128.store(out + o, i64x2.sub(v128.load(a + o), v128.load(b + o)))
}

/** out = a - (b << shift), limbs but the last 0 to 2^28 - 1. */
function carried(out: usize, a: usize, shift: i64, b: usize): void {
  let sum: i64 = 0
  for (let o: usize = 0; o < FIELD - 8; o += 8) {
    sum += load<i64>(a + o) - (load<i64>(b + o) << shift)
    store<i64>(out + o, sum & 0xfffffff)
    sum >>= 28
  }
  store<i64>(out, sum + load<i64>(a + FIELD - 8) - (load<i64>(b + FIELD - 8) << shift), FIELD - 8)
}

/** All ones where a number is 0 modulo p, else 0. */
function zeroMask(a: usize): i64 {
  const t = T + 5 * FIELD
  fieldMultiply(t, a, FIELD_1)
  let zero: i64 = 0
  let prime: i64 = 0
  for (let o: usize = 0; o < FIELD; o += 8) {
    zero |= load<i64>(t + o)
    prime |= load<i64>(t + o) ^ load<i64>(FIELD_P + o)
  }
  // Limbs are below 2^28: one less is negative for 0 alone.
  return ((zero - 1) | (prime - 1)) >> 63
}

/** out = a^n² …, n times. */
function squares(out: usize, a: usize, n: i32): void {
  fieldSquare(out, a)
  for (let i = 1; i < n; i++) fieldSquare(out, out)
}

/** out = 1 / a = a^(p - 2): 255 ones, a zero, 32 ones, 64 zeros, 30 ones, 01. */
function invert(out: usize, a: usize): void {
  const x2 = T + 6 * FIELD
  const x3 = T + 7 * FIELD
  const x15 = T + 8 * FIELD
  const x30 = T + 9 * FIELD
  const t = T + 10 * FIELD
  const x = T + 11 * FIELD
  squares(x2, a, 1)
  fieldMultiply(x2, x2, a)
  squares(x3, x2, 1)
  fieldMultiply(x3, x3, a)
  squares(t, x3, 3)
  fieldMultiply(x, t, x3)
  squares(t, x, 6)
  fieldMultiply(x, t, x)
  squares(x15, x, 3)
  fieldMultiply(x15, x15, x3)
  squares(x30, x15, 15)
  fieldMultiply(x30, x30, x15)
  squares(x, x30, 30)
  fieldMultiply(x, x, x30)
  squares(t, x, 60)
  fieldMultiply(x, t, x)
  squares(t, x, 120)
  fieldMultiply(x, t, x)
  squares(x, x, 15)
  fieldMultiply(x, x, x15)
  squares(x, x, 31)
  fieldMultiply(x, x, x30)
  squares(x, x, 2)
  fieldMultiply(x, x, x2)
  squares(x, x, 94)
  fieldMultiply(x, x, x30)
  squares(x, x, 2)
  fieldMultiply(out, x, a)
}

// ---- bytes ------------------------------------------------------------------------------------------------------------

/** A coordinate, big-endian, to Montgomery form. */
function loadField(out: usize, bytes: usize): void {
  for (let i = 0; i < BYTES; i++) store<u8>(LITTLE + i, load<u8>(bytes + (BYTES - 1 - i)))
  for (let i = 0; i < LIMBS; i++) {
    const bit = <usize>(28 * i)
    store<i64>(out + ((<usize>i) << 3), (load<i64>(LITTLE + (bit >> 3)) >> <i64>(bit & 7)) & 0xfffffff)
  }
  fieldMultiply(out, out, FIELD_R2)
}

function loadPoint(out: usize, bytes: usize): void {
  loadField(out, bytes)
  loadField(out + Y, bytes + BYTES)
  fieldMultiply(out + Z, FIELD_R2, FIELD_1)
}

/** The number out of Montgomery form, big-endian; 0 to p, and p, which is 0, is no coordinate of a multiple of G. */
function storeField(bytes: usize, a: usize): void {
  const t = T + 5 * FIELD
  const keep = ~zeroMask(a)
  fieldMultiply(t, a, FIELD_1)
  let bits: i64 = 0
  let held: i64 = 0
  let at = bytes + BYTES
  for (let i = 0; i < LIMBS; i++) {
    held |= (load<i64>(t + ((<usize>i) << 3)) & keep) << bits
    bits += 28
    while (bits >= 8 && at > bytes) {
      at--
      store<u8>(at, <u8>held)
      held >>= 8
      bits -= 8
    }
  }
}

/** X ∥ Y of SUM, or of its opposite, and nothing else of it. */
function finish(negative: u64): void {
  const t = T + 6 * FIELD
  const u = T + 7 * FIELD
  invert(PICKED, SUM + Z)
  fieldSquare(t, PICKED)
  fieldMultiply(u, SUM, t)
  storeField(AFFINE, u)
  fieldMultiply(t, t, PICKED)
  fieldMultiply(u, SUM + Y, t)
  for (let o = u; o < u + FIELD; o += 8) store<i64>(o, (load<i64>(o) ^ <i64>negative) - <i64>negative)
  storeField(AFFINE + BYTES, u)
  wipe(ODD, 64)
  wipe(SUM, <i32>POINT)
  wipe(PICKED, <i32>POINT)
  wipe(TWICE, <i32>POINT)
  wipe(POINT_ROW, <i32>ROW)
  wipe(T, TEMPORARIES)
  wipe(LITTLE, 64)
}
