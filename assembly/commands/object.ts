// Object commands: which one is which, and create, generate, read, destroy.

import { PKA_IN, PKA_OUT, PLAIN, SECRET, SECRET2 } from '../arena'
import { desParity } from '../crypto/des'
import { load32be, store32be, wipe } from '../crypto/util'
import { txBegin, txBeginDeleting, txCommit } from '../flash/transaction'
import {
  BIT_EXTRACTABLE,
  BIT_SENSITIVE,
  BIT_TOKEN,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_MODULUS,
  CKA_MODULUS_BITS,
  CKA_PRIME_1,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKK_AES,
  CKK_DES,
  CKK_DES2,
  CKK_DES3,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKK_GENERIC_SECRET,
  CKK_RSA,
  CKM_AES_KEY_GEN,
  CKM_DES_KEY_GEN,
  CKM_DES2_KEY_GEN,
  CKM_DES3_KEY_GEN,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_X9_31_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  CMD_OBJECT_COPY,
  CMD_OBJECT_CREATE,
  CMD_OBJECT_DESTROY,
  CMD_OBJECT_GENERATE,
  CMD_OBJECT_GENERATE_PAIR,
  CMD_OBJECT_GET,
  CMD_OBJECT_LIST,
  CMD_OBJECT_SET,
  PKA_RSA_GENERATE,
  RC_ARGUMENTS_BAD,
  RC_ATTRIBUTE_SENSITIVE,
  RC_ATTRIBUTE_TYPE_INVALID,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_CHANNEL_REQUIRED,
  RC_COMMAND_NON_BACKUP,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_KEY_SIZE_RANGE,
  RC_MECHANISM_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCOMPLETE,
  RC_TOKEN_NOT_RECOGNIZED,
  RC_USER_NOT_LOGGED_IN,
  SEALED_OVERHEAD,
  STATE_FUNCTIONAL,
  UNAVAILABLE,
} from '../protocol'
import { checkTemplate, plainFind, plainPut, plainSize, ulongOf, valueLength } from '../token/attributes'
import { curveOf, edwardsLength, edwardsOf } from '../token/curves'
import { edGenerate } from '../token/edwards'
import { canGenerate, takeMechanism } from '../token/mechanisms'
import {
  addObject,
  endObject,
  newOuid,
  objectBits,
  objectClass,
  objectHandle,
  openObject,
  storeVolatile,
} from '../token/objects'
import { accelerate, curveLength, ecGenerate } from '../token/pka'
import { random } from '../token/random'
import { recordLength } from '../token/record'
import { SESSION_HANDLES } from '../token/session-objects'
import { isBackup, state } from '../token/state'
import { completeObject, desLength, isDes, isSecretClass, isSecretValue, objectFrom } from '../token/template'
import {
  access,
  here,
  iAmUser,
  myStorageKey,
  needOfficer,
  needUser,
  needWritingOfficer,
  requestIsSealed,
} from './context'
import {
  read16,
  read32,
  readBytes,
  readDone,
  readFixed,
  readLength,
  write16,
  write32,
  writeFixed,
  writeRoom,
  writeSkip,
} from './frame'
import { copy, set } from './object-change'
import { attributeOf, attributeSize, list } from './object-find'
import { keepObject, mayKeep } from './object-keep'

const DESTROY_MAX: u32 = 1024
const SMALL: usize = memory.data(16, 4)
/** Templates are read after the reader has moved on: their places. */
let list1: usize = 0
let length1: i32 = 0
let list2: usize = 0
let length2: i32 = 0

export function objectCommand(command: u32): u32 {
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  if (command === CMD_OBJECT_LIST) return list()
  if (command === CMD_OBJECT_GET) return get()
  if (command === CMD_OBJECT_DESTROY) return destroy()
  if (isBackup()) return RC_COMMAND_NON_BACKUP
  if (command === CMD_OBJECT_CREATE) return create()
  if (command === CMD_OBJECT_GENERATE) return generate()
  if (command === CMD_OBJECT_GENERATE_PAIR) return generatePair()
  if (command === CMD_OBJECT_SET) return set()
  if (command === CMD_OBJECT_COPY) return copy()
  return RC_FUNCTION_NOT_SUPPORTED
}

// ---- making -----------------------------------------------------------------------------------------------------------

function takeTemplate(): void {
  list1 = readBytes()
  length1 = readLength()
}

function create(): u32 {
  takeTemplate()
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = needUser()
  if (rc === RC_OK) rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = objectFrom(list1, length1, UNAVAILABLE, UNAVAILABLE, false)
  if (rc === RC_OK && isSecretClass(objectClass) && !requestIsSealed()) rc = RC_CHANNEL_REQUIRED
  if (rc === RC_OK) rc = completeObject(UNAVAILABLE)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}

/** CKK_… that a key generation makes, UNAVAILABLE = none. */
function generatedType(mechanism: u32): u32 {
  if (mechanism === CKM_AES_KEY_GEN) return CKK_AES
  if (mechanism === CKM_GENERIC_SECRET_KEY_GEN) return CKK_GENERIC_SECRET
  if (mechanism === CKM_DES_KEY_GEN) return CKK_DES
  if (mechanism === CKM_DES2_KEY_GEN) return CKK_DES2
  return mechanism === CKM_DES3_KEY_GEN ? CKK_DES3 : UNAVAILABLE
}

function generate(): u32 {
  const mechanism = read32()
  takeTemplate()
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needOfficer()
  if (officer !== RC_OK) return officer
  takeMechanism(mechanism, here())
  const keyType = generatedType(mechanism)
  if (keyType === UNAVAILABLE || !canGenerate()) return RC_MECHANISM_INVALID
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_SECRET_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  if (plainFind(CKA_VALUE) !== 0) return RC_ATTRIBUTE_VALUE_INVALID
  const des = isDes(keyType)
  const n = des ? <u32>desLength(keyType) : ulongOf(PLAIN, plainSize(), CKA_VALUE_LEN, 0)
  if (n === 0) return RC_TEMPLATE_INCOMPLETE
  if (keyType === CKK_AES ? n !== 16 && n !== 24 && n !== 32 : n > 512) return RC_KEY_SIZE_RANGE
  if (!random(PKA_OUT, <i32>n)) return RC_RANDOM_NO_RNG
  if (des) desParity(PKA_OUT, <i32>n)
  rc = plainPut(CKA_VALUE, PKA_OUT, <i32>n)
  wipe(PKA_OUT, <i32>n)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}

/** Where the parts of a generated pair stand in PKA_OUT until both objects are made. */
let publicHandle: u32 = 0

function generatePair(): u32 {
  const mechanism = read32()
  takeTemplate()
  list2 = readBytes()
  length2 = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needOfficer()
  if (officer !== RC_OK) return officer
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = checkTemplate(list2, length2)
  if (rc !== RC_OK) return rc
  takeMechanism(mechanism, here())
  if (!canGenerate()) return RC_MECHANISM_INVALID
  if (mechanism === CKM_RSA_PKCS_KEY_PAIR_GEN || mechanism === CKM_RSA_X9_31_KEY_PAIR_GEN) return generateRsa(mechanism)
  if (mechanism === CKM_EC_EDWARDS_KEY_PAIR_GEN || mechanism === CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN) {
    return generateEc(mechanism, CKK_EC_EDWARDS)
  }
  return mechanism === CKM_EC_KEY_PAIR_GEN ? generateEc(mechanism, CKK_EC) : RC_MECHANISM_INVALID
}

/**
 * Both keys of a pair in one transaction: the public one is added first, the private one last, and then both are admitted. Where the
 * second cannot be kept the first is ended in the same transaction, so nothing is left of either.
 */
let pairOpen: bool = false

function keepPublic(rcPublic: u32): u32 {
  if (rcPublic !== RC_OK) return rcPublic
  pairOpen = false
  if ((objectBits & BIT_TOKEN) === 0) {
    const rc = storeVolatile(access(), here())
    publicHandle = objectHandle
    return rc
  }
  // Room for the private key too: its template and at most 3 KiB of RSA-4096 components.
  let rc = txBegin(recordLength(plainSize()) + recordLength(length2 + 4096))
  if (rc === RC_OK) rc = addObject(here(), myStorageKey())
  pairOpen = rc === RC_OK
  publicHandle = objectHandle
  return rc
}

function keepPrivate(rcPrivate: u32): u32 {
  let rc = rcPrivate
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) {
    if ((objectBits & BIT_TOKEN) === 0) rc = storeVolatile(access(), here())
    else {
      if (!pairOpen) rc = txBegin(recordLength(plainSize()))
      if (rc === RC_OK) rc = addObject(here(), myStorageKey())
      pairOpen = pairOpen || rc === RC_OK
    }
  }
  if (rc !== RC_OK) endObject(access(), here(), publicHandle)
  if (pairOpen) txCommit()
  pairOpen = false
  if (rc !== RC_OK) return rc
  write32(publicHandle)
  write32(objectHandle)
  return RC_OK
}

let partAt: usize = 0
let partLength: i32 = 0

function part(): usize {
  partLength = <i32>load32be(partAt)
  const p = partAt + 4
  partAt = p + <usize>partLength
  return p
}

const EXPONENT: usize = memory.data<u8>([1, 0, 1])

function generateRsa(mechanism: u32): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_RSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, CKK_RSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  const bits = ulongOf(PLAIN, plainSize(), CKA_MODULUS_BITS, 0)
  if (bits === 0) return RC_TEMPLATE_INCOMPLETE
  if (bits < 2048 || bits > 4096 || (bits & 255) !== 0) return RC_KEY_SIZE_RANGE
  if (plainFind(CKA_PUBLIC_EXPONENT) === 0) {
    rc = plainPut(CKA_PUBLIC_EXPONENT, EXPONENT, 3)
    if (rc !== RC_OK) return rc
  }
  const e = plainFind(CKA_PUBLIC_EXPONENT)
  const eLength = valueLength()
  if (eLength < 1 || eLength > 8 || (load<u8>(e + <usize>(eLength - 1)) & 1) === 0) return RC_ATTRIBUTE_VALUE_INVALID
  memory.copy(SECRET2, e, eLength)
  store32be(PKA_IN, bits)
  store32be(PKA_IN + 4, <u32>eLength)
  memory.copy(PKA_IN + 8, e, eLength)
  const n = accelerate(PKA_RSA_GENERATE, 8 + eLength)
  if (n <= 0) return RC_FUNCTION_FAILED
  partAt = PKA_OUT
  let p = part()
  rc = plainPut(CKA_MODULUS, p, partLength)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_RSA, true)
  partAt = PKA_OUT
  p = part()
  if (rc === RC_OK) rc = plainPut(CKA_MODULUS, p, partLength)
  if (rc === RC_OK) rc = plainPut(CKA_PUBLIC_EXPONENT, SECRET2, eLength)
  p = part()
  if (rc === RC_OK) rc = plainPut(CKA_PRIVATE_EXPONENT, p, partLength)
  for (let type: u32 = CKA_PRIME_1; type < <u32>CKA_PRIME_1 + 5; type++) {
    p = part()
    if (rc === RC_OK) rc = plainPut(type, p, partLength)
  }
  if (rc === RC_OK) rc = completeObject(mechanism)
  return keepPrivate(rc)
}

function generateEc(mechanism: u32, keyType: u32): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  const params = plainFind(CKA_EC_PARAMS)
  if (params === 0) return RC_TEMPLATE_INCOMPLETE
  const paramsLength = valueLength()
  const edwards = keyType === CKK_EC_EDWARDS
  const curve = edwards ? edwardsOf(params, paramsLength) : curveOf(params, paramsLength)
  if (curve === 0 || paramsLength > 16) return RC_ATTRIBUTE_VALUE_INVALID
  memory.copy(SMALL, params, paramsLength)
  // DER OCTET STRING around the point: CKA_EC_POINT is encoded so.
  const L = edwards ? edwardsLength(curve) : curveLength(curve)
  const pointLength = edwards ? L : 1 + 2 * L
  const head: usize = pointLength > 127 ? 3 : 2
  const made = edwards ? edGenerate(curve, SECRET, SECRET2 + head) : ecGenerate(curve, SECRET, SECRET2 + head)
  if (!made) return RC_RANDOM_NO_RNG
  store<u8>(SECRET2, 4)
  if (head === 3) store<u8>(SECRET2 + 1, 0x81)
  store<u8>(SECRET2 + head - 1, <u8>pointLength)
  rc = plainPut(CKA_EC_POINT, SECRET2, <i32>head + pointLength)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, keyType, true)
  if (rc === RC_OK) rc = plainPut(CKA_EC_PARAMS, SMALL, paramsLength)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, SECRET, L)
  if (rc === RC_OK) rc = completeObject(mechanism)
  return keepPrivate(rc)
}

// ---- reading and changing ---------------------------------------------------------------------------------------------

function get(): u32 {
  const handle = read32()
  const n = read16()
  const types = readFixed(<i32>n * 4)
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc
  const closed = (objectBits & BIT_SENSITIVE) !== 0 || (objectBits & BIT_EXTRACTABLE) === 0
  write16(n)
  for (let i: u32 = 0; i < n; i++) {
    const type = load32be(types + <usize>i * 4)
    let code: u32 = RC_OK
    let p: usize = 0
    let size = 0
    if (isSecretValue(objectClass, type)) {
      if (closed) code = RC_ATTRIBUTE_SENSITIVE
      else if (!requestIsSealed()) code = RC_CHANNEL_REQUIRED
    }
    if (code === RC_OK) {
      p = attributeOf(type)
      size = attributeSize()
      if (p === 0) code = RC_ATTRIBUTE_TYPE_INVALID
    }
    if (code !== RC_OK) size = 0
    if (writeRoom() < 12 + size + SEALED_OVERHEAD) return RC_ARGUMENTS_BAD
    write32(type)
    write32(code)
    write32(<u32>size)
    writeFixed(p, size)
  }
  return RC_OK
}

function destroy(): u32 {
  const n = read16()
  const handles = readFixed(<i32>n * 4)
  if (!readDone()) return RC_FRAME_MALFORMED
  if (n === 0 || n > DESTROY_MAX) return RC_ARGUMENTS_BAD
  if (!iAmUser()) return RC_USER_NOT_LOGGED_IN
  let lasting = 0
  for (let i: u32 = 0; i < n; i++) if (load32be(handles + <usize>i * 4) < SESSION_HANDLES) lasting++
  let rc = lasting > 0 ? needWritingOfficer() : RC_OK
  if (rc === RC_OK && lasting > 0) rc = txBeginDeleting(lasting)
  if (rc !== RC_OK) return rc
  write16(n)
  for (let i: u32 = 0; i < n; i++) {
    store32be(writeSkip(4), endObject(access(), here(), load32be(handles + <usize>i * 4)))
  }
  if (lasting > 0) txCommit()
  return RC_OK
}
