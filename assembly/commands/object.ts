// Object commands: list, create, generate, read, change, destroy.

import { PKA_IN, PKA_OUT, PLAIN, SECRET, SECRET2 } from '../arena'
import { cloneVerdict } from '../cloning/rules'
import { load32be, store32be, wipe } from '../crypto/util'
import { bucketHead, OUID_BUCKETS, ouidOf, row } from '../flash/directory'
import { txBegin, txBeginDeleting, txCommit } from '../flash/transaction'
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
  CKA_CHECK_VALUE,
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_EXTRACTABLE,
  CKA_KEY_TYPE,
  CKA_LOCAL,
  CKA_MODIFIABLE,
  CKA_MODULUS,
  CKA_MODULUS_BITS,
  CKA_NEVER_EXTRACTABLE,
  CKA_OUID,
  CKA_PRIME_1,
  CKA_PRIVATE,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
  CKA_SENSITIVE,
  CKA_TOKEN,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKK_AES,
  CKK_EC,
  CKK_GENERIC_SECRET,
  CKK_RSA,
  CKM_AES_KEY_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  CMD_OBJECT_CREATE,
  CMD_OBJECT_DESTROY,
  CMD_OBJECT_GENERATE,
  CMD_OBJECT_GENERATE_PAIR,
  CMD_OBJECT_GET,
  CMD_OBJECT_LIST,
  CMD_OBJECT_SET,
  PKA_RSA_GENERATE,
  POLICY_CHANGE_ATTRIBUTES,
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
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_SESSION_READ_ONLY,
  RC_TEMPLATE_INCOMPLETE,
  RC_TOKEN_NOT_RECOGNIZED,
  RC_USER_NOT_LOGGED_IN,
  SEALED_OVERHEAD,
  STATE_FUNCTIONAL,
  UNAVAILABLE,
} from '../protocol'
import { checkTemplate, find, plainFind, plainPut, plainSize, ulongOf, valueLength } from '../token/attributes'
import { checkValue } from '../token/check-value'
import { curveOf } from '../token/curves'
import {
  addObject,
  endObject,
  mayList,
  newOuid,
  OBJECT_OUID,
  objectBits,
  objectClass,
  objectHandle,
  objectKeyType,
  openObject,
  rewriteObject,
  sessionObjectAt,
  sessionObjectCount,
  storeVolatile,
} from '../token/objects'
import { accelerate, curveLength, ecGenerate } from '../token/pka'
import { partitionPolicy } from '../token/policies'
import { random } from '../token/random'
import { recordLength } from '../token/record'
import { sessionWritable } from '../token/sessions'
import { isBackup, state } from '../token/state'
import { changeAttribute, completeObject, isSecretClass, isSecretValue, objectFrom } from '../token/template'
import {
  access,
  currentSession,
  here,
  iAmUser,
  myStorageKey,
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
  writePosition,
  writeRoom,
  writeSkip,
} from './frame'

const ROW_SIZE: i32 = 44
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
  return RC_FUNCTION_NOT_SUPPORTED
}

// ---- finding ----------------------------------------------------------------------------------------------------------

const HEADER_VALUE: usize = memory.data(4, 4)

/** Value of an attribute that the header of the object in hand carries; its length, -1 = not a header attribute of this class. */
function headerValue(type: u32): i32 {
  if (type === CKA_CLASS) {
    store32be(HEADER_VALUE, objectClass)
    return 4
  }
  if (type === CKA_KEY_TYPE) {
    if (objectKeyType === UNAVAILABLE) return -1
    store32be(HEADER_VALUE, objectKeyType)
    return 4
  }
  let bit: u32 = 0
  if (type === CKA_TOKEN) bit = BIT_TOKEN
  else if (type === CKA_PRIVATE) bit = BIT_PRIVATE
  else if (type === CKA_MODIFIABLE) bit = BIT_MODIFIABLE
  else if (objectKeyType !== UNAVAILABLE && type === CKA_LOCAL) bit = BIT_LOCAL
  else if (isSecretClass(objectClass)) {
    if (type === CKA_SENSITIVE) bit = BIT_SENSITIVE
    else if (type === CKA_EXTRACTABLE) bit = BIT_EXTRACTABLE
    else if (type === CKA_ALWAYS_SENSITIVE) bit = BIT_ALWAYS_SENSITIVE
    else if (type === CKA_NEVER_EXTRACTABLE) bit = BIT_NEVER_EXTRACTABLE
  }
  if (bit === 0) return -1
  store<u8>(HEADER_VALUE, (objectBits & bit) !== 0 ? 1 : 0)
  return 1
}

/** Address of any readable attribute of the object in hand, 0 = it has none; length in `valueSize`. */
let valueSize: i32 = 0

function attributeOf(type: u32): usize {
  const n = headerValue(type)
  if (n >= 0) {
    valueSize = n
    return HEADER_VALUE
  }
  if (type === CKA_OUID) {
    valueSize = 12
    return OBJECT_OUID
  }
  if (type === CKA_CHECK_VALUE && objectClass === CKO_SECRET_KEY && objectKeyType === CKK_AES) {
    const key = plainFind(CKA_VALUE)
    checkValue(key, valueLength(), SMALL)
    valueSize = 3
    return SMALL
  }
  const p = plainFind(type)
  valueSize = valueLength()
  return p
}

/** Every attribute of the template matches the object in hand. A secret value never matches: it must not be guessed. */
function matches(template: usize, length: i32): bool {
  let at: u32 = 0
  while (at < <u32>length) {
    const type = load32be(template + at)
    const n = <i32>load32be(template + at + 4)
    if (isSecretValue(objectClass, type)) return false
    const p = attributeOf(type)
    if (p === 0 || valueSize !== n || memory.compare(p, template + at + 8, n) !== 0) return false
    at += 8 + <u32>((n + 3) & ~3)
  }
  return true
}

/** True where the directory row alone decides that the template does not match: no need to open the object. */
function ruledOut(cls: u32, keyType: u32, template: usize, length: i32): bool {
  if (ulongOf(template, length, CKA_CLASS, cls) !== cls) return true
  return find(template, length, CKA_KEY_TYPE) !== 0 && ulongOf(template, length, CKA_KEY_TYPE, keyType) !== keyType
}

function writeRow(handle: u32, ouid: usize, cls: u32, keyType: u32, bits: u32, size: u32, clone: u32): void {
  write32(handle)
  writeFixed(ouid, 12)
  write32(cls)
  write32(keyType)
  write32(bits)
  write32(size)
  write32(clone)
}

/** Rows of one bucket that a cursor can tell apart. */
const CHAIN: u32 = 256

/**
 * Token objects in the order of the OUID index, then the client's session objects. A cursor is 1 + bucket × CHAIN + place in the
 * bucket; behind the last bucket the place is that of a session object.
 */
function list(): u32 {
  const cursor = read32()
  const limit = read16()
  const template = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (cursor > OUID_BUCKETS * CHAIN + CHAIN) return RC_ARGUMENTS_BAD
  const rc = checkTemplate(template, length)
  if (rc !== RC_OK) return rc
  const next = writePosition()
  write32(0)
  const count = writePosition()
  write16(0)
  rows = 0
  listFault = RC_OK
  const start: u32 = cursor === 0 ? 0 : cursor - 1
  let stopped: u32 = 0
  if (start < OUID_BUCKETS * CHAIN) stopped = listToken(start, limit, template, length)
  if (stopped === 0) {
    const from: u32 = start < OUID_BUCKETS * CHAIN ? 0 : start - OUID_BUCKETS * CHAIN
    stopped = listSession(from, limit, template, length)
  }
  if (listFault !== RC_OK) return listFault
  store32be(next, stopped)
  store<u8>(count, <u8>(rows >>> 8))
  store<u8>(count + 1, <u8>rows)
  return RC_OK
}

let rows: u32 = 0
let listFault: u32 = RC_OK

function pageIsFull(limit: u32): bool {
  return rows >= limit || writeRoom() < ROW_SIZE + SEALED_OVERHEAD
}

/** The cursor to go on at, 0 = all buckets are done. */
function listToken(start: u32, limit: u32, template: usize, length: i32): u32 {
  const partition = here()
  const user = iAmUser()
  let place = start % CHAIN
  for (let bucket = start / CHAIN; bucket < OUID_BUCKETS; bucket++) {
    let i = bucketHead(bucket)
    for (let skip: u32 = 0; skip < place && i !== 0; skip++) i = row(i).nextByOuid
    for (; i !== 0; i = row(i).nextByOuid, place++) {
      const r = row(i)
      if (r.partition !== partition || !mayList(r, user)) continue
      if (ruledOut(r.objectClass, r.keyType, template, length)) continue
      if (pageIsFull(limit)) return 1 + bucket * CHAIN + place
      if (length > 0) {
        listFault = openObject(access(), partition, r.handle)
        if (listFault !== RC_OK) return 0
        if (!matches(template, length)) continue
      }
      writeRow(r.handle, ouidOf(r), r.objectClass, r.keyType, r.bits, r.length, cloneVerdict(partition, r.objectClass))
      rows++
    }
    place = 0
  }
  return 0
}

function listSession(from: u32, limit: u32, template: usize, length: i32): u32 {
  const partition = here()
  const user = iAmUser()
  for (let s = <i32>from; s < sessionObjectCount(); s++) {
    const handle = sessionObjectAt(s, access(), partition)
    if (handle === 0 || openObject(access(), partition, handle) !== RC_OK) continue
    if ((objectBits & BIT_PRIVATE) !== 0 && !user) continue
    if (!matches(template, length)) continue
    if (pageIsFull(limit)) return 1 + OUID_BUCKETS * CHAIN + <u32>s
    const size = recordLength(plainSize())
    writeRow(handle, OBJECT_OUID, objectClass, objectKeyType, objectBits, size, RC_OBJECT_HANDLE_INVALID)
    rows++
  }
  return 0
}

// ---- making -----------------------------------------------------------------------------------------------------------

/** Keeps the object in hand where its CKA_TOKEN says. */
export function keepObject(): u32 {
  if ((objectBits & BIT_TOKEN) === 0) return storeVolatile(access(), here())
  if (!sessionWritable(currentSession())) return RC_SESSION_READ_ONLY
  let rc = txBegin(recordLength(plainSize()))
  if (rc === RC_OK) rc = addObject(here(), myStorageKey())
  if (rc === RC_OK) txCommit()
  return rc
}

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

function generate(): u32 {
  const mechanism = read32()
  takeTemplate()
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needWritingOfficer()
  if (officer !== RC_OK) return officer
  let keyType: u32 = CKK_AES
  if (mechanism === CKM_GENERIC_SECRET_KEY_GEN) keyType = CKK_GENERIC_SECRET
  else if (mechanism !== CKM_AES_KEY_GEN) return RC_MECHANISM_INVALID
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_SECRET_KEY, keyType, true)
  if (rc !== RC_OK) return rc
  if (plainFind(CKA_VALUE) !== 0) return RC_ATTRIBUTE_VALUE_INVALID
  const n = ulongOf(PLAIN, plainSize(), CKA_VALUE_LEN, 0)
  if (n === 0) return RC_TEMPLATE_INCOMPLETE
  if (keyType === CKK_AES ? n !== 16 && n !== 24 && n !== 32 : n > 512) return RC_KEY_SIZE_RANGE
  if (!random(PKA_OUT, <i32>n)) return RC_RANDOM_NO_RNG
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
  const officer = needWritingOfficer()
  if (officer !== RC_OK) return officer
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = checkTemplate(list2, length2)
  if (rc !== RC_OK) return rc
  if (mechanism === CKM_RSA_PKCS_KEY_PAIR_GEN) return generateRsa()
  return mechanism === CKM_EC_KEY_PAIR_GEN ? generateEc() : RC_MECHANISM_INVALID
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

function generateRsa(): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_RSA, true)
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, CKK_RSA, true)
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
  if (rc === RC_OK) rc = completeObject(CKM_RSA_PKCS_KEY_PAIR_GEN)
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
  if (rc === RC_OK) rc = completeObject(CKM_RSA_PKCS_KEY_PAIR_GEN)
  return keepPrivate(rc)
}

function generateEc(): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_EC, true)
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, CKK_EC, true)
  if (rc !== RC_OK) return rc
  const params = plainFind(CKA_EC_PARAMS)
  if (params === 0) return RC_TEMPLATE_INCOMPLETE
  const paramsLength = valueLength()
  const curve = curveOf(params, paramsLength)
  if (curve === 0 || paramsLength > 16) return RC_ATTRIBUTE_VALUE_INVALID
  memory.copy(SMALL, params, paramsLength)
  // DER OCTET STRING around the point: CKA_EC_POINT is encoded so.
  const L = curveLength(curve)
  const pointLength = 1 + 2 * L
  const head: usize = pointLength > 127 ? 3 : 2
  if (!ecGenerate(curve, SECRET, SECRET2 + head)) return RC_RANDOM_NO_RNG
  store<u8>(SECRET2, 4)
  if (head === 3) store<u8>(SECRET2 + 1, 0x81)
  store<u8>(SECRET2 + head - 1, <u8>pointLength)
  rc = plainPut(CKA_EC_POINT, SECRET2, <i32>head + pointLength)
  if (rc === RC_OK) rc = completeObject(CKM_EC_KEY_PAIR_GEN)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_EC, true)
  if (rc === RC_OK) rc = plainPut(CKA_EC_PARAMS, SMALL, paramsLength)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, SECRET, L)
  if (rc === RC_OK) rc = completeObject(CKM_EC_KEY_PAIR_GEN)
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
    valueSize = 0
    if (isSecretValue(objectClass, type)) {
      if (closed) code = RC_ATTRIBUTE_SENSITIVE
      else if (!requestIsSealed()) code = RC_CHANNEL_REQUIRED
    }
    if (code === RC_OK) {
      p = attributeOf(type)
      if (p === 0) code = RC_ATTRIBUTE_TYPE_INVALID
    }
    if (code !== RC_OK) valueSize = 0
    if (writeRoom() < 12 + valueSize + SEALED_OVERHEAD) return RC_ARGUMENTS_BAD
    write32(type)
    write32(code)
    write32(<u32>valueSize)
    writeFixed(p, valueSize)
  }
  return RC_OK
}

function set(): u32 {
  const handle = read32()
  takeTemplate()
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = needWritingOfficer()
  if (rc === RC_OK) rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc
  if ((objectBits & BIT_TOKEN) === 0) return RC_ARGUMENTS_BAD
  const usage = partitionPolicy(here(), POLICY_CHANGE_ATTRIBUTES) !== 0
  let at: u32 = 0
  while (at < <u32>length1) {
    const type = load32be(list1 + at)
    const n = <i32>load32be(list1 + at + 4)
    rc = changeAttribute(type, list1 + at + 8, usage)
    if (rc !== RC_OK) return rc
    if (headerValue(type) < 0) {
      rc = plainPut(type, list1 + at + 8, n)
      if (rc !== RC_OK) return rc
    }
    at += 8 + <u32>((n + 3) & ~3)
  }
  rc = txBegin(recordLength(plainSize()))
  if (rc === RC_OK) rc = rewriteObject(here(), myStorageKey())
  if (rc === RC_OK) txCommit()
  return rc
}

function destroy(): u32 {
  const n = read16()
  const handles = readFixed(<i32>n * 4)
  if (!readDone()) return RC_FRAME_MALFORMED
  if (n === 0 || n > DESTROY_MAX) return RC_ARGUMENTS_BAD
  if (!iAmUser()) return RC_USER_NOT_LOGGED_IN
  const officer = needWritingOfficer()
  if (officer !== RC_OK) return officer
  const rc = txBeginDeleting(<i32>n)
  if (rc !== RC_OK) return rc
  write16(n)
  for (let i: u32 = 0; i < n; i++) {
    store32be(writeSkip(4), endObject(access(), here(), load32be(handles + <usize>i * 4)))
  }
  txCommit()
  return RC_OK
}
