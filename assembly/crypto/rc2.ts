// RC2 (RFC 2268): blocks of 8 bytes, keys of 1 to 128, of which so many bits count as the caller says; for what is old.
import { lookupByte, lookupHalf } from './lookup'
import { wipe } from './util'

/** Digits of pi as a permutation of bytes (§2). */
const PI: usize = memory.data<u8>(
  [
    217, 120, 249, 196, 25, 221, 181, 237, 40, 233, 253, 121, 74, 160, 216, 157, 198, 126, 55, 131, 43, 118, 83, 142,
    98, 76, 100, 136, 68, 139, 251, 162, 23, 154, 89, 245, 135, 179, 79, 19, 97, 69, 109, 141, 9, 129, 125, 50, 189,
    143, 64, 235, 134, 183, 123, 11, 240, 149, 33, 34, 92, 107, 78, 130, 84, 214, 101, 147, 206, 96, 178, 28, 115, 86,
    192, 20, 167, 140, 241, 220, 18, 117, 202, 31, 59, 190, 228, 209, 66, 61, 212, 48, 163, 60, 182, 38, 111, 191, 14,
    218, 70, 105, 7, 87, 39, 242, 29, 155, 188, 148, 67, 3, 248, 17, 199, 246, 144, 239, 62, 231, 6, 195, 213, 47, 200,
    102, 30, 215, 8, 232, 234, 222, 128, 82, 238, 247, 132, 170, 114, 172, 53, 77, 106, 42, 150, 26, 210, 113, 90, 21,
    73, 116, 75, 159, 208, 94, 4, 24, 164, 236, 194, 224, 65, 110, 15, 81, 203, 204, 36, 145, 175, 80, 161, 244, 112,
    57, 153, 124, 58, 133, 35, 184, 180, 122, 252, 2, 54, 91, 37, 85, 151, 49, 45, 93, 250, 152, 227, 138, 146, 174, 5,
    223, 41, 16, 103, 108, 186, 201, 211, 0, 230, 207, 225, 158, 168, 44, 99, 22, 1, 63, 88, 226, 137, 169, 13, 56, 52,
    27, 171, 51, 255, 176, 187, 72, 12, 95, 185, 177, 205, 46, 197, 243, 219, 71, 229, 165, 156, 119, 10, 166, 32, 104,
    254, 127, 193, 173,
  ],
  16,
)

/** Bytes of an expanded key: 64 words; align it to 16. */
export const RC2_CTX: i32 = 128

/** Expands a key of 1 to 128 bytes, of which `bits` bits (1 to 1024) count (§2). */
export function rc2Key(ctx: usize, key: usize, n: i32, bits: u32): void {
  memory.copy(ctx, key, n)
  for (let i = n; i < 128; i++) {
    const sum = <u32>load<u8>(ctx + i - 1) + <u32>load<u8>(ctx + i - n)
    store<u8>(ctx + i, lookupByte(PI, sum & 0xff))
  }
  const bytes = <i32>((bits + 7) >>> 3)
  const mask: u32 = 0xff >>> (((<u32>bytes) << 3) - bits)
  const last = ctx + 128 - bytes
  store<u8>(last, lookupByte(PI, <u32>load<u8>(last) & mask))
  for (let p = last - 1; p >= ctx; p--) {
    store<u8>(p, lookupByte(PI, <u32>load<u8>(p, 1) ^ <u32>load<u8>(p + bytes)))
  }
}

/** A word of a block, by its number from 0 to 3, round the end. */
const BLOCK: usize = memory.data(16, 16)

function word(i: u32): u32 {
  return <u32>load<u16>(BLOCK + ((i & 3) << 1))
}

function put(i: u32, value: u32): void {
  store<u16>(BLOCK + ((i & 3) << 1), value)
}

/** Bits that word i is turned by when it is mixed: 1, 2, 3, 5. */
function turn(i: u32): u32 {
  return (0x5321 >>> (i << 2)) & 15
}

/** What is added to word i when it is mixed. */
function others(ctx: usize, i: u32, j: u32): u32 {
  const before = word(i + 3)
  return <u32>load<u16>(ctx + ((<usize>j) << 1)) + (before & word(i + 2)) + (~before & word(i + 1))
}

/** `rounds` mixing rounds from key word j on (§3.1). */
function mix(ctx: usize, j: u32, rounds: u32): void {
  for (let k: u32 = 0; k < rounds << 2; k++) {
    const i = k & 3
    const sum = (word(i) + others(ctx, i, j + k)) & 0xffff
    put(i, (sum << turn(i)) | (sum >>> (16 - turn(i))))
  }
}

/** Undoes them; j is the last of their key words (§4.1). */
function unmix(ctx: usize, j: u32, rounds: u32): void {
  for (let k: u32 = 0; k < rounds << 2; k++) {
    const i = 3 - (k & 3)
    const turned = (word(i) >>> turn(i)) | (word(i) << (16 - turn(i)))
    put(i, turned - others(ctx, i, j - k))
  }
}

/** A mashing round, `sign` 1, or its undoing, -1 (§3.2, §4.2). */
function mash(ctx: usize, sign: i32): void {
  for (let k: u32 = 0; k < 4; k++) {
    const i = sign > 0 ? k : 3 - k
    put(i, word(i) + <u32>sign * lookupHalf(ctx, word(i + 3) & 63))
  }
}

/** Encrypts `blocks` blocks of 8 bytes; `dst` may equal `src`. */
export function rc2Encrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 8, dst += 8) {
    memory.copy(BLOCK, src, 8)
    mix(ctx, 0, 5)
    mash(ctx, 1)
    mix(ctx, 20, 6)
    mash(ctx, 1)
    mix(ctx, 44, 5)
    memory.copy(dst, BLOCK, 8)
  }
  wipe(BLOCK, 16)
}

export function rc2Decrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, src += 8, dst += 8) {
    memory.copy(BLOCK, src, 8)
    unmix(ctx, 63, 5)
    mash(ctx, -1)
    unmix(ctx, 43, 6)
    mash(ctx, -1)
    unmix(ctx, 19, 5)
    memory.copy(dst, BLOCK, 8)
  }
  wipe(BLOCK, 16)
}

export function wipeRc2(ctx: usize): void {
  wipe(ctx, RC2_CTX)
}
