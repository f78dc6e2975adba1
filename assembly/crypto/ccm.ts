// AES-CCM (SP 800-38C): CBC-MAC over length, associated data and plaintext, then CTR. The key stream comes out of the
// eight-block kernel; the MAC is serial and takes one block at a time.
import { AES_CTX, AES_GROUP, aesEncrypt, aesEncrypt8, aesKeyEncrypt, aesKeyLengthValid } from './aes'
import { ctEqual, load32be, load64be, store16be, store32be, store64be, wipe, xorBytes } from './util'

const KEY: usize = memory.data(AES_CTX, 16)
/** Counter block 0; the first block of the MAC differs from it in its first byte and its length field. */
const COUNTER: usize = memory.data(16, 16)
const STREAM: usize = memory.data(AES_GROUP, 16)
const CHUNK: usize = memory.data(AES_GROUP, 16)
const MAC: usize = memory.data(16, 16)
const MASK: usize = memory.data(16, 16)
const WORD: usize = memory.data(8, 16)

/**
 * Whether lengths (bytes) are usable (SP 800-38C §5.3, A.1): nonce 7 to 13, tag 4, 6, … 16, and a payload that its
 * length field of 15 - nonce bytes can count.
 */
export function ccmLengthsValid(keyLen: i32, nonceLen: i32, n: i32, tagLen: i32): bool {
  if (!aesKeyLengthValid(keyLen) || nonceLen < 7 || nonceLen > 13 || n < 0) return false
  if (nonceLen > 11 && n >> ((15 - nonceLen) << 3) !== 0) return false
  return tagLen >= 4 && tagLen <= 16 && (tagLen & 1) === 0
}

/**
 * Encrypts `n` bytes from `src` to `dst` (may be the same) and writes `tagLen` bytes to `tag`. Traps where
 * `ccmLengthsValid` says no.
 */
export function ccmSeal(
  key: usize,
  keyLen: i32,
  nonce: usize,
  nonceLen: i32,
  aad: usize,
  aadLen: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): void {
  if (!ccmLengthsValid(keyLen, nonceLen, n, tagLen)) unreachable()
  start(key, keyLen, nonce, nonceLen, aad, aadLen, n, tagLen)
  absorb(src, n)
  crypt(src, n, dst, 0)
  xorBytes(MAC, MASK, MAC, 16)
  memory.copy(tag, MAC, tagLen)
  end()
}

/**
 * Decrypts `n` bytes from `src` to `dst` (may be the same) if the tag is right. A wrong tag, or lengths that
 * `ccmLengthsValid` refuses: false, and nothing is written. What the tag covers is the plaintext, so it is made twice:
 * in pieces for the tag, and again for whoever may have it.
 */
export function ccmOpen(
  key: usize,
  keyLen: i32,
  nonce: usize,
  nonceLen: i32,
  aad: usize,
  aadLen: i32,
  src: usize,
  n: i32,
  dst: usize,
  tag: usize,
  tagLen: i32,
): bool {
  if (!ccmLengthsValid(keyLen, nonceLen, n, tagLen)) return false
  start(key, keyLen, nonce, nonceLen, aad, aadLen, n, tagLen)
  absorbOpened(src, n, 0)
  xorBytes(MAC, MASK, MAC, 16)
  const valid = ctEqual(MAC, tag, tagLen)
  if (valid) crypt(src, n, dst, 0)
  end()
  return valid
}

// ---- messages in parts ------------------------------------------------------------------------------------------------
// One part is in hand at a time; what goes on to the next is written out by `ccmKeep`. All parts but the last are whole blocks.

/** Bytes of what goes on: counter block 16, mask of the tag 16, MAC so far 16, bytes of the whole text u64, of what was taken in u64. */
export const CCM_RUNNING: i32 = 64

let total: u64 = 0
let before: i32 = 0
let absorbed: u64 = 0

/** Begins a message of `n` bytes. Lengths are those that `ccmLengthsValid` takes. */
export function ccmBegin(
  key: usize,
  keyLen: i32,
  nonce: usize,
  nonceLen: i32,
  aad: usize,
  aadLen: i32,
  n: i32,
  tagLen: i32,
): void {
  start(key, keyLen, nonce, nonceLen, aad, aadLen, n, tagLen)
  total = <u64>n
  before = 0
  absorbed = 0
}

/** Goes on where `ccmKeep` has written `running`, under the same key. */
export function ccmGoOn(key: usize, keyLen: i32, running: usize): void {
  aesKeyEncrypt(KEY, key, keyLen)
  memory.copy(COUNTER, running, 16)
  memory.copy(MASK, running + 16, 16)
  memory.copy(MAC, running + 32, 16)
  total = load64be(running + 48)
  absorbed = load64be(running + 56)
  before = <i32>absorbed
}

/** Bytes of the text that were taken in. */
export function ccmLength(): u64 {
  return absorbed
}

/** Bytes of the whole text, as the beginning has said. */
export function ccmTotal(): u64 {
  return total
}

/** Takes `n` bytes of plaintext into the MAC. */
export function ccmAbsorb(plaintext: usize, n: i32): void {
  absorb(plaintext, n)
  absorbed += <u64>n
}

/** Takes the plaintext of `n` bytes of ciphertext into the MAC, and gives it to nobody. */
export function ccmAbsorbOpened(src: usize, n: i32): void {
  absorbOpened(src, n, before)
  absorbed += <u64>n
}

/** Encrypts or decrypts the part in hand, all of it at once. */
export function ccmCrypt(src: usize, n: i32, dst: usize): void {
  crypt(src, n, dst, before)
}

/** Writes CCM_RUNNING bytes. */
export function ccmKeep(running: usize): void {
  memory.copy(running, COUNTER, 16)
  memory.copy(running + 16, MASK, 16)
  memory.copy(running + 32, MAC, 16)
  store64be(running + 48, total)
  store64be(running + 56, absorbed)
}

/** Writes the whole tag, 16 bytes. */
export function ccmTag(out: usize): void {
  xorBytes(MAC, MASK, out, 16)
}

/** Wipes what was in hand. */
export function ccmEnd(): void {
  end()
}

/** Leaves the MAC over the first block and the associated data, MASK, and counter block 0. */
function start(
  key: usize,
  keyLen: i32,
  nonce: usize,
  nonceLen: i32,
  aad: usize,
  aadLen: i32,
  n: i32,
  tagLen: i32,
): void {
  aesKeyEncrypt(KEY, key, keyLen)
  store<u8>(COUNTER, 14 - nonceLen)
  memory.copy(COUNTER + 1, nonce, nonceLen)
  memory.fill(COUNTER + 1 + nonceLen, 0, 15 - nonceLen)
  aesEncrypt(KEY, COUNTER, MASK, 1)
  memory.copy(MAC, COUNTER, 16)
  store<u8>(MAC, (aadLen > 0 ? 0x40 : 0) | ((tagLen - 2) << 2) | (14 - nonceLen))
  // The nonce ends where the length begins: a length that fits its field touches no byte of the nonce.
  store32be(MAC + 12, load32be(MAC + 12) | n)
  aesEncrypt(KEY, MAC, MAC, 1)
  if (aadLen > 0) associate(aad, aadLen)
}

/** The length of the associated data (SP 800-38C A.2.2), the data, zeros to the end of the block. */
function associate(aad: usize, aadLen: i32): void {
  let prefix = 2
  if (aadLen < 0xff00) {
    store16be(WORD, aadLen)
  } else {
    store16be(WORD, 0xfffe)
    store32be(WORD + 2, aadLen)
    prefix = 6
  }
  const part = min(aadLen, 16 - prefix)
  xorBytes(MAC, WORD, MAC, prefix)
  xorBytes(MAC + prefix, aad, MAC + prefix, part)
  aesEncrypt(KEY, MAC, MAC, 1)
  absorb(aad + part, aadLen - part)
}

/** CBC-MAC over `n` bytes at `p`, with zeros to the end of the last block. */
function absorb(p: usize, n: i32): void {
  for (; n > 0; n -= 16, p += 16) {
    xorBytes(MAC, p, MAC, min(n, 16))
    aesEncrypt(KEY, MAC, MAC, 1)
  }
}

/** Takes into the MAC what `n` bytes of ciphertext are the encryption of; they begin `from` bytes behind the start. */
function absorbOpened(src: usize, n: i32, from: i32): void {
  for (let done = 0; done < n; done += AES_GROUP) {
    const part = min(n - done, AES_GROUP)
    stream(from + done)
    xorBytes(src + done, STREAM, CHUNK, part)
    absorb(CHUNK, part)
  }
}

/** Encrypts or decrypts `n` bytes that begin `from` bytes behind the start. */
function crypt(src: usize, n: i32, dst: usize, from: i32): void {
  for (let done = 0; done < n; done += AES_GROUP) {
    stream(from + done)
    xorBytes(src + done, STREAM, dst + done, min(n - done, AES_GROUP))
  }
}

/** Eight blocks of key stream, for what begins `done` bytes (a multiple of 16) behind the start. */
function stream(done: i32): void {
  const block = v128.load(COUNTER)
  // The counter fits its field, as the length does: adding cannot carry into the nonce.
  let count = load32be(COUNTER + 12) + (done >> 4)
  for (let p = STREAM; p < STREAM + AES_GROUP; p += 16) {
    count += 1
    v128.store(p, block)
    store32be(p + 12, count)
  }
  aesEncrypt8(KEY, STREAM, STREAM)
}

function end(): void {
  wipe(KEY, AES_CTX)
  wipe(COUNTER, 16)
  wipe(STREAM, AES_GROUP)
  wipe(CHUNK, AES_GROUP)
  wipe(MAC, 16)
  wipe(MASK, 16)
  wipe(WORD, 8)
}
