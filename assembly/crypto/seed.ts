// SEED (RFC 4269): blocks of 16 bytes, keys of 16, for what is old.
import { SEED_BOXES } from './field-boxes'
import { lookupBytes } from './lookup'
import { load32be, store32be, wipe } from './util'

/** Bytes of an expanded key: sixteen pairs of round keys; align it to 16. */
export const SEED_CTX: i32 = 128

/** Which bits of each substituted byte go where: m0, m1, m2, m3 from the lowest byte on (§2.2). */
const MASKS: u32 = 0x3fcff3fc
const GOLDEN: u32 = 0x9e3779b9

/** The function G: substitutes the four bytes, by both boxes in turns, and spreads their bits. */
function spread(word: u32): u32 {
  const at = i32x4.splat(word)
  const even = i32x4.extract_lane(lookupBytes(SEED_BOXES, at), 0)
  const odd = i32x4.extract_lane(lookupBytes(SEED_BOXES + 256, at), 0)
  const y = (even & 0x00ff00ff) | (odd & 0xff00ff00)
  return (
    (((y & 0xff) * 0x01010101) & MASKS) ^
    ((((y >>> 8) & 0xff) * 0x01010101) & rotr<u32>(MASKS, 8)) ^
    ((((y >>> 16) & 0xff) * 0x01010101) & rotr<u32>(MASKS, 16)) ^
    (((y >>> 24) * 0x01010101) & rotr<u32>(MASKS, 24))
  )
}

export function seedKey(ctx: usize, key: usize): void {
  let a = load32be(key)
  let b = load32be(key + 4)
  let c = load32be(key + 8)
  let d = load32be(key + 12)
  for (let round = 0; round < 16; round++) {
    const constant = rotl<u32>(GOLDEN, round)
    store<u32>(ctx + (round << 3), spread(a + c - constant))
    store<u32>(ctx + (round << 3) + 4, spread(b - d + constant))
    if ((round & 1) === 0) {
      const low = b & 0xff
      b = (b >>> 8) | (a << 24)
      a = (a >>> 8) | (low << 24)
    } else {
      const high = c >>> 24
      c = (c << 8) | (d >>> 24)
      d = (d << 8) | high
    }
  }
}

/** Sixteen rounds with the round keys forwards or backwards. */
function crypt(ctx: usize, src: usize, dst: usize, forwards: bool): void {
  let l0 = load32be(src)
  let l1 = load32be(src + 4)
  let r0 = load32be(src + 8)
  let r1 = load32be(src + 12)
  for (let round = 0; round < 16; round++) {
    const keys = ctx + ((forwards ? round : 15 - round) << 3)
    let t = r0 ^ load<u32>(keys)
    let u = spread(r1 ^ load<u32>(keys, 4) ^ t)
    t = spread(t + u)
    u = spread(u + t)
    t = l0 ^ (t + u)
    u = l1 ^ u
    l0 = r0
    l1 = r1
    r0 = t
    r1 = u
  }
  store32be(dst, r0)
  store32be(dst + 4, r1)
  store32be(dst + 8, l0)
  store32be(dst + 12, l1)
}

/** Encrypts `blocks` blocks of 16 bytes; `dst` may equal `src`. */
export function seedEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 16, dst += 16) crypt(ctx, src, dst, true)
}

export function seedDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 16, dst += 16) crypt(ctx, src, dst, false)
}

export function wipeSeed(ctx: usize): void {
  wipe(ctx, SEED_CTX)
}
