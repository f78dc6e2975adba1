// AES one block at a time, by vector permutation (M. Hamburg, "Accelerating AES with vector permute instructions",
// 2009): inversion in GF(2^8) as an extension of GF(2^4), whose tables of 16 bytes fit a swizzle. No branch and no
// address depends on data. It takes less time than the eight-block kernel where there are but one or two blocks, so it
// serves what is serial: key wrap of one object, CBC encryption, CMAC.
import { AES_SINGLE_DECRYPT_KEYS, AES_SINGLE_ENCRYPT_KEYS } from './aes-context'
import {
  AFFINE_LOWER,
  AFFINE_UPPER,
  BACK_0,
  BACK_1,
  BACK_2,
  BACK_3,
  INVERSE,
  INVERSE_A,
  PLAIN_LOWER,
  PLAIN_UPPER,
  ROWS_0,
  ROWS_1,
  ROWS_2,
  ROWS_3,
  SPLIT_HIGH,
  SPLIT_LOW,
  TIMES_1_LOWER,
  TIMES_1_UPPER,
  TIMES_2_LOWER,
  TIMES_2_UPPER,
  UNDO_9_LOWER,
  UNDO_9_UPPER,
  UNDO_11_LOWER,
  UNDO_11_UPPER,
  UNDO_13_LOWER,
  UNDO_13_UPPER,
  UNDO_14_LOWER,
  UNDO_14_UPPER,
  UNDO_HIGH,
  UNDO_LOW,
} from './aes-single-tables'

/** SubBytes of the four bytes of a word. */
export function aesSubWord(word: u32): u32 {
  const s = transform(i32x4.splat(word), SPLIT_HIGH, SPLIT_LOW)
  const i = highNibbles(s)
  const k = lowNibbles(s)
  const j = v128.xor(i, k)
  const ak = i8x16.swizzle(INVERSE_A, k)
  const upper = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, i), ak)), j)
  const lower = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, j), ak)), i)
  return i32x4.extract_lane(v128.xor(join(AFFINE_UPPER, AFFINE_LOWER, upper, lower), i8x16.splat(0x63)), 0)
}

/** Stores round key `r` of `rounds` at its place for encryption: split but for the last, with the S-box constant. */
export function aesSingleEncryptKey(ctx: usize, key: usize, r: i32, rounds: i32): void {
  let v = v128.load(key)
  if (r > 0) v = v128.xor(v, i8x16.splat(0x63))
  if (r < rounds) v = transform(v, SPLIT_HIGH, SPLIT_LOW)
  v128.store(ctx + AES_SINGLE_ENCRYPT_KEYS + (r << 4), v)
}

/** Stores a key that decryption uses in its round `r` of `rounds`; InvMixColumns was applied to the inner ones. */
export function aesSingleDecryptKey(ctx: usize, key: usize, r: i32, rounds: i32): void {
  let v = v128.load(key)
  if (r < rounds) v = transform(v128.xor(v, i8x16.splat(0x63)), UNDO_HIGH, UNDO_LOW)
  v128.store(ctx + AES_SINGLE_DECRYPT_KEYS + (r << 4), v)
}

/** Encrypts `blocks` blocks one after the other; `dst` may equal `src`. */
export function aesSingleEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 16, dst += 16) v128.store(dst, encrypt(ctx, v128.load(src)))
}

/** Decrypts `blocks` blocks one after the other; `dst` may equal `src`. */
export function aesSingleDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 16, dst += 16) v128.store(dst, decrypt(ctx, v128.load(src)))
}

/** W of SP 800-38F §6.1 in place: the check value at `check`, `n` semiblocks at `r`. */
export function aesSingleWrap(ctx: usize, check: usize, r: usize, n: i32): void {
  let block = v128.load64_zero(check)
  let t: u64 = 0
  for (let pass = 0; pass < 6; pass++) {
    for (let p = r, end = r + (n << 3); p < end; p += 8) {
      t += 1
      block = encrypt(ctx, v128.load_lane<u64>(p, block, 1))
      v128.store_lane<u64>(p, block, 1)
      block = v128.xor(block, counter(t))
    }
  }
  v128.store_lane<u64>(check, block, 0)
}

/** The inverse of W in place. */
export function aesSingleUnwrap(ctx: usize, check: usize, r: usize, n: i32): void {
  let block = v128.load64_zero(check)
  let t: u64 = 6 * n
  for (let pass = 0; pass < 6; pass++) {
    for (let p = r + ((n - 1) << 3); p >= r; p -= 8) {
      block = decrypt(ctx, v128.load_lane<u64>(p, v128.xor(block, counter(t)), 1))
      v128.store_lane<u64>(p, block, 1)
      t -= 1
    }
  }
  v128.store_lane<u64>(check, block, 0)
}

/** The step counter of key wrap as it is XORed to the check value. */
function counter(t: u64): v128 {
  return i64x2.replace_lane(i64x2(0, 0), 0, bswap<u64>(t))
}

function lowNibbles(v: v128): v128 {
  return v128.and(v, i8x16.splat(0x0f))
}

function highNibbles(v: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), i8x16.splat(0x0f))
}

/** A linear map of bytes, given by what it does to the high and to the low nibble. */
function transform(v: v128, high: v128, low: v128): v128 {
  return v128.xor(i8x16.swizzle(high, highNibbles(v)), i8x16.swizzle(low, lowNibbles(v)))
}

/** A linear map of the inverse, from its two nibbles. */
function join(upperTable: v128, lowerTable: v128, upper: v128, lower: v128): v128 {
  return v128.xor(i8x16.swizzle(upperTable, upper), i8x16.swizzle(lowerTable, lower))
}

// The inverse of i * tau + k, with j = i + k: invert 1/i + a/k and add j, invert 1/j + a/k and add i. What is left are
// two nibbles whose inverses make it; INVERSE gives them inside `join`. Written out three times: there are no macros.

function encrypt(ctx: usize, block: v128): v128 {
  let key = ctx + AES_SINGLE_ENCRYPT_KEYS
  let left = load<i32>(ctx)
  let s = v128.xor(transform(block, SPLIT_HIGH, SPLIT_LOW), v128.load(key))
  while (true) {
    const i = highNibbles(s)
    const k = lowNibbles(s)
    const j = v128.xor(i, k)
    const ak = i8x16.swizzle(INVERSE_A, k)
    const upper = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, i), ak)), j)
    const lower = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, j), ak)), i)
    key += 16
    left -= 1
    if (left === 0) {
      return v128.xor(i8x16.swizzle(join(AFFINE_UPPER, AFFINE_LOWER, upper, lower), ROWS_0), v128.load(key))
    }
    const y = join(TIMES_1_UPPER, TIMES_1_LOWER, upper, lower)
    const z = join(TIMES_2_UPPER, TIMES_2_LOWER, upper, lower)
    const row0 = v128.xor(i8x16.swizzle(z, ROWS_0), v128.load(key))
    const row1 = i8x16.swizzle(v128.xor(y, z), ROWS_1)
    s = v128.xor(v128.xor(row0, row1), v128.xor(i8x16.swizzle(y, ROWS_2), i8x16.swizzle(y, ROWS_3)))
  }
}

function decrypt(ctx: usize, block: v128): v128 {
  let key = ctx + AES_SINGLE_DECRYPT_KEYS
  let left = load<i32>(ctx)
  let s = v128.xor(transform(block, UNDO_HIGH, UNDO_LOW), v128.load(key))
  while (true) {
    const i = highNibbles(s)
    const k = lowNibbles(s)
    const j = v128.xor(i, k)
    const ak = i8x16.swizzle(INVERSE_A, k)
    const upper = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, i), ak)), j)
    const lower = v128.xor(i8x16.swizzle(INVERSE, v128.xor(i8x16.swizzle(INVERSE, j), ak)), i)
    key += 16
    left -= 1
    if (left === 0) {
      return v128.xor(i8x16.swizzle(join(PLAIN_UPPER, PLAIN_LOWER, upper, lower), BACK_0), v128.load(key))
    }
    const row0 = v128.xor(i8x16.swizzle(join(UNDO_14_UPPER, UNDO_14_LOWER, upper, lower), BACK_0), v128.load(key))
    const row1 = i8x16.swizzle(join(UNDO_11_UPPER, UNDO_11_LOWER, upper, lower), BACK_1)
    const row2 = i8x16.swizzle(join(UNDO_13_UPPER, UNDO_13_LOWER, upper, lower), BACK_2)
    const row3 = i8x16.swizzle(join(UNDO_9_UPPER, UNDO_9_LOWER, upper, lower), BACK_3)
    s = v128.xor(v128.xor(row0, row1), v128.xor(row2, row3))
  }
}
