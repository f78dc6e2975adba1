// The superblock: everything that decides access and is no object record (OBC-1 §6.2), kept in memory in the very form that flash
// holds, so that what is checked is what was written. Two slots alternate; the sequence equals the monotonic counter.

import { KEY_RAK } from '../arena'
import { flash_read, mono_get } from '../board'
import { hmac } from '../crypto/hmac'
import { HASH_SHA384 } from '../crypto/sha2'
import { ctEqual, load32be, load64be, store32be, store64be } from '../crypto/util'
import {
  FLASH_SECTOR,
  FLASH_SUPERBLOCK_A,
  FLASH_SUPERBLOCK_B,
  FLASH_SUPERBLOCK_SECTORS,
  MAX_PARTITIONS,
  RC_OK,
  RC_STORAGE_INTEGRITY,
  RC_STORAGE_VERSION,
} from '../protocol'
import { flash_erase, flash_program, mono_inc } from '../writes'
import { directoryHash } from './directory-hash'

const MAGIC: u32 = 0x4f425331
export const LAYOUT: u32 = 2

// Header, 512 bytes.
export const SB_MAGIC: usize = 0
export const SB_SEQUENCE: usize = 4
export const SB_SERIAL: usize = 12
export const SB_FLAGS: usize = 20
export const SB_LAYOUT: usize = 24
export const SB_ROWS: usize = 28
export const SB_EPOCH: usize = 32
export const SB_LABEL: usize = 40
export const SB_LABEL_LENGTH: usize = 72
export const SB_GSK: usize = 76
export const SB_POLICIES: usize = 128
/** Wrong SO log-ins since initialization, never reset; then what the audit log needs (assembly/audit). */
export const SB_SO_FAILURES: usize = 384
export const SB_AUDIT_MASK: usize = 388
export const SB_AUDIT_CLEARED: usize = 392
export const SB_AUDIT_LAST: usize = 400
export const SB_AUDIT_MAC: usize = 408
export const SB_AUDIT_KEY: usize = 456
const HEADER: usize = 512

// One row per partition id, row 0 = the HSM itself. Row layout, 1280 bytes.
export const ROW_SIZE: usize = 1280
export const P_USED: usize = 0
export const P_EPOCH: usize = 4
export const P_FLAGS: usize = 8
export const P_SERIAL: usize = 12
export const P_LABEL_LENGTH: usize = 20
export const P_LABEL: usize = 24
export const P_LIMIT: usize = 56
export const P_NEXT_HANDLE: usize = 64
export const P_FLOOR: usize = 68
export const P_USED_BYTES: usize = 72
export const P_DIRECTORY: usize = 80
export const P_OBJECTS: usize = 128
export const P_POLICIES: usize = 132
export const P_ROLES: usize = 324
export const P_DOMAINS: usize = 964
export const P_DOMAIN_SLOTS: usize = 968
/** Per domain slot: length u8, label b32. */
export const P_DOMAIN_LABELS: usize = 1148
/** Row 0 only: which remote PED vector is this HSM's, 32 bytes (token/vector.ts). */
export const P_VECTOR: usize = 1248

/** Role row, 160 bytes, four per partition. */
export const ROLE_SIZE: usize = 160
export const R_FLAGS: usize = 0
export const R_FAILURES: usize = 4
export const R_AUTH: usize = 5
export const R_LOCKED_UNTIL: usize = 8
export const R_SALT: usize = 16
export const R_PSK: usize = 48
export const R_CHALLENGE_SALT: usize = 88
export const R_CHALLENGE: usize = 120

/** Domain slot: type 1, zero 3, KW(GSK, domain vector) 56. */
export const DOMAIN_SIZE: usize = 60
export const D_TYPE: usize = 0
export const D_WRAPPED: usize = 4

/** Domain slots of a partition; the first holds its primary domain. */
export const DOMAIN_SLOTS: i32 = 3
export const DOMAIN_LABEL_SIZE: usize = 33

const MAC: usize = 48
const CAPACITY: i32 = 131072

export const SB: usize = memory.data(131072, 16)
const CANDIDATE: usize = memory.data(131072, 16)
const DIGEST: usize = memory.data(64, 16)
const DIRTY: usize = memory.data(128, 16)

export function partitionRow(id: u32): usize {
  return SB + HEADER + <usize>id * ROW_SIZE
}

export function roleRow(partition: u32, role: i32): usize {
  return partitionRow(partition) + P_ROLES + <usize>role * ROLE_SIZE
}

export function domainSlot(partition: u32, slot: i32): usize {
  return partitionRow(partition) + P_DOMAIN_SLOTS + <usize>slot * DOMAIN_SIZE
}

export function domainLabel(partition: u32, slot: i32): usize {
  return partitionRow(partition) + P_DOMAIN_LABELS + <usize>slot * DOMAIN_LABEL_SIZE
}

export function sequence(): u64 {
  return load64be(SB + SB_SEQUENCE)
}

/** The directory of this partition changes with the next superblock. */
export function markDirty(partition: u32): void {
  store<u8>(DIRTY + <usize>partition, 1)
}

function lengthOf(image: usize): i32 {
  return <i32>(HEADER + <usize>load32be(image + SB_ROWS) * ROW_SIZE)
}

function slotSector(slot: i32): i32 {
  return slot === 0 ? FLASH_SUPERBLOCK_A : FLASH_SUPERBLOCK_B
}

/** 0 = not valid, 1 = valid, 2 = written in another layout. */
function readSlot(slot: i32, serial: u64): i32 {
  const at = <u32>slotSector(slot) * <u32>FLASH_SECTOR
  flash_read(at, CANDIDATE, <i32>HEADER)
  if (load32be(CANDIDATE) !== MAGIC) return 0
  if (load32be(CANDIDATE + SB_LAYOUT) !== LAYOUT) return 2
  const rows = load32be(CANDIDATE + SB_ROWS)
  if (rows === 0 || rows > <u32>MAX_PARTITIONS + 1) return 0
  const length = lengthOf(CANDIDATE)
  flash_read(at, CANDIDATE, length + <i32>MAC)
  hmac(HASH_SHA384, KEY_RAK, 48, CANDIDATE, length, DIGEST)
  if (!ctEqual(DIGEST, CANDIDATE + <usize>length, <i32>MAC)) return 0
  return load64be(CANDIDATE + SB_SERIAL) === serial ? 1 : 0
}

/**
 * Boot: the higher valid superblock, held against the monotonic counter. Equal is right, one ahead is a cut between superblock and
 * counter (the counter is stepped); anything else is a rolled-back or foreign image.
 */
export function superblockLoad(serial: u64): u32 {
  let best: u64 = 0
  let found = false
  let newer = false
  for (let slot = 0; slot < 2; slot++) {
    const verdict = readSlot(slot, serial)
    if (verdict === 2) newer = true
    if (verdict !== 1) continue
    const s = load64be(CANDIDATE + SB_SEQUENCE)
    if (found && s <= best) continue
    found = true
    best = s
    memory.fill(SB, 0, CAPACITY)
    memory.copy(SB, CANDIDATE, lengthOf(CANDIDATE))
  }
  if (!found) return newer ? RC_STORAGE_VERSION : RC_STORAGE_INTEGRITY
  const counter = <u64>mono_get()
  if (best === counter + 1) mono_inc()
  // A newer firmware has written since: the last superblock that this one can read is no roll-back.
  else if (best !== counter) return newer ? RC_STORAGE_VERSION : RC_STORAGE_INTEGRITY
  return RC_OK
}

/** A new, empty superblock behind the counter; nothing is written yet. */
export function superblockNew(serial: u64): void {
  memory.fill(SB, 0, CAPACITY)
  store32be(SB + SB_MAGIC, MAGIC)
  store64be(SB + SB_SEQUENCE, <u64>mono_get())
  store64be(SB + SB_SERIAL, serial)
  store32be(SB + SB_LAYOUT, LAYOUT)
  store32be(SB + SB_ROWS, 1)
  memory.fill(DIRTY, 1, 128)
}

let frozen: bool = false

/** A tamper wiped the keys while a command runs: from here on nothing may be committed, or it would be sealed with zeros. */
export function superblockFreeze(on: bool): void {
  frozen = on
}

export function superblockIsFrozen(): bool {
  return frozen
}

/**
 * Program the superblock with the next sequence, then step the counter (OBC-1 §6.2 "Order of every change"), then erase the one
 * before it.
 */
export function superblockCommit(): void {
  if (frozen) return
  let top: u32 = 0
  for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
    if (load32be(partitionRow(id) + P_USED) === 0) continue
    top = id
    if (load<u8>(DIRTY + <usize>id) === 0) continue
    directoryHash(id, partitionRow(id) + P_DIRECTORY)
    store<u8>(DIRTY + <usize>id, 0)
  }
  store32be(SB + SB_ROWS, top + 1)
  const next = sequence() + 1
  store64be(SB + SB_SEQUENCE, next)
  const length = lengthOf(SB)
  hmac(HASH_SHA384, KEY_RAK, 48, SB, length, SB + <usize>length)
  const slot = <i32>(next & 1)
  eraseSlot(slot)
  setSectorsUsed(slot, UNKNOWN)
  flash_program(<u32>slotSector(slot) * <u32>FLASH_SECTOR, SB, length + <i32>MAC)
  memory.fill(SB + <usize>length, 0, MAC)
  mono_inc()
  // What counted until now may hold wrapped keys that this change has removed.
  eraseSlot(1 - slot)
  setSectorsUsed(slot, (length + <i32>MAC + FLASH_SECTOR - 1) / FLASH_SECTOR)
}

/** Sectors of each slot that are not blank, as far as this power-up knows. */
const UNKNOWN: i32 = -1
let usedA: i32 = UNKNOWN
let usedB: i32 = UNKNOWN

function setSectorsUsed(slot: i32, n: i32): void {
  if (slot === 0) usedA = n
  else usedB = n
}

function eraseSlot(slot: i32): void {
  const used = slot === 0 ? usedA : usedB
  for (let s = 0; s < FLASH_SUPERBLOCK_SECTORS; s++) {
    if (used === UNKNOWN) eraseUnlessBlank(slotSector(slot) + s)
    else if (s < used) flash_erase(slotSector(slot) + s)
  }
  setSectorsUsed(slot, 0)
}

function eraseUnlessBlank(sector: i32): void {
  flash_read(<u32>sector * <u32>FLASH_SECTOR, CANDIDATE, FLASH_SECTOR)
  let i: usize = 0
  while (i < <usize>FLASH_SECTOR && load<u64>(CANDIDATE + i) === 0xffffffffffffffff) i += 8
  if (i < <usize>FLASH_SECTOR) flash_erase(sector)
}

/** Zeroized flash holds neither superblock. */
export function superblockErase(): void {
  memory.fill(SB, 0, CAPACITY)
  usedA = UNKNOWN
  usedB = UNKNOWN
  for (let s = 0; s < 2 * FLASH_SUPERBLOCK_SECTORS; s++) eraseUnlessBlank(FLASH_SUPERBLOCK_A + s)
}
