// RSA encodings (RFC 8017): EMSA-PKCS1-v1_5, EMSA-PSS, RSAES-OAEP. The raw operations are the accelerator's.

import { PKA_OUT } from '../arena'
import {
  HASH_SHA1,
  HASH_SHA3_224,
  HASH_SHA224,
  HASH_SHA256,
  HASH_SHA384,
  hashFinal,
  hashInit,
  hashLength,
  hashUpdate,
} from '../crypto/sha2'
import { ctEqual, store32be, wipe } from '../crypto/util'
import { fresh } from './random'

/** DigestInfo without the digest, RFC 8017 §9.2 note 1. SHA-1 is there for what was signed long ago. */
const INFO_1: usize = memory.data<u8>([
  0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
])
const INFO_224: usize = memory.data<u8>([
  0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04, 0x05, 0x00, 0x04, 0x1c,
])
const INFO_256: usize = memory.data<u8>([
  0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
])
const INFO_384: usize = memory.data<u8>([
  0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30,
])
const INFO_512: usize = memory.data<u8>([
  0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40,
])

/** The SHA-3 ones differ from each other in two bytes: the last of the identifier, 7 to 10, and the length. */
const INFO_3: usize = memory.data<u8>([
  0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x07, 0x05, 0x00, 0x04, 0x1c,
])

/** The encoded block, k bytes; 512 for RSA-4096. */
export const BLOCK: usize = memory.data(512, 16)
const DB: usize = memory.data(512, 16)
const CTX: usize = memory.data(512, 16)
const WORK: usize = memory.data(192, 16)

export function wipeRsa(): void {
  wipe(BLOCK, 512)
  wipe(DB, 512)
  wipe(WORK, 192)
}

/** Writes a DigestInfo up to the digest; its length. */
function putInfo(alg: i32, out: usize): i32 {
  if (alg === HASH_SHA1) {
    memory.copy(out, INFO_1, 15)
    return 15
  }
  if (alg >= HASH_SHA3_224) {
    const length = hashLength(alg)
    memory.copy(out, INFO_3, 19)
    store<u8>(out + 1, 17 + length)
    store<u8>(out + 14, 7 + alg - HASH_SHA3_224)
    store<u8>(out + 18, length)
    return 19
  }
  const info =
    alg === HASH_SHA224 ? INFO_224 : alg === HASH_SHA256 ? INFO_256 : alg === HASH_SHA384 ? INFO_384 : INFO_512
  memory.copy(out, info, 19)
  return 19
}

export function digest(alg: i32, p: usize, n: i32, out: usize): void {
  hashInit(CTX, alg)
  hashUpdate(CTX, p, n)
  hashFinal(CTX, out)
}

/** 00 01 FF… 00 ∥ data into BLOCK. False where the data is too long for the modulus. */
export function encodePkcs1(data: usize, n: i32, k: i32): bool {
  if (n > k - 11) return false
  store<u8>(BLOCK, 0)
  store<u8>(BLOCK + 1, 1)
  memory.fill(BLOCK + 2, 0xff, k - n - 3)
  store<u8>(BLOCK + <usize>(k - n - 1), 0)
  memory.copy(BLOCK + <usize>(k - n), data, n)
  return true
}

/** The same around DigestInfo and a digest that is hashed here. */
export function encodePkcs1Hash(alg: i32, p: usize, n: i32, k: i32): bool {
  const length = putInfo(alg, WORK)
  digest(alg, p, n, WORK + <usize>length)
  return encodePkcs1(WORK, length + hashLength(alg), k)
}

/** The same around a digest that there is already. */
export function encodePkcs1Digest(alg: i32, hashed: usize, k: i32): bool {
  const length = putInfo(alg, WORK)
  memory.copy(WORK + <usize>length, hashed, hashLength(alg))
  return encodePkcs1(WORK, length + hashLength(alg), k)
}

/** RSAES-PKCS1-v1_5: 00 02 ∥ at least eight random bytes that are not zero ∥ 00 ∥ message into BLOCK. False where the TRNG failed. */
export function encodePkcs1Random(message: usize, n: i32, k: i32): bool {
  const random = k - n - 3
  store<u8>(BLOCK, 0)
  store<u8>(BLOCK + 1, 2)
  const start = BLOCK + 2
  if (!fresh(start, random)) return false
  for (let i: usize = 0; i < <usize>random; i++) {
    for (let tries = 0; load<u8>(start + i) === 0; tries++) {
      // What comes next is a coin that falls on zero once in 256 times.
      if (tries === 64 || !fresh(start + i, 1)) return false
    }
  }
  store<u8>(start + <usize>random, 0)
  memory.copy(start + <usize>(random + 1), message, n)
  return true
}

/**
 * Decodes the RSAES-PKCS1-v1_5 block in PKA_OUT; the message's length, or -1 whatever the fault (RFC 8017 §7.2.2 note). The
 * message is at `rsaMessage`.
 */
export function decodePkcs1(k: i32): i32 {
  memory.copy(BLOCK, PKA_OUT, k)
  let wrong: u32 = <u32>load<u8>(BLOCK) | (<u32>load<u8>(BLOCK + 1) ^ 2)
  let looking: u32 = 1
  let at: u32 = 0
  for (let i = 2; i < k; i++) {
    const isZero: u32 = (<u32>load<u8>(BLOCK + <usize>i) - 1) >>> 31
    at |= (0 - (looking & isZero)) & <u32>i
    looking &= isZero ^ 1
  }
  // Eight bytes of padding at least.
  wrong |= looking | ((at - 10) >>> 31)
  if (wrong !== 0) return -1
  messageStart = BLOCK + <usize>(at + 1)
  return k - <i32>at - 1
}

/** XORs MGF1(seed) over `n` bytes at `target`. */
function mgf1(alg: i32, seed: usize, seedLength: i32, target: usize, n: i32): void {
  const h = hashLength(alg)
  const counter = WORK + 128
  const mask = WORK + 64
  for (let done = 0, i: u32 = 0; done < n; done += h, i++) {
    store32be(counter, i)
    hashInit(CTX, alg)
    hashUpdate(CTX, seed, seedLength)
    hashUpdate(CTX, counter, 4)
    hashFinal(CTX, mask)
    const take = min(n - done, h)
    for (let j = 0; j < take; j++) {
      const at = target + <usize>(done + j)
      store<u8>(at, load<u8>(at) ^ load<u8>(mask + <usize>j))
    }
  }
}

/** H(00 × 8 ∥ digest ∥ salt) into `out`. */
function pssHash(alg: i32, mHash: usize, salt: usize, saltLength: i32, out: usize): void {
  hashInit(CTX, alg)
  store<u64>(WORK + 136, 0)
  hashUpdate(CTX, WORK + 136, 8)
  hashUpdate(CTX, mHash, hashLength(alg))
  hashUpdate(CTX, salt, saltLength)
  hashFinal(CTX, out)
}

/** Is there room in a modulus of `bits` bits for a digest and a salt of so many bytes? */
export function pssFits(alg: i32, saltLength: i32, bits: i32): bool {
  return (bits + 6) >> 3 >= hashLength(alg) + saltLength + 2
}

/** EMSA-PSS of a digest into BLOCK, with MGF1 of the same hash; the modulus has `bits` bits in k bytes. False where it does not
 * fit, or the TRNG failed. */
export function encodePss(alg: i32, mHash: usize, saltLength: i32, k: i32, bits: i32): bool {
  return encodePssOf(alg, alg, mHash, saltLength, k, bits)
}

/** The same with MGF1 of the hash `mgf`. */
export function encodePssOf(alg: i32, mgf: i32, mHash: usize, saltLength: i32, k: i32, bits: i32): bool {
  const h = hashLength(alg)
  const emBits = bits - 1
  const em = (emBits + 7) >> 3
  if (!pssFits(alg, saltLength, bits)) return false
  const block = BLOCK + <usize>(k - em)
  memory.fill(BLOCK, 0, k)
  const dbLength = em - h - 1
  const salt = block + <usize>(dbLength - saltLength)
  if (saltLength > 0 && !fresh(salt, saltLength)) return false
  pssHash(alg, mHash, salt, saltLength, block + <usize>dbLength)
  store<u8>(block + <usize>(dbLength - saltLength - 1), 1)
  mgf1(mgf, block + <usize>dbLength, h, block, dbLength)
  const top: i32 = 0xff >> (8 * em - emBits)
  store<u8>(block, load<u8>(block) & <u8>top)
  store<u8>(block + <usize>(em - 1), 0xbc)
  return true
}

/** Does the recovered block in PKA_OUT (k bytes) hold an EMSA-PSS of the digest, with MGF1 of the same hash? */
export function checkPss(alg: i32, mHash: usize, saltLength: i32, k: i32, bits: i32): bool {
  return checkPssOf(alg, alg, mHash, saltLength, k, bits)
}

/** The same with MGF1 of the hash `mgf`. */
export function checkPssOf(alg: i32, mgf: i32, mHash: usize, saltLength: i32, k: i32, bits: i32): bool {
  const h = hashLength(alg)
  const emBits = bits - 1
  const em = (emBits + 7) >> 3
  if (!pssFits(alg, saltLength, bits)) return false
  for (let i = 0; i < k - em; i++) if (load<u8>(PKA_OUT + <usize>i) !== 0) return false
  const block = PKA_OUT + <usize>(k - em)
  if (load<u8>(block + <usize>(em - 1)) !== 0xbc) return false
  const dbLength = em - h - 1
  const mask: i32 = 0xff >> (8 * em - emBits)
  const top = <u8>mask
  if ((load<u8>(block) & ~top) !== 0) return false
  memory.copy(DB, block, dbLength)
  mgf1(mgf, block + <usize>dbLength, h, DB, dbLength)
  store<u8>(DB, load<u8>(DB) & top)
  const zeros = dbLength - saltLength - 1
  for (let i = 0; i < zeros; i++) if (load<u8>(DB + <usize>i) !== 0) return false
  if (load<u8>(DB + <usize>zeros) !== 1) return false
  pssHash(alg, mHash, DB + <usize>(zeros + 1), saltLength, WORK)
  return ctEqual(WORK, block + <usize>dbLength, h)
}

/** Is there room in k bytes for a message of `n` bytes? */
export function oaepFits(alg: i32, n: i32, k: i32): bool {
  return n <= k - 2 * hashLength(alg) - 2
}

/** RSAES-OAEP with an empty label and MGF1 of the same hash into BLOCK. */
export function encodeOaep(alg: i32, message: usize, n: i32, k: i32): bool {
  return encodeOaepOf(alg, alg, message, 0, message, n, k)
}

/** The same with MGF1 of the hash `mgf` and a label. */
export function encodeOaepOf(alg: i32, mgf: i32, label: usize, labelLength: i32, message: usize, n: i32, k: i32): bool {
  const h = hashLength(alg)
  if (!oaepFits(alg, n, k)) return false
  memory.fill(BLOCK, 0, k)
  const seed = BLOCK + 1
  const db = seed + <usize>h
  const dbLength = k - h - 1
  digest(alg, label, labelLength, db)
  store<u8>(db + <usize>(dbLength - n - 1), 1)
  memory.copy(db + <usize>(dbLength - n), message, n)
  if (!fresh(seed, h)) return false
  mgf1(mgf, seed, h, db, dbLength)
  mgf1(mgf, db, dbLength, seed, h)
  return true
}

let messageStart: usize = 0

/** Where decoding found the message. */
export function rsaMessage(): usize {
  return messageStart
}

/**
 * Decodes the block in PKA_OUT; the message's length, or -1. One answer for every fault and no early exit, so that the caller learns
 * nothing about which (RFC 8017 §7.1.2 note).
 */
export function decodeOaep(alg: i32, k: i32): i32 {
  return decodeOaepOf(alg, alg, BLOCK, 0, k)
}

/** The same with MGF1 of the hash `mgf` and a label. */
export function decodeOaepOf(alg: i32, mgf: i32, label: usize, labelLength: i32, k: i32): i32 {
  const h = hashLength(alg)
  if (k < 2 * h + 2) return -1
  memory.copy(BLOCK, PKA_OUT, k)
  const seed = BLOCK + 1
  const db = seed + <usize>h
  const dbLength = k - h - 1
  mgf1(mgf, db, dbLength, seed, h)
  mgf1(mgf, seed, h, db, dbLength)
  digest(alg, label, labelLength, WORK)
  let wrong: u32 = <u32>load<u8>(BLOCK)
  for (let i: usize = 0; i < <usize>h; i++) wrong |= <u32>(load<u8>(WORK + i) ^ load<u8>(db + i))
  let looking: u32 = 1
  let at: u32 = 0
  for (let i = h; i < dbLength; i++) {
    const b = <u32>load<u8>(db + <usize>i)
    const isOne: u32 = ((b ^ 1) - 1) >>> 31
    const isZero: u32 = (b - 1) >>> 31
    at |= (0 - (looking & isOne)) & <u32>i
    wrong |= looking & (isOne ^ 1) & (isZero ^ 1)
    looking &= isOne ^ 1
  }
  wrong |= looking
  if (wrong !== 0) return -1
  messageStart = db + <usize>(at + 1)
  return dbLength - <i32>at - 1
}
