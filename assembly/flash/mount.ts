// Boot: which records count (OBC-1 §6.3 "Boot"). The superblock is loaded; the log is read twice, once to list, once to clean.

import { flash_read } from '../board'
import { ctEqual, load32be, load64be, store32be, store64be } from '../crypto/util'
import { FLASH_LOG, FLASH_SECTOR, MAX_PARTITIONS, RC_OK, RC_STORAGE_INTEGRITY } from '../protocol'
import {
  directoryClear,
  directoryLoad,
  directoryOrder,
  directorySalt,
  findHandle,
  firstOf,
  insertRow,
  removeRow,
  row,
  tagOf,
} from './directory'
import { directoryHash } from './directory-hash'
import {
  addLive,
  headedLeaves,
  logBegin,
  logKill,
  logRecover,
  RECORD_COMMITTED,
  RECORD_MAGIC,
  RECORD_MIN,
  SECTOR_HEADER,
  sectorCount,
  sectorHeaded,
  sectorMounted,
  sectorStart,
} from './log'
import {
  P_DIRECTORY,
  P_EPOCH,
  P_FLOOR,
  P_NEXT_HANDLE,
  P_OBJECTS,
  P_USED,
  P_USED_BYTES,
  partitionRow,
  SB,
  SB_SERIAL,
  sequence,
} from './superblock'

export const SLOT_GSK: u32 = 0
export const SLOT_PSK: u32 = 1
export const SLOT_TOMBSTONE: u32 = 2

/** No transaction gives out more handles than this. */
const HANDLES_AHEAD: u32 = 4096

const HEAD: usize = memory.data(128, 16)
const TAIL: usize = memory.data(32, 16)
const HASH: usize = memory.data(48, 16)

/** Reads the record header at `at`; its length, or 0 where no record begins there. */
function recordAt(at: u32, room: u32): u32 {
  if (room < RECORD_MIN) return 0
  flash_read(at, HEAD, 104)
  if (load32be(HEAD) !== RECORD_MAGIC) return 0
  const length = load32be(HEAD + 4)
  const plain = load32be(HEAD + 52)
  if (length < RECORD_MIN || length > room || (length & 15) !== 0) return 0
  return plain <= length - 124 ? length : 0
}

function commitWord(at: u32, length: u32): u32 {
  flash_read(at + length - 4, TAIL, 4)
  return load32be(TAIL)
}

/** True where the record in HEAD belongs to a partition as it is now. */
function belongs(): bool {
  const partition = load32be(HEAD + 8)
  if (partition > <u32>MAX_PARTITIONS) return false
  const p = partitionRow(partition)
  return load32be(p + P_USED) !== 0 && load32be(p + P_EPOCH) === load32be(HEAD + 12)
}

/**
 * Lists the record in HEAD if it is the newest of its handle so far; of two copies the one in a sector that was being cleaned counts.
 * False = no room in the directory.
 */
function list(at: u32, length: u32): bool {
  const partition = load32be(HEAD + 8)
  const handle = load32be(HEAD + 16)
  const generation = load32be(HEAD + 20)
  let index = findHandle(partition, handle)
  if (index === 0) index = insertRow(partition, handle, HEAD + 24, load32be(HEAD + 36), load32be(HEAD + 44))
  else if (row(index).generation > generation) return true
  else if (row(index).generation === generation && !headedLeaves()) return true
  if (index === 0) return false
  const r = row(index)
  r.generation = generation
  r.offset = at
  r.length = length
  r.objectClass = load32be(HEAD + 36)
  r.keyType = load32be(HEAD + 40)
  r.bits = load32be(HEAD + 44)
  r.slot = load32be(HEAD + 48)
  flash_read(at + 104 + load32be(HEAD + 52), tagOf(r), 16)
  return true
}

/** Sectors with tombstones that count. */
const ENDS: usize = memory.data(8192, 16)

/** First reading: lists what counts but for tombstones, of which there may be far more than objects. */
function readLog(): bool {
  const last = sequence()
  memory.fill(ENDS, 0, 8192)
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    const start = sectorStart(s)
    const headed = sectorHeaded(s)
    let at = SECTOR_HEADER
    while (headed) {
      const length = recordAt(start + at, <u32>FLASH_SECTOR - at)
      if (length === 0) break
      if (belongs()) {
        const p = partitionRow(load32be(HEAD + 8))
        const handle = load32be(HEAD + 16)
        // A handle is not given again while a record of it is in the image; a torn number is no handle.
        const next = load32be(p + P_NEXT_HANDLE)
        if (handle >= next && handle - next < HANDLES_AHEAD) store32be(p + P_NEXT_HANDLE, handle + 1)
        const counts =
          commitWord(start + at, length) === RECORD_COMMITTED &&
          load64be(HEAD + 56) <= last &&
          handle >= load32be(p + P_FLOOR)
        if (counts && load32be(HEAD + 48) === SLOT_TOMBSTONE) store<u8>(ENDS + <usize>s, 1)
        else if (counts && !list(start + at, length)) return false
      }
      at += length
    }
    sectorMounted(s, headed ? at : 0, headed)
  }
  return true
}

/** Takes off the list what a tombstone has ended. */
function endListed(): void {
  const last = sequence()
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    if (load<u8>(ENDS + <usize>s) === 0) continue
    const start = sectorStart(s)
    let at = SECTOR_HEADER
    while (true) {
      const length = recordAt(start + at, <u32>FLASH_SECTOR - at)
      if (length === 0) break
      if (load32be(HEAD + 48) === SLOT_TOMBSTONE && belongs()) {
        const index = findHandle(load32be(HEAD + 8), load32be(HEAD + 16))
        const ends = index !== 0 && row(index).generation < load32be(HEAD + 20) && load64be(HEAD + 56) <= last
        if (ends && commitWord(start + at, length) === RECORD_COMMITTED) removeRow(index)
      }
      at += length
    }
  }
}

/** Sums up each partition, and holds the result against the superblock. */
function verify(): bool {
  for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
    const p = partitionRow(id)
    if (load32be(p + P_USED) === 0) continue
    let objects: u32 = 0
    let bytes: u64 = 0
    let i = firstOf(id)
    while (i !== 0) {
      addLive(row(i).offset, row(i).length)
      objects++
      bytes += row(i).length
      i = row(i).next
    }
    store32be(p + P_OBJECTS, objects)
    store64be(p + P_USED_BYTES, bytes)
    directoryHash(id, HASH)
    if (!ctEqual(HASH, p + P_DIRECTORY, 48)) return false
  }
  return true
}

/**
 * Second reading, only after the hash was right: makes unreadable what a cut left over. Admitted tombstones stay until their
 * sector is cleaned; one that was never admitted must go, or the next sequence would admit it.
 */
function clean(): void {
  const last = sequence()
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    if (!sectorHeaded(s)) continue
    const start = sectorStart(s)
    let at = SECTOR_HEADER
    while (true) {
      const length = recordAt(start + at, <u32>FLASH_SECTOR - at)
      if (length === 0) break
      const index = belongs() ? findHandle(load32be(HEAD + 8), load32be(HEAD + 16)) : 0
      const listed = index !== 0 && row(index).offset === start + at
      const word = commitWord(start + at, length)
      const admitted = word === RECORD_COMMITTED && load64be(HEAD + 56) <= last
      const tombstone = load32be(HEAD + 48) === SLOT_TOMBSTONE && admitted
      if (!listed && !tombstone && word !== 0) logKill(start + at, length)
      at += length
    }
  }
}

/** RC_OK, or RC_STORAGE_INTEGRITY where the records are not those of the superblock. */
export function mount(): u32 {
  directoryClear()
  directorySalt(load32be(SB + SB_SERIAL + 4))
  if (!logBegin()) return RC_STORAGE_INTEGRITY
  directoryLoad()
  if (!readLog()) return RC_STORAGE_INTEGRITY
  endListed()
  directoryOrder()
  if (!verify()) return RC_STORAGE_INTEGRITY
  clean()
  logRecover()
  return RC_OK
}
