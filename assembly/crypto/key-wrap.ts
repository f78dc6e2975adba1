// AES key wrap without and with padding, KW and KWP (SP 800-38F, RFC 3394, RFC 5649): one object under a key of its
// own, or a batch of objects under one expanded key.
import { AES_CTX, aesKeySingle } from './aes'
import { aesSingleDecrypt, aesSingleEncrypt, aesSingleUnwrap, aesSingleWrap } from './aes-single'
import { keyWrapLanes } from './key-wrap-lanes'
import { KW_ROW, rowLength, rowObject } from './key-wrap-rows'
import { load32be, store32be, wipe } from './util'

export { KW_ROW }

/** The KW check value, and the upper half of the KWP one: the lower half is the length of the plaintext. */
const ICV: u64 = (u64.MAX_VALUE / 255) * 0xa6
const ICV2: u32 = 0xa65959a6

/** Up to so many objects are cheaper one by one: a step of eight lanes takes the time of two single blocks. */
const FEW = 2

const KEY: usize = memory.data(AES_CTX, 16)
const CHECK: usize = memory.data(16, 16)

/** KW: wraps `n` bytes (a multiple of 8, at least 16; else false) into n + 8 bytes at `dst`, which may equal `src`. */
export function kwWrap(kek: usize, kekLen: i32, src: usize, n: i32, dst: usize): bool {
  return kwWrapWith(kek, kekLen, ICV, src, n, dst)
}

/** The same with another initial value than the standard's: its eight bytes in memory's order. */
export function kwWrapWith(kek: usize, kekLen: i32, initial: u64, src: usize, n: i32, dst: usize): bool {
  if (n < 16 || (n & 7) !== 0) return false
  memory.copy(dst + 8, src, n)
  store<u64>(dst, initial)
  aesKeySingle(KEY, kek, kekLen)
  aesSingleWrap(KEY, dst, dst + 8, n >> 3)
  wipe(KEY, AES_CTX)
  return true
}

/**
 * KW: unwraps `n` bytes (a multiple of 8, at least 24) into n - 8 bytes at `dst`, which may equal `src`. False where
 * the length or the check value is wrong; dst[0..n-8] is zero after a wrong check value.
 */
export function kwUnwrap(kek: usize, kekLen: i32, src: usize, n: i32, dst: usize): bool {
  return kwUnwrapWith(kek, kekLen, ICV, src, n, dst)
}

/** The same with another initial value than the standard's. */
export function kwUnwrapWith(kek: usize, kekLen: i32, initial: u64, src: usize, n: i32, dst: usize): bool {
  if (n < 24 || (n & 7) !== 0) return false
  const length = n - 8
  unwrapSingle(kek, kekLen, src, length, dst)
  const valid = isZero(load<u64>(CHECK) ^ initial)
  wipe(CHECK, 16)
  if (valid === 0) wipe(dst, length)
  return valid !== 0
}

/**
 * KWP: wraps `n` >= 1 bytes into 8 + n rounded up to a multiple of 8 at `dst`, which may equal `src`. Answers that
 * length, or 0 where n < 1.
 */
export function kwpWrap(kek: usize, kekLen: i32, src: usize, n: i32, dst: usize): i32 {
  return kwpWrapWith(kek, kekLen, ICV2, src, n, dst)
}

/** The same with another constant before the length than the standard's. */
export function kwpWrapWith(kek: usize, kekLen: i32, initial: u32, src: usize, n: i32, dst: usize): i32 {
  if (n < 1) return 0
  const padded = (n + 7) & ~7
  memory.copy(dst + 8, src, n)
  memory.fill(dst + 8 + n, 0, padded - n)
  store32be(dst, initial)
  store32be(dst + 4, n)
  aesKeySingle(KEY, kek, kekLen)
  if (padded === 8) aesSingleEncrypt(KEY, dst, dst, 1)
  else aesSingleWrap(KEY, dst, dst + 8, padded >> 3)
  wipe(KEY, AES_CTX)
  return padded + 8
}

/**
 * KWP: unwraps `n` bytes (a multiple of 8, at least 16) into n - 8 bytes at `dst`, which may equal `src`. Answers the
 * length of the plaintext, or -1 where the length, the check value or the padding is wrong; dst[0..n-8] is zero after a
 * wrong check value or padding.
 */
export function kwpUnwrap(kek: usize, kekLen: i32, src: usize, n: i32, dst: usize): i32 {
  return kwpUnwrapWith(kek, kekLen, ICV2, src, n, dst)
}

/** The same with another constant before the length than the standard's. */
export function kwpUnwrapWith(kek: usize, kekLen: i32, initial: u32, src: usize, n: i32, dst: usize): i32 {
  if (n < 16 || (n & 7) !== 0) return -1
  const padded = n - 8
  unwrapSingle(kek, kekLen, src, padded, dst)
  const length = paddedLength(CHECK, dst, padded, initial)
  wipe(CHECK, 16)
  if (length < 0) wipe(dst, padded)
  return length
}

/**
 * KW: wraps `count` objects under one expanded key (`aesKey`), in place. Rows (KW_ROW bytes): u32 address of 8 bytes
 * for the check value followed by R1 … Rn, u32 n >= 2 (traps below). The check value is filled in here.
 */
export function kwWrapMany(ctx: usize, desc: usize, count: i32): void {
  checkRows(desc, count)
  for (let k = 0; k < count; k++) store<u64>(rowObject(desc, k), ICV)
  wrapRows(ctx, desc, count)
}

/**
 * KW: unwraps `count` objects under one expanded key (`aesKey`), in place; rows as `kwWrapMany`. ok[k] = 1 where the
 * check value is right, else 0 and the object is wiped. The check value itself is wiped in either case.
 */
export function kwUnwrapMany(ctx: usize, desc: usize, count: i32, ok: usize): void {
  checkRows(desc, count)
  unwrapRows(ctx, desc, count)
  for (let k = 0; k < count; k++) {
    const object = rowObject(desc, k)
    const valid = isZero(load<u64>(object) ^ ICV)
    store<u8>(ok + k, valid)
    wipe(object, valid !== 0 ? 8 : (rowLength(desc, k) + 1) << 3)
  }
}

/**
 * KWP: wraps `count` objects under one expanded key (`aesKey`), in place. Rows (KW_ROW bytes): u32 address of 8 bytes for
 * the check value followed by the plaintext and room to fill its last 8 bytes, u32 length of the plaintext >= 1 (traps below).
 * Check value and padding are filled in here, and the length becomes the number of semiblocks that `kwpUnwrapMany` takes.
 */
export function kwpWrapMany(ctx: usize, desc: usize, count: i32): void {
  for (let k = 0; k < count; k++) {
    const length = rowLength(desc, k)
    if (length < 1) unreachable()
    const object = rowObject(desc, k)
    const n = (length + 7) >> 3
    store32be(object, ICV2)
    store32be(object + 4, length)
    memory.fill(object + 8 + length, 0, (n << 3) - length)
    store<u32>(desc + k * KW_ROW, n, 4)
  }
  wrapRows(ctx, desc, count)
}

/**
 * KWP: unwraps `count` objects under one expanded key (`aesKey`), in place; rows as `kwUnwrapMany`, but n >= 1.
 * lengths[k] (i32) is the length of the plaintext, or -1 where the check value or the padding is wrong, and then the object
 * is wiped. The check value itself is wiped in either case.
 */
export function kwpUnwrapMany(ctx: usize, desc: usize, count: i32, lengths: usize): void {
  for (let k = 0; k < count; k++) if (rowLength(desc, k) < 1) unreachable()
  unwrapRows(ctx, desc, count)
  for (let k = 0; k < count; k++) {
    const object = rowObject(desc, k)
    const padded = rowLength(desc, k) << 3
    const length = paddedLength(object, object + 8, padded, ICV2)
    store<i32>(lengths + (k << 2), length)
    wipe(object, length >= 0 ? 8 : padded + 8)
  }
}

/** The caller's mistake, not the user's: KW is not defined below two semiblocks, and a lane would never end. */
function checkRows(rows: usize, count: i32): void {
  for (let k = 0; k < count; k++) if (rowLength(rows, k) < 2) unreachable()
}

/** The cipher of every row, in place: W, or one block where there is but one semiblock. */
function wrapRows(ctx: usize, desc: usize, count: i32): void {
  if (count > FEW) {
    keyWrapLanes(ctx, desc, count, false)
    return
  }
  for (let k = 0; k < count; k++) {
    const object = rowObject(desc, k)
    const n = rowLength(desc, k)
    if (n === 1) aesSingleEncrypt(ctx, object, object, 1)
    else aesSingleWrap(ctx, object, object + 8, n)
  }
}

/** The inverse of `wrapRows`. */
function unwrapRows(ctx: usize, desc: usize, count: i32): void {
  if (count > FEW) {
    keyWrapLanes(ctx, desc, count, true)
    return
  }
  for (let k = 0; k < count; k++) {
    const object = rowObject(desc, k)
    const n = rowLength(desc, k)
    if (n === 1) aesSingleDecrypt(ctx, object, object, 1)
    else aesSingleUnwrap(ctx, object, object + 8, n)
  }
}

/** Inverts the wrapping of `length` bytes behind the check value: the former to CHECK, the rest to `dst`. */
function unwrapSingle(kek: usize, kekLen: i32, src: usize, length: i32, dst: usize): void {
  aesKeySingle(KEY, kek, kekLen)
  if (length === 8) {
    aesSingleDecrypt(KEY, src, CHECK, 1)
    memory.copy(dst, CHECK + 8, 8)
  } else {
    memory.copy(CHECK, src, 8)
    memory.copy(dst, src + 8, length)
    aesSingleUnwrap(KEY, CHECK, dst, length >> 3)
  }
  wipe(KEY, AES_CTX)
}

/** The length that the KWP check value at `check` states for `padded` bytes at `p`, -1 where it or the padding is wrong. */
function paddedLength(check: usize, p: usize, padded: i32, initial: u32): i32 {
  const length = load32be(check + 4)
  // 0 to 7 where the length is right; so many bytes at the end must be zero.
  const surplus: u32 = <u32>padded - length
  let wrong: u64 = (load32be(check) ^ initial) | (surplus & ~7)
  for (let i: u32 = 0; i < 8; i++) {
    const isPadding: u32 = (7 - i - surplus) >> 31
    wrong |= load<u8>(p + padded - 8 + i) & (0 - isPadding)
  }
  return isZero(wrong) !== 0 ? <i32>length : -1
}

/** 1 where x is 0, else 0, without a branch. */
function isZero(x: u64): u32 {
  return <u32>(((x | (0 - x)) >> 63) ^ 1)
}
