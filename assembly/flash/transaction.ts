// One change of the store: records are programmed, then committed, then admitted by one superblock and one step of the counter,
// then what they replace is made unreadable (OBC-1 §5.8, §6.2, §6.3). The board makes everything durable before the answer leaves it.

import { FLASH_ENDURANCE, FLASH_SECTOR, RC_HSM_STORAGE_FULL, RC_OK, RC_STORAGE_WORN } from '../protocol'
import { makeRoom } from './cleaning'
import { logAppend, logCommit, logKill, logPlace, logProgramRun, RECORD_MIN, SECTOR_HEADER } from './log'
import { addLive, dropLive, freeSectors, leastErases } from './sectors'
import { superblockCommit, superblockIsFrozen } from './superblock'

/** Records one transaction can add or end: a whole cloning batch and then some. */
export const TX_MAX: i32 = 2048
const ADDED: usize = memory.data(16384, 16)
const ENDED: usize = memory.data(16384, 16)

let added: i32 = 0
let ended: i32 = 0

/** Records that have a place and are not programmed yet: they follow each other in memory and in flash. */
let runOffset: u32 = 0
let runRecords: usize = 0
let runLength: u32 = 0

function begin(): void {
  added = 0
  ended = 0
  runLength = 0
}

/** Tombstones that a fresh sector holds. */
const TOMBSTONES: i32 = (FLASH_SECTOR - <i32>SECTOR_HEADER) / <i32>RECORD_MIN

/**
 * Makes sure that `bytes` of new records fit. RC_HSM_STORAGE_FULL where cleaning up cannot make the room, RC_STORAGE_WORN where the
 * flash is at the end of its life: what it holds can still be read and deleted.
 */
export function txBegin(bytes: u32): u32 {
  begin()
  if (leastErases() >= <u32>FLASH_ENDURANCE) return RC_STORAGE_WORN
  return makeRoom(bytes) ? RC_OK : RC_HSM_STORAGE_FULL
}

/** The same for tombstones, which may use the reserve: deleting is how a full HSM gets its room back. */
export function txBeginDeleting(count: i32): u32 {
  begin()
  if (makeRoom(<u32>count * RECORD_MIN)) return RC_OK
  // One sector stays free for cleaning.
  return (freeSectors() - 1) * TOMBSTONES >= count ? RC_OK : RC_HSM_STORAGE_FULL
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

/**
 * The same of a record that is the transaction's until txCommit, its commit word FF. Programming is what costs most of a batch, so
 * records next to each other are programmed as one, and then committed as one.
 */
export function txAddKept(record: usize, length: u32): u32 {
  const offset = logPlace(length)
  if (runLength !== 0 && offset === runOffset + runLength && record === runRecords + <usize>runLength)
    runLength += length
  else {
    programRun()
    runOffset = offset
    runRecords = record
    runLength = length
  }
  addLive(offset, length)
  return offset
}

function programRun(): void {
  if (runLength !== 0) logProgramRun(runOffset, runRecords, runLength)
  runLength = 0
}

/** The record there no longer counts once this transaction is admitted. */
export function txEnd(offset: u32, length: u32): void {
  store<u32>(ENDED + ((<usize>ended) << 3), offset)
  store<u32>(ENDED + ((<usize>ended) << 3), length, 4)
  ended++
}

export function txCommit(): void {
  if (superblockIsFrozen()) return
  programRun()
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
  begin()
}
