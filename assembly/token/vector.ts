// The remote PED vector: records behind the factory record, each programmed once: "OBV1", KW(FK, vector) 56, commit word (SPEC.md §6.1).
// It outlives zeroization, so it hangs on the factory key; while the HSM is initialized the superblock says which one it is, and an image
// with another is not this HSM's.

import { KEY_FK, KEY_RPV } from '../arena'
import { flash_read, flash_sync } from '../board'
import { kwUnwrap } from '../crypto/key-wrap'
import { ctEqual, load32be, store32be, wipe } from '../crypto/util'
import { P_VECTOR, partitionRow, superblockCommit } from '../flash/superblock'
import { ADMIN_PARTITION, FLASH_FACTORY_SECTOR, FLASH_SECTOR } from '../protocol'
import { flash_program } from '../writes'
import { hash384 } from './digest'

const FIRST: u32 = 4096
const SIZE: u32 = 64
const MAGIC: u32 = 0x4f425631
const COMMITTED: u32 = 0x5aa5c0de
/** Bytes of the superblock's mark: the beginning of H(wrapped vector), zeros = there is none. */
const MARK: i32 = 32

const RECORD: usize = memory.data(64, 16)
const HASH: usize = memory.data(48, 16)

let current: i32 = -1
/** The first slot that was never programmed. */
let next: u32 = 0

export function hasVector(): bool {
  return current >= 0
}

function slotAt(slot: u32): u32 {
  return <u32>FLASH_FACTORY_SECTOR * <u32>FLASH_SECTOR + FIRST + slot * SIZE
}

function mark(): usize {
  return partitionRow(ADMIN_PARTITION) + P_VECTOR
}

/** Reads a slot into RECORD. True = it is whole. */
function readSlot(slot: u32): bool {
  flash_read(slotAt(slot), RECORD, <i32>SIZE)
  return load32be(RECORD) === MAGIC && load32be(RECORD + 60) === COMMITTED
}

/** Every byte of RECORD from `from` on is this one. */
function restIs(from: usize, byte: u8): bool {
  for (let i = from; i < <usize>SIZE; i++) if (load<u8>(RECORD + i) !== byte) return false
  return true
}

/** Power-up: the last whole one that opens. What a cut left half written, its magic missing perhaps, is no vector and goes. */
export function loadVector(): void {
  current = -1
  next = 0
  while (FIRST + (next + 1) * SIZE <= <u32>FLASH_SECTOR) {
    const whole = readSlot(next)
    if (restIs(0, 0xff)) break
    if (!whole && !restIs(4, 0)) kill(next)
    else if (whole && kwUnwrap(KEY_FK, 32, RECORD + 4, 56, KEY_RPV)) current = <i32>next
    next++
  }
}

/** Writes the mark of the vector there is, or zeros, into the superblock in memory. */
export function vectorMark(): void {
  memory.fill(mark(), 0, MARK)
  if (current < 0 || !readSlot(<u32>current)) return
  hash384(RECORD + 4, 56, HASH)
  memory.copy(mark(), HASH, MARK)
}

/**
 * Power-up of an initialized HSM: the vector that the superblock names is the one that counts; what a cut left beside it goes. False
 * where it is not there: the image was changed.
 */
export function vectorIsListed(): bool {
  let named: bool = false
  for (let i: usize = 0; i < <usize>MARK; i++) if (load<u8>(mark() + i) !== 0) named = true
  let found = -1
  for (let slot: u32 = 0; named && slot < next; slot++) {
    if (!readSlot(slot)) continue
    hash384(RECORD + 4, 56, HASH)
    if (ctEqual(HASH, mark(), MARK) && kwUnwrap(KEY_FK, 32, RECORD + 4, 56, KEY_RPV)) found = <i32>slot
  }
  for (let slot: u32 = 0; slot < next; slot++) if (<i32>slot !== found && readSlot(slot)) kill(slot)
  current = found
  if (found < 0) wipe(KEY_RPV, 48)
  return !named || found >= 0
}

/**
 * Stores a wrapped vector (56 bytes), has the superblock of an initialized HSM name it, then makes the one before it unreadable. False =
 * the sector is full.
 */
export function storeVector(wrapped: usize, initialized: bool): bool {
  if (FIRST + (next + 1) * SIZE > <u32>FLASH_SECTOR) return false
  const old = current
  store32be(RECORD, MAGIC)
  memory.copy(RECORD + 4, wrapped, 56)
  store32be(RECORD + 60, COMMITTED)
  flash_program(slotAt(next), RECORD, 60)
  flash_program(slotAt(next) + 60, RECORD + 60, 4)
  current = <i32>next
  next++
  if (initialized) {
    vectorMark()
    superblockCommit()
  }
  if (old >= 0) kill(<u32>old)
  flash_sync()
  return true
}

function kill(slot: u32): void {
  memory.fill(RECORD, 0, SIZE)
  flash_program(slotAt(slot) + 4, RECORD, <i32>SIZE - 4)
}

export function eraseVector(initialized: bool): void {
  const none = current < 0
  current = -1
  wipe(KEY_RPV, 48)
  if (none) return
  if (initialized) {
    vectorMark()
    superblockCommit()
  }
  // Before there is a superblock to tell them apart, a cut may have left the vector before this one beside it.
  for (let slot: u32 = 0; slot < next; slot++) if (readSlot(slot)) kill(slot)
  flash_sync()
}
