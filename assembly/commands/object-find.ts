// Finding objects, and reading the attributes that a template is held against (PKCS#11 §4.2): OBJECT_LIST.

import { cloneVerdict } from '../cloning/rules'
import { CIPHER_RC2 } from '../crypto/block-cipher'
import { load32be, store32be } from '../crypto/util'
import { bucketHead, findHandle, OUID_BUCKETS, ouidOf, Row, row } from '../flash/directory'
import { firstOfClass, firstOfId, firstOfLabel, nameHash, nameless } from '../flash/name-index'
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
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_LOCAL,
  CKA_MODIFIABLE,
  CKA_NEVER_EXTRACTABLE,
  CKA_OUID,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_TOKEN,
  CKA_USAGE_COUNT,
  CKA_VALUE,
  CKO_SECRET_KEY,
  RC_ARGUMENTS_BAD,
  RC_FRAME_MALFORMED,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  SEALED_OVERHEAD,
  UNAVAILABLE,
} from '../protocol'
import { checkTemplate, find, plainFind, plainSize, ulongOf, valueLength } from '../token/attributes'
import { checkValue } from '../token/check-value'
import { cipherOf } from '../token/key-types'
import { mayList, OBJECT_OUID, objectBits, objectClass, objectKeyType, openObject } from '../token/objects'
import { recordLength } from '../token/record'
import { SESSION_ROWS, sessionObjectAt, sessionRow } from '../token/session-objects'
import { isKey, isSecretClass, isSecretValue } from '../token/template'
import { access, here, iAmUser } from './context'
import {
  read16,
  read32,
  readBytes,
  readDone,
  readLength,
  write16,
  write32,
  writeFixed,
  writePosition,
  writeRoom,
} from './frame'

const ROW_SIZE: i32 = 44
const SMALL: usize = memory.data(16, 4)

const HEADER_VALUE: usize = memory.data(4, 4)

/** Value of an attribute that the header of the object in hand carries; its length, -1 = not a header attribute of this class. */
export function headerValue(type: u32): i32 {
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

let valueSize: i32 = 0

/** Length of the value that `attributeOf` found. */
export function attributeSize(): i32 {
  return valueSize
}

/** Address of any readable attribute of the object in hand, 0 = it has none; length in `attributeSize`. */
export function attributeOf(type: u32): usize {
  const n = headerValue(type)
  if (n >= 0) {
    valueSize = n
    return HEADER_VALUE
  }
  if (type === CKA_OUID) {
    valueSize = 12
    return OBJECT_OUID
  }
  const cipher = type === CKA_CHECK_VALUE && objectClass === CKO_SECRET_KEY ? cipherOf(objectKeyType) : 0
  // What RC2 makes of a key depends on how many bits of it are to count.
  if (cipher !== 0 && cipher !== CIPHER_RC2) {
    const key = plainFind(CKA_VALUE)
    checkValue(cipher, key, valueLength(), SMALL)
    valueSize = 3
    return SMALL
  }
  const p = plainFind(type)
  valueSize = valueLength()
  if (p === 0 && type === CKA_USAGE_COUNT && isKey(objectClass)) {
    store32be(SMALL, 0)
    valueSize = 4
    return SMALL
  }
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

/** True where the template asks for nothing but class and key type: the directory row decides. */
function headerDecides(template: usize, length: i32): bool {
  let at: u32 = 0
  while (at < <u32>length) {
    const type = load32be(template + at)
    if (type !== CKA_CLASS && type !== CKA_KEY_TYPE) return false
    at += 8 + <u32>((<i32>load32be(template + at + 4) + 3) & ~3)
  }
  return true
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

// ---- cursors ----------------------------------------------------------------------------------------------------------
// 0 = the beginning, and the end in an answer. Else 1 + the place to go on at: in the order of the OUID index bucket × CHAIN + place in
// the bucket; where class, label or id say where to look, the handle of the next row; and SESSION_PLACES + number of a session object.

/** Rows of one bucket that a cursor can tell apart. */
const CHAIN: u32 = 256
const SESSION_PLACES: u32 = 0x40000000
/** Names are being learned: the caller asks again, and the search begins. */
const LEARNING: u32 = 0xffffffff
/** Objects opened at most for that by one command. */
const LEARN_STEP: i32 = 256

/** Where a search looks. */
const BY_CLASS: i32 = 1
const BY_LABEL: i32 = 2
const BY_ID: i32 = 3

let template: usize = 0
let templateLength: i32 = 0
let limit: u32 = 0
let rows: u32 = 0
let listFault: u32 = RC_OK

/** Token objects that match, each token in an order of its own, then the client's session objects. */
export function list(): u32 {
  const cursor = read32()
  limit = read16()
  template = readBytes()
  templateLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (cursor > SESSION_PLACES + SESSION_ROWS && cursor !== LEARNING) return RC_ARGUMENTS_BAD
  const rc = checkTemplate(template, templateLength)
  if (rc !== RC_OK) return rc
  const next = writePosition()
  write32(0)
  const count = writePosition()
  write16(0)
  rows = 0
  listFault = RC_OK
  const start: u32 = cursor === 0 || cursor === LEARNING ? 0 : cursor - 1
  let stopped: u32 = 0
  if (start < SESSION_PLACES) stopped = listToken(start)
  if (stopped === 0 && listFault === RC_OK) stopped = listSession(start < SESSION_PLACES ? 0 : start - SESSION_PLACES)
  if (listFault !== RC_OK) return listFault
  store32be(next, stopped)
  store<u8>(count, <u8>(rows >>> 8))
  store<u8>(count + 1, <u8>rows)
  return RC_OK
}

function pageIsFull(): bool {
  return rows >= limit || writeRoom() < ROW_SIZE + SEALED_OVERHEAD
}

function listToken(start: u32): u32 {
  const id = find(template, templateLength, CKA_ID)
  if (id !== 0) return listNamed(BY_ID, nameHash(id, valueLength()), start)
  const label = find(template, templateLength, CKA_LABEL)
  if (label !== 0) return listNamed(BY_LABEL, nameHash(label, valueLength()), start)
  const cls = find(template, templateLength, CKA_CLASS)
  if (cls !== 0) return listChain(BY_CLASS, load32be(cls), start)
  return listBuckets(start)
}

function listNamed(order: i32, name: u32, start: u32): u32 {
  return learn() ? listChain(order, name, start) : LEARNING
}

/** The names of all objects that this client may see are known, or so many more of them. */
function learn(): bool {
  const partition = here()
  const user = iAmUser()
  for (let step = 0; step < LEARN_STEP; step++) {
    const i = nameless(partition, user)
    if (i === 0) return true
    listFault = openObject(access(), partition, row(i).handle)
    if (listFault !== RC_OK) return true
  }
  return nameless(partition, user) === 0
}

/** Writes the row if it matches. False = the page is full before it. */
function offer(r: Row, user: bool): bool {
  if (r.partition !== here() || !mayList(r, user)) return true
  if (ruledOut(r.objectClass, r.keyType, template, templateLength)) return true
  if (pageIsFull()) return false
  if (!headerDecides(template, templateLength)) {
    listFault = openObject(access(), here(), r.handle)
    if (listFault !== RC_OK) return false
    if (!matches(template, templateLength)) return true
  }
  writeRow(r.handle, ouidOf(r), r.objectClass, r.keyType, r.bits, r.length, cloneVerdict(here(), r.objectClass))
  rows++
  return true
}

/** The cursor to go on at, 0 = all buckets are done. */
function listBuckets(start: u32): u32 {
  const user = iAmUser()
  let place = start % CHAIN
  for (let bucket = start / CHAIN; bucket < OUID_BUCKETS; bucket++) {
    let i = bucketHead(bucket)
    for (let skip: u32 = 0; skip < place && i !== 0; skip++) i = row(i).nextByOuid
    for (; i !== 0; i = row(i).nextByOuid, place++) {
      if (!offer(row(i), user)) return 1 + bucket * CHAIN + place
    }
    place = 0
  }
  return 0
}

function chainHead(order: i32, name: u32): u32 {
  if (order === BY_CLASS) return firstOfClass(here(), name)
  return order === BY_LABEL ? firstOfLabel(name) : firstOfId(name)
}

function chainNext(order: i32, r: Row): u32 {
  if (order === BY_CLASS) return r.nextByClass
  return order === BY_LABEL ? r.nextByLabel : r.nextById
}

function inChain(order: i32, name: u32, r: Row): bool {
  if (order === BY_CLASS) return r.objectClass === name
  return (order === BY_LABEL ? r.labelHash : r.idHash) === name
}

/**
 * The same along one chain; a cursor is the handle of the next row. Where that was destroyed meanwhile a class goes on behind its place,
 * and the other chains, which are in no order, begin again: nothing is missed, but rows may come twice.
 */
function listChain(order: i32, name: u32, start: u32): u32 {
  const user = iAmUser()
  let i = chainHead(order, name)
  if (start !== 0) {
    const at = findHandle(here(), start)
    if (at !== 0 && inChain(order, name, row(at))) i = at
    else if (order === BY_CLASS) while (i !== 0 && row(i).handle < start) i = row(i).nextByClass
  }
  for (; i !== 0; i = chainNext(order, row(i))) {
    // Names of other hashes share the chain.
    if (inChain(order, name, row(i)) && !offer(row(i), user)) return 1 + row(i).handle
  }
  return 0
}

function listSession(from: u32): u32 {
  const partition = here()
  const user = iAmUser()
  for (let s = sessionRow(<i32>from); s >= 0; s = sessionRow(s + 1)) {
    const handle = sessionObjectAt(s, access(), partition)
    if (handle === 0 || openObject(access(), partition, handle) !== RC_OK) continue
    if ((objectBits & BIT_PRIVATE) !== 0 && !user) continue
    if (!matches(template, templateLength)) continue
    if (pageIsFull()) return 1 + SESSION_PLACES + <u32>s
    const size = recordLength(plainSize())
    writeRow(handle, OBJECT_OUID, objectClass, objectKeyType, objectBits, size, RC_OBJECT_HANDLE_INVALID)
    rows++
  }
  return 0
}
