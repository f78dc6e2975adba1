// AES-GCM (SP 800-38D). The hash key, the mask of the tag and the first key stream come out of one call of the
// eight-block kernel, so sealing a short object costs one or two calls.
import { AES_CTX8, AES_GROUP, aesEncrypt8, aesKeyEncrypt8, aesKeyLengthValid } from './aes'
import { GHASH_CTX, GHASH_RUNNING, ghashFinal, ghashGoOn, ghashInit, ghashKeep, ghashPad, ghashUpdate } from './ghash'
import { ctEqual, load32be, load64be, store32be, store64be, wipe, xorBytes } from './util'

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
  crypt(src, n, dst, FIRST)
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
  if (valid) crypt(src, n, dst, FIRST)
  end()
  return valid
}

// ---- messages in parts ------------------------------------------------------------------------------------------------
// One part is in hand at a time; what goes on to the next is written out by `gcmKeep`.

/** Bytes of what goes on: pre-counter block 16, mask of the tag 16, running hash 32, bytes of associated data u64, of text u64. */
export const GCM_RUNNING: i32 = 48 + GHASH_RUNNING
/** Most bytes of a text (SP 800-38D §5.2.1.1). */
export const GCM_MOST: u64 = (1 << 36) - 32

const ORIGIN: usize = memory.data(16, 16)
let associated: u64 = 0
let before: u64 = 0
let absorbed: u64 = 0
/** Where the key stream of the part in hand begins in STREAM. */
let fresh: i32 = 0

/** Begins a message. Lengths are those that `gcmLengthsValid` takes. */
export function gcmBegin(key: usize, keyLen: i32, iv: usize, ivLen: i32, aad: usize, aadLen: i32): void {
  start(key, keyLen, iv, ivLen, aad, aadLen, aad, 0)
  memory.copy(ORIGIN, COUNTER, 16)
  store32be(ORIGIN + 12, load32be(COUNTER + 12) - 7)
  associated = <u64>aadLen
  before = 0
  absorbed = 0
  fresh = FIRST
}

/** Goes on where `gcmKeep` has written `running`, under the same key. */
export function gcmGoOn(key: usize, keyLen: i32, running: usize): void {
  aesKeyEncrypt8(KEY, key, keyLen)
  memory.copy(ORIGIN, running, 16)
  memory.copy(MASK, running + 16, 16)
  associated = load64be(running + 64)
  before = load64be(running + 72)
  absorbed = before
  memory.copy(COUNTER, ORIGIN, 16)
  store32be(COUNTER + 12, load32be(ORIGIN + 12) + 1 + <u32>(before >> 4))
  memory.fill(STREAM, 0, 16)
  counters(STREAM + 16, 7)
  aesEncrypt8(KEY, STREAM, STREAM)
  ghashInit(HASH, STREAM)
  ghashGoOn(HASH, running + 32, <i32>(before & 15))
  fresh = 16 + <i32>(before & 15)
}

/** Bytes of the text so far. */
export function gcmLength(): u64 {
  return absorbed
}

/** Takes `n` bytes of ciphertext into the hash. */
export function gcmAbsorb(ciphertext: usize, n: i32): void {
  ghashUpdate(HASH, ciphertext, n)
  absorbed += <u64>n
}

/** Encrypts or decrypts the part in hand, all of it at once. */
export function gcmCrypt(src: usize, n: i32, dst: usize): void {
  crypt(src, n, dst, fresh)
}

/** Writes GCM_RUNNING bytes. */
export function gcmKeep(running: usize): void {
  memory.copy(running, ORIGIN, 16)
  memory.copy(running + 16, MASK, 16)
  ghashKeep(HASH, running + 32)
  store64be(running + 64, associated)
  store64be(running + 72, absorbed)
}

/** Writes the whole tag, 16 bytes. */
export function gcmTag(out: usize): void {
  ghashFinal(HASH, associated, absorbed, out)
  xorBytes(out, MASK, out, 16)
}

/** Wipes what was in hand. */
export function gcmEnd(): void {
  wipe(HASH, GHASH_CTX)
  wipe(ORIGIN, 16)
  end()
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

/** XORs with the key stream; what is left of STREAM begins at its byte `from`. */
function crypt(src: usize, n: i32, dst: usize, from: i32): void {
  let p = STREAM + <usize>from
  let have = AES_GROUP - from
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
