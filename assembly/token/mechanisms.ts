// The mechanism table: what MECHANISM_LIST shows and what the crypt commands look up (PKCS#11 2.40 §2; flags CKF_…).

import { HASH_SHA256, HASH_SHA384, HASH_SHA512 } from '../crypto/sha2'
import {
  CKM_AES_CBC,
  CKM_AES_CBC_PAD,
  CKM_AES_CTR,
  CKM_AES_ECB,
  CKM_AES_GCM,
  CKM_AES_KEY_GEN,
  CKM_AES_KEY_WRAP,
  CKM_AES_KEY_WRAP_KWP,
  CKM_EC_KEY_PAIR_GEN,
  CKM_ECDSA,
  CKM_ECDSA_SHA256,
  CKM_ECDSA_SHA384,
  CKM_ECDSA_SHA512,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_LUNA_AES_KW,
  CKM_LUNA_AES_KWP,
  CKM_RSA_PKCS,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_OAEP,
  CKM_RSA_PKCS_PSS,
  CKM_SHA256,
  CKM_SHA256_HMAC,
  CKM_SHA256_RSA_PKCS,
  CKM_SHA256_RSA_PKCS_PSS,
  CKM_SHA384,
  CKM_SHA384_HMAC,
  CKM_SHA384_RSA_PKCS,
  CKM_SHA384_RSA_PKCS_PSS,
  CKM_SHA512,
  CKM_SHA512_HMAC,
  CKM_SHA512_RSA_PKCS,
  CKM_SHA512_RSA_PKCS_PSS,
} from '../protocol'

const ENCRYPT: u32 = 0x100
const DECRYPT: u32 = 0x200
const SIGN: u32 = 0x800
const VERIFY: u32 = 0x2000
const GENERATE: u32 = 0x8000
const GENERATE_PAIR: u32 = 0x10000
const WRAP: u32 = 0x20000
const UNWRAP: u32 = 0x40000

const CRYPT: u32 = 0x300
const SIGNING: u32 = 0x2800
const WRAPPING: u32 = 0x60000

const TABLE: usize = memory.data(1024, 16)
let count: i32 = 0

export function mechanismCount(): i32 {
  return count
}

/** Row i, four native numbers: mechanism, least and greatest key size (bits for RSA and EC, bytes else), flags. */
export function mechanismRow(i: i32): usize {
  return TABLE + <usize>i * 16
}

function row(mechanism: u32, least: u32, greatest: u32, flags: u32): void {
  const r = mechanismRow(count)
  store<u32>(r, mechanism)
  store<u32>(r, least, 4)
  store<u32>(r, greatest, 8)
  store<u32>(r, flags, 12)
  count++
}

/** Power-up: writes the table. */
export function mechanismTableBegin(): void {
  count = 0
  row(CKM_RSA_PKCS_KEY_PAIR_GEN, 2048, 4096, GENERATE_PAIR)
  row(CKM_RSA_PKCS, 1024, 4096, SIGNING)
  row(CKM_RSA_PKCS_OAEP, 1024, 4096, CRYPT | WRAPPING)
  row(CKM_RSA_PKCS_PSS, 1024, 4096, SIGNING)
  row(CKM_SHA256_RSA_PKCS, 1024, 4096, SIGNING)
  row(CKM_SHA384_RSA_PKCS, 1024, 4096, SIGNING)
  row(CKM_SHA512_RSA_PKCS, 1024, 4096, SIGNING)
  row(CKM_SHA256_RSA_PKCS_PSS, 1024, 4096, SIGNING)
  row(CKM_SHA384_RSA_PKCS_PSS, 1024, 4096, SIGNING)
  row(CKM_SHA512_RSA_PKCS_PSS, 1024, 4096, SIGNING)
  row(CKM_SHA256_HMAC, 1, 512, SIGNING)
  row(CKM_SHA384_HMAC, 1, 512, SIGNING)
  row(CKM_SHA512_HMAC, 1, 512, SIGNING)
  row(CKM_GENERIC_SECRET_KEY_GEN, 1, 512, GENERATE)
  row(CKM_EC_KEY_PAIR_GEN, 256, 521, GENERATE_PAIR)
  row(CKM_ECDSA, 256, 521, SIGNING)
  row(CKM_ECDSA_SHA256, 256, 521, SIGNING)
  row(CKM_ECDSA_SHA384, 256, 521, SIGNING)
  row(CKM_ECDSA_SHA512, 256, 521, SIGNING)
  row(CKM_AES_KEY_GEN, 16, 32, GENERATE)
  row(CKM_AES_ECB, 16, 32, CRYPT)
  row(CKM_AES_CBC, 16, 32, CRYPT)
  row(CKM_AES_CBC_PAD, 16, 32, CRYPT | WRAPPING)
  row(CKM_AES_CTR, 16, 32, CRYPT)
  row(CKM_AES_GCM, 16, 32, CRYPT)
  row(CKM_AES_KEY_WRAP, 16, 32, WRAPPING)
  row(CKM_AES_KEY_WRAP_KWP, 16, 32, WRAPPING)
  row(CKM_LUNA_AES_KW, 16, 32, WRAPPING)
  row(CKM_LUNA_AES_KWP, 16, 32, WRAPPING)
}

function flagsOf(mechanism: u32): u32 {
  for (let i = 0; i < count; i++) if (load<u32>(mechanismRow(i)) === mechanism) return load<u32>(mechanismRow(i), 12)
  return 0
}

export function canSign(mechanism: u32): bool {
  return (flagsOf(mechanism) & SIGN) !== 0
}

export function canVerify(mechanism: u32): bool {
  return (flagsOf(mechanism) & VERIFY) !== 0
}

export function canEncrypt(mechanism: u32): bool {
  return (flagsOf(mechanism) & ENCRYPT) !== 0
}

export function canDecrypt(mechanism: u32): bool {
  return (flagsOf(mechanism) & DECRYPT) !== 0
}

export function canWrap(mechanism: u32): bool {
  return (flagsOf(mechanism) & WRAP) !== 0
}

export function canUnwrap(mechanism: u32): bool {
  return (flagsOf(mechanism) & UNWRAP) !== 0
}

/** Hash of a digest, HMAC, ECDSA or RSA mechanism, 0 = it has none of its own. */
export function hashOf(mechanism: u32): i32 {
  if (mechanism === CKM_SHA256 || mechanism === CKM_SHA256_HMAC || mechanism === CKM_ECDSA_SHA256) return HASH_SHA256
  if (mechanism === CKM_SHA256_RSA_PKCS || mechanism === CKM_SHA256_RSA_PKCS_PSS) return HASH_SHA256
  if (mechanism === CKM_SHA384 || mechanism === CKM_SHA384_HMAC || mechanism === CKM_ECDSA_SHA384) return HASH_SHA384
  if (mechanism === CKM_SHA384_RSA_PKCS || mechanism === CKM_SHA384_RSA_PKCS_PSS) return HASH_SHA384
  if (mechanism === CKM_SHA512 || mechanism === CKM_SHA512_HMAC || mechanism === CKM_ECDSA_SHA512) return HASH_SHA512
  if (mechanism === CKM_SHA512_RSA_PKCS || mechanism === CKM_SHA512_RSA_PKCS_PSS) return HASH_SHA512
  return 0
}

export function isHmac(mechanism: u32): bool {
  return mechanism === CKM_SHA256_HMAC || mechanism === CKM_SHA384_HMAC || mechanism === CKM_SHA512_HMAC
}

export function isEcdsa(mechanism: u32): bool {
  return mechanism >= <u32>CKM_ECDSA && mechanism <= <u32>CKM_ECDSA_SHA512
}

export function isPss(mechanism: u32): bool {
  if (mechanism === CKM_RSA_PKCS_PSS) return true
  return mechanism >= <u32>CKM_SHA256_RSA_PKCS_PSS && mechanism <= <u32>CKM_SHA512_RSA_PKCS_PSS
}

export function isKw(mechanism: u32): bool {
  return mechanism === CKM_AES_KEY_WRAP || mechanism === CKM_LUNA_AES_KW
}

export function isKwp(mechanism: u32): bool {
  return mechanism === CKM_AES_KEY_WRAP_KWP || mechanism === CKM_LUNA_AES_KWP
}
