// The compression function of SHA-1 (FIPS 180-4 §6.1.2). Legacy: collisions can be made, so it serves to verify what was
// signed long ago, and inside HMAC and key derivation, where they do not matter. Nothing new is signed with it.
import { wipe } from './util'

/** Initial chaining value (FIPS 180-4 §5.3.1). */
export const H1: usize = memory.data<u32>([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0], 16)

/** The last sixteen words of the message schedule, a ring. */
const SCHEDULE: usize = memory.data(64, 16)

/** Word t of the schedule has its place here. */
function place(t: i32): usize {
  return SCHEDULE + ((t & 15) << 2)
}

/** Makes word t >= 16 of the schedule. */
function expand(t: i32): u32 {
  const sum = load<u32>(place(t - 3)) ^ load<u32>(place(t - 8)) ^ load<u32>(place(t - 14)) ^ load<u32>(place(t))
  const word = rotl<u32>(sum, 1)
  store<u32>(place(t), word)
  return word
}

/** Compresses `blocks` blocks of 64 bytes at `p` into the five words at `state`. */
export function sha1Blocks(state: usize, p: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, p += 64) {
    let a = load<u32>(state)
    let b = load<u32>(state, 4)
    let c = load<u32>(state, 8)
    let d = load<u32>(state, 12)
    let e = load<u32>(state, 16)
    for (let t = 0; t < 80; t++) {
      let word: u32
      if (t < 16) {
        word = bswap<u32>(load<u32>(p + (t << 2)))
        store<u32>(place(t), word)
      } else {
        word = expand(t)
      }
      let mixed: u32
      if (t < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999
      else if (t < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1
      else if (t < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
      else mixed = (b ^ c ^ d) + 0xca62c1d6
      const next = rotl<u32>(a, 5) + mixed + e + word
      e = d
      d = c
      c = rotl<u32>(b, 30)
      b = a
      a = next
    }
    store<u32>(state, load<u32>(state) + a)
    store<u32>(state, load<u32>(state, 4) + b, 4)
    store<u32>(state, load<u32>(state, 8) + c, 8)
    store<u32>(state, load<u32>(state, 12) + d, 12)
    store<u32>(state, load<u32>(state, 16) + e, 16)
  }
  wipe(SCHEDULE, 64)
}
