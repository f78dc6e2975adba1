// Firmware profiles as data: what differs between the generations (luna-style rules; sources in DESIGN.md "Profiles").

import { MODEL_BACKUP, PROFILE_6_27_0, PROFILE_6_28_0, PROFILE_7_0_3, PROFILE_7_7_1 } from '../protocol'

/** What the tenth bad log-in does. */
export const LOCK_TIMED: u32 = 0
export const LOCK_UNTIL_RESET: u32 = 1
export const LOCK_ZEROIZES: u32 = 2

@unmanaged
export class Profile {
  version: u32
  generation: u32
  firstHandle: u32
  partitionSoLock: u32
  officerLock: u32
  lockSeconds: u32
  maxDomains: u32
  wrapExcludesClone: u32
}

const ROW: usize = 32
const TABLE: usize = memory.data(256, 16)
let count: i32 = 0

function generation6(version: u32): void {
  const p = changetype<Profile>(TABLE + <usize>count * ROW)
  count++
  p.version = version
  p.generation = 6
  p.firstHandle = 19
  p.partitionSoLock = LOCK_TIMED
  p.officerLock = LOCK_TIMED
  p.lockSeconds = 600
  p.maxDomains = 1
  p.wrapExcludesClone = 0
}

function generation7(version: u32): void {
  const p = changetype<Profile>(TABLE + <usize>count * ROW)
  count++
  p.version = version
  p.generation = 7
  p.firstHandle = 45
  p.partitionSoLock = LOCK_ZEROIZES
  p.officerLock = LOCK_UNTIL_RESET
  p.lockSeconds = 600
  p.maxDomains = 1
  p.wrapExcludesClone = 1
}

/** Power-up: writes the table. */
export function profileTableBegin(): void {
  count = 0
  generation6(PROFILE_6_27_0)
  generation6(PROFILE_6_28_0)
  generation7(PROFILE_7_0_3)
  generation7(PROFILE_7_7_1)
}

/** The profile's row, or 0 where no such firmware is known. */
export function profileOf(version: u32): usize {
  for (let i = 0; i < count; i++) {
    const row = TABLE + <usize>i * ROW
    if (changetype<Profile>(row).version === version) return row
  }
  return 0
}

/** Bytes of storage a new partition gets where nobody says: a tenth of a K6's 2 MiB (a K6 at firmware 6.10.9 shows 209,715). */
export function defaultPartitionSize(model: u32, storage: u64): u64 {
  return model === MODEL_BACKUP ? storage : storage / 10
}
