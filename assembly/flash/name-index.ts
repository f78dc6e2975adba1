// Finding by class, label and id without a scan: rows of one class in handle order, and chains of rows whose label or id has one hash.
// Labels and ids are inside the sealed records, so a row's hashes are known once its object was in hand; until then it waits in a list of
// its own, public and private objects apart.

import { BIT_PRIVATE, CKO_DOMAIN_PARAMETERS, MAX_PARTITIONS } from '../protocol'
import { Row, row } from './rows'

const BUCKETS: u32 = 65536
const BY_LABEL: usize = memory.data(262144, 16)
const BY_ID: usize = memory.data(262144, 16)
/** Per partition and class. */
const CLASSES: u32 = CKO_DOMAIN_PARAMETERS + 1
const CLASS_HEAD: usize = memory.data(4096, 16)
const CLASS_TAIL: usize = memory.data(4096, 16)
/** Per partition: public, private. */
const WAITING: usize = memory.data(1024, 16)

/** Hash of a name that is not there: it matches nothing that is looked for. */
export const NO_NAME: u32 = 1

/** From the TRNG at power-up: nobody can make chains long. */
let key: u64 = 0

export function nameKey(value: u64): void {
  key = value
}

export function namesClear(): void {
  memory.fill(BY_LABEL, 0, 262144)
  memory.fill(BY_ID, 0, 262144)
  memory.fill(CLASS_HEAD, 0, 4096)
  memory.fill(CLASS_TAIL, 0, 4096)
  memory.fill(WAITING, 0, 1024)
}

/** Keyed hash of a label or id of `n` bytes; above NO_NAME. */
export function nameHash(p: usize, n: i32): u32 {
  let h: u64 = key ^ (<u64>n * 0x9e3779b97f4a7c15)
  let i: usize = 0
  for (; i + 8 <= <usize>n; i += 8) {
    h = (h ^ load<u64>(p + i)) * 0x9e3779b97f4a7c15
    h ^= h >>> 29
  }
  for (; i < <usize>n; i++) {
    h = (h ^ <u64>load<u8>(p + i)) * 0x9e3779b97f4a7c15
    h ^= h >>> 29
  }
  return <u32>(h ^ (h >>> 32)) | 2
}

function classCell(base: usize, partition: u32, objectClass: u32): usize {
  return base + <usize>((partition % <u32>(MAX_PARTITIONS + 1)) * CLASSES + min(objectClass, CLASSES - 1)) * 4
}

function waitingCell(r: Row): usize {
  return WAITING + <usize>(r.partition * 2 + ((r.bits & BIT_PRIVATE) !== 0 ? 1 : 0)) * 4
}

function labelCell(hash: u32): usize {
  return BY_LABEL + <usize>(hash % BUCKETS) * 4
}

function idCell(hash: u32): usize {
  return BY_ID + <usize>(hash % BUCKETS) * 4
}

function isKnown(r: Row): bool {
  return r.labelHash !== 0
}

function push(cell: usize, index: u32): void {
  const r = row(index)
  const head = load<u32>(cell)
  r.prevByLabel = 0
  r.nextByLabel = head
  if (head !== 0) row(head).prevByLabel = index
  store<u32>(cell, index)
}

function drop(cell: usize, r: Row): void {
  if (r.prevByLabel === 0) store<u32>(cell, r.nextByLabel)
  else row(r.prevByLabel).nextByLabel = r.nextByLabel
  if (r.nextByLabel !== 0) row(r.nextByLabel).prevByLabel = r.prevByLabel
}

function pushId(cell: usize, index: u32): void {
  const r = row(index)
  const head = load<u32>(cell)
  r.prevById = 0
  r.nextById = head
  if (head !== 0) row(head).prevById = index
  store<u32>(cell, index)
}

function dropId(cell: usize, r: Row): void {
  if (r.prevById === 0) store<u32>(cell, r.nextById)
  else row(r.prevById).nextById = r.nextById
  if (r.nextById !== 0) row(r.nextById).prevById = r.prevById
}

/** A new row: its class is known, its names are not. */
export function linkName(index: u32): void {
  const r = row(index)
  const head = classCell(CLASS_HEAD, r.partition, r.objectClass)
  const tail = classCell(CLASS_TAIL, r.partition, r.objectClass)
  let after = load<u32>(tail)
  while (after !== 0 && row(after).handle > r.handle) after = row(after).prevByClass
  const before = after === 0 ? load<u32>(head) : row(after).nextByClass
  r.prevByClass = after
  r.nextByClass = before
  if (after === 0) store<u32>(head, index)
  else row(after).nextByClass = index
  if (before === 0) store<u32>(tail, index)
  else row(before).prevByClass = index
  r.labelHash = 0
  r.idHash = 0
  push(waitingCell(r), index)
}

export function unlinkName(index: u32): void {
  const r = row(index)
  if (r.prevByClass === 0) store<u32>(classCell(CLASS_HEAD, r.partition, r.objectClass), r.nextByClass)
  else row(r.prevByClass).nextByClass = r.nextByClass
  if (r.nextByClass === 0) store<u32>(classCell(CLASS_TAIL, r.partition, r.objectClass), r.prevByClass)
  else row(r.nextByClass).prevByClass = r.prevByClass
  unlinkNames(r)
}

function unlinkNames(r: Row): void {
  if (!isKnown(r)) {
    drop(waitingCell(r), r)
    return
  }
  drop(labelCell(r.labelHash), r)
  dropId(idCell(r.idHash), r)
}

/** The object of the row was in hand: these are its names. */
export function setNames(index: u32, labelHash: u32, idHash: u32): void {
  const r = row(index)
  unlinkNames(r)
  r.labelHash = labelHash
  r.idHash = idHash
  push(labelCell(labelHash), index)
  pushId(idCell(idHash), index)
}

/** A row of the partition whose names are not known yet; private ones only where `user`. 0 = none. */
export function nameless(partition: u32, user: bool): u32 {
  const first = load<u32>(WAITING + <usize>(partition * 2) * 4)
  return first !== 0 || !user ? first : load<u32>(WAITING + <usize>(partition * 2 + 1) * 4)
}

/** First row of a class, in handle order; the others follow by `nextByClass`. */
export function firstOfClass(partition: u32, objectClass: u32): u32 {
  return objectClass < CLASSES ? load<u32>(classCell(CLASS_HEAD, partition, objectClass)) : 0
}

/** First row, of any partition, in the chain of a label's hash; the others follow by `nextByLabel`. */
export function firstOfLabel(hash: u32): u32 {
  return load<u32>(labelCell(hash))
}

/** The same for ids, by `nextById`. */
export function firstOfId(hash: u32): u32 {
  return load<u32>(idCell(hash))
}
