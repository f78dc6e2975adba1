// ARIA (RFC 5794): blocks of 16 bytes, keys of 16, 24 or 32, a block in one vector.
import { ARIA_BOXES } from './field-boxes'
import { lookupBytes } from './lookup'
import { load64be, store64be, wipe } from './util'

const KEYS: usize = 16
/** At most seventeen round keys, for each direction. */
const DIRECTION: usize = 17 * 16
/** Bytes of an expanded key: rounds as i32, then the round keys of both directions; align it to 16. */
export const ARIA_CTX: i32 = 16 + 2 * 17 * 16

/** CK1, CK2, CK3 (RFC 5794 §2.2); a longer key begins further on. */
const CONSTANTS: usize = memory.data<u8>(
  [
    0x51, 0x7c, 0xc1, 0xb7, 0x27, 0x22, 0x0a, 0x94, 0xfe, 0x13, 0xab, 0xe8, 0xfa, 0x9a, 0x6e, 0xe0, 0x6d, 0xb1, 0x4a,
    0xcc, 0x9e, 0x21, 0xc8, 0x20, 0xff, 0x28, 0xb1, 0xd5, 0xef, 0x5d, 0xe2, 0xb0, 0xdb, 0x92, 0x37, 0x1d, 0x21, 0x26,
    0xe9, 0x70, 0x03, 0x24, 0x97, 0x75, 0x04, 0xe8, 0xc9, 0x0e,
  ],
  16,
)
/** The diffusion layer (§2.4.3): each byte is the sum of the seven that stand above each other here. */
const DIFFUSION: usize = memory.data<u8>(
  [
    3, 2, 1, 0, 0, 1, 0, 1, 0, 0, 2, 2, 1, 0, 0, 1, 4, 5, 4, 5, 2, 3, 2, 3, 1, 1, 3, 3, 2, 3, 3, 2, 6, 7, 6, 7, 5, 4, 7,
    6, 4, 5, 5, 4, 6, 6, 4, 4, 8, 8, 10, 10, 8, 9, 9, 8, 7, 6, 6, 7, 7, 7, 5, 5, 9, 9, 11, 11, 11, 10, 10, 11, 10, 11,
    8, 9, 9, 8, 9, 8, 13, 12, 12, 13, 14, 14, 12, 12, 13, 12, 13, 12, 11, 10, 11, 10, 14, 15, 15, 14, 15, 15, 13, 13,
    15, 14, 15, 14, 12, 13, 14, 15,
  ],
  16,
)
const WORDS: usize = memory.data(64, 16)

function diffuse(x: v128): v128 {
  let sum = i8x16.splat(0)
  for (let i: usize = 0; i < 112; i += 16) sum = v128.xor(sum, i8x16.swizzle(x, v128.load(DIFFUSION + i)))
  return sum
}

/** The substitution layer (§2.4.2): SB1, SB2, SB3, SB4 in turns in odd rounds, SB3, SB4, SB1, SB2 in even ones. */
function substitute(x: v128, odd: bool): v128 {
  const first = odd ? ARIA_BOXES : ARIA_BOXES + 512
  const third = odd ? ARIA_BOXES + 512 : ARIA_BOXES
  const low = v128.bitselect(lookupBytes(first, x), lookupBytes(first + 256, x), i16x8.splat(0x00ff))
  const high = v128.bitselect(lookupBytes(third, x), lookupBytes(third + 256, x), i16x8.splat(0x00ff))
  return v128.bitselect(low, high, i32x4.splat(0x0000ffff))
}

function round(x: v128, key: v128, odd: bool): v128 {
  return diffuse(substitute(v128.xor(x, key), odd))
}

/** w XOR (v turned right by `n` bits, 1 to 127). */
function mixed(w: usize, v: usize, n: u64, out: usize): void {
  let high = load64be(WORDS + (v << 4))
  let low = load64be(WORDS + (v << 4) + 8)
  if (n >= 64) {
    const swapped = high
    high = low
    low = swapped
    n -= 64
  }
  store64be(out, load64be(WORDS + (w << 4)) ^ ((high >> n) | (low << (64 - n))))
  store64be(out + 8, load64be(WORDS + (w << 4) + 8) ^ ((low >> n) | (high << (64 - n))))
}

/** Turns of the key words for each four round keys: 19, 31, 67, 97 and 109 bits to the right. */
function turn(group: usize): u64 {
  if (group === 0) return 19
  if (group === 1) return 31
  if (group === 2) return 67
  return group === 3 ? 97 : 109
}

/** Expands a key of 16, 24 or 32 bytes. */
export function ariaKey(ctx: usize, key: usize, n: i32): void {
  const rounds: usize = <usize>(n >> 2) + 8
  store<i32>(ctx, <i32>rounds)
  const first: usize = (<usize>n >> 3) - 2
  memory.fill(WORDS, 0, 64)
  // The key's second half, filled with zeros, waits in the place of the third word.
  memory.copy(WORDS, key, 16)
  memory.copy(WORDS + 32, key + 16, n - 16)
  let before = v128.load(WORDS + 32)
  for (let i: usize = 0; i < 3; i++) {
    const constant = v128.load(CONSTANTS + (((first + i) % 3) << 4))
    const word = v128.load(WORDS + (i << 4))
    v128.store(WORDS + ((i + 1) << 4), v128.xor(round(word, constant, i !== 1), before))
    before = word
  }
  for (let i: usize = 0; i <= rounds; i++) {
    const w = i & 3
    mixed(w, (w + 1) & 3, turn(i >> 2), ctx + KEYS + (i << 4))
  }
  const backwards = ctx + KEYS + DIRECTION
  for (let i: usize = 0; i <= rounds; i++) {
    const own = v128.load(ctx + KEYS + ((rounds - i) << 4))
    v128.store(backwards + (i << 4), i === 0 || i === rounds ? own : diffuse(own))
  }
  wipe(WORDS, 64)
}

function crypt(ctx: usize, keys: usize, src: usize, dst: usize, blocks: i32): void {
  const rounds = <usize>load<i32>(ctx)
  for (; blocks > 0; blocks--, src += 16, dst += 16) {
    let x = v128.load(src)
    for (let i: usize = 0; i < rounds - 1; i++) x = round(x, v128.load(keys + (i << 4)), (i & 1) === 0)
    x = substitute(v128.xor(x, v128.load(keys + ((rounds - 1) << 4))), false)
    v128.store(dst, v128.xor(x, v128.load(keys + (rounds << 4))))
  }
}

/** Encrypts `blocks` blocks of 16 bytes; `dst` may equal `src`. */
export function ariaEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  crypt(ctx, ctx + KEYS, src, dst, blocks)
}

export function ariaDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  crypt(ctx, ctx + KEYS + DIRECTION, src, dst, blocks)
}

export function wipeAria(ctx: usize): void {
  wipe(ctx, ARIA_CTX)
}
