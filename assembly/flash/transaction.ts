// One change of the store: records are programmed, then committed, then admitted by one superblock and one step of the counter,
// then what they replace is made unreadable, then everything is durable (OBC-1 §5.8, §6.2, §6.3).

import { flash_read, flash_sync } from '../board'
import { load32be } from '../crypto/util'
import { FLASH_SECTOR, RC_HSM_STORAGE_FULL, RC_OK } from '../protocol'
import { findHandle, row } from './directory'
import {
  addLive,
  dropLive,
  logAppend,
  logCommit,
  logFree,
  logHasRoom,
  logKill,
  logMove,
  logReclaim,
  logRoom,
  logVictim,
  RECORD_MAGIC,
  RECORD_MIN,
  SECTOR_HEADER,
  sectorStart,
  sectorUsed,
} from './log'
import { superblockCommit, superblockIsFrozen } from './superblock'

/** Records one transaction can add or end: a whole cloning batch and then some. */
export const TX_MAX: i32 = 2048
const ADDED: usize = memory.data(16384, 16)
const ENDED: usize = memory.data(16384, 16)
const PEEK: usize = memory.data(64, 16)

let added: i32 = 0
let ended: i32 = 0

/** Cleans one sector: live records move on unchanged, the rest was dead already. Only between transactions. */
function reclaim(sector: i32): void {
  let at = SECTOR_HEADER
  const end = sectorUsed(sector)
  const start = sectorStart(sector)
  while (at + RECORD_MIN <= end) {
    flash_read(start + at, PEEK, 20)
    if (load32be(PEEK) !== RECORD_MAGIC) break
    const length = load32be(PEEK + 4)
    if (length < RECORD_MIN || length > end - at) break
    const index = findHandle(load32be(PEEK + 8), load32be(PEEK + 16))
    if (index !== 0) {
      const r = row(index)
      if (r.offset === start + at) {
        r.offset = logMove(r.offset, length)
        addLive(r.offset, length)
      }
    }
    at += length
  }
  logReclaim(sector)
}

/** Tombstones that a fresh sector holds. */
const TOMBSTONES: i32 = (FLASH_SECTOR - <i32>SECTOR_HEADER) / <i32>RECORD_MIN

/** So many sectors cleaned in vain: large records do not pack any tighter. */
const FRUITLESS_MAX: i32 = 4

/** Makes sure that `bytes` of new records fit. RC_HSM_STORAGE_FULL where cleaning up cannot make the room. */
export function txBegin(bytes: u32): u32 {
  added = 0
  ended = 0
  let best = logRoom()
  let fruitless = 0
  while (!logHasRoom(bytes)) {
    const victim = logVictim()
    if (victim < 0 || fruitless === FRUITLESS_MAX) return RC_HSM_STORAGE_FULL
    reclaim(victim)
    fruitless++
    if (logRoom() > best) {
      best = logRoom()
      fruitless = 0
    }
  }
  return RC_OK
}

/** The same for tombstones, which may use the reserve: deleting is how a full HSM gets its room back. */
export function txBeginDeleting(count: i32): u32 {
  const rc = txBegin(<u32>count * RECORD_MIN)
  if (rc === RC_OK) return rc
  // One sector stays free for cleaning.
  return (logFree() - 1) * TOMBSTONES >= count ? RC_OK : rc
}

export function txIsFull(): bool {
  return added >= TX_MAX || ended >= TX_MAX
}

/** Programs a record without its commit word; answers where it lies. */
export function txAdd(record: usize, length: u32): u32 {
  const offset = logAppend(record, length)
  addLive(offset, length)
  store<u32>(ADDED + ((<usize>added) << 3), offset)
  store<u32>(ADDED + ((<usize>added) << 3), length, 4)
  added++
  return offset
}

/** The record there no longer counts once this transaction is admitted. */
export function txEnd(offset: u32, length: u32): void {
  store<u32>(ENDED + ((<usize>ended) << 3), offset)
  store<u32>(ENDED + ((<usize>ended) << 3), length, 4)
  ended++
}

export function txCommit(): void {
  if (superblockIsFrozen()) return
  for (let i = 0; i < added; i++) {
    logCommit(load<u32>(ADDED + ((<usize>i) << 3)), load<u32>(ADDED + ((<usize>i) << 3), 4))
  }
  superblockCommit()
  for (let i = 0; i < ended; i++) {
    const offset = load<u32>(ENDED + ((<usize>i) << 3))
    const length = load<u32>(ENDED + ((<usize>i) << 3), 4)
    logKill(offset, length)
    dropLive(offset, length)
  }
  added = 0
  ended = 0
  flash_sync()
}
