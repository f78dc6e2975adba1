// Cleaning: live records of a sector move on, byte for byte, and the sector is erased. Always a whole sector, never more than a few per
// command, early enough that commands seldom wait for it; and data that nobody rewrites moves too, so that all sectors wear alike.

import { load32be } from '../crypto/util'
import { FLASH_LOG, FLASH_SECTOR } from '../protocol'
import { findHandle, row } from './directory'
import { logHasRoom, logHead, logMove, logOpen, logRecordAt, logTake, logTurnTo, RESERVE } from './log'
import {
  addLive,
  FREE,
  freeSectors,
  LEAVING,
  leastErases,
  mostErases,
  SECTOR_HEADER,
  sectorCount,
  sectorDead,
  sectorErase,
  sectorErases,
  sectorLeave,
  sectorLive,
  sectorStart,
  sectorState,
  sectorUsed,
} from './sectors'
import { superblockIsFrozen } from './superblock'

/** Sectors that one command cleans at most for room; one more may move so that all wear alike. */
export const CLEAN_MAX: i32 = 16
/** With fewer free sectors than this every command that stores something cleans one, and one more per so many bytes it stores. */
const LOW_WATER: i32 = RESERVE + 2
const STRIDE: u32 = 16384
/** With fewer than this an idle token cleans. */
const IDLE_WATER: i32 = RESERVE + 6
/** Dead bytes that make cleaning worth its erase: ahead of need, and when there is no other way. */
const WORTH_EARLY: u32 = 8192
const WORTH_NOW: u32 = 4096
/** Erases by which the most worn sector may be ahead of one whose data never changes. */
const WEAR_GAP: u32 = 16

/** A sector was erased since the wear was last looked at. */
let worn: bool = true

/** Moves what counts in the sector, then erases it. Needs one free sector at most. */
function reclaim(sector: i32): void {
  if (logOpen() === sector) logTurnTo(-1)
  if (sectorLive(sector) !== 0 && sectorState(sector) !== LEAVING) sectorLeave(sector)
  const start = sectorStart(sector)
  const end = sectorUsed(sector)
  // Nothing in it counts: no record has to be looked at.
  let at = sectorLive(sector) === 0 ? end : SECTOR_HEADER
  while (true) {
    const length = logRecordAt(start + at, end - at)
    if (length === 0) break
    const index = findHandle(load32be(logHead() + 8), load32be(logHead() + 16))
    if (index !== 0 && row(index).offset === start + at) {
      const to = logMove(start + at, length)
      // A tamper may come between any two accesses; the directory is gone then, and with it what this erase would be based on.
      if (superblockIsFrozen()) return
      row(index).offset = to
      addLive(to, length)
    }
    at += length
  }
  if (superblockIsFrozen()) return
  sectorErase(sector)
  worn = true
}

/**
 * The sector to clean, -1 = none is worth it. Where room is short, one without live records comes first: it costs none. Then one whose
 * cleaning a cut has interrupted; then the one with the most dead bytes.
 */
function victim(inNeed: bool): i32 {
  const short = inNeed || freeSectors() < RESERVE
  let best = -1
  let most: u32 = (inNeed ? WORTH_NOW : WORTH_EARLY) - 1
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    const state = sectorState(s)
    if (state === FREE || (!inNeed && s === logOpen())) continue
    let dead = sectorDead(s)
    if (short && sectorLive(s) === 0) dead = 2 * <u32>FLASH_SECTOR + dead
    else if (state === LEAVING) dead = <u32>FLASH_SECTOR + dead
    if (dead <= most) continue
    best = s
    most = dead
  }
  return best
}

/** Cleans one sector; false where none is worth it, or the room to do it is missing. */
function clean(inNeed: bool): bool {
  const s = victim(inNeed)
  if (s < 0 || (sectorLive(s) !== 0 && freeSectors() === 0) || superblockIsFrozen()) return false
  reclaim(s)
  return true
}

/** Moves the data of the least worn sector in use to the most worn free one, where they differ too much. */
function level(): bool {
  if (!worn || freeSectors() < 2 || superblockIsFrozen()) return false
  worn = false
  const most = mostErases()
  if (most - leastErases() < WEAR_GAP) return false
  let young = -1
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    if (sectorState(s) === FREE || s === logOpen()) continue
    if (young < 0 || sectorErases(s) < sectorErases(young)) young = s
  }
  if (young < 0 || most - sectorErases(young) < WEAR_GAP) return false
  logTake(true)
  reclaim(young)
  return true
}

/** Before a transaction: makes sure that records of `bytes` in all fit. False where a bounded amount of cleaning cannot make the room. */
export function makeRoom(bytes: u32): bool {
  let budget = CLEAN_MAX
  for (let paid: u32 = 0; paid <= bytes && freeSectors() < LOW_WATER; paid += STRIDE) {
    if (budget === 0 || !clean(false)) break
    budget--
  }
  while (!logHasRoom(bytes)) {
    if (budget === 0 || !clean(true)) return false
    budget--
  }
  level()
  return true
}

/** One step while nobody waits. */
export function cleanIdle(): void {
  if (freeSectors() >= IDLE_WATER || !clean(false)) level()
}
