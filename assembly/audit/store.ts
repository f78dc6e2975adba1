// Where the audit log lies: a few sectors of its own, each a header and then records of one size, each complete by a commit word
// programmed last (SPEC.md §6.6). What a cut leaves half programmed is skipped; nothing that was committed is written again.

import { flash_read } from '../board'
import { load32be, load64be, store32be, store64be } from '../crypto/util'
import { AUDIT_RECORD, FLASH_AUDIT, FLASH_AUDIT_SECTORS, FLASH_SECTOR } from '../protocol'
import { flash_erase, flash_program } from '../writes'

const HEADER_MAGIC: u32 = 0x4f42414c
export const AUDIT_MAGIC: u32 = 0x4f424131
const COMMITTED: u32 = 0x5aa5c0de
const SLOT: u32 = <u32>AUDIT_RECORD + 4
const SLOTS: u32 = <u32>FLASH_SECTOR / SLOT
/** Records of one sector: its first slot is the header. */
const RECORDS: u32 = SLOTS - 1
export const AUDIT_CAPACITY: u32 = RECORDS * <u32>FLASH_AUDIT_SECTORS

/** Offset of a record's number. */
const SEQUENCE: usize = 4

// Header slot: magic 4, zero 4, first sequence 8, MAC of the record before it 48.
const H_FIRST: usize = 8
const H_PREVIOUS: usize = 16

/** Per sector, native: first sequence 8, committed records 4, next slot 4 (0 = the sector is blank). */
const ROW: usize = 16
const ROWS: usize = memory.data(64, 16)
const SLOT_BUFFER: usize = memory.data(160, 16)
const WORD: usize = memory.data(4, 4)
/** Sector that takes the next record, -1 = none is open. */
let open: i32 = -1

function first(i: i32): u64 {
  return load<u64>(ROWS + <usize>i * ROW)
}

function count(i: i32): u32 {
  return load<u32>(ROWS + <usize>i * ROW, 8)
}

function next(i: i32): u32 {
  return load<u32>(ROWS + <usize>i * ROW, 12)
}

function setRow(i: i32, start: u64, records: u32, slot: u32): void {
  store<u64>(ROWS + <usize>i * ROW, start)
  store<u32>(ROWS + <usize>i * ROW, records, 8)
  store<u32>(ROWS + <usize>i * ROW, slot, 12)
}

function slotAt(i: i32, slot: u32): u32 {
  return (<u32>FLASH_AUDIT + <u32>i) * <u32>FLASH_SECTOR + slot * SLOT
}

/** Reads a slot into SLOT_BUFFER: 0 = blank, 1 = committed, 2 = neither. */
function readSlot(i: i32, slot: u32): i32 {
  flash_read(slotAt(i, slot), SLOT_BUFFER, <i32>SLOT)
  if (load32be(SLOT_BUFFER + <usize>AUDIT_RECORD) === COMMITTED) return 1
  for (let at: usize = 0; at < <usize>SLOT; at += 4) if (load<u32>(SLOT_BUFFER + at) !== 0xffffffff) return 2
  return 0
}

function isBlank(i: i32): bool {
  for (let slot: u32 = 0; slot < SLOTS; slot++) if (readSlot(i, slot) !== 0) return false
  return true
}

function program(i: i32, slot: u32, body: usize): void {
  const at = slotAt(i, slot)
  flash_program(at, body, AUDIT_RECORD)
  store32be(WORD, COMMITTED)
  flash_program(at + <u32>AUDIT_RECORD, WORD, 4)
}

function eraseSector(i: i32): void {
  flash_erase(FLASH_AUDIT + i)
  setRow(i, 0, 0, 0)
  if (open === i) open = -1
}

/** Erases whatever is not blank. */
export function storeErase(): void {
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) {
    if (!isBlank(i)) flash_erase(FLASH_AUDIT + i)
    setRow(i, 0, 0, 0)
  }
  open = -1
}

/** Power-up: what each sector holds. One whose header is torn holds nothing yet and is erased. */
export function storeMount(): void {
  open = -1
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) {
    setRow(i, 0, 0, 0)
    if (readSlot(i, 0) !== 1 || load32be(SLOT_BUFFER) !== HEADER_MAGIC) {
      if (!isBlank(i)) eraseSector(i)
      continue
    }
    const start = load64be(SLOT_BUFFER + H_FIRST)
    let records: u32 = 0
    let slot: u32 = 1
    for (; slot < SLOTS; slot++) {
      const kind = readSlot(i, slot)
      if (kind === 0) break
      if (kind === 1) records++
    }
    setRow(i, start, records, slot)
    if (slot < SLOTS) open = i
  }
}

/** The sector with the record of this number, -1 = none has it. */
function sectorOf(sequence: u64): i32 {
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) {
    if (next(i) !== 0 && sequence >= first(i) && sequence < first(i) + count(i)) return i
  }
  return -1
}

/** Number of the oldest record, 0 = there is none. */
export function storeOldest(): u64 {
  let oldest: u64 = 0
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) {
    if (count(i) !== 0 && (oldest === 0 || first(i) < oldest)) oldest = first(i)
  }
  return oldest
}

export function storeCount(): u32 {
  let n: u32 = 0
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) n += count(i)
  return n
}

/** MAC of the record before the oldest of the sector that holds `sequence`, into `out`. False = no sector does. */
export function storePrevious(sequence: u64, out: usize): bool {
  const i = sectorOf(sequence)
  if (i < 0 || readSlot(i, 0) !== 1) return false
  memory.copy(out, SLOT_BUFFER + H_PREVIOUS, 48)
  return true
}

/** Number of the first record of the sector that holds `sequence`. */
export function storeSectorStart(sequence: u64): u64 {
  const i = sectorOf(sequence)
  return i < 0 ? 0 : first(i)
}

/** Reads a record (AUDIT_RECORD bytes) to `out`. False = it is not there. */
export function storeRead(sequence: u64, out: usize): bool {
  const i = sectorOf(sequence)
  if (i < 0) return false
  // Only what a cut left half programmed stands between the records, so it cannot lie before its own place.
  for (let slot = <u32>(sequence - first(i)) + 1; slot < next(i); slot++) {
    if (readSlot(i, slot) !== 1 || load64be(SLOT_BUFFER + SEQUENCE) !== sequence) continue
    memory.copy(out, SLOT_BUFFER, AUDIT_RECORD)
    return true
  }
  return false
}

/** Records that can still be appended. */
export function storeFree(): u32 {
  let free: u32 = 0
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) if (next(i) === 0) free += RECORDS
  return free + (open < 0 ? 0 : SLOTS - next(open))
}

/** Appends a record; `previous` is the MAC of the one before it. False = there is no room. */
export function storeAppend(record: usize, sequence: u64, previous: usize): bool {
  if (open < 0 || next(open) === SLOTS) {
    let fresh = -1
    for (let i = FLASH_AUDIT_SECTORS - 1; i >= 0; i--) if (next(i) === 0) fresh = i
    if (fresh < 0) return false
    memory.fill(SLOT_BUFFER, 0, AUDIT_RECORD)
    store32be(SLOT_BUFFER, HEADER_MAGIC)
    store64be(SLOT_BUFFER + H_FIRST, sequence)
    memory.copy(SLOT_BUFFER + H_PREVIOUS, previous, 48)
    program(fresh, 0, SLOT_BUFFER)
    setRow(fresh, sequence, 0, 1)
    open = fresh
  }
  program(open, next(open), record)
  setRow(open, first(open), count(open) + 1, next(open) + 1)
  return true
}

/** Erases every sector that holds nothing after this number. */
export function storeDrop(through: u64): void {
  for (let i = 0; i < FLASH_AUDIT_SECTORS; i++) {
    if (next(i) !== 0 && first(i) + count(i) <= through + 1) eraseSector(i)
  }
}
