// AES (FIPS 197) with 128-, 192- and 256-bit keys: the key schedule, and ECB over any number of blocks. Eight blocks at
// a time go through the bitsliced kernel, the last one or two one by one. No table and no branch depends on a secret.
import { AES_CTX, AES_DECRYPT_KEYS, AES_ENCRYPT_KEYS } from './aes-context'
import { aesDecrypt8, aesDecryptPlanes, aesEncrypt8, aesEncryptPlanes, transpose8 } from './aes-kernel'
import { aesSingleDecrypt, aesSingleDecryptKey, aesSingleEncrypt, aesSingleEncryptKey, aesSubWord } from './aes-single'
import { wipe } from './util'

export { AES_CTX, aesDecrypt8, aesDecryptPlanes, aesEncrypt8, aesEncryptPlanes, transpose8 }

export const AES_BLOCK = 16
/** Blocks that the kernel works on at once. */
export const AES_LANES: i32 = 8
/** Bytes of eight blocks. */
export const AES_GROUP = 128

/** Up to so many blocks are cheaper one by one. */
const FEW = 2

const SCHEDULE_LENGTH = 240
const SCHEDULE: usize = memory.data(SCHEDULE_LENGTH, 16)
const PARTIAL: usize = memory.data(AES_GROUP, 16)

/** Whether `keyLen` is a key length of AES in bytes. */
export function aesKeyLengthValid(keyLen: i32): bool {
  return keyLen === 16 || keyLen === 24 || keyLen === 32
}

/** Expands a key of 16, 24 or 32 bytes for both directions; traps on another length. */
export function aesKey(ctx: usize, key: usize, keyLen: i32): void {
  const rounds = expand(key, keyLen)
  store<i32>(ctx, rounds)
  for (let r = 0; r <= rounds; r++) {
    aesSingleEncryptKey(ctx, roundKey(r), r, rounds)
    encryptPlanes(ctx, r, rounds)
  }
  invertSchedule(rounds)
  for (let r = 0; r <= rounds; r++) {
    aesSingleDecryptKey(ctx, roundKey(rounds - r), r, rounds)
    decryptPlanes(ctx, r, rounds)
  }
  wipe(SCHEDULE, SCHEDULE_LENGTH)
}

/** Expands a key for encryption alone (CTR, GCM, CMAC): half the work. `aesDecrypt` must not be called on it. */
export function aesKeyEncrypt(ctx: usize, key: usize, keyLen: i32): void {
  const rounds = expand(key, keyLen)
  store<i32>(ctx, rounds)
  for (let r = 0; r <= rounds; r++) {
    aesSingleEncryptKey(ctx, roundKey(r), r, rounds)
    encryptPlanes(ctx, r, rounds)
  }
  wipe(SCHEDULE, SCHEDULE_LENGTH)
}

/** Bytes of a key that is expanded for `aesEncrypt8` alone. */
export const AES_CTX8: i32 = <i32>AES_DECRYPT_KEYS

/** Expands a key for `aesEncrypt8` alone, into AES_CTX8 bytes: what is used once is expanded for nothing else. */
export function aesKeyEncrypt8(ctx: usize, key: usize, keyLen: i32): void {
  const rounds = expand(key, keyLen)
  store<i32>(ctx, rounds)
  for (let r = 0; r <= rounds; r++) encryptPlanes(ctx, r, rounds)
  wipe(SCHEDULE, SCHEDULE_LENGTH)
}

/** Expands a key for the functions of aes-single.ts alone. */
export function aesKeySingle(ctx: usize, key: usize, keyLen: i32): void {
  const rounds = expand(key, keyLen)
  store<i32>(ctx, rounds)
  for (let r = 0; r <= rounds; r++) aesSingleEncryptKey(ctx, roundKey(r), r, rounds)
  invertSchedule(rounds)
  for (let r = 0; r <= rounds; r++) aesSingleDecryptKey(ctx, roundKey(rounds - r), r, rounds)
  wipe(SCHEDULE, SCHEDULE_LENGTH)
}

/** Encrypts `blocks` blocks in ECB mode; `dst` may equal `src`. */
export function aesEncrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks >= 8; blocks -= 8) {
    aesEncrypt8(ctx, src, dst)
    src += AES_GROUP
    dst += AES_GROUP
  }
  if (blocks <= FEW) {
    aesSingleEncrypt(ctx, src, dst, blocks)
    return
  }
  memory.copy(PARTIAL, src, blocks << 4)
  aesEncrypt8(ctx, PARTIAL, PARTIAL)
  memory.copy(dst, PARTIAL, blocks << 4)
  wipe(PARTIAL, AES_GROUP)
}

/** Decrypts `blocks` blocks in ECB mode; `dst` may equal `src`. */
export function aesDecrypt(ctx: usize, src: usize, dst: usize, blocks: i32): void {
  for (; blocks >= 8; blocks -= 8) {
    aesDecrypt8(ctx, src, dst)
    src += AES_GROUP
    dst += AES_GROUP
  }
  if (blocks <= FEW) {
    aesSingleDecrypt(ctx, src, dst, blocks)
    return
  }
  memory.copy(PARTIAL, src, blocks << 4)
  aesDecrypt8(ctx, PARTIAL, PARTIAL)
  memory.copy(dst, PARTIAL, blocks << 4)
  wipe(PARTIAL, AES_GROUP)
}

/** Key expansion (FIPS 197 §5.2) into SCHEDULE; answers the rounds. Words lie in memory order: RotWord is rotr 8. */
function expand(key: usize, keyLen: i32): i32 {
  if (!aesKeyLengthValid(keyLen)) unreachable()
  const words = keyLen >> 2
  const rounds = words + 6
  memory.copy(SCHEDULE, key, keyLen)
  let constant: u32 = 1
  let t = load<u32>(SCHEDULE + keyLen - 4)
  for (let i = words, phase = 0, p = SCHEDULE + keyLen; i < 4 * rounds + 4; i++, p += 4) {
    if (phase === 0) {
      t = rotr<u32>(aesSubWord(t), 8) ^ constant
      constant = (constant << 1) ^ ((constant >> 7) * 0x11b)
    } else if (words === 8 && phase === 4) {
      t = aesSubWord(t)
    }
    t ^= load<u32>(p - keyLen)
    store<u32>(p, t)
    phase = phase + 1 === words ? 0 : phase + 1
  }
  return rounds
}

/** Undoes ShiftRows `n` times (0 to 3). */
function unshift(v: v128, n: i32): v128 {
  if (n === 1) return i8x16.swizzle(v, i8x16(0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3))
  if (n === 2) return i8x16.swizzle(v, i8x16(0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7))
  if (n === 3) return i8x16.swizzle(v, i8x16(0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11))
  return v
}

/** Every bit of a round key as a byte of 00 or FF, bit by bit: what the planes of eight equal blocks look like. */
function storePlanes(v: v128, dst: usize): void {
  for (let bit = 0; bit < 8; bit++) {
    const one: i32 = 1 << bit
    const mask = i8x16.splat(<i8>one)
    v128.store(dst + (bit << 4), i8x16.eq(v128.and(v, mask), mask))
  }
}

function roundKey(r: i32): usize {
  return SCHEDULE + (r << 4)
}

/** Round r is stored with ShiftRows undone r mod 4 times; the NOTs of the S-box before it are added (0x63). */
function encryptPlanes(ctx: usize, r: i32, rounds: i32): void {
  let v = v128.load(roundKey(r))
  if (r < rounds) v = unshift(v, r & 3)
  if (r > 0) v = v128.xor(v, i8x16.splat(0x63))
  storePlanes(v, ctx + AES_ENCRYPT_KEYS + (r << 7))
}

/** As `encryptPlanes`, for the inverted schedule in order of use. */
function decryptPlanes(ctx: usize, r: i32, rounds: i32): void {
  let v = v128.load(roundKey(rounds - r))
  if (r < rounds) v = v128.xor(unshift(v, -r & 3), i8x16.splat(0x63))
  storePlanes(v, ctx + AES_DECRYPT_KEYS + (r << 7))
}

/** The equivalent inverse cipher (FIPS 197 §5.3.5): the inner round keys go through InvMixColumns. */
function invertSchedule(rounds: i32): void {
  for (let r = 1; r < rounds; r++) v128.store(roundKey(r), invMixColumns(v128.load(roundKey(r))))
}

function double(v: v128): v128 {
  return v128.xor(i8x16.add(v, v), v128.and(i8x16.shr_s(v, 7), i8x16.splat(0x1b)))
}

function rotateRows1(v: v128): v128 {
  return i8x16.swizzle(v, i8x16(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12))
}

function rotateRows2(v: v128): v128 {
  return i8x16.swizzle(v, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))
}

/** InvMixColumns = MixColumns of v + 4 (v + v rotated by two rows). */
function invMixColumns(v: v128): v128 {
  const a = v128.xor(v, double(double(v128.xor(v, rotateRows2(v)))))
  const b = rotateRows1(a)
  const c = v128.xor(a, b)
  return v128.xor(v128.xor(double(c), b), rotateRows2(c))
}
