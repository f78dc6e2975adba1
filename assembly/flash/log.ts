// The record log: append-only sectors, erased as a whole (SPEC.md §6). Knows where records lie, not what they mean.

import { flash_erase, flash_program, flash_read, flash_size } from '../board'
import { load32be, store32be } from '../crypto/util'
import { FLASH_LOG, FLASH_SECTOR } from '../protocol'

/** Sector header: "OBL1", erase count, its complement, zero. */
const SECTOR_MAGIC: u32 = 0x4f424c31
export const SECTOR_HEADER: u32 = 16
export const RECORD_MAGIC: u32 = 0x4f425231
export const RECORD_COMMITTED: u32 = 0x5aa5c0de
export const RECORD_MIN: u32 = 128
/** The largest record: a sector without its header. */
export const RECORD_MAX: u32 = <u32>FLASH_SECTOR - SECTOR_HEADER
/**
 * Free sectors kept back, so that deleting and cleaning up never fail for want of room: the tombstones of the longest list of objects
 * to destroy fill two and a bit, and cleaning needs one.
 */
const RESERVE: i32 = 4

const MAX_SECTORS: i32 = 8192
const FREE: u8 = 0
const OPEN: u8 = 1
const CLOSED: u8 = 2

const STATE: usize = memory.data(8192, 16)
const USED: usize = memory.data(32768, 16)
const LIVE: usize = memory.data(32768, 16)
const ERASES: usize = memory.data(32768, 16)
const HEADER: usize = memory.data(16, 16)
const COPY: usize = memory.data(65536, 16)

let sectors: i32 = 0
let open: i32 = -1
let freeCount: i32 = 0

function word(base: usize, sector: i32): u32 {
  return load<u32>(base + ((<usize>sector) << 2))
}

function setWord(base: usize, sector: i32, value: u32): void {
  store<u32>(base + ((<usize>sector) << 2), value)
}

function setState(sector: i32, state: u8): void {
  store<u8>(STATE + <usize>sector, state)
}

export function sectorOf(offset: u32): i32 {
  return <i32>(offset / <u32>FLASH_SECTOR)
}

export function sectorStart(sector: i32): u32 {
  return <u32>sector * <u32>FLASH_SECTOR
}

export function sectorCount(): i32 {
  return sectors
}

/** False where the flash is too small or too large to hold a log. */
export function logBegin(): bool {
  sectors = flash_size() / FLASH_SECTOR
  open = -1
  freeCount = 0
  return sectors > FLASH_LOG + RESERVE + 1 && sectors <= MAX_SECTORS
}

/** True where every byte from `from` to the end of the sector is FF. */
function restIsBlank(sector: i32, from: u32): bool {
  flash_read(sectorStart(sector) + from, COPY, FLASH_SECTOR - <i32>from)
  for (let i: u32 = from; i < <u32>FLASH_SECTOR; i++) if (load<u8>(COPY + (i - from)) !== 0xff) return false
  return true
}

/**
 * Boot: what kind of sector this is. `end` is where the last whole record ends (SECTOR_HEADER if none). A sector with anything
 * behind that, a torn record say, takes no more records until it is cleaned up.
 */
export function sectorMounted(sector: i32, end: u32, headed: bool): void {
  setWord(LIVE, sector, 0)
  if (headed) setWord(ERASES, sector, load32be(HEADER + 4))
  const blankFrom: u32 = headed ? end : 0
  const blank = restIsBlank(sector, blankFrom)
  setWord(USED, sector, end)
  if (!headed && blank) {
    setWord(ERASES, sector, 0)
    setWord(USED, sector, 0)
    setState(sector, FREE)
    freeCount++
  } else if (headed && end === SECTOR_HEADER && blank) {
    setState(sector, FREE)
    freeCount++
  } else if (headed && blank && open < 0) {
    setState(sector, OPEN)
    open = sector
  } else {
    if (!blank) setWord(USED, sector, <u32>FLASH_SECTOR)
    setState(sector, CLOSED)
  }
}

/** Reads a sector's header; false where it is none of ours (blank or torn). */
export function sectorHeaded(sector: i32): bool {
  flash_read(sectorStart(sector), HEADER, 16)
  return (
    load32be(HEADER) === SECTOR_MAGIC && load32be(HEADER + 4) === ~load32be(HEADER + 8) && load32be(HEADER + 12) === 0
  )
}

export function addLive(offset: u32, length: u32): void {
  const sector = sectorOf(offset)
  setWord(LIVE, sector, word(LIVE, sector) + length)
}

export function dropLive(offset: u32, length: u32): void {
  const sector = sectorOf(offset)
  setWord(LIVE, sector, word(LIVE, sector) - length)
}

/** Wipes the whole log: initialization, and the erasing that zeroization left for the next power-up. */
export function logErase(): void {
  open = -1
  freeCount = 0
  for (let s = FLASH_LOG; s < sectors; s++) {
    if (!restIsBlank(s, 0)) eraseSector(s)
    setState(s, FREE)
    setWord(USED, s, 0)
    setWord(LIVE, s, 0)
    freeCount++
  }
}

function eraseSector(sector: i32): void {
  setWord(ERASES, sector, word(ERASES, sector) + 1)
  flash_erase(sector)
}

/** Takes the least worn free sector. Only called where one is free. */
function openSector(): void {
  let best = -1
  for (let s = FLASH_LOG; s < sectors; s++) {
    if (load<u8>(STATE + <usize>s) === FREE && (best < 0 || word(ERASES, s) < word(ERASES, best))) best = s
  }
  if (word(USED, best) !== SECTOR_HEADER) {
    store32be(HEADER, SECTOR_MAGIC)
    store32be(HEADER + 4, word(ERASES, best))
    store32be(HEADER + 8, ~word(ERASES, best))
    store32be(HEADER + 12, 0)
    flash_program(sectorStart(best), HEADER, 16)
    setWord(USED, best, SECTOR_HEADER)
  }
  setState(best, OPEN)
  freeCount--
  open = best
}

function fits(length: u32): bool {
  return open >= 0 && word(USED, open) + length <= <u32>FLASH_SECTOR
}

/**
 * Programs a record (all of it but the commit word, which stays FF) and answers its flash offset. The caller has made room with
 * `logRoom` or, for tombstones, relies on the reserve.
 */
export function logAppend(record: usize, length: u32): u32 {
  if (!fits(length)) {
    if (open >= 0) setState(open, CLOSED)
    openSector()
  }
  const offset = sectorStart(open) + word(USED, open)
  flash_program(offset, record, <i32>length - 4)
  setWord(USED, open, word(USED, open) + length)
  return offset
}

const COMMIT: usize = memory.data(4, 4)

export function logCommit(offset: u32, length: u32): void {
  store32be(COMMIT, RECORD_COMMITTED)
  flash_program(offset + length - 4, COMMIT, 4)
}

const ZERO: usize = memory.data(64, 16)

/** Makes a record unreadable for ever: first its wrapped key, then its commit word. */
export function logKill(offset: u32, length: u32): void {
  flash_program(offset + 64, ZERO, 40)
  flash_program(offset + length - 4, ZERO, 4)
}

/** True where `length` more bytes fit without touching the reserve, which a sector opened for tombstones belongs to. */
export function logHasRoom(length: u32): bool {
  const wanted = <i32>(length / (<u32>FLASH_SECTOR >> 1)) + 1
  return (fits(length) && freeCount >= RESERVE) || freeCount - RESERVE >= wanted
}

/** Bytes that can be programmed before a sector has to be erased. */
export function logRoom(): u32 {
  const inOpen: u32 = open >= 0 ? <u32>FLASH_SECTOR - word(USED, open) : 0
  return <u32>freeCount * <u32>FLASH_SECTOR + inOpen
}

/** The closed sector worth cleaning most, or -1 where none would give room back. */
export function logVictim(): i32 {
  let best = -1
  for (let s = FLASH_LOG; s < sectors; s++) {
    if (load<u8>(STATE + <usize>s) !== CLOSED) continue
    if (best < 0 || word(LIVE, s) < word(LIVE, best)) best = s
  }
  // A sector without a few KiB to win only wears the flash.
  return best >= 0 && word(LIVE, best) + 4096 < <u32>FLASH_SECTOR ? best : -1
}

export function logFree(): i32 {
  return freeCount
}

/** Byte-identical copy of a whole record into the open sector: the same record, so the superblock need not change. */
export function logMove(offset: u32, length: u32): u32 {
  flash_read(offset, COPY, <i32>length)
  const to = logAppend(COPY, length)
  logCommit(to, length)
  return to
}

export function logReclaim(sector: i32): void {
  eraseSector(sector)
  setState(sector, FREE)
  setWord(USED, sector, 0)
  setWord(LIVE, sector, 0)
  freeCount++
}

/** Where the records of a sector end. */
export function sectorUsed(sector: i32): u32 {
  return word(USED, sector)
}
