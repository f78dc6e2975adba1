// AES-GCM (SP 800-38D). The hash key, the mask of the tag and the first key stream come out of one call of the
// eight-block kernel, so sealing a short object costs one or two calls.
import { AES_CTX8, AES_GROUP, aesEncrypt8, aesKeyEncrypt8, aesKeyLengthValid } from './aes'
import { GHASH_CTX, ghashFinal, ghashInit, ghashPad, ghashUpdate } from './ghash'
import { ctEqual, load32be, store32be, wipe, xorBytes } from './util'

const KEY: usize = memory.data(AES_CTX8, 16)
const HASH: usize = memory.data(GHASH_CTX, 16)
/** Eight blocks out of the kernel; the first group is E(0) = hash key, E(J0) = mask of the tag, six blocks of stream. */
const STREAM: usize = memory.data(AES_GROUP, 16)
const FIRST = 32
const MASK: usize = memory.data(16, 16)
const COUNTER: usize = memory.data(16, 16)
const TAG: usize = memory.data(16, 16)

/** Whether lengths of IV and tag (bytes) are usable: IV >= 1, tag 4, 8 or 12 to 16 (SP 800-38D §5.2.1). */
export function gcmLengthsValid(keyLen: i32, ivLen: i32, tagLen: i32): bool {
  const tag = tagLen === 4 || tagLen === 8 || (tagLen >= 12 && tagLen <= 16)
  return aesKeyLengthValid(keyLen) && ivLen >= 1 && tag
}

/**
 * Encrypts `n` bytes from `src` to `dst` (may be the same) and writes `tagLen` bytes to `tag`. Traps where
 * `gcmLengthsValid` says no.
 */
export function gcmSeal(
  key: usize,
  keyLen: i32,
  iv: usize,
  ivLen: i32,
  aad: usize,
  aadLen: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): void {
  gcmSeal2(key, keyLen, iv, ivLen, aad, aadLen, aad, 0, src, n, dst, tag, tagLen)
}

/**
 * Decrypts `n` bytes from `src` to `dst` (may be the same) if the tag is right. A wrong tag, or lengths that
 * `gcmLengthsValid` refuses: false, and nothing is written.
 */
export function gcmOpen(
  key: usize,
  keyLen: i32,
  iv: usize,
  ivLen: i32,
  aad: usize,
  aadLen: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): bool {
  return gcmOpen2(key, keyLen, iv, ivLen, aad, aadLen, aad, 0, src, n, dst, tag, tagLen)
}

/** `gcmSeal` with associated data in two parts: aad1 ∥ aad2. */
export function gcmSeal2(
  key: usize,
  keyLen: i32,
  iv: usize,
  ivLen: i32,
  aad1: usize,
  aad1Len: i32,
  aad2: usize,
  aad2Len: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): void {
  if (!gcmLengthsValid(keyLen, ivLen, tagLen)) unreachable()
  start(key, keyLen, iv, ivLen, aad1, aad1Len, aad2, aad2Len)
  crypt(src, n, dst)
  finish(dst, n, <u64>aad1Len + <u64>aad2Len)
  memory.copy(tag, TAG, tagLen)
  end()
}

/** `gcmOpen` with associated data in two parts: aad1 ∥ aad2. */
export function gcmOpen2(
  key: usize,
  keyLen: i32,
  iv: usize,
  ivLen: i32,
  aad1: usize,
  aad1Len: i32,
  aad2: usize,
  aad2Len: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): bool {
  if (!gcmLengthsValid(keyLen, ivLen, tagLen)) return false
  start(key, keyLen, iv, ivLen, aad1, aad1Len, aad2, aad2Len)
  finish(src, n, <u64>aad1Len + <u64>aad2Len)
  const valid = ctEqual(TAG, tag, tagLen)
  if (valid) crypt(src, n, dst)
  end()
  return valid
}

/** Leaves the hash over the associated data, MASK, and six blocks of key stream; STREAM is zero before it. */
function start(key: usize, keyLen: i32, iv: usize, ivLen: i32, aad1: usize, n1: i32, aad2: usize, n2: i32): void {
  aesKeyEncrypt8(KEY, key, keyLen)
  if (ivLen === 12) {
    memory.copy(COUNTER, iv, 12)
    store32be(COUNTER + 12, 1)
  } else {
    aesEncrypt8(KEY, STREAM, STREAM)
    ghashInit(HASH, STREAM)
    ghashUpdate(HASH, iv, ivLen)
    ghashFinal(HASH, 0, <u64>ivLen, COUNTER)
    wipe(STREAM, 16)
  }
  counters(STREAM + 16, 7)
  aesEncrypt8(KEY, STREAM, STREAM)
  memory.copy(MASK, STREAM + 16, 16)
  ghashInit(HASH, STREAM)
  ghashUpdate(HASH, aad1, n1)
  ghashUpdate(HASH, aad2, n2)
  ghashPad(HASH)
}

/** Writes `blocks` counter blocks to `p` and advances COUNTER: its last 32 bits count, modulo 2^32. */
function counters(p: usize, blocks: i32): void {
  const block = v128.load(COUNTER)
  let count = load32be(COUNTER + 12)
  for (let i = 0; i < blocks; i++, p += 16) {
    v128.store(p, block)
    store32be(p + 12, count)
    count += 1
  }
  store32be(COUNTER + 12, count)
}

function crypt(src: usize, n: i32, dst: usize): void {
  let p = STREAM + FIRST
  let have = AES_GROUP - FIRST
  while (n > 0) {
    const part = min(n, have)
    xorBytes(src, p, dst, part)
    src += part
    dst += part
    n -= part
    if (n > 0) {
      counters(STREAM, 8)
      aesEncrypt8(KEY, STREAM, STREAM)
      p = STREAM
      have = AES_GROUP
    }
  }
}

/** Hashes the ciphertext; the whole tag is in TAG then. */
function finish(ciphertext: usize, n: i32, aadLen: u64): void {
  ghashUpdate(HASH, ciphertext, n)
  ghashFinal(HASH, aadLen, <u64>n, TAG)
  xorBytes(TAG, MASK, TAG, 16)
}

function end(): void {
  wipe(KEY, AES_CTX8)
  wipe(STREAM, AES_GROUP)
  wipe(MASK, 16)
  wipe(COUNTER, 16)
  wipe(TAG, 16)
}
