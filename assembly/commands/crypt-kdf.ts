// Crypt commands: key derivation functions with a pseudorandom function, from the base key to PLAIN2: SP 800-108 r1,
// PBKDF2 (RFC 8018), and the vendor's form of SP 800-108.

import { PLAIN2 } from '../arena'
import { blockKey, CIPHER_AES, CIPHER_DES, cipherBlock } from '../crypto/block-cipher'
import { CMAC_CTX, cmacFinal, cmacInitWith, cmacUpdate } from '../crypto/cmac'
import { HMAC_CTX, hmacDigest, hmacInit, hmacRestart, hmacUpdate } from '../crypto/hmac'
import { pbkdf2 } from '../crypto/kdf'
import { hashLength } from '../crypto/sha2'
import { store32be, wipe } from '../crypto/util'
import {
  CKK_AES,
  CKK_DES2,
  CKK_DES3,
  CKM_AES_CMAC,
  CKM_DES3_CMAC,
  CKM_SHA_1_HMAC,
  CKM_SHA224_HMAC,
  CKM_SHA256_HMAC,
  CKM_SHA384_HMAC,
  CKM_SHA512_HMAC,
} from '../protocol'
import { FAMILY_COUNTER_KDF } from '../token/mechanism-families'
import { hmacHashOf, mechFamily } from '../token/mechanisms'
import { objectKeyType } from '../token/objects'
import { CTX } from './crypt-operation'
import { field8, field32, fieldBytes, fieldLength, fieldsBegin, fieldsDone, fieldsOk } from './crypt-parameter'

const HMAC: usize = memory.data(HMAC_CTX, 16)
const CMAC: usize = memory.data(CMAC_CTX, 16)
const WORD: usize = memory.data(8, 8)
/** K(i - 1) of feedback mode, or the last block made. */
const LAST: usize = memory.data(64, 16)

export function wipeKdf(): void {
  wipe(HMAC, HMAC_CTX)
  wipe(CMAC, CMAC_CTX)
  wipe(WORD, 8)
  wipe(LAST, 64)
}

// ---- the pseudorandom function ----------------------------------------------------------------------------------------

/** HASH_… of HMAC, or 0 = CMAC with the base key's cipher. */
let prfHash: i32 = 0
/** CIPHER_… of CMAC. */
let prfCipher: i32 = 0

/** Takes CKM_… of a MAC; false where it is none that there is, or the base key in hand is not of its cipher. */
function prfTake(number: u32): bool {
  prfHash = hmacHashOf(number)
  if (prfHash !== 0) return true
  prfCipher = number === CKM_AES_CMAC ? CIPHER_AES : CIPHER_DES
  if (number === CKM_DES3_CMAC) return objectKeyType === CKK_DES3 || objectKeyType === CKK_DES2
  return number === CKM_AES_CMAC && objectKeyType === CKK_AES
}

function prfLength(): i32 {
  return prfHash !== 0 ? hashLength(prfHash) : cipherBlock(prfCipher)
}

function prfKey(key: usize, n: i32): void {
  if (prfHash !== 0) hmacInit(HMAC, prfHash, key, n)
  else blockKey(CTX, prfCipher, key, n)
}

function prfBegin(): void {
  if (prfHash !== 0) hmacRestart(HMAC)
  else cmacInitWith(CMAC, CTX, prfCipher, false)
}

function prfUpdate(p: usize, n: i32): void {
  if (prfHash !== 0) hmacUpdate(HMAC, p, n)
  else cmacUpdate(CMAC, p, n)
}

function prfEnd(out: usize): void {
  if (prfHash !== 0) hmacDigest(HMAC, out)
  else cmacFinal(CMAC, out)
}

/** Adds a number of `bits` bits, a multiple of 8 up to 32. */
function putNumber(value: u32, bits: u32, littleEndian: bool): void {
  const n = <usize>(bits >>> 3)
  if (littleEndian) {
    store<u32>(WORD, value)
    prfUpdate(WORD, <i32>n)
  } else {
    store32be(WORD, value)
    prfUpdate(WORD + 4 - n, <i32>n)
  }
}

// ---- SP 800-108 -------------------------------------------------------------------------------------------------------

const ITERATION: u32 = 1
const COUNTER: u32 = 2
const KEY_LENGTH: u32 = 3
const BYTES: u32 = 4
const SUM_OF_KEYS: u32 = 1
const SUM_OF_SEGMENTS: u32 = 2

let ivAt: usize = 0
let ivLength: i32 = 0

function widthFits(bits: u32): bool {
  return bits >= 8 && bits <= 32 && (bits & 7) === 0
}

/** Reads the parameter, and where `i` is not 0 feeds its segments to the function on the way. */
function segments(i: u32, n: i32, lastLength: i32): bool {
  const counts = mechFamily === FAMILY_COUNTER_KDF
  fieldsBegin()
  field32()
  if (!counts) {
    ivAt = fieldBytes()
    ivLength = fieldLength()
  }
  const rows = field8()
  let iterations = 0
  let counters = 0
  for (let row: u32 = 0; row < rows && fieldsOk(); row++) {
    const kind = field8()
    if (kind === BYTES) {
      const p = fieldBytes()
      if (i !== 0) prfUpdate(p, fieldLength())
    } else if (kind === ITERATION && !counts) {
      iterations++
      if (i !== 0) prfUpdate(i === 1 ? ivAt : LAST, i === 1 ? ivLength : lastLength)
    } else if (kind === ITERATION || kind === COUNTER) {
      const little = field8()
      const bits = field32()
      if (kind === ITERATION) iterations++
      else counters++
      if (little > 1 || !widthFits(bits)) return false
      const blocks = (<u64>n + <u64>lastLength - 1) / <u64>lastLength
      if (blocks >> <u64>bits !== 0) return false
      if (i !== 0) putNumber(i, bits, little !== 0)
    } else if (kind === KEY_LENGTH) {
      const method = field8()
      const little = field8()
      const bits = field32()
      if ((method !== SUM_OF_KEYS && method !== SUM_OF_SEGMENTS) || little > 1 || !widthFits(bits)) return false
      const bytes = method === SUM_OF_KEYS ? n : ((n + lastLength - 1) / lastLength) * lastLength
      if (i !== 0) putNumber((<u32>bytes) << 3, bits, little !== 0)
    } else return false
  }
  return fieldsDone() && iterations === 1 && counters <= (counts ? 0 : 1)
}

/** Counter and feedback mode: `n` bytes to PLAIN2. False where the parameter is none. */
export function kdf108(key: usize, keyLength: i32, n: i32): bool {
  fieldsBegin()
  if (!prfTake(field32()) || !fieldsOk()) return false
  const length = prfLength()
  if (!segments(0, n, length)) return false
  prfKey(key, keyLength)
  for (let i: u32 = 1, done = 0; done < n; i++) {
    prfBegin()
    segments(i, n, length)
    prfEnd(LAST)
    const part = min(length, n - done)
    memory.copy(PLAIN2 + <usize>done, LAST, part)
    done += part
  }
  return true
}

// ---- the vendor's form ------------------------------------------------------------------------------------------------

const SCHEME_SCP03: u32 = 4
const SCHEME_HID: u32 = 5

/** CKM_… of the vendor's numbers for pseudorandom functions. */
function lunaPrf(type: u32): u32 {
  if (type === 1) return CKM_DES3_CMAC
  if (type === 2) return CKM_AES_CMAC
  if (type === 5) return CKM_SHA_1_HMAC
  if (type === 6) return CKM_SHA224_HMAC
  if (type === 7) return CKM_SHA256_HMAC
  if (type === 8) return CKM_SHA384_HMAC
  return type === 9 ? CKM_SHA512_HMAC : 0
}

/** CKM_NIST_PRF_KDF: counter mode that begins with a counter given. False where the parameter is none. */
export function kdfLuna(key: usize, keyLength: i32, n: i32): bool {
  fieldsBegin()
  const known = prfTake(lunaPrf(field32()))
  const label = fieldBytes()
  const labelLength = fieldLength()
  const context = fieldBytes()
  const contextLength = fieldLength()
  const start = field32()
  const scheme = field32()
  if (!fieldsDone() || !known || scheme > SCHEME_HID) return false
  const short = scheme >= SCHEME_SCP03
  const length = prfLength()
  const blocks = <u32>((n + length - 1) / length)
  if (short ? start > 255 || start + blocks > 256 : start > 0xffff0000) return false
  const contextFirst = scheme <= 1
  // The length of the key, and the byte before what comes second, are there in the schemes of even number, and in the last.
  const whole = scheme === 0 || scheme === 2 || scheme === SCHEME_HID
  prfKey(key, keyLength)
  for (let i: u32 = 0, done = 0; done < n; i++) {
    prfBegin()
    if (scheme === SCHEME_SCP03) {
      prfUpdate(label, labelLength)
      putNumber(0, 8, false)
      putNumber((<u32>n) << 3, 16, false)
      putNumber(start + i, 8, false)
      prfUpdate(context, contextLength)
    } else {
      putNumber(start + i, short ? 8 : 32, false)
      prfUpdate(contextFirst ? context : label, contextFirst ? contextLength : labelLength)
      if (whole) putNumber(0, 8, false)
      prfUpdate(contextFirst ? label : context, contextFirst ? labelLength : contextLength)
      if (whole) putNumber((<u32>n) << 3, short ? 16 : 32, false)
    }
    prfEnd(LAST)
    const part = min(length, n - done)
    memory.copy(PLAIN2 + <usize>done, LAST, part)
    done += part
  }
  return true
}

// ---- PBKDF2 -----------------------------------------------------------------------------------------------------------

const ITERATIONS_MOST: u32 = 1_000_000

/** CKM_… of a pseudorandom function's CKP_… number. */
function passwordPrf(number: u32): u32 {
  if (number === 1) return CKM_SHA_1_HMAC
  if (number === 3) return CKM_SHA224_HMAC
  if (number === 4) return CKM_SHA256_HMAC
  if (number === 5) return CKM_SHA384_HMAC
  return number === 6 ? CKM_SHA512_HMAC : 0
}

/** salt bytes, iterations u32, PRF u32, password bytes: `n` bytes to PLAIN2. False where the parameter is none. */
export function kdfPassword(n: i32): bool {
  fieldsBegin()
  const salt = fieldBytes()
  const saltLength = fieldLength()
  const iterations = field32()
  const alg = hmacHashOf(passwordPrf(field32()))
  const password = fieldBytes()
  const passwordLength = fieldLength()
  if (!fieldsDone() || alg === 0 || iterations < 1 || iterations > ITERATIONS_MOST) return false
  pbkdf2(alg, password, passwordLength, salt, saltLength, <i32>iterations, PLAIN2, n)
  return true
}
