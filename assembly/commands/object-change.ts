// Changing an object, and copying one with changes (PKCS#11 2.40 §5.7): OBJECT_SET, OBJECT_COPY.

import { PLAIN } from '../arena'
import { load32be } from '../crypto/util'
import { txBegin, txCommit } from '../flash/transaction'
import {
  BIT_MODIFIABLE,
  BIT_PRIVATE,
  BIT_TOKEN,
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_MODIFIABLE,
  CKA_PRIVATE,
  CKA_TOKEN,
  CKA_UNWRAP,
  CKA_USAGE_COUNT,
  CKA_WRAP,
  COUNT_INCREMENT,
  COUNT_SET,
  POLICY_CHANGE_ATTRIBUTES,
  RC_ARGUMENTS_BAD,
  RC_ATTRIBUTE_READ_ONLY,
  RC_FRAME_MALFORMED,
  RC_KEY_HANDLE_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCONSISTENT,
} from '../protocol'
import {
  boolOf,
  checkTemplate,
  isUsage,
  padded,
  plainPut,
  plainPutUlong,
  plainSize,
  ulongOf,
} from '../token/attributes'
import {
  newOuid,
  objectBits,
  objectClass,
  objectHandle,
  openObject,
  rewriteObject,
  rewriteVolatile,
  setBits,
} from '../token/objects'
import { partitionPolicy } from '../token/policies'
import { purposesFit } from '../token/purposes'
import { recordLength } from '../token/record'
import { changeAttribute, isKey, isSecretClass } from '../token/template'
import { access, here, myStorageKey, needOfficer } from './context'
import { read8, read32, readBytes, readDone, readLength, write32 } from './frame'
import { headerValue } from './object-find'
import { keepObject, mayKeep } from './object-keep'

let changes: usize = 0
let changesLength: i32 = 0

/** One of the pairs that carry keys out of the token, or known ones in. */
function mayBoth(one: u32, other: u32): bool {
  return boolOf(PLAIN, plainSize(), one, false) && boolOf(PLAIN, plainSize(), other, false)
}

/** The changes, each held against the object as it is by then. A key that was made with one half of a pair does not get the other. */
function apply(copying: bool): u32 {
  const usage = partitionPolicy(here(), POLICY_CHANGE_ATTRIBUTES) !== 0
  const wrapsDecrypts = mayBoth(CKA_WRAP, CKA_DECRYPT)
  const unwrapsEncrypts = mayBoth(CKA_UNWRAP, CKA_ENCRYPT)
  let places: u32 = 0
  let changesUsage = copying
  let at: u32 = 0
  while (at < <u32>changesLength) {
    const type = load32be(changes + at)
    const n = load32be(changes + at + 4)
    const value = changes + at + 8
    at += 8 + padded(n)
    if (copying && (type === CKA_TOKEN || type === CKA_PRIVATE || type === CKA_MODIFIABLE)) {
      const bit = type === CKA_TOKEN ? BIT_TOKEN : type === CKA_PRIVATE ? BIT_PRIVATE : BIT_MODIFIABLE
      if (load<u8>(value) === 1) {
        if (type === CKA_MODIFIABLE && (objectBits & BIT_MODIFIABLE) === 0) return RC_ATTRIBUTE_READ_ONLY
        places |= bit
        places &= ~(bit << 16)
      } else {
        // What only a user could see is not shown to everybody.
        if (type === CKA_PRIVATE && isSecretClass(objectClass) && (objectBits & BIT_PRIVATE) !== 0)
          return RC_TEMPLATE_INCONSISTENT
        places |= bit << 16
      }
      continue
    }
    if (isUsage(type)) changesUsage = true
    let rc = changeAttribute(type, value, usage)
    if (rc === RC_OK && headerValue(type) < 0) rc = plainPut(type, value, <i32>n)
    if (rc !== RC_OK) return rc
  }
  setBits((objectBits | (places & 0xffff)) & ~(places >>> 16))
  if (!wrapsDecrypts && mayBoth(CKA_WRAP, CKA_DECRYPT)) return RC_TEMPLATE_INCONSISTENT
  if (!unwrapsEncrypts && mayBoth(CKA_UNWRAP, CKA_ENCRYPT)) return RC_TEMPLATE_INCONSISTENT
  return changesUsage ? purposesFit() : RC_OK
}

/** Handle and changes; the object is in hand. */
function open(): u32 {
  const handle = read32()
  changes = readBytes()
  changesLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = needOfficer()
  if (rc === RC_OK) rc = checkTemplate(changes, changesLength)
  return rc === RC_OK ? openObject(access(), here(), handle) : rc
}

export function set(): u32 {
  let rc = open()
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = apply(false)
  return rc === RC_OK ? rewrite() : rc
}

/** Writes the object in hand over the one it was opened from. */
export function rewrite(): u32 {
  if ((objectBits & BIT_TOKEN) === 0) return rewriteVolatile(access(), here())
  let rc = txBegin(recordLength(plainSize()))
  if (rc === RC_OK) rc = rewriteObject(here(), myStorageKey())
  if (rc === RC_OK) txCommit()
  return rc
}

/** OBJECT_COUNT: how often a key counts as used is raised, or set. */
export function setCount(): u32 {
  const handle = read32()
  const how = read8()
  const value = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = needOfficer()
  if (rc === RC_OK) rc = openObject(access(), here(), handle)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  if (!isKey(objectClass)) return RC_KEY_HANDLE_INVALID
  if (how !== COUNT_INCREMENT && how !== COUNT_SET) return RC_ARGUMENTS_BAD
  const count: u32 = how === COUNT_SET ? 0 : ulongOf(PLAIN, plainSize(), CKA_USAGE_COUNT, 0)
  if (count > u32.MAX_VALUE - value) return RC_ARGUMENTS_BAD
  rc = plainPutUlong(CKA_USAGE_COUNT, count + value)
  return rc === RC_OK ? rewrite() : rc
}

/** The copy has what its original has but for the changes: where it came from, and whether it was ever open, goes with it. */
export function copy(): u32 {
  let rc = open()
  if (rc === RC_OK) rc = apply(true)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}
