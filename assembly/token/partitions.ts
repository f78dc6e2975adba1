// Partitions: life cycle, sizes, domains. Everything changes the superblock in memory; the caller commits.

import { KEY_GSK, PSK } from '../arena'
import { flash_sync } from '../board'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { load32be, load64be, store32be, store64be } from '../crypto/util'
import { firstOf, removeRow, row } from '../flash/directory'
import { dropLive, logKill } from '../flash/log'
import {
  D_TYPE,
  D_WRAPPED,
  domainSlot,
  markDirty,
  P_DOMAIN_SLOTS,
  P_DOMAINS,
  P_EPOCH,
  P_FLAGS,
  P_FLOOR,
  P_LABEL,
  P_LABEL_LENGTH,
  P_LIMIT,
  P_NEXT_HANDLE,
  P_OBJECTS,
  P_ROLES,
  P_SERIAL,
  P_USED,
  P_USED_BYTES,
  partitionRow,
  ROLE_SIZE,
  ROW_SIZE,
  SB,
  SB_EPOCH,
  superblockCommit,
  superblockIsFrozen,
} from '../flash/superblock'
import {
  ADMIN_PARTITION,
  LABEL_MAX,
  MAX_PARTITIONS,
  PARTITION_HAS_DOMAIN,
  PARTITION_INITIALIZED,
  RC_CLONING_PARAMETER_ALREADY_EXISTS,
  RC_HSM_STORAGE_FULL,
  RC_LICENSE_CAPACITY_EXCEEDED,
  RC_OK,
  ROLE_COUNT,
} from '../protocol'
import { deactivate } from './activation'
import { partitionPolicyDefaults } from './policies'
import { defaultPartitionSize } from './profile'
import { random } from './random'
import {
  F_PARTITION_BASE,
  F_PARTITION_MULTIPLIER,
  FACTORY,
  maxPartitions,
  model,
  profile,
  serial,
  storage,
} from './state'

export function partitionExists(id: u32): bool {
  return id <= <u32>MAX_PARTITIONS && load32be(partitionRow(id) + P_USED) !== 0
}

export function partitionFlags(id: u32): u32 {
  const p = partitionRow(id)
  let flags = load32be(p + P_FLAGS)
  if (load<u8>(p + P_DOMAINS) !== 0) flags |= PARTITION_HAS_DOMAIN
  return flags
}

export function partitionIs(id: u32, flag: u32): bool {
  return (partitionFlags(id) & flag) !== 0
}

export function applicationPartitions(): u32 {
  let n: u32 = 0
  for (let id: u32 = 1; id <= <u32>MAX_PARTITIONS; id++) if (partitionExists(id)) n++
  return n
}

function nextEpoch(): u32 {
  const epoch = load32be(SB + SB_EPOCH) + 1
  store32be(SB + SB_EPOCH, epoch)
  return epoch
}

export function setLabel(id: u32, label: usize, length: i32): void {
  const p = partitionRow(id)
  memory.fill(p + P_LABEL, 0, LABEL_MAX)
  memory.copy(p + P_LABEL, label, length)
  store<u8>(p + P_LABEL_LENGTH, <u8>length)
}

/** True where another partition bears the label. */
export function labelTaken(label: usize, length: i32): bool {
  for (let id: u32 = 1; id <= <u32>MAX_PARTITIONS; id++) {
    if (!partitionExists(id)) continue
    const p = partitionRow(id)
    if (<i32>load<u8>(p + P_LABEL_LENGTH) !== length || length === 0) continue
    if (memory.compare(p + P_LABEL, label, length) === 0) return true
  }
  return false
}

// ---- storage ----------------------------------------------------------------------------------------------------------

/** Bytes that the partitions have been given, or use where they have no size of their own. */
export function allocatedBytes(): u64 {
  let sum: u64 = 0
  for (let id: u32 = 1; id <= <u32>MAX_PARTITIONS; id++) {
    if (!partitionExists(id)) continue
    const p = partitionRow(id)
    const limit = load64be(p + P_LIMIT)
    sum += limit !== 0 ? limit : load64be(p + P_USED_BYTES)
  }
  return sum
}

export function hsmUsedBytes(): u64 {
  let sum: u64 = 0
  for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
    if (partitionExists(id)) sum += load64be(partitionRow(id) + P_USED_BYTES)
  }
  return sum
}

export function partitionUsed(id: u32): u64 {
  return load64be(partitionRow(id) + P_USED_BYTES)
}

/** Size of the partition: its own, or what it uses and all that the HSM has left. */
export function partitionTotal(id: u32): u64 {
  const limit = load64be(partitionRow(id) + P_LIMIT)
  if (limit !== 0) return limit
  const taken = allocatedBytes()
  return partitionUsed(id) + (taken < storage() ? storage() - taken : 0)
}

/** Two ways of being full: 0 = there is room, 1 = the partition is full, 2 = the HSM is. */
export function roomFor(id: u32, bytes: u64): i32 {
  const limit = load64be(partitionRow(id) + P_LIMIT)
  if (limit !== 0) return partitionUsed(id) + bytes > limit ? 1 : 0
  return allocatedBytes() + bytes > storage() ? 2 : 0
}

/** `size` 0 = the default of the model (0 again on a backup device: shares all that is free). */
export function chooseSize(size: u64): u64 {
  if (size !== 0) return size
  const standard = defaultPartitionSize(model(), storage())
  return standard === storage() ? 0 : standard
}

// ---- life cycle -------------------------------------------------------------------------------------------------------

let createdId: u32 = 0

export function created(): u32 {
  return createdId
}

function begin(id: u32, flags: u32): void {
  const p = partitionRow(id)
  memory.fill(p, 0, ROW_SIZE)
  store32be(p + P_USED, 1)
  store32be(p + P_FLAGS, flags)
  store32be(p + P_EPOCH, nextEpoch())
  store32be(p + P_NEXT_HANDLE, profile().firstHandle)
  store32be(p + P_FLOOR, 0)
  markDirty(id)
}

/** The HSM's own row. */
export function createAdmin(): void {
  begin(ADMIN_PARTITION, PARTITION_INITIALIZED)
  store64be(partitionRow(ADMIN_PARTITION) + P_SERIAL, serial())
  partitionPolicyDefaults(ADMIN_PARTITION)
}

export function createPartition(flags: u32, label: usize, labelLength: i32, size: u64): u32 {
  if (applicationPartitions() >= maxPartitions()) return RC_LICENSE_CAPACITY_EXCEEDED
  const limit = chooseSize(size)
  const taken = allocatedBytes()
  if (taken > storage() || limit > storage() - taken) return RC_HSM_STORAGE_FULL
  let id: u32 = 1
  while (partitionExists(id)) id++
  if (id > <u32>MAX_PARTITIONS) return RC_LICENSE_CAPACITY_EXCEEDED
  begin(id, flags)
  const p = partitionRow(id)
  const base = <u64>load32be(FACTORY + F_PARTITION_BASE)
  const multiplier = <u64>load32be(FACTORY + F_PARTITION_MULTIPLIER)
  store64be(p + P_SERIAL, serial() * multiplier + base + <u64>(id - 1))
  store64be(p + P_LIMIT, limit)
  setLabel(id, label, labelLength)
  partitionPolicyDefaults(id)
  createdId = id
  return RC_OK
}

/** A fresh storage key in PSK, for a partition that is made new. */
export function newStorageKey(): bool {
  return random(PSK, 32)
}

/** What a partition held stops counting: its rows leave the directory, remembered for `commitChange`. */
const DOOMED: usize = memory.data(1048576, 16)
const DOOMED_MAX: i32 = 131072
let doomed: i32 = 0

export function dropObjects(id: u32): void {
  const p = partitionRow(id)
  let i = firstOf(id)
  while (i !== 0) {
    const next = row(i).next
    if (doomed < DOOMED_MAX) {
      store<u32>(DOOMED + ((<usize>doomed) << 3), row(i).offset)
      store<u32>(DOOMED + ((<usize>doomed) << 3), row(i).length, 4)
      doomed++
    }
    removeRow(i)
    i = next
  }
  store32be(p + P_OBJECTS, 0)
  store64be(p + P_USED_BYTES, 0)
  // Handles below the floor no longer count, whatever the log still holds: no tombstone is needed.
  store32be(p + P_FLOOR, load32be(p + P_NEXT_HANDLE))
  markDirty(id)
}

/** Makes a change of the superblock durable, then what it dropped unreadable. A cut in between is finished at the next boot. */
export function commitChange(): void {
  if (superblockIsFrozen()) return
  superblockCommit()
  for (let i = 0; i < doomed; i++) {
    const offset = load<u32>(DOOMED + ((<usize>i) << 3))
    const length = load<u32>(DOOMED + ((<usize>i) << 3), 4)
    logKill(offset, length)
    dropLive(offset, length)
  }
  doomed = 0
  flash_sync()
}

/** Everything of the partition goes but its place in the HSM: id, serial, size, label. New epoch, policies as from the factory. */
export function resetPartition(id: u32, flags: u32): void {
  deactivate(id, -1)
  dropObjects(id)
  const p = partitionRow(id)
  store32be(p + P_EPOCH, nextEpoch())
  store32be(p + P_FLAGS, flags)
  store32be(p + P_NEXT_HANDLE, profile().firstHandle)
  store32be(p + P_FLOOR, 0)
  memory.fill(p + P_ROLES, 0, <usize>ROLE_COUNT * ROLE_SIZE)
  store<u8>(p + P_DOMAINS, 0)
  memory.fill(p + P_DOMAIN_SLOTS, 0, ROW_SIZE - P_DOMAIN_SLOTS)
  partitionPolicyDefaults(id)
}

export function resizePartition(id: u32, size: u64): void {
  store64be(partitionRow(id) + P_LIMIT, size)
}

export function deletePartition(id: u32): void {
  deactivate(id, -1)
  dropObjects(id)
  memory.fill(partitionRow(id), 0, ROW_SIZE)
}

// ---- domains ----------------------------------------------------------------------------------------------------------

export function domainCount(id: u32): i32 {
  return <i32>load<u8>(partitionRow(id) + P_DOMAINS)
}

export function domainType(id: u32, slot: i32): i32 {
  return <i32>load<u8>(domainSlot(id, slot) + D_TYPE)
}

/** Adds a domain vector (48 bytes). 6.x and 7.0 to 7.7 partitions have exactly one, fixed until they are made new. */
export function addDomain(id: u32, type: i32, vector: usize): u32 {
  const n = domainCount(id)
  if (n >= <i32>profile().maxDomains) return RC_CLONING_PARAMETER_ALREADY_EXISTS
  const d = domainSlot(id, n)
  store<u8>(d + D_TYPE, <u8>type)
  kwWrap(KEY_GSK, 32, vector, 48, d + D_WRAPPED)
  store<u8>(partitionRow(id) + P_DOMAINS, <u8>(n + 1))
  return RC_OK
}

/** Unwraps a domain vector into `out`. */
export function domainVector(id: u32, slot: i32, out: usize): bool {
  return kwUnwrap(KEY_GSK, 32, domainSlot(id, slot) + D_WRAPPED, 56, out)
}
