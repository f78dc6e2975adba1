// DES and Triple DES (FIPS 46-3, SP 800-67 r2) one block at a time, for what is old. An S-box is four tables of sixteen bytes and an
// index that is too large for a table finds zero in it, so that no address and no branch depends on data.
import { load64be, store64be, wipe } from './util'

/** Each S-box as 64 bytes by the six bits that go into it (FIPS 46-3, appendix 1). */
const BOXES: usize = memory.data<u8>(
  [
    14, 0, 4, 15, 13, 7, 1, 4, 2, 14, 15, 2, 11, 13, 8, 1, 3, 10, 10, 6, 6, 12, 12, 11, 5, 9, 9, 5, 0, 3, 7, 8, 4, 15,
    1, 12, 14, 8, 8, 2, 13, 4, 6, 9, 2, 1, 11, 7, 15, 5, 12, 11, 9, 3, 7, 14, 3, 10, 10, 0, 5, 6, 0, 13, 15, 3, 1, 13,
    8, 4, 14, 7, 6, 15, 11, 2, 3, 8, 4, 14, 9, 12, 7, 0, 2, 1, 13, 10, 12, 6, 0, 9, 5, 11, 10, 5, 0, 13, 14, 8, 7, 10,
    11, 1, 10, 3, 4, 15, 13, 4, 1, 2, 5, 11, 8, 6, 12, 7, 6, 12, 9, 0, 3, 5, 2, 14, 15, 9, 10, 13, 0, 7, 9, 0, 14, 9, 6,
    3, 3, 4, 15, 6, 5, 10, 1, 2, 13, 8, 12, 5, 7, 14, 11, 12, 4, 11, 2, 15, 8, 1, 13, 1, 6, 10, 4, 13, 9, 0, 8, 6, 15,
    9, 3, 8, 0, 7, 11, 4, 1, 15, 2, 14, 12, 3, 5, 11, 10, 5, 14, 2, 7, 12, 7, 13, 13, 8, 14, 11, 3, 5, 0, 6, 6, 15, 9,
    0, 10, 3, 1, 4, 2, 7, 8, 2, 5, 12, 11, 1, 12, 10, 4, 14, 15, 9, 10, 3, 6, 15, 9, 0, 0, 6, 12, 10, 11, 1, 7, 13, 13,
    8, 15, 9, 1, 4, 3, 5, 14, 11, 5, 12, 2, 7, 8, 2, 4, 14, 2, 14, 12, 11, 4, 2, 1, 12, 7, 4, 10, 7, 11, 13, 6, 1, 8, 5,
    5, 0, 3, 15, 15, 10, 13, 3, 0, 9, 14, 8, 9, 6, 4, 11, 2, 8, 1, 12, 11, 7, 10, 1, 13, 14, 7, 2, 8, 13, 15, 6, 9, 15,
    12, 0, 5, 9, 6, 10, 3, 4, 0, 5, 14, 3, 12, 10, 1, 15, 10, 4, 15, 2, 9, 7, 2, 12, 6, 9, 8, 5, 0, 6, 13, 1, 3, 13, 4,
    14, 14, 0, 7, 11, 5, 3, 11, 8, 9, 4, 14, 3, 15, 2, 5, 12, 2, 9, 8, 5, 12, 15, 3, 10, 7, 11, 0, 14, 4, 1, 10, 7, 1,
    6, 13, 0, 11, 8, 6, 13, 4, 13, 11, 0, 2, 11, 14, 7, 15, 4, 0, 9, 8, 1, 13, 10, 3, 14, 12, 3, 9, 5, 7, 12, 5, 2, 10,
    15, 6, 8, 1, 6, 1, 6, 4, 11, 11, 13, 13, 8, 12, 1, 3, 4, 7, 10, 14, 7, 10, 9, 15, 5, 6, 0, 8, 15, 0, 14, 5, 2, 9, 3,
    2, 12, 13, 1, 2, 15, 8, 13, 4, 8, 6, 10, 15, 3, 11, 7, 1, 4, 10, 12, 9, 5, 3, 6, 14, 11, 5, 0, 0, 14, 12, 9, 7, 2,
    7, 2, 11, 1, 4, 14, 1, 7, 9, 4, 12, 10, 14, 8, 2, 13, 0, 15, 6, 12, 10, 9, 13, 0, 15, 3, 3, 5, 5, 6, 8, 11,
  ],
  16,
)
/** Permuted choices 1 and 2 (FIPS 46-3, appendix 1): bit numbers from the left, from 1. */
const CHOICE_1: usize = memory.data<u8>([
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55,
  47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
])
const CHOICE_2: usize = memory.data<u8>([
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30,
  40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
])

/** Bytes of an expanded key: how many keys (1 or 3), then 16 rounds of eight six-bit pieces for each; align it to 16. */
export const DES_CTX: i32 = 16 + 3 * 128

const DES_ROUNDS: usize = 16

/** Bytes of a block. */
export const DES_BLOCK = 8

/** Whether a key of so many bytes is one: DES, double- and triple-length Triple DES. */
export function desKeyLengthValid(n: i32): bool {
  return n === 8 || n === 16 || n === 24
}

/** Expands a key of 8, 16 or 24 bytes; parity bits do not count. */
export function desKey(ctx: usize, key: usize, n: i32): void {
  store<i32>(ctx, n === 8 ? 1 : 3)
  schedule(ctx + DES_ROUNDS, key)
  if (n === 8) return
  schedule(ctx + DES_ROUNDS + 128, key + 8)
  schedule(ctx + DES_ROUNDS + 256, n === 16 ? key : key + 16)
}

function choose(table: usize, n: i32, value: u64, width: u64): u64 {
  let chosen: u64 = 0
  for (let i: usize = 0; i < <usize>n; i++) chosen = (chosen << 1) | ((value >> (width - load<u8>(table + i))) & 1)
  return chosen
}

function schedule(rounds: usize, key: usize): void {
  const halves = choose(CHOICE_1, 56, load64be(key), 64)
  let c = <u32>(halves >> 28)
  let d = <u32>halves & 0x0fffffff
  for (let round = 0; round < 16; round++) {
    const turn: u32 = round < 2 || round === 8 || round === 15 ? 1 : 2
    c = ((c << turn) | (c >>> (28 - turn))) & 0x0fffffff
    d = ((d << turn) | (d >>> (28 - turn))) & 0x0fffffff
    const chosen = choose(CHOICE_2, 48, ((<u64>c) << 28) | <u64>d, 56)
    for (let i: usize = 0; i < 8; i++) store<u8>(rounds + (round << 3) + i, (chosen >> (42 - 6 * i)) & 63)
  }
}

/** One nibble: the S-box at `box` at six bits. */
function substitute(box: usize, six: u32): u32 {
  const at = i8x16.splat(<i8>six)
  const first = v128.or(
    i8x16.swizzle(v128.load(box), at),
    i8x16.swizzle(v128.load(box, 16), i8x16.sub(at, i8x16.splat(16))),
  )
  const second = v128.or(
    i8x16.swizzle(v128.load(box, 32), i8x16.sub(at, i8x16.splat(32))),
    i8x16.swizzle(v128.load(box, 48), i8x16.sub(at, i8x16.splat(48))),
  )
  return <u32>i8x16.extract_lane_u(v128.or(first, second), 0)
}

/** The permutation P behind the S-boxes. */
function permute(v: u32): u32 {
  return (
    (rotl<u32>(v, 3) & 0x00000020) |
    (rotl<u32>(v, 4) & 0x00040000) |
    (rotl<u32>(v, 5) & 0x40402402) |
    (rotl<u32>(v, 6) & 0x04000000) |
    (rotl<u32>(v, 9) & 0x01000000) |
    (rotl<u32>(v, 10) & 0x00000010) |
    (rotl<u32>(v, 11) & 0x00000800) |
    (rotl<u32>(v, 12) & 0x00200200) |
    (rotl<u32>(v, 13) & 0x00000004) |
    (rotl<u32>(v, 14) & 0x00100000) |
    (rotl<u32>(v, 15) & 0x80000000) |
    (rotl<u32>(v, 16) & 0x00020000) |
    (rotl<u32>(v, 17) & 0x30008100) |
    (rotl<u32>(v, 19) & 0x00000040) |
    (rotl<u32>(v, 21) & 0x02000000) |
    (rotl<u32>(v, 22) & 0x00004000) |
    (rotl<u32>(v, 24) & 0x08880000) |
    (rotl<u32>(v, 25) & 0x00000009) |
    (rotl<u32>(v, 26) & 0x00011080)
  )
}

function mixed(half: u32, key: usize): u32 {
  let v: u32 = 0
  for (let i: u32 = 0; i < 8; i++) {
    const six = (rotl<u32>(half, 4 * i + 5) & 63) ^ <u32>load<u8>(key + i)
    v = (v << 4) | substitute(BOXES + ((<usize>i) << 6), six)
  }
  return permute(v)
}

let left: u32 = 0
let right: u32 = 0

/** Sixteen rounds forwards or backwards on left and right, which change places at the end. */
function rounds(keys: usize, forwards: bool): void {
  let l = left
  let r = right
  for (let round: usize = 0; round < 16; round++) {
    const next = l ^ mixed(r, keys + ((forwards ? round : 15 - round) << 3))
    l = r
    r = next
  }
  left = r
  right = l
}

/** The initial permutation, as swaps of bits between the halves. */
function begin(block: u64): void {
  let l = <u32>(block >> 32)
  let r = <u32>block
  let t = ((l >>> 4) ^ r) & 0x0f0f0f0f
  r ^= t
  l ^= t << 4
  t = ((l >>> 16) ^ r) & 0x0000ffff
  r ^= t
  l ^= t << 16
  t = ((r >>> 2) ^ l) & 0x33333333
  l ^= t
  r ^= t << 2
  t = ((r >>> 8) ^ l) & 0x00ff00ff
  l ^= t
  r ^= t << 8
  t = ((l >>> 1) ^ r) & 0x55555555
  r ^= t
  l ^= t << 1
  left = l
  right = r
}

/** Its inverse. */
function finish(): u64 {
  let l = left
  let r = right
  let t = ((l >>> 1) ^ r) & 0x55555555
  r ^= t
  l ^= t << 1
  t = ((r >>> 8) ^ l) & 0x00ff00ff
  l ^= t
  r ^= t << 8
  t = ((r >>> 2) ^ l) & 0x33333333
  l ^= t
  r ^= t << 2
  t = ((l >>> 16) ^ r) & 0x0000ffff
  r ^= t
  l ^= t << 16
  t = ((l >>> 4) ^ r) & 0x0f0f0f0f
  r ^= t
  l ^= t << 4
  left = 0
  right = 0
  return ((<u64>l) << 32) | <u64>r
}

/** Encrypts `blocks` blocks of 8 bytes; `dst` may equal `src`. */
export function desEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  const keys = ctx + DES_ROUNDS
  for (; blocks > 0; blocks--, src += 8, dst += 8) {
    begin(load64be(src))
    rounds(keys, true)
    if (load<i32>(ctx) === 3) {
      rounds(keys + 128, false)
      rounds(keys + 256, true)
    }
    store64be(dst, finish())
  }
}

/** Decrypts `blocks` blocks of 8 bytes; `dst` may equal `src`. */
export function desDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  const keys = ctx + DES_ROUNDS
  for (; blocks > 0; blocks--, src += 8, dst += 8) {
    begin(load64be(src))
    if (load<i32>(ctx) === 3) {
      rounds(keys + 256, false)
      rounds(keys + 128, true)
    }
    rounds(keys, false)
    store64be(dst, finish())
  }
}

/** Sets the last bit of each of `n` bytes so that the byte has an odd number of them. */
export function desParity(key: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const byte = <u32>load<u8>(key + i) & 0xfe
    store<u8>(key + i, byte | ((popcnt<u32>(byte) & 1) ^ 1))
  }
}

export function wipeDes(ctx: usize): void {
  wipe(ctx, DES_CTX)
}
