// Firmware profiles as data: one row per firmware, and nothing elsewhere asks for a version (sources in DESIGN.md "Behaviour").

import {
  MODEL_BACKUP,
  PROFILE_6_27_0,
  PROFILE_6_28_0,
  PROFILE_7_0_3,
  PROFILE_7_7_1,
  PROFILE_7_8_0,
  TRANSPORT_SRK,
  TRANSPORT_STM,
} from '../protocol'

/** What the tenth bad log-in does. */
export const LOCK_TIMED: u32 = 0
export const LOCK_UNTIL_RESET: u32 = 1
export const LOCK_ZEROIZES: u32 = 2

/** Seconds that a timed lock lasts. */
export const LOCK_SECONDS: u64 = 600

@unmanaged
export class Profile {
  version: u32
  /** 6 or 7: which columns of the policy table hold. */
  generation: u32
  /** Handle of the first object of a fresh partition. */
  firstHandle: u32
  partitionSoLock: u32
  officerLock: u32
  /** Domains that a partition may have. */
  maxDomains: u32
  /** Private key wrapping and cloning are never both on. */
  wrapExcludesClone: u32
  /** Least bytes of a password. */
  minPassword: u32
  /** As a source of clones: ends a job at the first object that the target refuses. */
  stopsAtFailure: u32
  /** Clones with HSMs of the other authentication too. */
  mixedAuthentication: u32
  /** TRANSPORT_…: how the HSM is put into secure transport mode. */
  transport: u32
  /** Going into transport ends activations first; else it makes the verification string differ at recovery. */
  transportDeactivates: u32
  /** A tamper counts as cleared when the SO next logs in. */
  loginClearsTamper: u32
}

const ROW: usize = 52
const TABLE: usize = memory.data(320, 16)
let count: i32 = 0

function row(
  version: u32,
  generation: u32,
  firstHandle: u32,
  partitionSoLock: u32,
  officerLock: u32,
  maxDomains: u32,
  wrapExcludesClone: u32,
  minPassword: u32,
  stopsAtFailure: u32,
  mixedAuthentication: u32,
  transport: u32,
  transportDeactivates: u32,
  loginClearsTamper: u32,
): void {
  const p = changetype<Profile>(TABLE + <usize>count * ROW)
  count++
  p.version = version
  p.generation = generation
  p.firstHandle = firstHandle
  p.partitionSoLock = partitionSoLock
  p.officerLock = officerLock
  p.maxDomains = maxDomains
  p.wrapExcludesClone = wrapExcludesClone
  p.minPassword = minPassword
  p.stopsAtFailure = stopsAtFailure
  p.mixedAuthentication = mixedAuthentication
  p.transport = transport
  p.transportDeactivates = transportDeactivates
  p.loginClearsTamper = loginClearsTamper
}

/** Power-up: writes the table, columns in the order of the class. */
export function profileTableBegin(): void {
  count = 0
  row(PROFILE_6_27_0, 6, 19, LOCK_TIMED, LOCK_TIMED, 1, 0, 7, 0, 0, TRANSPORT_SRK, 0, 1)
  row(PROFILE_6_28_0, 6, 19, LOCK_TIMED, LOCK_TIMED, 1, 0, 7, 0, 0, TRANSPORT_SRK, 0, 1)
  row(PROFILE_7_0_3, 7, 45, LOCK_ZEROIZES, LOCK_UNTIL_RESET, 1, 1, 7, 0, 0, TRANSPORT_STM, 0, 0)
  row(PROFILE_7_7_1, 7, 45, LOCK_ZEROIZES, LOCK_UNTIL_RESET, 1, 1, 7, 1, 0, TRANSPORT_STM, 0, 0)
  row(PROFILE_7_8_0, 7, 45, LOCK_ZEROIZES, LOCK_UNTIL_RESET, 3, 1, 8, 1, 1, TRANSPORT_STM, 1, 0)
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
