// CAST-128, also called CAST5 (RFC 2144): blocks of 8 bytes, keys of 1 to 16, for what is old. S-boxes are read whole for every byte;
// rotations by a part of the key are instructions of one time on the processors that matter.
import { CAST_BOXES } from './cast128-boxes'
import { lookupWord } from './lookup'
import { load32be, store32be, wipe } from './util'

/** Rounds, then masking keys and rotations: sixteen words each. */
const MASKING: usize = 16
const ROTATION: usize = 80
/** Bytes of an expanded key; align it to 16. */
export const CAST_CTX: i32 = 144

/** x0 to xF and z0 to zF of the key schedule. */
const BYTES: usize = memory.data(32, 16)

/**
 * The steps of the key schedule (RFC 2144 §2.4) that mix: the word that is made and the one that it is made of (each the number of its
 * first byte, z0 is 16), five bytes that go through S5, S6, S7, S8 and the box of the last column.
 */
const MIXES: usize = memory.data<u8>([
  16, 0, 13, 15, 12, 14, 8, 6, 20, 8, 16, 18, 17, 19, 10, 7, 24, 12, 23, 22, 21, 20, 9, 4, 28, 4, 26, 25, 27, 24, 11, 5,
  0, 24, 21, 23, 20, 22, 16, 6, 4, 16, 0, 2, 1, 3, 18, 7, 8, 20, 7, 6, 5, 4, 17, 4, 12, 28, 10, 9, 11, 8, 19, 5,
])
/** The bytes of which each key of a half is made, through S5 to S8; the fifth goes through S5, S6, S7 or S8 in turns. */
const TAPS: usize = memory.data<u8>([
  24, 25, 23, 22, 18, 26, 27, 21, 20, 22, 28, 29, 19, 18, 25, 30, 31, 17, 16, 28, 3, 2, 12, 13, 8, 1, 0, 14, 15, 13, 7,
  6, 8, 9, 3, 5, 4, 10, 11, 7, 19, 18, 28, 29, 25, 17, 16, 30, 31, 28, 23, 22, 24, 25, 18, 21, 20, 26, 27, 22, 8, 9, 7,
  6, 3, 10, 11, 5, 4, 7, 12, 13, 3, 2, 8, 14, 15, 1, 0, 13,
])

function through(box: u32, place: u32): u32 {
  return lookupWord(CAST_BOXES + ((<usize>box) << 10), load<u8>(BYTES + <usize>place))
}

function four(row: usize): u32 {
  return (
    through(4, load<u8>(row)) ^
    through(5, load<u8>(row, 1)) ^
    through(6, load<u8>(row, 2)) ^
    through(7, load<u8>(row, 3))
  )
}

/** Four steps of mixing, from row `first` on. */
function mix(first: usize): void {
  for (let row = MIXES + (first << 3), i = 0; i < 4; i++, row += 8) {
    const word = load32be(BYTES + <usize>load<u8>(row, 1))
    store32be(BYTES + <usize>load<u8>(row), word ^ four(row + 2) ^ through(load<u8>(row, 7), load<u8>(row, 6)))
  }
}

/** Expands a key of 1 to 16 bytes; one of up to 10 bytes has twelve rounds (§2.5). */
export function castKey(ctx: usize, key: usize, n: i32): void {
  memory.fill(BYTES, 0, 32)
  memory.copy(BYTES, key, n)
  store<i32>(ctx, n <= 10 ? 12 : 16)
  for (let half: usize = 0; half < 2; half++) {
    for (let i: usize = 0; i < 16; i++) {
      if ((i & 3) === 0) mix(i & 4)
      const row = TAPS + i * 5
      const word = four(row) ^ through(4 + (<u32>i & 3), load<u8>(row, 4))
      if (half === 0) store<u32>(ctx + MASKING + (i << 2), word)
      else store<u32>(ctx + ROTATION + (i << 2), word & 31)
    }
  }
  wipe(BYTES, 32)
}

/** The round function of the kind that round `i`, counted from 0, has (§2.2). */
function f(ctx: usize, i: u32, d: u32): u32 {
  const key = load<u32>(ctx + MASKING + ((<usize>i) << 2))
  const kind = i % 3
  const sum = kind === 0 ? key + d : kind === 1 ? key ^ d : key - d
  const word = rotl<u32>(sum, load<u32>(ctx + ROTATION + ((<usize>i) << 2)))
  const a = lookupWord(CAST_BOXES, word >>> 24)
  const b = lookupWord(CAST_BOXES + 1024, (word >>> 16) & 0xff)
  const c = lookupWord(CAST_BOXES + 2048, (word >>> 8) & 0xff)
  const e = lookupWord(CAST_BOXES + 3072, word & 0xff)
  if (kind === 0) return (a ^ b) - c + e
  return kind === 1 ? (a - b + c) ^ e : ((a + b) ^ c) - e
}

function crypt(ctx: usize, src: usize, dst: usize, forwards: bool): void {
  const rounds = <u32>load<i32>(ctx)
  let l = load32be(src)
  let r = load32be(src + 4)
  for (let i: u32 = 0; i < rounds; i++) {
    const next = l ^ f(ctx, forwards ? i : rounds - 1 - i, r)
    l = r
    r = next
  }
  store32be(dst, r)
  store32be(dst + 4, l)
}

/** Encrypts `blocks` blocks of 8 bytes; `dst` may equal `src`. */
export function castEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 8, dst += 8) crypt(ctx, src, dst, true)
}

export function castDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 8, dst += 8) crypt(ctx, src, dst, false)
}

export function wipeCast(ctx: usize): void {
  wipe(ctx, CAST_CTX)
}
