// Objects: the one in hand, token objects in the log, session objects in memory.

import { CEK, KEY_GSK, PLAIN } from '../arena'
import { load32be, load64be, store32be, store64be, wipe } from '../crypto/util'
import {
  directoryHasRoom,
  findHandle,
  findOuid,
  insertRow,
  ouidOf,
  Row,
  removeRow,
  row,
  rowChanged,
  tagOf,
} from '../flash/directory'
import { dropLive } from '../flash/log'
import { SLOT_GSK, SLOT_PSK, SLOT_TOMBSTONE } from '../flash/mount'
import { NO_NAME, nameHash, setNames } from '../flash/name-index'
import { markDirty, P_EPOCH, P_NEXT_HANDLE, P_OBJECTS, P_USED_BYTES, partitionRow, sequence } from '../flash/superblock'
import { txAdd, txAddKept, txEnd } from '../flash/transaction'
import {
  BIT_PRIVATE,
  BIT_TOKEN,
  CKA_ID,
  CKA_LABEL,
  RC_CONTAINER_STORAGE_FULL,
  RC_DEVICE_ERROR,
  RC_DEVICE_MEMORY,
  RC_HSM_STORAGE_FULL,
  RC_MAX_OBJECT_COUNT_EXCEEDED,
  RC_OBJECT_ALREADY_EXISTS,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_USER_NOT_LOGGED_IN,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
} from '../protocol'
import { plainFind, plainSize, setPlainLength, valueLength } from './attributes'
import { roomFor } from './partitions'
import { fresh } from './random'
import {
  RECORD,
  recordCek,
  recordFits,
  recordHead,
  recordHeadAt,
  recordLength,
  recordOpen,
  recordSeal,
  recordSealWith,
  recordTag,
  recordTagAt,
  recordTombstone,
} from './record'
import {
  findVolatile,
  newVolatile,
  SESSION_HANDLES,
  Volatile,
  volatileData,
  volatileOuid,
  volatileTakes,
  wipeVolatile,
} from './session-objects'
import { roleOf, storageKeyOf } from './sessions'

// ---- the object in hand: header here, attribute list in PLAIN ---------------------------------------------------------

export let objectHandle: u32 = 0
export let objectClass: u32 = 0
export let objectKeyType: u32 = 0
export let objectBits: u32 = 0
export const OBJECT_OUID: usize = memory.data(12, 4)

export function setObject(handle: u32, cls: u32, keyType: u32, bits: u32): void {
  objectHandle = handle
  objectClass = cls
  objectKeyType = keyType
  objectBits = bits
}

export function setBits(bits: u32): void {
  objectBits = bits
}

/** A new object UID: 12 bytes that have to be unique and are no secret, so straight from the TRNG. */
export function newOuid(): bool {
  return fresh(OBJECT_OUID, 12)
}

// ---- session objects --------------------------------------------------------------------------------------------------

function intoVolatile(v: Volatile): void {
  v.cls = objectClass
  v.keyType = objectKeyType
  v.bits = objectBits
  v.length = <u32>plainSize()
  memory.copy(volatileOuid(v), OBJECT_OUID, 12)
  memory.copy(volatileData(v), PLAIN, plainSize())
}

/** Keeps the object in hand as a session object; its handle is in `objectHandle`. */
export function storeVolatile(access: u64, partition: u32): u32 {
  const v = newVolatile(access, partition, plainSize())
  if (changetype<usize>(v) === 0) return RC_DEVICE_MEMORY
  intoVolatile(v)
  objectHandle = v.handle
  return RC_OK
}

/** Writes the object in hand over the session object it was opened from. */
export function rewriteVolatile(access: u64, partition: u32): u32 {
  const v = findVolatile(access, partition, objectHandle)
  if (changetype<usize>(v) === 0) return RC_OBJECT_HANDLE_INVALID
  if (!volatileTakes(v, plainSize())) return RC_DEVICE_MEMORY
  const old = <i32>v.length
  intoVolatile(v)
  if (old > plainSize()) wipe(volatileData(v) + <usize>plainSize(), old - plainSize())
  return RC_OK
}

// ---- token objects ----------------------------------------------------------------------------------------------------

export function isUser(access: u64, partition: u32): bool {
  const role = roleOf(access, partition)
  return role === ROLE_CRYPTO_OFFICER || role === ROLE_CRYPTO_USER
}

/** May this client see the row? Private objects exist only for a logged-in user. */
export function mayList(r: Row, user: bool): bool {
  return (r.bits & BIT_PRIVATE) === 0 || user
}

/** Opens the object into PLAIN and the header into the object in hand. */
export function openObject(access: u64, partition: u32, handle: u32): u32 {
  if (handle >= SESSION_HANDLES) {
    const v = findVolatile(access, partition, handle)
    if (changetype<usize>(v) === 0) return RC_OBJECT_HANDLE_INVALID
    setObject(handle, v.cls, v.keyType, v.bits)
    memory.copy(OBJECT_OUID, volatileOuid(v), 12)
    setPlainLength(<i32>v.length)
    memory.copy(PLAIN, volatileData(v), v.length)
    return RC_OK
  }
  const index = findHandle(partition, handle)
  if (index === 0) return RC_OBJECT_HANDLE_INVALID
  const r = row(index)
  if (!mayList(r, isUser(access, partition))) return RC_OBJECT_HANDLE_INVALID
  const psk = storageKeyOf(access, partition)
  if (r.slot === SLOT_PSK && psk === 0) return RC_USER_NOT_LOGGED_IN
  const n = recordOpen(r, psk)
  if (n < 0) return RC_DEVICE_ERROR
  setObject(handle, r.objectClass, r.keyType, r.bits)
  memory.copy(OBJECT_OUID, ouidOf(r), 12)
  setPlainLength(n)
  if (r.labelHash === 0) noteNames(index)
  return RC_OK
}

/** Label and id of the object in hand, which is that of the row, are found by the name index from now on. */
function noteNames(index: u32): void {
  const label = plainFind(CKA_LABEL)
  const labelHash = label === 0 ? NO_NAME : nameHash(label, valueLength())
  const id = plainFind(CKA_ID)
  setNames(index, labelHash, id === 0 ? NO_NAME : nameHash(id, valueLength()))
}

function storageKey(bits: u32, psk: usize): usize {
  return (bits & BIT_PRIVATE) !== 0 ? psk : KEY_GSK
}

function slotOf(bits: u32): u32 {
  return (bits & BIT_PRIVATE) !== 0 ? SLOT_PSK : SLOT_GSK
}

function epochOf(partition: u32): u32 {
  return load32be(partitionRow(partition) + P_EPOCH)
}

function account(partition: u32, objects: i32, bytes: i64): void {
  const p = partitionRow(partition)
  store32be(p + P_OBJECTS, <u32>(<i32>load32be(p + P_OBJECTS) + objects))
  store64be(p + P_USED_BYTES, <u64>(<i64>load64be(p + P_USED_BYTES) + bytes))
  markDirty(partition)
}

const SEED: usize = memory.data(32, 16)

/** Index of the directory row that `stageObject` made. */
let staged: u32 = 0

export function stagedRow(): u32 {
  return staged
}

/** Storage key slot of the object in hand: SLOT_PSK for private ones. */
export function objectSlot(): u32 {
  return slotOf(objectBits)
}

/**
 * Gives the object in hand a handle and a directory row inside the open transaction and writes the head of its record to `at`; the
 * record is sealed and added by `addStaged`. Its handle is in `objectHandle` afterwards. Changes nothing where it answers anything
 * but RC_OK.
 */
export function stageObject(partition: u32, at: usize): u32 {
  const n = plainSize()
  if (!recordFits(n)) return RC_DEVICE_MEMORY
  if (findOuid(partition, OBJECT_OUID) !== 0) return RC_OBJECT_ALREADY_EXISTS
  const length = recordLength(n)
  const full = roomFor(partition, length)
  if (full !== 0) return full === 1 ? RC_CONTAINER_STORAGE_FULL : RC_HSM_STORAGE_FULL
  if (!directoryHasRoom(1)) return RC_MAX_OBJECT_COUNT_EXCEEDED
  const p = partitionRow(partition)
  const handle = load32be(p + P_NEXT_HANDLE)
  if (handle >= SESSION_HANDLES) return RC_MAX_OBJECT_COUNT_EXCEEDED
  const bits = objectBits | BIT_TOKEN
  const slot = slotOf(bits)
  recordHeadAt(
    at,
    partition,
    epochOf(partition),
    handle,
    0,
    OBJECT_OUID,
    objectClass,
    objectKeyType,
    bits,
    slot,
    n,
    sequence() + 1,
  )
  staged = insertRow(partition, handle, OBJECT_OUID, objectClass, bits)
  if (staged === 0) return RC_MAX_OBJECT_COUNT_EXCEEDED
  const r = row(staged)
  r.generation = 0
  r.keyType = objectKeyType
  r.slot = slot
  r.length = length
  noteNames(staged)
  store32be(p + P_NEXT_HANDLE, handle + 1)
  account(partition, 1, length)
  objectHandle = handle
  return RC_OK
}

/** Adds the sealed record of a staged object, whose plaintext has `n` bytes, to the transaction; it has to stay until txCommit. */
export function addStaged(r: Row, at: usize, n: i32): void {
  memory.copy(tagOf(r), recordTagAt(at, n), 16)
  r.offset = txAddKept(at, r.length)
}

/**
 * Adds the object in hand to a partition inside the open transaction; its handle is in `objectHandle` afterwards. Changes nothing
 * where it answers anything but RC_OK.
 */
export function addObject(partition: u32, psk: usize): u32 {
  if (!fresh(SEED, 32)) return RC_RANDOM_NO_RNG
  const rc = stageObject(partition, RECORD)
  if (rc === RC_OK) recordCek(RECORD, SEED, PLAIN, plainSize(), CEK)
  wipe(SEED, 32)
  if (rc !== RC_OK) return rc
  const n = plainSize()
  const r = row(staged)
  recordSealWith(storageKey(r.bits, psk), PLAIN, n)
  memory.copy(tagOf(r), recordTagAt(RECORD, n), 16)
  r.offset = txAdd(RECORD, r.length)
  return RC_OK
}

/** Writes the object in hand over the token object it was opened from: generation + 1, same handle, same OUID. */
export function rewriteObject(partition: u32, psk: usize): u32 {
  const index = findHandle(partition, objectHandle)
  if (index === 0) return RC_OBJECT_HANDLE_INVALID
  const r = row(index)
  const n = plainSize()
  if (!recordFits(n)) return RC_DEVICE_MEMORY
  const length = recordLength(n)
  if (length > r.length) {
    const full = roomFor(partition, length - r.length)
    if (full !== 0) return full === 1 ? RC_CONTAINER_STORAGE_FULL : RC_HSM_STORAGE_FULL
  }
  recordHead(
    partition,
    epochOf(partition),
    r.handle,
    r.generation + 1,
    ouidOf(r),
    objectClass,
    objectKeyType,
    objectBits,
    slotOf(objectBits),
    n,
    sequence() + 1,
  )
  if (recordSeal(storageKey(objectBits, psk), PLAIN, n) === 0) return RC_RANDOM_NO_RNG
  txEnd(r.offset, r.length)
  account(partition, 0, <i64>length - <i64>r.length)
  r.generation++
  r.bits = objectBits
  r.slot = slotOf(objectBits)
  r.length = length
  memory.copy(tagOf(r), recordTag(n), 16)
  r.offset = txAdd(RECORD, length)
  rowChanged(r)
  noteNames(index)
  return RC_OK
}

/** Ends an object inside the open transaction: a tombstone, and the record is made unreadable once that is admitted. */
export function endObject(access: u64, partition: u32, handle: u32): u32 {
  if (handle >= SESSION_HANDLES) {
    const v = findVolatile(access, partition, handle)
    if (changetype<usize>(v) === 0) return RC_OBJECT_HANDLE_INVALID
    wipeVolatile(v)
    return RC_OK
  }
  const index = findHandle(partition, handle)
  if (index === 0) return RC_OBJECT_HANDLE_INVALID
  const r = row(index)
  if (!mayList(r, isUser(access, partition))) return RC_OBJECT_HANDLE_INVALID
  recordHead(
    partition,
    epochOf(partition),
    r.handle,
    r.generation + 1,
    ouidOf(r),
    r.objectClass,
    r.keyType,
    r.bits,
    SLOT_TOMBSTONE,
    0,
    sequence() + 1,
  )
  const length = recordTombstone()
  const offset = txAdd(RECORD, length)
  txEnd(r.offset, r.length)
  // The tombstone itself is not live: once the old record is unreadable it has done its work.
  dropLive(offset, length)
  account(partition, -1, -(<i64>r.length))
  removeRow(index)
  return RC_OK
}
