// Object commands: which one is which, and create, generate, read, destroy.

import { PKA_OUT, PLAIN } from '../arena'
import { desParity } from '../crypto/des'
import { load32be, store32be, wipe } from '../crypto/util'
import { txBeginDeleting, txCommit } from '../flash/transaction'
import {
  BIT_EXTRACTABLE,
  BIT_SENSITIVE,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKM_DSA_PARAMETER_GEN,
  CKO_SECRET_KEY,
  CMD_OBJECT_COPY,
  CMD_OBJECT_COUNT,
  CMD_OBJECT_CREATE,
  CMD_OBJECT_DESTROY,
  CMD_OBJECT_GENERATE,
  CMD_OBJECT_GENERATE_PAIR,
  CMD_OBJECT_GET,
  CMD_OBJECT_LIST,
  CMD_OBJECT_SET,
  RC_ARGUMENTS_BAD,
  RC_ATTRIBUTE_SENSITIVE,
  RC_ATTRIBUTE_TYPE_INVALID,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_CHANNEL_REQUIRED,
  RC_COMMAND_NON_BACKUP,
  RC_FRAME_MALFORMED,
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
import { checkTemplate, plainFind, plainPut, plainSize, ulongOf } from '../token/attributes'
import { fixedLength, generatedType, isDes, lengthFits } from '../token/key-types'
import { canGenerate, takeMechanism } from '../token/mechanisms'
import { endObject, newOuid, objectBits, objectClass, objectHandle, openObject } from '../token/objects'
import { purposesOf } from '../token/purposes'
import { random } from '../token/random'
import { SESSION_HANDLES } from '../token/session-objects'
import { isBackup, state } from '../token/state'
import { completeObject, isSecretClass, isSecretValue, objectFrom } from '../token/template'
import {
  access,
  here,
  hereIsAdmin,
  iAmUser,
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
import { copy, set, setCount } from './object-change'
import { generateParameters } from './object-dsa'
import { attributeOf, attributeSize, list } from './object-find'
import { keepObject, mayKeep } from './object-keep'
import { generatePair } from './object-pair'

const DESTROY_MAX: u32 = 1024
/** Templates are read after the reader has moved on: their places. */
let list1: usize = 0
let length1: i32 = 0

export function objectCommand(command: u32): u32 {
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  purposesOf(here(), !hereIsAdmin())
  if (command === CMD_OBJECT_LIST) return list()
  if (command === CMD_OBJECT_GET) return get()
  if (command === CMD_OBJECT_DESTROY) return destroy()
  if (isBackup()) return RC_COMMAND_NON_BACKUP
  if (command === CMD_OBJECT_CREATE) return create()
  if (command === CMD_OBJECT_GENERATE) return generate()
  if (command === CMD_OBJECT_GENERATE_PAIR) return generatePair()
  if (command === CMD_OBJECT_SET) return set()
  if (command === CMD_OBJECT_COPY) return copy()
  if (command === CMD_OBJECT_COUNT) return setCount()
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

function generate(): u32 {
  const mechanism = read32()
  takeTemplate()
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needOfficer()
  if (officer !== RC_OK) return officer
  takeMechanism(mechanism, here())
  if (mechanism === CKM_DSA_PARAMETER_GEN && canGenerate()) {
    const sound = checkTemplate(list1, length1)
    return sound === RC_OK ? generateParameters(list1, length1) : sound
  }
  const keyType = generatedType(mechanism)
  if (keyType === UNAVAILABLE || !canGenerate()) return RC_MECHANISM_INVALID
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_SECRET_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  if (plainFind(CKA_VALUE) !== 0) return RC_ATTRIBUTE_VALUE_INVALID
  const fixed = <u32>fixedLength(keyType)
  const n = fixed !== 0 ? fixed : ulongOf(PLAIN, plainSize(), CKA_VALUE_LEN, 0)
  if (n === 0) return RC_TEMPLATE_INCOMPLETE
  if (n > 512 || !lengthFits(keyType, <i32>n)) return RC_KEY_SIZE_RANGE
  if (!random(PKA_OUT, <i32>n)) return RC_RANDOM_NO_RNG
  if (isDes(keyType)) desParity(PKA_OUT, <i32>n)
  rc = plainPut(CKA_VALUE, PKA_OUT, <i32>n)
  wipe(PKA_OUT, <i32>n)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
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
