// From a template to the object in hand: header bits, defaults, and what each class must and may have (PKCS#11 2.40 §4).

import { PLAIN } from '../arena'
import { load32be } from '../crypto/util'
import {
  BIT_ALWAYS_SENSITIVE,
  BIT_EXTRACTABLE,
  BIT_LOCAL,
  BIT_MODIFIABLE,
  BIT_NEVER_EXTRACTABLE,
  BIT_PRIVATE,
  BIT_SENSITIVE,
  BIT_TOKEN,
  CKA_ALWAYS_SENSITIVE,
  CKA_BASE,
  CKA_CERTIFICATE_TYPE,
  CKA_CHECK_VALUE,
  CKA_CLASS,
  CKA_COEFFICIENT,
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_ENCRYPT,
  CKA_END_DATE,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_GEN_MECHANISM,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_LOCAL,
  CKA_MODIFIABLE,
  CKA_MODULUS,
  CKA_MODULUS_BITS,
  CKA_NEVER_EXTRACTABLE,
  CKA_OUID,
  CKA_PRIME,
  CKA_PRIME_1,
  CKA_PRIME_BITS,
  CKA_PRIVATE,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_START_DATE,
  CKA_SUBJECT,
  CKA_SUBPRIME,
  CKA_SUBPRIME_BITS,
  CKA_TOKEN,
  CKA_TRUSTED,
  CKA_UNWRAP,
  CKA_USAGE_COUNT,
  CKA_USAGE_LIMIT,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKA_VERIFY,
  CKA_WRAP,
  CKC_X_509,
  CKK_DSA,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKK_GENERIC_SECRET,
  CKK_LUNA_EC_EDWARDS,
  CKK_RSA,
  CKO_CERTIFICATE,
  CKO_DATA,
  CKO_DOMAIN_PARAMETERS,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  RC_ATTRIBUTE_READ_ONLY,
  RC_ATTRIBUTE_TYPE_INVALID,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_OK,
  RC_TEMPLATE_INCOMPLETE,
  RC_TEMPLATE_INCONSISTENT,
  UNAVAILABLE,
} from '../protocol'
import {
  boolOf,
  find,
  isUsage,
  plainBegin,
  plainFind,
  plainPutBool,
  plainPutUlong,
  plainSize,
  plainTake,
  ulongOf,
  valueLength,
} from './attributes'
import { curveOf, edwardsLength, edwardsOf } from './curves'
import { isSecretType, lengthFits } from './key-types'
import { namedField, namedOrder, takeNamed } from './named-curves'
import { objectBits, objectClass, objectKeyType, setBits, setObject } from './objects'
import { curveLength } from './pka'
import { onePurpose, purposesFit } from './purposes'

/** Attributes that only the token sets. */
function isTokens(type: u32): bool {
  if (type === CKA_LOCAL || type === CKA_ALWAYS_SENSITIVE || type === CKA_NEVER_EXTRACTABLE) return true
  if (type === CKA_KEY_GEN_MECHANISM || type === CKA_USAGE_COUNT) return true
  return type === CKA_OUID || type === CKA_TRUSTED
}

export function isKey(cls: u32): bool {
  return cls === CKO_PUBLIC_KEY || cls === CKO_PRIVATE_KEY || cls === CKO_SECRET_KEY
}

export function isKnownClass(cls: u32): bool {
  return cls <= <u32>CKO_SECRET_KEY || cls === CKO_DOMAIN_PARAMETERS
}

export function isSecretClass(cls: u32): bool {
  return cls === CKO_PRIVATE_KEY || cls === CKO_SECRET_KEY
}

/** Values that a sensitive or unextractable key never shows. */
export function isSecretValue(cls: u32, type: u32): bool {
  if (cls === CKO_SECRET_KEY) return type === CKA_VALUE
  if (cls !== CKO_PRIVATE_KEY) return false
  return (
    type === CKA_VALUE || type === CKA_PRIVATE_EXPONENT || (type >= <u32>CKA_PRIME_1 && type <= <u32>CKA_COEFFICIENT)
  )
}

function keyTypeFits(cls: u32, keyType: u32): bool {
  if (cls === CKO_SECRET_KEY) return isSecretType(keyType)
  if (cls === CKO_DOMAIN_PARAMETERS) return keyType === CKK_DSA
  return keyType === CKK_RSA || keyType === CKK_DSA || keyType === CKK_EC || keyType === CKK_EC_EDWARDS
}

/**
 * Begins the object in hand from a checked template: class (or `cls` where the command implies it), key type, bits, and every
 * attribute of the list. `local` = made inside the token.
 */
export function objectFrom(list: usize, length: i32, cls: u32, keyType: u32, local: bool): u32 {
  let at: u32 = 0
  while (at < <u32>length) {
    const type = load32be(list + at)
    if (isTokens(type)) return RC_ATTRIBUTE_READ_ONLY
    at += 8 + ((load32be(list + at + 4) + 3) & ~3)
  }
  const c = ulongOf(list, length, CKA_CLASS, cls)
  if (c === UNAVAILABLE) return RC_TEMPLATE_INCOMPLETE
  if (cls !== UNAVAILABLE && c !== cls) return RC_TEMPLATE_INCONSISTENT
  if (!isKnownClass(c)) return RC_ATTRIBUTE_VALUE_INVALID
  let k: u32 = UNAVAILABLE
  if (isKey(c) || c === CKO_DOMAIN_PARAMETERS) {
    k = ulongOf(list, length, CKA_KEY_TYPE, keyType)
    if (k === UNAVAILABLE) return RC_TEMPLATE_INCOMPLETE
    if (k === CKK_LUNA_EC_EDWARDS) k = CKK_EC_EDWARDS
    if (keyType !== UNAVAILABLE && k !== keyType) return RC_TEMPLATE_INCONSISTENT
    if (!keyTypeFits(c, k)) return RC_ATTRIBUTE_VALUE_INVALID
  } else if (find(list, length, CKA_KEY_TYPE) !== 0) return RC_TEMPLATE_INCONSISTENT
  if (!isKey(c) && find(list, length, CKA_USAGE_LIMIT) !== 0) return RC_TEMPLATE_INCONSISTENT

  const secret = isSecretClass(c)
  let bits: u32 = 0
  if (boolOf(list, length, CKA_TOKEN, false)) bits |= BIT_TOKEN
  if (boolOf(list, length, CKA_PRIVATE, secret)) bits |= BIT_PRIVATE
  if (boolOf(list, length, CKA_MODIFIABLE, true)) bits |= BIT_MODIFIABLE
  if (secret) {
    if (boolOf(list, length, CKA_SENSITIVE, true)) bits |= BIT_SENSITIVE
    if (boolOf(list, length, CKA_EXTRACTABLE, c === CKO_SECRET_KEY)) bits |= BIT_EXTRACTABLE
    if (local && (bits & BIT_SENSITIVE) !== 0) bits |= BIT_ALWAYS_SENSITIVE
    if (local && (bits & BIT_EXTRACTABLE) === 0) bits |= BIT_NEVER_EXTRACTABLE
  } else if (find(list, length, CKA_SENSITIVE) !== 0 || find(list, length, CKA_EXTRACTABLE) !== 0) {
    return RC_TEMPLATE_INCONSISTENT
  }
  if (local) bits |= BIT_LOCAL
  setObject(0, c, k, bits)
  plainBegin()
  return plainTake(list, length)
}

/** What a key of this kind is for, where the template says nothing. */
function natural(type: u32): bool {
  const rsa = objectKeyType === CKK_RSA
  if (objectClass === CKO_PUBLIC_KEY) return type === CKA_VERIFY || (rsa && (type === CKA_ENCRYPT || type === CKA_WRAP))
  if (objectClass === CKO_PRIVATE_KEY) {
    return (
      type === CKA_SIGN ||
      (rsa ? type === CKA_DECRYPT || type === CKA_UNWRAP : type === CKA_DERIVE && objectKeyType === CKK_EC)
    )
  }
  if (objectKeyType !== CKK_GENERIC_SECRET) {
    if (type === CKA_ENCRYPT || type === CKA_DECRYPT || type === CKA_VERIFY) return true
    return type === CKA_WRAP || type === CKA_UNWRAP
  }
  return type === CKA_SIGN || type === CKA_VERIFY || type === CKA_DERIVE
}

function usageFits(type: u32): bool {
  if (objectClass === CKO_PUBLIC_KEY) {
    return type === CKA_ENCRYPT || type === CKA_WRAP || type === CKA_VERIFY || type === CKA_DERIVE
  }
  if (objectClass === CKO_PRIVATE_KEY) {
    return type === CKA_DECRYPT || type === CKA_UNWRAP || type === CKA_SIGN || type === CKA_DERIVE
  }
  return true
}

/** Every usage attribute of the class gets a value; one that the class does not have is refused. */
function completeUsage(): u32 {
  for (let type: u32 = CKA_ENCRYPT; type <= <u32>CKA_DERIVE; type++) {
    if (!isUsage(type)) continue
    if (!usageFits(type)) {
      if (plainFind(type) !== 0) return RC_TEMPLATE_INCONSISTENT
      continue
    }
    if (plainFind(type) === 0) {
      const rc = plainPutBool(type, natural(type) && !onePurpose())
      if (rc !== RC_OK) return rc
    }
  }
  return purposesFit()
}

function has(type: u32): bool {
  return plainFind(type) !== 0 && valueLength() > 0
}

// ---- keys that can be computed with -----------------------------------------------------------------------------------

/** Bytes of the numbers of an RSA key. */
const RSA_LEAST: i32 = 128
const RSA_MOST: i32 = 512

function modulusIsSound(): bool {
  const p = plainFind(CKA_MODULUS)
  return valueLength() >= RSA_LEAST && valueLength() <= RSA_MOST && load<u8>(p) !== 0
}

function rsaIsSound(): u32 {
  if (!has(CKA_MODULUS) || !has(CKA_PUBLIC_EXPONENT)) return RC_TEMPLATE_INCOMPLETE
  let fits = valueLength() <= RSA_MOST
  if (objectClass === CKO_PRIVATE_KEY) {
    if (!has(CKA_PRIVATE_EXPONENT)) return RC_TEMPLATE_INCOMPLETE
    fits = fits && valueLength() <= RSA_MOST
    for (let type: u32 = CKA_PRIME_1; type <= <u32>CKA_COEFFICIENT; type++) {
      if (!has(type)) return RC_TEMPLATE_INCOMPLETE
      fits = fits && valueLength() <= RSA_MOST
    }
  }
  return fits && modulusIsSound() ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

/** `04 ∥ X ∥ Y`, in a DER OCTET STRING or, as some clients have it, without. */
function pointIsSound(L: i32): bool {
  let p = plainFind(CKA_EC_POINT)
  const n = valueLength()
  const point = 1 + 2 * L
  const head = n - point
  if (head !== 0) {
    if (head !== (point > 127 ? 3 : 2) || load<u8>(p) !== 4) return false
    if (load<u8>(p + <usize>(head - 1)) !== <u8>point || (head === 3 && load<u8>(p + 1) !== 0x81)) return false
    p += <usize>head
  }
  return load<u8>(p) === 4
}

/** The bytes of RFC 8032, in a DER OCTET STRING or without. */
function edwardsIsSound(): u32 {
  const isPrivate = objectClass === CKO_PRIVATE_KEY
  if (!has(CKA_EC_PARAMS)) return RC_TEMPLATE_INCOMPLETE
  const params = plainFind(CKA_EC_PARAMS)
  const n = edwardsLength(edwardsOf(params, valueLength()))
  if (!has(isPrivate ? CKA_VALUE : CKA_EC_POINT)) return RC_TEMPLATE_INCOMPLETE
  if (n === 0) return RC_ATTRIBUTE_VALUE_INVALID
  if (valueLength() === n) return RC_OK
  if (isPrivate || valueLength() !== n + 2) return RC_ATTRIBUTE_VALUE_INVALID
  const p = plainFind(CKA_EC_POINT)
  return load<u8>(p) === 4 && load<u8>(p + 1) === <u8>n ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

function ecIsSound(): u32 {
  const isPrivate = objectClass === CKO_PRIVATE_KEY
  if (!has(CKA_EC_PARAMS)) return RC_TEMPLATE_INCOMPLETE
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  if (!has(isPrivate ? CKA_VALUE : CKA_EC_POINT)) return RC_TEMPLATE_INCOMPLETE
  const n = valueLength()
  if (curve === 0 && takeNamed(plainFind(CKA_EC_PARAMS), valueLength())) {
    plainFind(isPrivate ? CKA_VALUE : CKA_EC_POINT)
    const sound = isPrivate ? n === namedOrder() : pointIsSound(namedField())
    return sound ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
  }
  const L = curveLength(curve)
  const fits = curve !== 0 && (isPrivate ? n === L : pointIsSound(L))
  return fits ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

function secretIsSound(): u32 {
  if (!has(CKA_VALUE)) return RC_TEMPLATE_INCOMPLETE
  const n = valueLength()
  return objectKeyType === CKK_GENERIC_SECRET || lengthFits(objectKeyType, n) ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

/** Bytes of p and of q that go together (FIPS 186-4 §4.2); the accelerator looks at the numbers. */
function groupIsSound(): u32 {
  if (!has(CKA_PRIME)) return RC_TEMPLATE_INCOMPLETE
  const p = valueLength()
  if (!has(CKA_SUBPRIME)) return RC_TEMPLATE_INCOMPLETE
  const q = valueLength()
  if (!has(CKA_BASE)) return RC_TEMPLATE_INCOMPLETE
  const fits = p === 128 ? q === 20 : p === 256 ? q === 28 || q === 32 : p === 384 && q === 32
  return fits && valueLength() <= p ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

function dsaIsSound(): u32 {
  const rc = groupIsSound()
  if (rc !== RC_OK || objectClass === CKO_DOMAIN_PARAMETERS) return rc
  if (!has(CKA_VALUE)) return RC_TEMPLATE_INCOMPLETE
  const n = valueLength()
  plainFind(objectClass === CKO_PRIVATE_KEY ? CKA_SUBPRIME : CKA_PRIME)
  return n <= valueLength() ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

/** What the object in hand is made of, wherever it came from, is of sizes that every command can work with. */
export function objectIsSound(): u32 {
  if (objectClass === CKO_DOMAIN_PARAMETERS) return objectKeyType === CKK_DSA ? dsaIsSound() : RC_TEMPLATE_INCONSISTENT
  if (!isKey(objectClass)) return objectKeyType === UNAVAILABLE ? RC_OK : RC_TEMPLATE_INCONSISTENT
  if (!keyTypeFits(objectClass, objectKeyType)) return RC_ATTRIBUTE_VALUE_INVALID
  if (objectClass === CKO_SECRET_KEY) return secretIsSound()
  if (objectKeyType === CKK_EC_EDWARDS) return edwardsIsSound()
  if (objectKeyType === CKK_DSA) return dsaIsSound()
  return objectKeyType === CKK_RSA ? rsaIsSound() : ecIsSound()
}

/** What follows from the values of a sound key. */
function completeKey(mechanism: u32): u32 {
  let rc: u32 = RC_OK
  if (objectClass === CKO_SECRET_KEY) {
    if (plainFind(CKA_CHECK_VALUE) !== 0) return RC_ATTRIBUTE_READ_ONLY
    plainFind(CKA_VALUE)
    rc = plainPutUlong(CKA_VALUE_LEN, <u32>valueLength())
  } else if (objectClass === CKO_PUBLIC_KEY && objectKeyType === CKK_RSA) {
    const p = plainFind(CKA_MODULUS)
    const n = valueLength()
    rc = plainPutUlong(CKA_MODULUS_BITS, <u32>(n * 8 - <i32>clz<u32>(load<u8>(p)) + 24))
  }
  return rc === RC_OK ? plainPutUlong(CKA_KEY_GEN_MECHANISM, mechanism) : rc
}

/** The object in hand is complete: required values are there and fit, the rest gets its default. */
export function completeObject(mechanism: u32): u32 {
  const c = objectClass
  let rc: u32 = RC_OK
  if (c === CKO_DATA) return RC_OK
  if (c === CKO_CERTIFICATE) {
    if (!has(CKA_VALUE)) return RC_TEMPLATE_INCOMPLETE
    if (plainFind(CKA_CERTIFICATE_TYPE) === 0) return plainPutUlong(CKA_CERTIFICATE_TYPE, CKC_X_509)
    return ulongOf(PLAIN, plainSize(), CKA_CERTIFICATE_TYPE, 1) === CKC_X_509 ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
  }
  if (c === CKO_DOMAIN_PARAMETERS) {
    rc = objectIsSound()
    if (rc === RC_OK) {
      plainFind(CKA_PRIME)
      rc = plainPutUlong(CKA_PRIME_BITS, (<u32>valueLength()) << 3)
    }
    if (rc !== RC_OK) return rc
    plainFind(CKA_SUBPRIME)
    return plainPutUlong(CKA_SUBPRIME_BITS, (<u32>valueLength()) << 3)
  }
  rc = completeUsage()
  if (rc === RC_OK) rc = objectIsSound()
  return rc === RC_OK ? completeKey(mechanism) : rc
}

/** What may still change on an object: label, id, subject, dates; sensitive only up, extractable only down; usage by policy. */
export function changeAttribute(type: u32, value: usize, mayChangeUsage: bool): u32 {
  const bits = objectBits
  if ((bits & BIT_MODIFIABLE) === 0) return RC_ATTRIBUTE_READ_ONLY
  if (type === CKA_SENSITIVE || type === CKA_EXTRACTABLE) {
    if (!isSecretClass(objectClass)) return RC_ATTRIBUTE_TYPE_INVALID
    const on = load<u8>(value) === 1
    if (type === CKA_SENSITIVE) {
      if (!on && (bits & BIT_SENSITIVE) !== 0) return RC_ATTRIBUTE_READ_ONLY
      if (on) setBits(bits | BIT_SENSITIVE)
    } else {
      if (on && (bits & BIT_EXTRACTABLE) === 0) return RC_ATTRIBUTE_READ_ONLY
      if (!on) setBits(bits & ~BIT_EXTRACTABLE)
    }
    return RC_OK
  }

  if (type === CKA_LABEL || type === CKA_SUBJECT || type === CKA_ID) return RC_OK
  if (type === CKA_START_DATE || type === CKA_END_DATE) return RC_OK
  if (type === CKA_VALUE && objectClass === CKO_DATA) return RC_OK
  if (type === CKA_USAGE_LIMIT) return isKey(objectClass) ? RC_OK : RC_ATTRIBUTE_TYPE_INVALID
  if (isUsage(type)) return mayChangeUsage && usageFits(type) ? RC_OK : RC_ATTRIBUTE_READ_ONLY
  return RC_ATTRIBUTE_READ_ONLY
}
