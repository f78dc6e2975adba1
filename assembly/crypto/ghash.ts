// GHASH (SP 800-38D §6.4) in constant time. A block is multiplied by the hash key nibble by nibble: byte j of the
// product of a nibble and the key is a swizzle with the nibble as index, done for all sixteen bytes of the block at
// once, so no address depends on data. Byte i of a block holds the powers 8i (bit 7) to 8i + 7 (bit 0) of x.
import { load64be, store64be, wipe } from './util'

@unmanaged
class GhashContext {
  /** The running value, as bytes. */
  sum0: u64
  sum1: u64
  /** Bytes that wait for the rest of their block. */
  block0: u64
  block1: u64
  used: i32
  unused0: i32
  unused1: u64
}

const BLOCK = offsetof<GhashContext>('block0')
/** 16 pairs of swizzle tables: byte j of (high nibble * key) and of (low nibble * key), index = nibble. */
const TABLES = offsetof<GhashContext>()
const UPPER_HALF = 256

/** Bytes of a GHASH context; align it to 16. */
export const GHASH_CTX: i32 = <i32>TABLES + 512

/** The key times x^0 to x^7. */
const POWERS: usize = memory.data(128, 16)

/** A nibble times 1 + x + x^2 + x^7: the part within its own byte and the part within the next, for both places. */
const OWN_HIGH = i8x16(0, 28, 56, 36, 112, 108, 72, 84, -31, -3, -39, -59, -111, -115, -87, -75)
const NEXT_HIGH = i8x16(0, 32, 64, 96, -128, -96, -64, -32, 0, 32, 64, 96, -128, -96, -64, -32)
const OWN_LOW = i8x16(0, 1, 3, 2, 7, 6, 4, 5, 14, 15, 13, 12, 9, 8, 10, 11)
const NEXT_LOW = i8x16(0, -62, -124, 70, 8, -54, -116, 78, 16, -46, -108, 86, 24, -38, -100, 94)

/** Starts with the 16-byte hash key at `key`. */
export function ghashInit(ctx: usize, key: usize): void {
  memory.fill(ctx, 0, TABLES)
  let high = load64be(key)
  let low = load64be(key + 8)
  for (let p = POWERS; p < POWERS + 128; p += 16) {
    store64be(p, high)
    store64be(p + 8, low)
    const carry = low & 1
    low = (low >> 1) | (high << 63)
    high = (high >> 1) ^ ((0 - carry) & ((<u64>0xe1) << 56))
  }
  for (let j: usize = 0; j < 16; j++) {
    v128.store(ctx + TABLES + (j << 5), nibbleTable(POWERS + j))
    v128.store(ctx + TABLES + (j << 5) + 16, nibbleTable(POWERS + j + 64))
  }
  wipe(POWERS, 128)
}

/** For every nibble the sum of those bytes at p, p + 16, p + 32, p + 48 whose bit is set, bit 3 first. */
function nibbleTable(p: usize): v128 {
  const b3 = v128.and(v128.load8_splat(p), i8x16(0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1))
  const b2 = v128.and(v128.load8_splat(p, 16), i8x16(0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0, -1, -1, -1, -1))
  const b1 = v128.and(v128.load8_splat(p, 32), i8x16(0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1))
  const b0 = v128.and(v128.load8_splat(p, 48), i8x16(0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1))
  return v128.xor(v128.xor(b3, b2), v128.xor(b1, b0))
}

/** Adds `n` bytes at `p`. */
export function ghashUpdate(ctx: usize, p: usize, n: i32): void {
  const c = changetype<GhashContext>(ctx)
  if (c.used > 0) {
    const part = min(n, 16 - c.used)
    memory.copy(ctx + BLOCK + c.used, p, part)
    c.used += part
    p += part
    n -= part
    if (c.used < 16) return
    ghashBlocks(ctx, ctx + BLOCK, 1)
    c.used = 0
  }
  ghashBlocks(ctx, p, n >> 4)
  c.used = n & 15
  memory.copy(ctx + BLOCK, p + (n & ~15), c.used)
}

/** Fills the last block with zeros. */
export function ghashPad(ctx: usize): void {
  const c = changetype<GhashContext>(ctx)
  if (c.used === 0) return
  memory.fill(ctx + BLOCK + c.used, 0, 16 - c.used)
  ghashBlocks(ctx, ctx + BLOCK, 1)
  c.used = 0
}

/** Bytes of what `ghashKeep` writes: the running value, the bytes that wait and zeros. */
export const GHASH_RUNNING: i32 = 32

export function ghashKeep(ctx: usize, out: usize): void {
  const used = changetype<GhashContext>(ctx).used
  memory.copy(out, ctx, 16)
  memory.copy(out + 16, ctx + BLOCK, used)
  memory.fill(out + 16 + <usize>used, 0, 16 - used)
}

/** Goes on, after `ghashInit` with the same key, where `ghashKeep` has written `running` with `used` bytes waiting. */
export function ghashGoOn(ctx: usize, running: usize, used: i32): void {
  memory.copy(ctx, running, 16)
  memory.copy(ctx + BLOCK, running + 16, 16)
  changetype<GhashContext>(ctx).used = used
}

/** Pads, adds the block of the two bit lengths, writes 16 bytes to `out` and wipes the context. */
export function ghashFinal(ctx: usize, aadLen: u64, n: u64, out: usize): void {
  ghashPad(ctx)
  store64be(ctx + BLOCK, aadLen << 3)
  store64be(ctx + BLOCK + 8, n << 3)
  ghashBlocks(ctx, ctx + BLOCK, 1)
  memory.copy(out, ctx, 16)
  wipe(ctx, GHASH_CTX)
}

/** a moved up by one byte. */
function up(a: v128): v128 {
  return i8x16.swizzle(a, i8x16(-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))
}

/** b moved up by one byte, the last byte of a coming in. */
function upWith(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
}

/** Byte j of the product of every byte of a block and the key; `high` and `low` are its nibbles, `t` the table pair. */
function product(t: usize, high: v128, low: v128): v128 {
  return v128.xor(i8x16.swizzle(v128.load(t), high), i8x16.swizzle(v128.load(t, 16), low))
}

/**
 * The 256-bit product to 128 bits: x^128 = 1 + x + x^2 + x^7. `high` ends with a zero byte, so a product of it and
 * x^7 does not overflow. Each nibble gives a part within its byte and one for the next.
 */
function reduce(low: v128, high: v128): v128 {
  const n1 = v128.and(i16x8.shr_u(high, 4), i8x16.splat(0x0f))
  const n0 = v128.and(high, i8x16.splat(0x0f))
  const own1 = i8x16.swizzle(OWN_HIGH, n1)
  const own0 = i8x16.swizzle(OWN_LOW, n0)
  const next1 = i8x16.swizzle(NEXT_HIGH, n1)
  const next0 = i8x16.swizzle(NEXT_LOW, n0)
  return v128.xor(v128.xor(low, v128.xor(own1, own0)), up(v128.xor(next1, next0)))
}

function ghashBlocks(ctx: usize, p: usize, blocks: i32): void {
  let sum = v128.load(ctx)
  for (; blocks > 0; blocks--, p += 16) {
    const y = v128.xor(sum, v128.load(p))
    const high = v128.and(i16x8.shr_u(y, 4), i8x16.splat(0x0f))
    const low = v128.and(y, i8x16.splat(0x0f))
    // Two Horner chains in x^8: a over bytes 0 to 7 of the products, b over bytes 8 to 15.
    let a0 = i64x2(0, 0)
    let a1 = i64x2(0, 0)
    let b0 = i64x2(0, 0)
    let b1 = i64x2(0, 0)
    for (let t = ctx + TABLES + UPPER_HALF - 32; t >= ctx + TABLES; t -= 32) {
      a1 = upWith(a0, a1)
      a0 = v128.xor(up(a0), product(t, high, low))
      b1 = upWith(b0, b1)
      b0 = v128.xor(up(b0), product(t + UPPER_HALF, high, low))
    }
    const zero = i64x2(0, 0)
    const p0 = v128.xor(a0, v128.shuffle<u64>(zero, b0, 0, 2))
    const p1 = v128.xor(a1, v128.shuffle<u64>(b0, b1, 1, 2))
    sum = reduce(p0, p1)
  }
  v128.store(ctx, sum)
}
