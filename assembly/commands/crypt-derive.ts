// Crypt command DERIVE: a secret key made of another key (PKCS#11 3.0 §5.18.5), and of a password.

import { KDF_OUT, PLAIN_MAX, PLAIN2, SHARED, usePlain2 } from '../arena'
import { blockEncrypt, blockKey, chainEncrypt } from '../crypto/block-cipher'
import { desParity } from '../crypto/des'
import {
  HASH_CTX,
  HASH_SHA1,
  HASH_SHA3_224,
  HASH_SHA224,
  HASH_SHA256,
  HASH_SHA384,
  HASH_SHA512,
  hashFinal,
  hashInit,
  hashLength,
  hashUpdate,
} from '../crypto/sha2'
import { load32be, store32be, xorBytes } from '../crypto/util'
import {
  BIT_ALWAYS_SENSITIVE,
  BIT_EXTRACTABLE,
  BIT_NEVER_EXTRACTABLE,
  BIT_SENSITIVE,
  CKA_CLASS,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_EXTRACTABLE,
  CKA_KEY_TYPE,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKK_DES,
  CKK_DES2,
  CKK_DES3,
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
import { curveOf } from '../token/curves'
import {
  FAMILY_CBC_DATA,
  FAMILY_COUNTER_KDF,
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
import { curveLength, ecdhOf } from '../token/pka'
import { completeObject, objectFrom } from '../token/template'
import { access, here, needOfficer, requestIsSealed } from './context'
import { hkdf, kdf108, kdfLuna, kdfPassword, wipeKdf } from './crypt-kdf'
import {
  blockSize,
  CTX,
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

/** The base key's value, out of the way of what is made. */
const BASE: usize = KDF_OUT
const BASE_MAX: i32 = 1024
const MOST: i32 = 512
const HASH: usize = memory.data(HASH_CTX, 16)

let base: i32 = 0
/** BIT_… of the base key, or what is true of both where there are two. */
let baseBits: u32 = 0
/** Bytes of the key to be made, 0 = as many as there are. */
let wanted: i32 = 0
/** Bytes in PLAIN2. */
let made: i32 = 0

function lengthOf(keyType: u32, template: usize, templateLength: i32): i32 {
  if (keyType === CKK_DES) return 8
  if (keyType === CKK_DES2) return 16
  if (keyType === CKK_DES3) return 24
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
  wanted = lengthOf(keyType, template, templateLength)
  if (wanted < 0) return RC_KEY_SIZE_RANGE
  baseBits = 0
  if (ofPassword) {
    if (key !== 0) return RC_KEY_HANDLE_INVALID
    if (!requestIsSealed()) return RC_CHANNEL_REQUIRED
  } else rc = takeBase()
  if (rc === RC_OK) rc = make()
  wipeKdf()
  if (rc !== RC_OK) return rc
  if (keyType === CKK_DES || keyType === CKK_DES2 || keyType === CKK_DES3) desParity(PLAIN2, made)
  return keep(template, templateLength, cls, keyType, ofPassword)
}

/** Opens the base key and copies its value out of the way. */
function takeBase(): u32 {
  let rc = openKey(key, CKA_DERIVE, RC_KEY_HANDLE_INVALID)
  if (rc === RC_OK) rc = mechFamily === FAMILY_ECDH ? pairFits(CKO_PRIVATE_KEY) : secretFits()
  if (rc !== RC_OK) return rc
  baseBits = objectBits
  const value = plainFind(CKA_VALUE)
  base = valueLength()
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
  if (wanted === 0) return RC_TEMPLATE_INCOMPLETE
  let good = false
  if (family === FAMILY_COUNTER_KDF || family === FAMILY_FEEDBACK_KDF) good = kdf108(BASE, base, wanted)
  else if (family === FAMILY_LUNA_KDF) good = kdfLuna(BASE, base, wanted)
  else if (family === FAMILY_PBKDF2) good = kdfPassword(wanted)
  made = wanted
  return good ? RC_OK : RC_MECHANISM_PARAM_INVALID
}

/** So many bytes are there; those wanted are the first. */
function cut(n: i32): u32 {
  made = wanted === 0 ? n : wanted
  return made >= 1 && made <= n && made <= MOST ? RC_OK : RC_KEY_SIZE_RANGE
}

// ---- key agreement ----------------------------------------------------------------------------------------------------

const CKD_NULL: u32 = 1

/** Hash of a CKD_… number; the vendor's older numbers and those of SP 800-56C mean the same hashes. */
function agreementHash(kdf: u32): i32 {
  if (kdf === 2 || kdf === 0x0e) return HASH_SHA1
  if (kdf === 5 || kdf === 0x0f || kdf === 0x80000003 || kdf === 0x80000013) return HASH_SHA224
  if (kdf === 6 || kdf === 0x10 || kdf === 0x80000004 || kdf === 0x80000014) return HASH_SHA256
  if (kdf === 7 || kdf === 0x11 || kdf === 0x80000005 || kdf === 0x80000015) return HASH_SHA384
  if (kdf === 8 || kdf === 0x12 || kdf === 0x80000006 || kdf === 0x80000016) return HASH_SHA512
  return kdf >= 0x0a && kdf <= 0x0d ? HASH_SHA3_224 + <i32>(kdf - 0x0a) : 0
}

/** SP 800-56C has its counter before the secret, X9.63 behind it. */
function countsFirst(kdf: u32): bool {
  return (kdf >= 0x0e && kdf <= 0x12) || (kdf >= 0x80000013 && kdf <= 0x80000016)
}

/** kdf u32, shared bytes, public bytes: a point, or one in a DER OCTET STRING. */
function agree(): u32 {
  fieldsBegin()
  const kdf = field32()
  const shared = fieldBytes()
  const sharedLength = fieldLength()
  let point = fieldBytes()
  let pointLength = fieldLength()
  if (!fieldsDone()) return RC_MECHANISM_PARAM_INVALID
  const params = plainFind(CKA_EC_PARAMS)
  const curve = curveOf(params, valueLength())
  const L = curveLength(curve)
  const head = pointLength - 1 - 2 * L
  if (L === 0 || base !== L) return RC_KEY_TYPE_INCONSISTENT
  if (head === 2 || head === 3) {
    if (load<u8>(point) !== 4 || load<u8>(point + <usize>(head - 1)) !== <u8>(1 + 2 * L)) {
      return RC_MECHANISM_PARAM_INVALID
    }
    point += <usize>head
    pointLength -= head
  }
  if (pointLength !== 1 + 2 * L) return RC_MECHANISM_PARAM_INVALID
  const alg = agreementHash(kdf)
  if (kdf === CKD_NULL ? sharedLength !== 0 : alg === 0) return RC_MECHANISM_PARAM_INVALID
  if (!ecdhOf(curve, BASE, point, SHARED)) return RC_MECHANISM_PARAM_INVALID
  if (kdf === CKD_NULL) {
    const rc = cut(L)
    // What is too much is taken off at the front (PKCS#11 3.0 §6.3.17).
    if (rc === RC_OK) memory.copy(PLAIN2, SHARED + <usize>(L - made), made)
    return rc
  }
  made = wanted === 0 ? hashLength(alg) : wanted
  const count = SHARED + 128
  for (let i: u32 = 1, done = 0; done < made; i++) {
    store32be(count, i)
    hashInit(HASH, alg)
    if (countsFirst(kdf)) hashUpdate(HASH, count, 4)
    hashUpdate(HASH, SHARED, L)
    if (!countsFirst(kdf)) hashUpdate(HASH, count, 4)
    hashUpdate(HASH, shared, sharedLength)
    hashFinal(HASH, PLAIN2 + <usize>done)
    done += hashLength(alg)
  }
  return RC_OK
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
  blockKey(CTX, size, BASE, base)
  if (chained) chainEncrypt(CTX, size, parameter, parameter + <usize>size, PLAIN2, n)
  else blockEncrypt(CTX, size, parameter, PLAIN2, n)
  return cut(n)
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
    made = wanted
  } else {
    const rc = cut(length)
    if (rc !== RC_OK) return rc
  }
  hkdf(alg, extracts, expands, BASE, base, salt, saltLength, info, infoLength, made)
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
