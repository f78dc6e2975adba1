// The record log: append-only sectors, erased as a whole (SPEC.md §6.3). Knows where records lie, not what they mean.

import { flash_read } from '../board'
import { load32be, store32be } from '../crypto/util'
import { FLASH_LOG, FLASH_SECTOR } from '../protocol'
import { flash_program } from '../writes'
import {
  COPY,
  freeSector,
  freeSectors,
  OPEN,
  SECTOR_HEADER,
  sectorCount,
  sectorFilled,
  sectorRoom,
  sectorStart,
  sectorState,
  sectorsBegin,
  sectorsErase,
  sectorsRecover,
  sectorTake,
  sectorUsed,
} from './sectors'

export {
  addLive,
  dropLive,
  headedLeaves,
  SECTOR_HEADER,
  sectorCount,
  sectorHeaded,
  sectorMounted,
  sectorStart,
} from './sectors'

export const RECORD_MAGIC: u32 = 0x4f425231
export const RECORD_COMMITTED: u32 = 0x5aa5c0de
export const RECORD_MIN: u32 = 128
/** The largest record: a sector without its header. */
export const RECORD_MAX: u32 = <u32>FLASH_SECTOR - SECTOR_HEADER
/**
 * Free sectors kept back, so that deleting and cleaning up never fail for want of room: the tombstones of the longest list of objects
 * to destroy fill two and a bit, and cleaning needs one.
 */
export const RESERVE: i32 = 4

/** The sector that took the last record, -1 = none. */
let open: i32 = -1

/** False where the flash is too small or too large to hold a log. */
export function logBegin(): bool {
  open = -1
  return sectorsBegin(RESERVE)
}

/** End of boot, once it is certain which records count. */
export function logRecover(): void {
  sectorsRecover()
}

/** Wipes the whole log: initialization, and the erasing that zeroization left for the next power-up. */
export function logErase(): void {
  open = -1
  sectorsErase()
}

export function logOpen(): i32 {
  return open
}

/** Where the next records go: into this sector as long as they fit, -1 = wherever they fit best. */
export function logTurnTo(sector: i32): void {
  open = sector
}

/** The sector in use with the least room that is enough; -1 = none. */
function bestFit(length: u32): i32 {
  let best = -1
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    if (sectorState(s) !== OPEN || sectorRoom(s) < length) continue
    if (best < 0 || sectorRoom(s) < sectorRoom(best)) best = s
  }
  return best
}

/** Takes a free sector, the least worn one or the most worn one. */
export function logTake(mostWorn: bool): void {
  open = freeSector(mostWorn)
  // Whoever appends has made sure of room. If that should ever be wrong, a reset before the commit undoes everything.
  if (open < 0) unreachable()
  sectorTake(open)
}

/** Takes room for a record and answers its flash offset. The caller has made sure of it. */
export function logPlace(length: u32): u32 {
  if (open < 0 || sectorRoom(open) < length) {
    open = bestFit(length)
    if (open < 0) logTake(false)
  }
  const offset = sectorStart(open) + sectorUsed(open)
  sectorFilled(open, length)
  return offset
}

/** Programs a record (all of it but the commit word, which stays FF) and answers its flash offset. The caller has made room. */
export function logAppend(record: usize, length: u32): u32 {
  const offset = logPlace(length)
  flash_program(offset, record, <i32>length - 4)
  return offset
}

const COMMIT: usize = memory.data(4, 4)

export function logCommit(offset: u32, length: u32): void {
  store32be(COMMIT, RECORD_COMMITTED)
  flash_program(offset + length - 4, COMMIT, 4)
}

/**
 * Programs records that follow each other, their commit words FF, and then all commit words: in one go, because bits that are 1 change
 * nothing. What is in memory is lost.
 */
export function logProgramRun(offset: u32, records: usize, length: u32): void {
  flash_program(offset, records, <i32>length)
  let at = records
  for (const end = records + <usize>length; at < end; ) {
    const size = <usize>load32be(at + 4)
    // A tamper has wiped the records meanwhile: no length in them is one, and nothing is programmed any more.
    if (size < <usize>RECORD_MIN || size > end - at) return
    memory.fill(at, 0xff, size - 4)
    at += size
    store32be(at - 4, RECORD_COMMITTED)
  }
  flash_program(offset, records, <i32>length)
}

const ZERO: usize = memory.data(64, 16)

/** Makes a record unreadable for ever: first its wrapped key, then its commit word. */
export function logKill(offset: u32, length: u32): void {
  flash_program(offset + 64, ZERO, 40)
  flash_program(offset + length - 4, ZERO, 4)
}

/** Byte-identical copy of a whole record: the same record, so the superblock need not change. */
export function logMove(offset: u32, length: u32): u32 {
  flash_read(offset, COPY, <i32>length)
  const to = logAppend(COPY, length)
  logCommit(to, length)
  return to
}

/** True where records of `length` bytes in all fit without touching the reserve. */
export function logHasRoom(length: u32): bool {
  const spare = freeSectors() - RESERVE
  // Two sectors that follow each other hold more than one sector's worth, however large the records are.
  const wanted = length <= RECORD_MAX ? 1 : <i32>(length / (<u32>FLASH_SECTOR >> 1)) + 1
  if (spare >= wanted) return true
  return spare >= 0 && ((open >= 0 && sectorRoom(open) >= length) || bestFit(length) >= 0)
}

const PEEK: usize = memory.data(64, 16)

/** Length of the record that begins at `at`, with `room` bytes to the end of the sector; 0 where none begins. Its head is at `logHead`. */
export function logRecordAt(at: u32, room: u32): u32 {
  if (room < RECORD_MIN) return 0
  flash_read(at, PEEK, 56)
  if (load32be(PEEK) !== RECORD_MAGIC) return 0
  const length = load32be(PEEK + 4)
  if (length < RECORD_MIN || length > room || (length & 15) !== 0) return 0
  return load32be(PEEK + 52) <= length - 124 ? length : 0
}

export function logHead(): usize {
  return PEEK
}
