// Session objects: two tables in memory, of small rows and of large ones. Which row an object has is in its handle.

import { wipe } from '../crypto/util'
import { BIT_PRIVATE } from '../protocol'

/** Handles of session objects; token handles stay far below. */
export const SESSION_HANDLES: u32 = 0x40000000

const HEAD: usize = 64
/** Bytes of an attribute list: any secret key and most RSA keys fit in a small row. */
const SMALL_DATA: i32 = 2048
const LARGE_DATA: i32 = 8192
const SMALL_ROW: usize = 2112
const LARGE_ROW: usize = 8256
const SMALL_ROWS: i32 = 4096
const LARGE_ROWS: i32 = 256
export const SESSION_ROWS: u32 = 4352
/** A handle is SESSION_HANDLES + number × PLACES + row. */
const PLACES: u32 = 8192
const NUMBERS: u32 = 131072

@unmanaged
export class Volatile {
  handle: u32
  partition: u32
  access: u64
  cls: u32
  keyType: u32
  bits: u32
  length: u32
  ouid0: u32
  ouid1: u32
  ouid2: u32
  unused: u32
}

const SMALL_TABLE: usize = memory.data(8650752, 16)
const LARGE_TABLE: usize = memory.data(2113536, 16)

let nextNumber: u32 = 0
/** No row before these is free; none from these on was ever used. */
let freeSmall: i32 = 0
let freeLarge: i32 = SMALL_ROWS
let usedSmall: i32 = 0
let usedLarge: i32 = SMALL_ROWS

function volatileRow(i: i32): Volatile {
  if (i < SMALL_ROWS) return changetype<Volatile>(SMALL_TABLE + <usize>i * SMALL_ROW)
  return changetype<Volatile>(LARGE_TABLE + <usize>(i - SMALL_ROWS) * LARGE_ROW)
}

/** The first row from `i` on that may be in use, -1 = there is none. */
export function sessionRow(i: i32): i32 {
  const at = i >= usedSmall && i < SMALL_ROWS ? SMALL_ROWS : i
  return at < usedLarge ? at : -1
}

export function volatileData(v: Volatile): usize {
  return changetype<usize>(v) + HEAD
}

export function volatileOuid(v: Volatile): usize {
  return changetype<usize>(v) + offsetof<Volatile>('ouid0')
}

/** The session object of this client, a null reference where it has none of this handle. */
export function findVolatile(access: u64, partition: u32, handle: u32): Volatile {
  const i = <i32>(handle & (PLACES - 1))
  if (i < SMALL_ROWS + LARGE_ROWS) {
    const v = volatileRow(i)
    if (v.handle === handle && v.access === access && v.partition === partition) return v
  }
  return changetype<Volatile>(0)
}

function freeRow(from: i32, end: i32): i32 {
  let i = from
  while (i < end && volatileRow(i).handle !== 0) i++
  return i
}

/** A row for `length` bytes with its handle, a null reference where there is none. */
export function newVolatile(access: u64, partition: u32, length: i32): Volatile {
  let i = SMALL_ROWS
  if (length <= SMALL_DATA) {
    i = freeRow(freeSmall, SMALL_ROWS)
    freeSmall = i
    if (i < SMALL_ROWS && i >= usedSmall) usedSmall = i + 1
  }
  if (i === SMALL_ROWS) {
    if (length > LARGE_DATA) return changetype<Volatile>(0)
    i = freeRow(freeLarge, SMALL_ROWS + LARGE_ROWS)
    freeLarge = i
    if (i === SMALL_ROWS + LARGE_ROWS) return changetype<Volatile>(0)
    if (i >= usedLarge) usedLarge = i + 1
  }
  const v = volatileRow(i)
  v.handle = SESSION_HANDLES + (nextNumber % NUMBERS) * PLACES + <u32>i
  nextNumber++
  v.access = access
  v.partition = partition
  return v
}

/** Whether the row takes so many bytes. */
export function volatileTakes(v: Volatile, length: i32): bool {
  return length <= (<i32>(v.handle & (PLACES - 1)) < SMALL_ROWS ? SMALL_DATA : LARGE_DATA)
}

export function wipeVolatile(v: Volatile): void {
  const i = <i32>(v.handle & (PLACES - 1))
  if (i < SMALL_ROWS) freeSmall = min(freeSmall, i)
  else freeLarge = min(freeLarge, i)
  wipe(changetype<usize>(v), <i32>HEAD + <i32>v.length)
}

/** Handle of the object in row i if it belongs to this client, else 0. */
export function sessionObjectAt(i: i32, access: u64, partition: u32): u32 {
  const v = volatileRow(i)
  return v.handle !== 0 && v.access === access && v.partition === partition ? v.handle : 0
}

/** The client's session objects on a partition end: all of them, or (log-out) the private ones. */
export function dropSessionObjects(access: u64, partition: u32, onlyPrivate: bool): void {
  for (let i = sessionRow(0); i >= 0; i = sessionRow(i + 1)) {
    const v = volatileRow(i)
    if (v.handle === 0 || v.access !== access || v.partition !== partition) continue
    if (!onlyPrivate || (v.bits & BIT_PRIVATE) !== 0) wipeVolatile(v)
  }
}

export function sessionObjectsClear(partition: u32, all: bool): void {
  for (let i = sessionRow(0); i >= 0; i = sessionRow(i + 1)) {
    const v = volatileRow(i)
    if (v.handle !== 0 && (all || v.partition === partition)) wipeVolatile(v)
  }
}
