// Crypt command DERIVE: a secret key made of another key (PKCS#11 3.0 §5.18.5), and of a password.

import { PLAIN_MAX, PLAIN2, usePlain2 } from '../arena'
import { blockEncrypt, blockKey, chainEncrypt } from '../crypto/block-cipher'
import { desEncrypt, desKey, desParity } from '../crypto/des'
import { hkdf } from '../crypto/hkdf'
import { HASH_CTX, hashFinal, hashInit, hashLength, hashUpdate } from '../crypto/sha2'
import { load32be, xorBytes } from '../crypto/util'
import {
  BIT_ALWAYS_SENSITIVE,
  BIT_EXTRACTABLE,
  BIT_NEVER_EXTRACTABLE,
  BIT_SENSITIVE,
  CKA_CLASS,
  CKA_DERIVE,
  CKA_EXTRACTABLE,
  CKA_KEY_TYPE,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKK_GENERIC_SECRET,
  CKM_CONCATENATE_BASE_AND_DATA,
  CKM_CONCATENATE_BASE_AND_KEY,
  CKM_CONCATENATE_DATA_AND_BASE,
  CKM_HKDF_DATA,
  CKM_XOR_BASE_AND_DATA,
  CKO_DATA,
  CKO_PRIVATE_KEY,
  CKO_SECRET_KEY,
  RC_CHANNEL_REQUIRED,
  RC_FRAME_MALFORMED,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_SIZE_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCOMPLETE,
  RC_TEMPLATE_INCONSISTENT,
  UNAVAILABLE,
} from '../protocol'
import { checkTemplate, find, plainDrop, plainFind, plainPut, ulongOf, valueLength } from '../token/attributes'
import { fixedLength, isDes } from '../token/key-types'
import {
  FAMILY_CBC_DATA,
  FAMILY_COUNTER_KDF,
  FAMILY_DUKPT,
  FAMILY_ECB_DATA,
  FAMILY_ECDH,
  FAMILY_FEEDBACK_KDF,
  FAMILY_HASHED_KEY,
  FAMILY_HKDF,
  FAMILY_JOIN,
  FAMILY_LUNA_KDF,
  FAMILY_PBKDF2,
} from '../token/mechanism-families'
import { canDerive, canGenerate, hashOf, mechFamily, mechHash } from '../token/mechanisms'
import { newOuid, objectBits, objectClass, objectHandle, openObject, setBits } from '../token/objects'
import { derivedFits } from '../token/purposes'
import { completeObject, objectFrom } from '../token/template'
import { access, here, needOfficer, requestIsSealed } from './context'
import { agree } from './crypt-agree'
import { BASE, BASE_MAX, base, cut, MOST, made, setBase, setMade, setWanted, wanted } from './crypt-derived'
import { kdf108, kdfLuna, kdfPassword, wipeKdf } from './crypt-kdf'
import {
  blockSize,
  CTX,
  cipher,
  key,
  mechanism,
  openKey,
  pairFits,
  parameter,
  parameterLength,
  readKeyed,
  secretFits,
} from './crypt-operation'
import { field8, field32, fieldBytes, fieldLength, fieldsBegin, fieldsDone } from './crypt-parameter'
import { readBytes, readDone, readLength, write32 } from './frame'
import { keepObject, mayKeep } from './object-keep'

const HASH: usize = memory.data(HASH_CTX, 16)

/** BIT_… of the base key, or what is true of both where there are two. */
let baseBits: u32 = 0

function lengthOf(keyType: u32, template: usize, templateLength: i32): i32 {
  const fixed = fixedLength(keyType)
  if (fixed !== 0) return fixed
  const n = ulongOf(template, templateLength, CKA_VALUE_LEN, 0)
  return n > <u32>MOST ? -1 : <i32>n
}

export function derive(): u32 {
  readKeyed()
  const template = readBytes()
  const templateLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const ofPassword = mechFamily === FAMILY_PBKDF2 && canGenerate()
  if (!ofPassword && !canDerive()) return RC_MECHANISM_INVALID
  let rc = needOfficer()
  if (rc === RC_OK) rc = checkTemplate(template, templateLength)
  if (rc !== RC_OK) return rc
  const cls: u32 = mechanism === CKM_HKDF_DATA ? CKO_DATA : CKO_SECRET_KEY
  if (ulongOf(template, templateLength, CKA_CLASS, cls) !== cls) return RC_TEMPLATE_INCONSISTENT
  const keyType = ulongOf(template, templateLength, CKA_KEY_TYPE, CKK_GENERIC_SECRET)
  setWanted(lengthOf(keyType, template, templateLength))
  if (wanted < 0) return RC_KEY_SIZE_RANGE
  baseBits = 0
  if (ofPassword) {
    if (key !== 0) return RC_KEY_HANDLE_INVALID
    if (!requestIsSealed()) return RC_CHANNEL_REQUIRED
  } else rc = takeBase()
  if (rc === RC_OK) rc = make()
  wipeKdf()
  if (rc !== RC_OK) return rc
  if (isDes(keyType)) desParity(PLAIN2, made)
  return keep(template, templateLength, cls, keyType, ofPassword)
}

/** Opens the base key and copies its value out of the way. */
function takeBase(): u32 {
  let rc = openKey(key, CKA_DERIVE, RC_KEY_HANDLE_INVALID)
  if (rc === RC_OK) rc = mechFamily === FAMILY_ECDH ? pairFits(CKO_PRIVATE_KEY) : secretFits()
  if (rc !== RC_OK) return rc
  baseBits = objectBits
  const value = plainFind(CKA_VALUE)
  setBase(valueLength())
  if (base > BASE_MAX) return RC_KEY_SIZE_RANGE
  memory.copy(BASE, value, base)
  return RC_OK
}

/** Makes the value in PLAIN2. */
function make(): u32 {
  const family = mechFamily
  usePlain2(PLAIN_MAX)
  if (family === FAMILY_ECDH) return agree()
  if (family === FAMILY_JOIN) return join()
  if (family === FAMILY_HASHED_KEY) {
    if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
    hashInit(HASH, mechHash)
    hashUpdate(HASH, BASE, base)
    hashFinal(HASH, PLAIN2)
    return cut(hashLength(mechHash))
  }
  if (family === FAMILY_ECB_DATA || family === FAMILY_CBC_DATA) return encrypted()
  if (family === FAMILY_HKDF) return expanded()
  if (family === FAMILY_DUKPT) return initialPinKey()
  if (wanted === 0) return RC_TEMPLATE_INCOMPLETE
  let good = false
  if (family === FAMILY_COUNTER_KDF || family === FAMILY_FEEDBACK_KDF) good = kdf108(BASE, base, wanted)
  else if (family === FAMILY_LUNA_KDF) good = kdfLuna(BASE, base, wanted)
  else if (family === FAMILY_PBKDF2) good = kdfPassword(wanted)
  setMade(wanted)
  return good ? RC_OK : RC_MECHANISM_PARAM_INVALID
}

// ---- joining ----------------------------------------------------------------------------------------------------------

/** Takes the value of a second key behind what is in PLAIN2, and its sensitivity along. */
function another(handle: u32, at: i32): i32 {
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return -1
  if (objectClass !== CKO_SECRET_KEY) return -2
  baseBits = join2(baseBits, objectBits)
  const value = plainFind(CKA_VALUE)
  const n = valueLength()
  if (n > BASE_MAX) return -2
  memory.copy(PLAIN2 + <usize>at, value, n)
  return n
}

/** What is true of a key made of two: sensitive where one is, extractable where both are, always and never where both are. */
function join2(a: u32, b: u32): u32 {
  const all: u32 = BIT_EXTRACTABLE | BIT_ALWAYS_SENSITIVE | BIT_NEVER_EXTRACTABLE
  return ((a | b) & BIT_SENSITIVE) | (a & b & all)
}

function join(): u32 {
  if (mechanism === CKM_CONCATENATE_BASE_AND_KEY) {
    if (parameterLength !== 4) return RC_MECHANISM_PARAM_INVALID
    memory.copy(PLAIN2, BASE, base)
    const n = another(load32be(parameter), base)
    if (n < 0) return n === -1 ? RC_KEY_HANDLE_INVALID : RC_KEY_TYPE_INCONSISTENT
    return cut(base + n)
  }
  if (mechanism === CKM_CONCATENATE_BASE_AND_DATA || mechanism === CKM_CONCATENATE_DATA_AND_BASE) {
    if (parameterLength > BASE_MAX) return RC_MECHANISM_PARAM_INVALID
    const first = mechanism === CKM_CONCATENATE_DATA_AND_BASE
    const baseAt: usize = first ? <usize>parameterLength : 0
    const dataAt: usize = first ? 0 : <usize>base
    memory.copy(PLAIN2 + baseAt, BASE, base)
    memory.copy(PLAIN2 + dataAt, parameter, parameterLength)
    return cut(base + parameterLength)
  }
  if (mechanism === CKM_XOR_BASE_AND_DATA) {
    const n = min(base, parameterLength)
    xorBytes(BASE, parameter, PLAIN2, n)
    return cut(n)
  }
  // EXTRACT_KEY_FROM_KEY: bits from a place on, round the end.
  if (parameterLength !== 4) return RC_MECHANISM_PARAM_INVALID
  const start = load32be(parameter)
  const bits = (<u32>base) << 3
  if (start >= bits) return RC_MECHANISM_PARAM_INVALID
  const rc = cut(base)
  if (rc !== RC_OK) return rc
  for (let i: u32 = 0; i < <u32>made; i++) {
    const at = (start + (i << 3)) % bits
    const high = <u32>load<u8>(BASE + <usize>(at >>> 3))
    const low = <u32>load<u8>(BASE + <usize>(((at >>> 3) + 1) % <u32>base))
    store<u8>(PLAIN2 + <usize>i, <u8>(((high << 8) | low) >>> (8 - (at & 7))))
  }
  return RC_OK
}

// ---- encryption and HKDF ----------------------------------------------------------------------------------------------

function encrypted(): u32 {
  const size = blockSize()
  const chained = mechFamily === FAMILY_CBC_DATA
  const n = parameterLength - (chained ? size : 0)
  if (n < size || (n & (size - 1)) !== 0) return RC_MECHANISM_PARAM_INVALID
  blockKey(CTX, cipher(), BASE, base)
  if (chained) chainEncrypt(CTX, cipher(), parameter, parameter + <usize>size, PLAIN2, n)
  else blockEncrypt(CTX, cipher(), parameter, PLAIN2, n)
  return cut(n)
}

const KSN: i32 = 10
/** The bytes of a key serial number that are enciphered. */
const KSN_LEFT: usize = memory.data(8, 8)

/**
 * The initial key of a device that derives a key for each transaction (ANSI X9.24-1:2009, A.6): the left of its key serial number,
 * without the counter, under the base key, and under that with the first four bytes of each half changed.
 */
function initialPinKey(): u32 {
  if (parameterLength !== KSN) return RC_MECHANISM_PARAM_INVALID
  memory.copy(KSN_LEFT, parameter, 8)
  store<u8>(KSN_LEFT + 7, load<u8>(KSN_LEFT + 7) & 0xe0)
  desKey(CTX, BASE, 16)
  desEncrypt(CTX, KSN_LEFT, PLAIN2, 1)
  for (let i: usize = 0; i < 16; i++) if ((i & 4) === 0) store<u8>(BASE + i, load<u8>(BASE + i) ^ 0xc0)
  desKey(CTX, BASE, 16)
  desEncrypt(CTX, KSN_LEFT, PLAIN2 + 8, 1)
  return cut(16)
}

const EXTRACT: u32 = 1
const EXPAND: u32 = 2
const SALT_NULL: u32 = 1
const SALT_DATA: u32 = 2
const SALT_KEY: u32 = 4

/** flags u8, hash u32, kind of salt u32, salt bytes, its key u32, info bytes. */
function expanded(): u32 {
  fieldsBegin()
  const flags = field8()
  const alg = hashOf(field32())
  const kind = field32()
  let salt = fieldBytes()
  let saltLength = fieldLength()
  const saltKey = field32()
  const info = fieldBytes()
  const infoLength = fieldLength()
  if (!fieldsDone() || alg === 0 || flags === 0 || flags > (EXTRACT | EXPAND)) return RC_MECHANISM_PARAM_INVALID
  const extracts = (flags & EXTRACT) !== 0
  const expands = (flags & EXPAND) !== 0
  if (kind !== SALT_NULL && kind !== SALT_DATA && kind !== SALT_KEY) return RC_MECHANISM_PARAM_INVALID
  if (kind === SALT_NULL) saltLength = 0
  if (extracts && kind === SALT_KEY) {
    const n = another(saltKey, PLAIN_MAX - 2 * BASE_MAX)
    if (n < 0) return n === -1 ? RC_KEY_HANDLE_INVALID : RC_KEY_TYPE_INCONSISTENT
    salt = PLAIN2 + <usize>(PLAIN_MAX - 2 * BASE_MAX)
    saltLength = n
  }
  const length = hashLength(alg)
  if (expands) {
    if (wanted === 0) return RC_TEMPLATE_INCOMPLETE
    if (wanted > 255 * length) return RC_KEY_SIZE_RANGE
    setMade(wanted)
  } else {
    const rc = cut(length)
    if (rc !== RC_OK) return rc
  }
  hkdf(alg, extracts, expands, BASE, base, salt, saltLength, info, infoLength, PLAIN2, made)
  return RC_OK
}

// ---- keeping ----------------------------------------------------------------------------------------------------------

/** A key joined of others cannot be less protected than they are. */
function joins(): bool {
  return mechFamily === FAMILY_JOIN || mechFamily === FAMILY_HASHED_KEY
}

function keep(template: usize, templateLength: i32, cls: u32, keyType: u32, isNew: bool): u32 {
  let rc = objectFrom(template, templateLength, cls, cls === CKO_DATA ? UNAVAILABLE : keyType, isNew)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  if (cls === CKO_SECRET_KEY && !derivedFits(made)) return RC_KEY_SIZE_RANGE
  if (plainFind(CKA_VALUE) !== 0) return RC_TEMPLATE_INCONSISTENT
  plainDrop(CKA_VALUE_LEN)
  rc = plainPut(CKA_VALUE, PLAIN2, made)
  if (rc === RC_OK) rc = completeObject(isNew ? mechanism : UNAVAILABLE)
  if (rc !== RC_OK) return rc
  if (cls === CKO_SECRET_KEY && !isNew) {
    rc = inherit(template, templateLength)
    if (rc !== RC_OK) return rc
  }
  if (!newOuid()) return RC_RANDOM_NO_RNG
  rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}

/** What a derived key has of its base. */
function inherit(template: usize, templateLength: i32): u32 {
  let bits = objectBits
  if (joins()) {
    if ((baseBits & BIT_SENSITIVE) !== 0 && (bits & BIT_SENSITIVE) === 0) return RC_TEMPLATE_INCONSISTENT
    if ((baseBits & BIT_EXTRACTABLE) === 0 && (bits & BIT_EXTRACTABLE) !== 0) {
      if (find(template, templateLength, CKA_EXTRACTABLE) !== 0) return RC_TEMPLATE_INCONSISTENT
      bits &= ~BIT_EXTRACTABLE
    }
  }
  if ((baseBits & BIT_ALWAYS_SENSITIVE) !== 0 && (bits & BIT_SENSITIVE) !== 0) bits |= BIT_ALWAYS_SENSITIVE
  if ((baseBits & BIT_NEVER_EXTRACTABLE) !== 0 && (bits & BIT_EXTRACTABLE) === 0) bits |= BIT_NEVER_EXTRACTABLE
  setBits(bits)
  return RC_OK
}
