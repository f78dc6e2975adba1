// The sectors of the log: what each is, how worn and how full it is (SPEC.md §6.3). Knows nothing of records.

import { flash_read, flash_size } from '../board'
import { load32be, store32be } from '../crypto/util'
import { FLASH_LOG, FLASH_SECTOR } from '../protocol'
import { flash_erase, flash_program } from '../writes'

/** Sector header: magic, erase count, its complement, zero. */
export const SECTOR_HEADER: u32 = 16
const MAGIC: u32 = 0x4f424c31
/** One bit less, "OBL0": the sector is being cleaned, and of a record that stands in two places the one here counts. */
const MAGIC_LEAVING: u32 = 0x4f424c30

/** A header and nothing else; a sector that was never used has not even that, and no bytes used. */
export const FREE: u8 = 0
/** Records, then blank: takes more. */
export const OPEN: u8 = 1
/** Records, then what a cut write left: takes no more. */
export const CLOSED: u8 = 2
/** Being cleaned: takes no more. */
export const LEAVING: u8 = 3
/** Neither blank nor ours: an erase or the writing of a header was cut. Holds nothing that counts. */
const BROKEN: u8 = 4
/** Blank, without a header: never used, or cut right after an erase. */
const BARE: u8 = 5

const MAX_SECTORS: i32 = 8192
const UNKNOWN: u32 = 0xffffffff

const STATE: usize = memory.data(8192, 16)
const USED: usize = memory.data(32768, 16)
const LIVE: usize = memory.data(32768, 16)
const ERASES: usize = memory.data(32768, 16)
const HEADER: usize = memory.data(16, 16)
/** One sector. */
export const COPY: usize = memory.data(65536, 16)

let sectors: i32 = 0
let freeCount: i32 = 0

function word(base: usize, sector: i32): u32 {
  return load<u32>(base + ((<usize>sector) << 2))
}

function setWord(base: usize, sector: i32, value: u32): void {
  store<u32>(base + ((<usize>sector) << 2), value)
}

/** False where the flash is too small or too large to hold a log that keeps `reserve` sectors back. */
export function sectorsBegin(reserve: i32): bool {
  sectors = flash_size() / FLASH_SECTOR
  freeCount = 0
  return sectors > FLASH_LOG + reserve + 1 && sectors <= MAX_SECTORS
}

/** One more than the number of the last sector. */
export function sectorCount(): i32 {
  return sectors
}

export function freeSectors(): i32 {
  return freeCount
}

export function sectorOf(offset: u32): i32 {
  return <i32>(offset / <u32>FLASH_SECTOR)
}

export function sectorStart(sector: i32): u32 {
  return <u32>sector * <u32>FLASH_SECTOR
}

export function sectorState(sector: i32): u8 {
  return load<u8>(STATE + <usize>sector)
}

/** Only between states that are not FREE; `sectorTake` and `sectorErase` do the rest. */
export function setSectorState(sector: i32, state: u8): void {
  store<u8>(STATE + <usize>sector, state)
}

/** Where the records of a sector end. */
export function sectorUsed(sector: i32): u32 {
  return word(USED, sector)
}

export function sectorErases(sector: i32): u32 {
  return word(ERASES, sector)
}

export function sectorLive(sector: i32): u32 {
  return word(LIVE, sector)
}

/** Bytes that nobody needs and nobody can use before the sector is erased. */
export function sectorDead(sector: i32): u32 {
  const state = sectorState(sector)
  if (state === FREE) return 0
  const end = state === OPEN ? word(USED, sector) : <u32>FLASH_SECTOR
  return end - SECTOR_HEADER - word(LIVE, sector)
}

/** Bytes that can still be programmed. */
export function sectorRoom(sector: i32): u32 {
  const state = sectorState(sector)
  return state === OPEN || state === FREE ? <u32>FLASH_SECTOR - word(USED, sector) : 0
}

/** A record was programmed behind the others. */
export function sectorFilled(sector: i32, length: u32): void {
  setWord(USED, sector, word(USED, sector) + length)
}

export function addLive(offset: u32, length: u32): void {
  const sector = sectorOf(offset)
  setWord(LIVE, sector, word(LIVE, sector) + length)
}

export function dropLive(offset: u32, length: u32): void {
  const sector = sectorOf(offset)
  setWord(LIVE, sector, word(LIVE, sector) - length)
}

// ---- wear ---------------------------------------------------------------------------------------------------------------

/** The free sector that was erased least, or most, of equals the first; -1 = none is free. */
export function freeSector(mostWorn: bool): i32 {
  let best = -1
  for (let s = FLASH_LOG; s < sectors; s++) {
    if (sectorState(s) !== FREE) continue
    if (best < 0) best = s
    else if (mostWorn ? word(ERASES, s) > word(ERASES, best) : word(ERASES, s) < word(ERASES, best)) best = s
  }
  return best
}

/** A free sector takes records from now on. */
export function sectorTake(sector: i32): void {
  if (word(USED, sector) === 0) {
    writeHeader(sector)
    setWord(USED, sector, SECTOR_HEADER)
  }
  setSectorState(sector, OPEN)
  freeCount--
}

/** What is known of the most worn sector; 0 where nothing is known of any. */
export function mostErases(): u32 {
  let most: u32 = 0
  for (let s = FLASH_LOG; s < sectors; s++) {
    const n = word(ERASES, s)
    if (n !== UNKNOWN && n > most) most = n
  }
  return most
}

export function leastErases(): u32 {
  let least = UNKNOWN
  for (let s = FLASH_LOG; s < sectors; s++) least = min(least, word(ERASES, s))
  return least
}

// ---- erasing ------------------------------------------------------------------------------------------------------------

function writeHeader(sector: i32): void {
  store32be(HEADER, MAGIC)
  store32be(HEADER + 4, word(ERASES, sector))
  store32be(HEADER + 8, ~word(ERASES, sector))
  store32be(HEADER + 12, 0)
  flash_program(sectorStart(sector), HEADER, <i32>SECTOR_HEADER)
}

function becomeFree(sector: i32): void {
  setWord(USED, sector, SECTOR_HEADER)
  setWord(LIVE, sector, 0)
  setSectorState(sector, FREE)
  freeCount++
}

/**
 * Erases a sector that is not free. Its magic goes first, so that an erase that is cut cannot leave something that looks like a
 * sector with records; the new header follows at once, so that a free sector does not forget how worn it is.
 */
export function sectorErase(sector: i32): void {
  if (sectorState(sector) !== BROKEN) {
    store32be(HEADER, 0)
    flash_program(sectorStart(sector), HEADER, 4)
  }
  flash_erase(sector)
  setWord(ERASES, sector, word(ERASES, sector) + 1)
  writeHeader(sector)
  becomeFree(sector)
}

/** From here on a cut leaves the records of this sector where they are, whatever was copied already. One bit: it cannot be torn. */
export function sectorLeave(sector: i32): void {
  store<u8>(HEADER, <u8>MAGIC_LEAVING)
  flash_program(sectorStart(sector) + 3, HEADER, 1)
  setSectorState(sector, LEAVING)
}

// ---- boot ---------------------------------------------------------------------------------------------------------------

/** True where every byte from `from`, a multiple of 8, to the end of the sector is FF. The sector from there on is in COPY. */
function restIsBlank(sector: i32, from: u32): bool {
  flash_read(sectorStart(sector) + from, COPY, FLASH_SECTOR - <i32>from)
  const n = <usize>(<u32>FLASH_SECTOR - from)
  for (let i: usize = 0; i < n; i += 8) if (load<u64>(COPY + i) !== 0xffffffffffffffff) return false
  return true
}

/** Reads a sector's header; false where it is none of ours (blank, torn, or about to be erased). */
export function sectorHeaded(sector: i32): bool {
  flash_read(sectorStart(sector), HEADER, <i32>SECTOR_HEADER)
  const magic = load32be(HEADER)
  return (magic === MAGIC || magic === MAGIC_LEAVING) && countInHeader() !== UNKNOWN && load32be(HEADER + 12) === 0
}

/** The sector whose header was just read is being cleaned. */
export function headedLeaves(): bool {
  return load32be(HEADER) === MAGIC_LEAVING
}

/** Survives the magic: a sector that was about to be erased still knows how worn it is. */
function countInHeader(): u32 {
  const count = load32be(HEADER + 4)
  return count === ~load32be(HEADER + 8) ? count : UNKNOWN
}

/** What kind of sector this is, its header just read. `end` is where the last whole record ends. */
export function sectorMounted(sector: i32, end: u32, headed: bool): void {
  setWord(LIVE, sector, 0)
  setWord(USED, sector, headed ? end : SECTOR_HEADER)
  setWord(ERASES, sector, countInHeader())
  const blank = restIsBlank(sector, headed ? end : 0)
  if (!headed) setSectorState(sector, blank ? BARE : BROKEN)
  else if (headedLeaves()) setSectorState(sector, LEAVING)
  else if (!blank) setSectorState(sector, CLOSED)
  else if (end === SECTOR_HEADER) becomeFree(sector)
  else setSectorState(sector, OPEN)
}

/** Programs zeros over what a cut write left behind the last whole record: it may be most of a copy of one that still counts. */
function scrub(sector: i32): void {
  const from = word(USED, sector)
  if (restIsBlank(sector, from)) return
  let end: usize = 0
  let done = true
  for (let i: usize = 0; i < <usize>(<u32>FLASH_SECTOR - from); i += 4) {
    const value = load<u32>(COPY + i)
    if (value === 0xffffffff) continue
    end = i + 4
    if (value !== 0) done = false
  }
  // Blank words in between are no remains, but one program is simpler than many.
  if (done) return
  memory.fill(COPY, 0, end)
  flash_program(sectorStart(sector) + from, COPY, <i32>end)
}

/**
 * Sectors are used for the first time one after the other, so a bare one behind all others was never used. Any other has lost its
 * header to a cut: it is taken to be as worn as the worst.
 */
function completeBare(): void {
  const worst = mostErases()
  let last = sectors - 1
  while (last >= FLASH_LOG && sectorState(last) === BARE) last--
  for (let s = FLASH_LOG; s < sectors; s++) {
    if (word(ERASES, s) === UNKNOWN) setWord(ERASES, s, s > last ? 0 : worst)
    if (sectorState(s) !== BARE) continue
    if (s <= last) writeHeader(s)
    becomeFree(s)
    if (s > last) setWord(USED, s, 0)
  }
}

/** Only once it is certain which records count: finishes what was cut. */
export function sectorsRecover(): void {
  completeBare()
  for (let s = FLASH_LOG; s < sectors; s++) {
    const state = sectorState(s)
    if (state === BROKEN) sectorErase(s)
    else if (state === CLOSED || state === LEAVING) scrub(s)
  }
}

/** Wipes all of them but for their headers: initialization, and the erasing that zeroization left for the next power-up. */
export function sectorsErase(): void {
  freeCount = 0
  for (let s = FLASH_LOG; s < sectors; s++) {
    const headed = sectorHeaded(s)
    sectorMounted(s, SECTOR_HEADER, headed)
  }
  completeBare()
  for (let s = FLASH_LOG; s < sectors; s++) if (sectorState(s) !== FREE) sectorErase(s)
}
