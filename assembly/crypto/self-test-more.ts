// Known answers of what came later than the core: CCM, HKDF, and the ciphers and digests for what is old. Run with those of
// self-test.ts, which says what is corrupt.
import { blockDecrypt, blockEncrypt, blockKey, CIPHER_ARIA, CIPHER_CAST, CIPHER_RC2, CIPHER_SEED } from './block-cipher'
import { ccmOpen, ccmSeal } from './ccm'
import { hkdf } from './hkdf'
import { rc4Crypt } from './rc4'
import { HASH_CTX, HASH_MD2, HASH_MD5, HASH_SHA256, hashFinal, hashInit, hashUpdate } from './sha2'
import { ctEqual, wipe } from './util'

/** SP 800-38C, example 2. */
const CCM_KEY: usize = memory.data<u8>([
  0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,
])
const CCM_NONCE: usize = memory.data<u8>([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17])
const CCM_AAD: usize = memory.data<u8>([
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
])
const CCM_TEXT: usize = memory.data<u8>([
  0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f,
])
const CCM_SEALED: usize = memory.data<u8>([
  0xd2, 0xa1, 0xf0, 0xe0, 0x51, 0xea, 0x5f, 0x62, 0x08, 0x1a, 0x77, 0x92, 0x07, 0x3d, 0x59, 0x3d,
])
const CCM_TAG: usize = memory.data<u8>([0x1f, 0xc6, 0x4f, 0xbf, 0xac, 0xcd])

/** RFC 5869, A.1; the key is 22 times the same byte. */
const HKDF_SALT: usize = memory.data<u8>([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c])
const HKDF_INFO: usize = memory.data<u8>([0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9])
const HKDF_OUT: usize = memory.data<u8>([
  0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a,
  0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8,
  0x87, 0x18, 0x58, 0x65,
])

/** RFC 2144, B.1. */
const CAST_KEY: usize = memory.data<u8>([
  0x01, 0x23, 0x45, 0x67, 0x12, 0x34, 0x56, 0x78, 0x23, 0x45, 0x67, 0x89, 0x34, 0x56, 0x78, 0x9a,
])
const CAST_TEXT: usize = memory.data<u8>([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef])
const CAST_ANSWER: usize = memory.data<u8>([0x23, 0x8b, 0x4f, 0xe5, 0x84, 0x7e, 0x44, 0xb2])
/** RFC 2268, §5: the block is zeros. */
const RC2_KEY: usize = memory.data<u8>([
  0x88, 0xbc, 0xa9, 0x0e, 0x90, 0x87, 0x5a, 0x7f, 0x0f, 0x79, 0xc3, 0x84, 0x62, 0x7b, 0xaf, 0xb2,
])
const RC2_ANSWER: usize = memory.data<u8>([0x22, 0x69, 0x55, 0x2a, 0xb0, 0xf8, 0x5c, 0xa6])
/** RFC 4269, B.1: the key is zeros, the block counts from 0. */
const SEED_ANSWER: usize = memory.data<u8>([
  0x5e, 0xba, 0xc6, 0xe0, 0x05, 0x4e, 0x16, 0x68, 0x19, 0xaf, 0xf1, 0xcc, 0x6d, 0x34, 0x6c, 0xdb,
])
/** RFC 5794, A.1: the key counts from 0, the block by 0x11. */
const ARIA_ANSWER: usize = memory.data<u8>([
  0xd7, 0x18, 0xfb, 0xd6, 0xab, 0x64, 0x4c, 0x73, 0x9d, 0xa9, 0x5f, 0x3b, 0xe6, 0x45, 0x17, 0x78,
])
/** RFC 6229, §2: the key counts from 1. */
const RC4_ANSWER: usize = memory.data<u8>([
  0x9a, 0xc7, 0xcc, 0x9a, 0x60, 0x9d, 0x1e, 0xf7, 0xb2, 0x93, 0x28, 0x99, 0xcd, 0xe4, 0x1b, 0x97,
])
/** RFC 1321 and RFC 1319, A.5: "abc". */
const MD5_ANSWER: usize = memory.data<u8>([
  0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72,
])
const MD2_ANSWER: usize = memory.data<u8>([
  0xda, 0x85, 0x3b, 0x0d, 0x3f, 0x88, 0xd9, 0x9b, 0x30, 0x28, 0x3a, 0x69, 0xe6, 0xde, 0xd6, 0xbb,
])
const ABC: usize = memory.data<u8>([0x61, 0x62, 0x63])

const CTX: usize = memory.data(1024, 16)
const HASH: usize = memory.data(HASH_CTX, 16)
const KEY: usize = memory.data(32, 16)
const IN: usize = memory.data(16, 16)
const OUT: usize = memory.data(64, 16)
const TAG: usize = memory.data(16, 16)

/** n bytes: first, first + step, … modulo 256. */
function count(p: usize, n: i32, first: i32, step: i32): void {
  for (let i = 0; i < n; i++) store<u8>(p + i, first + i * step)
}

function clean(good: bool): bool {
  wipe(CTX, 1024)
  wipe(KEY, 32)
  wipe(IN, 16)
  wipe(OUT, 64)
  wipe(TAG, 16)
  return good
}

function ccm(): bool {
  ccmSeal(CCM_KEY, 16, CCM_NONCE, 8, CCM_AAD, 16, CCM_TEXT, 16, OUT, TAG, 6)
  if (!ctEqual(OUT, CCM_SEALED, 16) || !ctEqual(TAG, CCM_TAG, 6)) return false
  if (!ccmOpen(CCM_KEY, 16, CCM_NONCE, 8, CCM_AAD, 16, OUT, 16, IN, TAG, 6) || !ctEqual(IN, CCM_TEXT, 16)) return false
  store<u8>(TAG + 5, load<u8>(TAG + 5) ^ 1)
  return !ccmOpen(CCM_KEY, 16, CCM_NONCE, 8, CCM_AAD, 16, OUT, 16, IN, TAG, 6)
}

export function ccmTest(): bool {
  return clean(ccm())
}

export function hkdfTest(): bool {
  count(KEY, 22, 0x0b, 0)
  hkdf(HASH_SHA256, true, true, KEY, 22, HKDF_SALT, 13, HKDF_INFO, 10, OUT, 42)
  return clean(ctEqual(OUT, HKDF_OUT, 42))
}

/** One block there and back. */
function block(cipher: i32, key: usize, text: usize, answer: usize, n: i32): bool {
  blockKey(CTX, cipher, key, 16)
  blockEncrypt(CTX, cipher, text, OUT, n)
  blockDecrypt(CTX, cipher, OUT, OUT + 16, n)
  return ctEqual(OUT, answer, n) && ctEqual(OUT + 16, text, n)
}

function ciphers(): bool {
  if (!block(CIPHER_CAST, CAST_KEY, CAST_TEXT, CAST_ANSWER, 8)) return false
  if (!block(CIPHER_RC2, RC2_KEY, IN, RC2_ANSWER, 8)) return false
  count(IN, 16, 0, 1)
  if (!block(CIPHER_SEED, KEY, IN, SEED_ANSWER, 16)) return false
  count(KEY, 16, 0, 1)
  count(IN, 16, 0, 0x11)
  if (!block(CIPHER_ARIA, KEY, IN, ARIA_ANSWER, 16)) return false
  count(KEY, 16, 1, 1)
  wipe(OUT, 64)
  rc4Crypt(KEY, 16, OUT, OUT, 16)
  return ctEqual(OUT, RC4_ANSWER, 16)
}

export function oldCiphersTest(): bool {
  return clean(ciphers())
}

function hashed(alg: i32, answer: usize): bool {
  hashInit(HASH, alg)
  hashUpdate(HASH, ABC, 3)
  hashFinal(HASH, OUT)
  return ctEqual(OUT, answer, 16)
}

export function oldDigestsTest(): bool {
  return clean(hashed(HASH_MD5, MD5_ANSWER) && hashed(HASH_MD2, MD2_ANSWER))
}
