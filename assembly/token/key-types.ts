// Secret keys by their type CKK_…: which there are, how long they may be, the cipher that they are for.

import { aesKeyLengthValid } from '../crypto/aes'
import { CIPHER_AES, CIPHER_ARIA, CIPHER_CAST, CIPHER_DES, CIPHER_RC2, CIPHER_SEED } from '../crypto/block-cipher'
import {
  CKK_AES,
  CKK_ARIA,
  CKK_CAST3,
  CKK_CAST128,
  CKK_DES,
  CKK_DES2,
  CKK_DES3,
  CKK_GENERIC_SECRET,
  CKK_LUNA_SEED,
  CKK_RC2,
  CKK_RC4,
  CKK_SEED,
  CKM_AES_KEY_GEN,
  CKM_ARIA_KEY_GEN,
  CKM_CAST3_KEY_GEN,
  CKM_CAST128_KEY_GEN,
  CKM_DES_KEY_GEN,
  CKM_DES2_KEY_GEN,
  CKM_DES3_KEY_GEN,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_LUNA_SEED_KEY_GEN,
  CKM_RC2_KEY_GEN,
  CKM_RC4_KEY_GEN,
  CKM_SEED_KEY_GEN,
  UNAVAILABLE,
} from '../protocol'

/** DES, double- or triple-length Triple DES. */
export function isDes(keyType: u32): bool {
  return keyType >= <u32>CKK_DES && keyType <= <u32>CKK_DES3
}

function isSeed(keyType: u32): bool {
  return keyType === CKK_SEED || keyType === CKK_LUNA_SEED
}

/** Bytes of every key of this type, 0 = they may differ. */
export function fixedLength(keyType: u32): i32 {
  if (isDes(keyType)) return (<i32>(keyType - CKK_DES + 1)) << 3
  return isSeed(keyType) ? 16 : 0
}

/** Bytes of the longest key of this type, 0 = there is no such type. */
function longest(keyType: u32): i32 {
  if (keyType === CKK_GENERIC_SECRET) return 512
  if (keyType === CKK_AES || keyType === CKK_ARIA) return 32
  if (keyType === CKK_RC4) return 256
  if (keyType === CKK_RC2) return 128
  if (keyType === CKK_CAST128) return 16
  return keyType === CKK_CAST3 ? 8 : fixedLength(keyType)
}

/** Whether secret keys may be of this type. */
export function isSecretType(keyType: u32): bool {
  return longest(keyType) !== 0
}

/** Whether a key of this type may have `n` bytes; generic secrets that come from elsewhere may have any number. */
export function lengthFits(keyType: u32, n: i32): bool {
  if (keyType === CKK_AES || keyType === CKK_ARIA) return aesKeyLengthValid(n)
  const fixed = fixedLength(keyType)
  return fixed !== 0 ? n === fixed : n >= 1 && n <= longest(keyType)
}

/** CIPHER_… of keys of this type, 0 = they are for no block cipher. */
export function cipherOf(keyType: u32): i32 {
  if (keyType === CKK_AES) return CIPHER_AES
  if (isDes(keyType)) return CIPHER_DES
  if (keyType === CKK_CAST128) return CIPHER_CAST
  if (keyType === CKK_RC2) return CIPHER_RC2
  if (isSeed(keyType)) return CIPHER_SEED
  return keyType === CKK_ARIA ? CIPHER_ARIA : 0
}

/** Whether a key of one type does the work of another: a double-length key is a Triple DES key, and SEED has two numbers. */
export function typeServes(keyType: u32, wanted: u32): bool {
  if (keyType === wanted) return true
  return wanted === CKK_DES3 ? keyType === CKK_DES2 : isSeed(wanted) && isSeed(keyType)
}

/** CKK_… that a key generation makes, UNAVAILABLE = none. */
export function generatedType(mechanism: u32): u32 {
  if (mechanism === CKM_AES_KEY_GEN) return CKK_AES
  if (mechanism === CKM_GENERIC_SECRET_KEY_GEN) return CKK_GENERIC_SECRET
  if (mechanism === CKM_DES_KEY_GEN) return CKK_DES
  if (mechanism === CKM_DES2_KEY_GEN) return CKK_DES2
  if (mechanism === CKM_DES3_KEY_GEN) return CKK_DES3
  if (mechanism === CKM_CAST3_KEY_GEN) return CKK_CAST3
  if (mechanism === CKM_CAST128_KEY_GEN) return CKK_CAST128
  if (mechanism === CKM_RC2_KEY_GEN) return CKK_RC2
  if (mechanism === CKM_RC4_KEY_GEN) return CKK_RC4
  if (mechanism === CKM_SEED_KEY_GEN) return CKK_SEED
  if (mechanism === CKM_LUNA_SEED_KEY_GEN) return CKK_LUNA_SEED
  return mechanism === CKM_ARIA_KEY_GEN ? CKK_ARIA : UNAVAILABLE
}
