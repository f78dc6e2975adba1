// Known-answer tests of every algorithm, run at power-up and on request. Nothing they leave behind is secret, and the
// random generator goes on afterwards where it was.
import {
  RC_OK,
  RC_SELF_TEST_AES,
  RC_SELF_TEST_DRBG,
  RC_SELF_TEST_GCM,
  RC_SELF_TEST_HMAC,
  RC_SELF_TEST_KDF,
  RC_SELF_TEST_KEY_WRAP,
  RC_SELF_TEST_PBKDF2,
  RC_SELF_TEST_SHA,
} from '../protocol'
import { AES_CTX, aesDecrypt, aesEncrypt, aesKey } from './aes'
import { cmac } from './cmac'
import { desDecrypt, desEncrypt, desKey } from './des'
import {
  DRBG_ENTROPY,
  DRBG_MAX_REQUEST,
  DRBG_RESEED_INTERVAL,
  DRBG_STATE,
  DRBG_STATE_LENGTH,
  drbgGenerate,
  drbgGenerateResistant,
  drbgInstantiate,
  drbgReseed,
  drbgUninstantiate,
} from './drbg'
import { gcmOpen, gcmSeal } from './gcm'
import { hmac } from './hmac'
import { kdf, pbkdf2 } from './kdf'
import { kwpUnwrap, kwpWrap, kwUnwrap, kwWrap } from './key-wrap'
import * as known from './self-test-data'
import { ccmTest, hkdfTest, oldCiphersTest, oldDigestsTest } from './self-test-more'
import {
  HASH_CTX,
  HASH_SHA1,
  HASH_SHA3_256,
  HASH_SHA224,
  HASH_SHA256,
  HASH_SHA384,
  HASH_SHA512,
  hashFinal,
  hashInit,
  hashUpdate,
} from './sha2'
import { ctEqual, wipe } from './util'

const BUFFER = 128
const KEY: usize = memory.data(AES_CTX, 16)
const CONTEXT: usize = memory.data(HASH_CTX, 16)
const IN: usize = memory.data(BUFFER, 16)
const MORE: usize = memory.data(BUFFER, 16)
const OUT: usize = memory.data(BUFFER, 16)
const BACK: usize = memory.data(BUFFER, 16)
const SAVED: usize = memory.data(DRBG_STATE_LENGTH, 16)
/** The return code of the test whose known answer is to be taken as wrong; 0 = none. */
const CORRUPT: usize = memory.data(16, 16)

/**
 * Makes the known answer of one test wrong, so that the behaviour after a failed self-test can be seen: `which` is the
 * RC_SELF_TEST_… code that is wanted, 0 undoes it. It stays until the next power-up.
 */
export function selfTestCorrupt(which: i32): void {
  store<i32>(CORRUPT, which)
}

/** True where the known answer of this test is to be taken as wrong. */
export function selfTestIsCorrupt(code: i32): bool {
  return load<i32>(CORRUPT) === code
}

/** Runs all tests in the order of OBC-1 §7: RC_OK, or the code of the first one that failed. */
export function cryptoSelfTest(): u32 {
  const code = firstFailure()
  wipe(KEY, AES_CTX)
  wipe(IN, BUFFER)
  wipe(MORE, BUFFER)
  wipe(OUT, BUFFER)
  wipe(BACK, BUFFER)
  return code
}

function firstFailure(): u32 {
  if (!testSha() || !oldDigestsTest()) return RC_SELF_TEST_SHA
  if (!testHmac()) return RC_SELF_TEST_HMAC
  if (!testAes() || !oldCiphersTest()) return RC_SELF_TEST_AES
  if (!testKeyWrap()) return RC_SELF_TEST_KEY_WRAP
  if (!testGcm() || !ccmTest()) return RC_SELF_TEST_GCM
  if (!testKdf() || !hkdfTest()) return RC_SELF_TEST_KDF
  if (!testPbkdf2()) return RC_SELF_TEST_PBKDF2
  if (!testDrbg()) return RC_SELF_TEST_DRBG
  return RC_OK
}

/** Whether a result is the known answer of the test with this code. */
function matches(result: usize, answer: usize, n: i32, code: i32): bool {
  return ctEqual(result, answer, n) && !selfTestIsCorrupt(code)
}

/** n bytes: first, first + step, … modulo 256. */
function count(p: usize, n: i32, first: i32, step: i32): void {
  for (let i = 0; i < n; i++) store<u8>(p + i, first + i * step)
}

function hashed(alg: i32, answer: usize, n: i32): bool {
  hashInit(CONTEXT, alg)
  hashUpdate(CONTEXT, known.TEXT, 3)
  hashFinal(CONTEXT, OUT)
  return matches(OUT, answer, n, RC_SELF_TEST_SHA)
}

function testSha(): bool {
  return (
    hashed(HASH_SHA1, known.TEXT_SHA1, 20) &&
    hashed(HASH_SHA224, known.TEXT_SHA224, 28) &&
    hashed(HASH_SHA3_256, known.TEXT_SHA3_256, 32) &&
    hashed(HASH_SHA256, known.TEXT_SHA256, 32) &&
    hashed(HASH_SHA384, known.TEXT_SHA384, 48) &&
    hashed(HASH_SHA512, known.TEXT_SHA512, 64)
  )
}

function authenticated(alg: i32, answer: usize, n: i32): bool {
  hmac(alg, known.HMAC_KEY, 4, known.HMAC_TEXT, 28, OUT)
  return matches(OUT, answer, n, RC_SELF_TEST_HMAC)
}

function testHmac(): bool {
  return (
    authenticated(HASH_SHA256, known.HMAC_SHA256, 32) &&
    authenticated(HASH_SHA384, known.HMAC_SHA384, 48) &&
    authenticated(HASH_SHA512, known.HMAC_SHA512, 64)
  )
}

function enciphered(keyLen: i32, answer: usize): bool {
  count(IN, keyLen, 0, 1)
  aesKey(KEY, IN, keyLen)
  count(IN, 16, 0, 0x11)
  aesEncrypt(KEY, IN, OUT, 1)
  aesDecrypt(KEY, OUT, BACK, 1)
  return matches(OUT, answer, 16, RC_SELF_TEST_AES) && matches(BACK, IN, 16, RC_SELF_TEST_AES)
}

/** CMAC, and the cipher that is left for what is old. */
function testBlocks(): bool {
  aesKey(KEY, known.CMAC_KEY, 16)
  cmac(KEY, known.CMAC_TEXT, 16, OUT)
  if (!matches(OUT, known.CMAC_MAC, 16, RC_SELF_TEST_AES)) return false
  desKey(KEY, known.DES_KEY, 24)
  desEncrypt(KEY, known.DES_TEXT, OUT, 1)
  desDecrypt(KEY, OUT, BACK, 1)
  return matches(OUT, known.DES_CIPHERTEXT, 8, RC_SELF_TEST_AES) && matches(BACK, known.DES_TEXT, 8, RC_SELF_TEST_AES)
}

function testAes(): bool {
  if (!testBlocks()) return false
  return enciphered(16, known.AES128_BLOCK) && enciphered(24, known.AES192_BLOCK) && enciphered(32, known.AES256_BLOCK)
}

function testKeyWrap(): bool {
  const code = RC_SELF_TEST_KEY_WRAP
  count(MORE, 32, 0, 1)
  count(IN, 16, 0, 0x11)
  count(IN + 16, 16, 0, 1)
  kwWrap(MORE, 32, IN, 32, OUT)
  if (!matches(OUT, known.KW_WRAPPED, 40, code)) return false
  if (!kwUnwrap(MORE, 32, OUT, 40, BACK) || !matches(BACK, IN, 32, code)) return false
  store<u8>(OUT, load<u8>(OUT) ^ 1)
  if (kwUnwrap(MORE, 32, OUT, 40, BACK)) return false
  return (
    padded(known.KWP_LONG, 20, known.KWP_LONG_WRAPPED, 32) && padded(known.KWP_SHORT, 7, known.KWP_SHORT_WRAPPED, 16)
  )
}

function padded(text: usize, n: i32, answer: usize, wrapped: i32): bool {
  const code = RC_SELF_TEST_KEY_WRAP
  if (kwpWrap(known.KWP_KEK, 24, text, n, OUT) !== wrapped || !matches(OUT, answer, wrapped, code)) return false
  if (kwpUnwrap(known.KWP_KEK, 24, OUT, wrapped, BACK) !== n || !matches(BACK, text, n, code)) return false
  store<u8>(OUT, load<u8>(OUT) ^ 1)
  return kwpUnwrap(known.KWP_KEK, 24, OUT, wrapped, BACK) < 0
}

function testGcm(): bool {
  const code = RC_SELF_TEST_GCM
  gcmSeal(known.GCM_KEY, 32, known.GCM_IV, 12, known.GCM_AAD, 20, known.GCM_TEXT, 60, OUT, MORE, 16)
  if (!matches(OUT, known.GCM_SEALED, 60, code) || !matches(MORE, known.GCM_TAG, 16, code)) return false
  if (!gcmOpen(known.GCM_KEY, 32, known.GCM_IV, 12, known.GCM_AAD, 20, OUT, 60, BACK, MORE, 16)) return false
  if (!matches(BACK, known.GCM_TEXT, 60, code)) return false
  store<u8>(MORE, load<u8>(MORE) ^ 1)
  return !gcmOpen(known.GCM_KEY, 32, known.GCM_IV, 12, known.GCM_AAD, 20, OUT, 60, BACK, MORE, 16)
}

function testKdf(): bool {
  kdf(known.KDF_KEY, 48, known.KDF_LABEL, 11, known.KDF_CONTEXT, 1, OUT, 48)
  return matches(OUT, known.KDF_OUT, 48, RC_SELF_TEST_KDF)
}

function testPbkdf2(): bool {
  pbkdf2(HASH_SHA512, known.PBKDF2_PASSWORD, 8, known.PBKDF2_SALT, 4, 2, OUT, 64)
  return matches(OUT, known.PBKDF2_OUT, 64, RC_SELF_TEST_PBKDF2)
}

/** SP 800-90A r1 §11.3: instantiate, generate without and with prediction resistance, reseed, refusals, uninstantiate. */
function testDrbg(): bool {
  memory.copy(SAVED, DRBG_STATE, DRBG_STATE_LENGTH)
  const valid = generated() && resisted() && refused()
  memory.copy(DRBG_STATE, SAVED, DRBG_STATE_LENGTH)
  wipe(SAVED, DRBG_STATE_LENGTH)
  return valid
}

function instantiated(predictionResistance: bool): bool {
  count(IN, 111, 0, 1)
  count(MORE, 16, 0x20, 1)
  count(BACK, 111, 0x40, 1)
  return drbgInstantiate(predictionResistance, IN, 111, MORE, 16, BACK, 111)
}

function generated(): bool {
  if (!instantiated(false)) return false
  count(MORE, 111, 0x60, 1)
  if (!drbgGenerate(OUT, 128, MORE, 111) || !isOutput(known.DRBG_PLAIN_FIRST)) return false
  count(MORE, 111, 0xa0, 1)
  return drbgGenerate(OUT, 128, MORE, 111) && isOutput(known.DRBG_PLAIN_SECOND)
}

/** The second request does by hand what prediction resistance does. */
function resisted(): bool {
  if (!instantiated(true)) return false
  count(IN, 111, 0x80, 1)
  count(MORE, 111, 0x60, 1)
  if (!drbgGenerateResistant(OUT, 128, IN, 111, MORE, 111) || !isOutput(known.DRBG_FIRST)) return false
  count(IN, 111, 0xc0, 1)
  count(MORE, 111, 0xa0, 1)
  if (!drbgReseed(IN, 111, MORE, 111) || !drbgGenerate(OUT, 128, MORE, 0)) return false
  return isOutput(known.DRBG_SECOND)
}

function isOutput(answer: usize): bool {
  return matches(OUT, answer, 128, RC_SELF_TEST_DRBG)
}

/** What must not be answered: a request too long or when a reseed is due, prediction resistance where there is none, too little entropy, no instance. */
function refused(): bool {
  if (drbgGenerate(OUT, DRBG_MAX_REQUEST + 1, MORE, 0)) return false
  if (!instantiated(false) || drbgGenerateResistant(OUT, 128, IN, 111, MORE, 0)) return false
  if (drbgReseed(IN, DRBG_ENTROPY - 1, MORE, 0)) return false
  store<u64>(DRBG_STATE, DRBG_RESEED_INTERVAL + 1)
  if (drbgGenerate(OUT, 128, MORE, 0)) return false
  drbgUninstantiate()
  wipe(BACK, BUFFER)
  if (!ctEqual(DRBG_STATE, BACK, BUFFER) || !ctEqual(DRBG_STATE + BUFFER, BACK, DRBG_STATE_LENGTH - BUFFER))
    return false
  if (drbgInstantiate(true, IN, DRBG_ENTROPY - 1, MORE, 16, BACK, 0)) return false
  return !drbgReseed(IN, 111, MORE, 0) && !drbgGenerate(OUT, 128, MORE, 0)
}
