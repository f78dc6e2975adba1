// The directory: one row in memory per listed object, found by handle, by OUID or in handle order per partition, each in constant time.

import { MAX_PARTITIONS } from '../protocol'
import { leafChanged, leavesClear } from './leaves'
import { linkName, namesClear, unlinkName } from './name-index'
import { CAPACITY, ouidOf, ROW, ROWS, Row, row, sortByHandle } from './rows'

export { ouidOf, Row, row, tagOf } from './rows'

const BY_HANDLE: usize = memory.data(262144, 16)
const BY_OUID: usize = memory.data(262144, 16)
const HEAD: usize = memory.data(512, 16)
const TAIL: usize = memory.data(512, 16)

let freeRow: u32 = 0
let usedRows: u32 = 0
let count: u32 = 0
/** Differs from token to token, so that the same objects stand in another order on each. */
let salt: u32 = 0

export function directorySalt(value: u32): void {
  salt = value
}

export function directoryClear(): void {
  memory.fill(ROWS, 0, (<usize>usedRows + 1) * ROW)
  memory.fill(BY_HANDLE, 0, 262144)
  memory.fill(BY_OUID, 0, 262144)
  memory.fill(HEAD, 0, 512)
  memory.fill(TAIL, 0, 512)
  leavesClear()
  namesClear()
  loading = false
  freeRow = 0
  usedRows = 0
  count = 0
}

export function directoryCount(): u32 {
  return count
}

export function directoryHasRoom(more: u32): bool {
  return count + more <= CAPACITY
}

function handleBucket(partition: u32, handle: u32): usize {
  return BY_HANDLE + <usize>(((handle * 0x9e3779b1) ^ (partition * 0x85ebca6b)) >>> 16) * 4
}

function ouidBucket(partition: u32, a: u32, b: u32, c: u32): usize {
  const mixed: u32 = (a ^ rotl<u32>(b, 11) ^ rotl<u32>(c, 22) ^ ((partition + salt) * 0x85ebca6b)) * 0x9e3779b1
  return BY_OUID + <usize>(mixed >>> 16) * 4
}

/** Index of a handle's row, 0 = none. */
export function findHandle(partition: u32, handle: u32): u32 {
  let i = load<u32>(handleBucket(partition, handle))
  while (i !== 0) {
    const r = row(i)
    if (r.handle === handle && r.partition === partition) return i
    i = r.nextByHandle
  }
  return 0
}

/** Index of the row with the 12-byte OUID at `ouid`, 0 = none. */
export function findOuid(partition: u32, ouid: usize): u32 {
  const a = load<u32>(ouid)
  const b = load<u32>(ouid, 4)
  const c = load<u32>(ouid, 8)
  let i = load<u32>(ouidBucket(partition, a, b, c))
  while (i !== 0) {
    const r = row(i)
    if (r.ouid0 === a && r.ouid1 === b && r.ouid2 === c && r.partition === partition) return i
    i = r.nextByOuid
  }
  return 0
}

/** Buckets of the OUID index: the firmware's own order of objects, which nobody can read anything into. */
export const OUID_BUCKETS: u32 = 65536

/** Index of the first row in a bucket; the others follow by `nextByOuid`. 0 = empty. */
export function bucketHead(bucket: u32): u32 {
  return load<u32>(BY_OUID + ((<usize>bucket) << 2))
}

export function firstOf(partition: u32): u32 {
  return load<u32>(HEAD + ((<usize>partition) << 2))
}

/** The log is being read: rows stand in the order in which they were found. */
let loading: bool = false

/** From here to `directoryOrder` rows are only collected: the log has an order of its own. */
export function directoryLoad(): void {
  loading = true
}

/** All rows are there: puts those of each partition in handle order, in n log n steps whatever order they came in. */
export function directoryOrder(): void {
  loading = false
  for (let partition: usize = 0; partition <= <usize>MAX_PARTITIONS; partition++) {
    let before: u32 = 0
    let i = sortByHandle(load<u32>(HEAD + (partition << 2)))
    store<u32>(HEAD + (partition << 2), i)
    while (i !== 0) {
      row(i).prev = before
      linkName(i)
      before = i
      i = row(i).next
    }
    store<u32>(TAIL + (partition << 2), before)
  }
}

/**
 * A new row, linked in handle order: handles only grow, so that is at the tail. Partition, handle, OUID, class and whether it is private must not change afterwards. 0 = no room.
 */
export function insertRow(partition: u32, handle: u32, ouid: usize, objectClass: u32, bits: u32): u32 {
  let index = freeRow
  if (index !== 0) freeRow = row(index).next
  else if (usedRows < CAPACITY) index = ++usedRows
  else return 0
  const r = row(index)
  memory.fill(changetype<usize>(r), 0, ROW)
  r.partition = partition
  r.handle = handle
  r.objectClass = objectClass
  r.bits = bits
  memory.copy(ouidOf(r), ouid, 12)

  let after = load<u32>(TAIL + ((<usize>partition) << 2))
  while (!loading && after !== 0 && row(after).handle > handle) after = row(after).prev
  const before = after === 0 ? firstOf(partition) : row(after).next
  r.prev = after
  r.next = before
  if (after === 0) store<u32>(HEAD + ((<usize>partition) << 2), index)
  else row(after).next = index
  if (before === 0) store<u32>(TAIL + ((<usize>partition) << 2), index)
  else row(before).prev = index

  const h = handleBucket(partition, handle)
  r.nextByHandle = load<u32>(h)
  store<u32>(h, index)
  const o = ouidBucket(partition, r.ouid0, r.ouid1, r.ouid2)
  r.nextByOuid = load<u32>(o)
  store<u32>(o, index)
  if (!loading) linkName(index)
  leafChanged(partition, handle)
  count++
  return index
}

/** The object has another record: what is hashed of it has changed. */
export function rowChanged(r: Row): void {
  leafChanged(r.partition, r.handle)
}

export function removeRow(index: u32): void {
  const r = row(index)
  rowChanged(r)
  if (!loading) unlinkName(index)
  const partition = <usize>r.partition
  if (r.prev === 0) store<u32>(HEAD + (partition << 2), r.next)
  else row(r.prev).next = r.next
  if (r.next === 0) store<u32>(TAIL + (partition << 2), r.prev)
  else row(r.next).prev = r.prev

  const h = handleBucket(r.partition, r.handle)
  if (load<u32>(h) === index) store<u32>(h, r.nextByHandle)
  else {
    let i = load<u32>(h)
    while (row(i).nextByHandle !== index) i = row(i).nextByHandle
    row(i).nextByHandle = r.nextByHandle
  }
  const o = ouidBucket(r.partition, r.ouid0, r.ouid1, r.ouid2)
  if (load<u32>(o) === index) store<u32>(o, r.nextByOuid)
  else {
    let i = load<u32>(o)
    while (row(i).nextByOuid !== index) i = row(i).nextByOuid
    row(i).nextByOuid = r.nextByOuid
  }
  r.partition = <u32>MAX_PARTITIONS + 1
  r.handle = 0
  r.next = freeRow
  freeRow = index
  count--
}
