// Policies and capabilities: the vendor's published numbers, with the defaults and destructive flags of each generation.
// A capability of 0 cannot be used, whatever the policy says.

import { load32be, store32be } from '../crypto/util'
import { P_POLICIES, partitionRow, SB, SB_POLICIES } from '../flash/superblock'
import {
  AUTH_PASSWORD,
  AUTH_PED,
  HSM_POLICY_CLONING,
  HSM_POLICY_CONTROLLED_TAMPER,
  HSM_POLICY_DECOMMISSION_ON_TAMPER,
  HSM_POLICY_FULL_FUNCTION,
  HSM_POLICY_M_OF_N,
  HSM_POLICY_MAX_PARTITIONS,
  HSM_POLICY_NO_DECOMMISSION,
  HSM_POLICY_NON_FIPS,
  HSM_POLICY_PED_AUTH,
  HSM_POLICY_PIN_AUTH,
  HSM_POLICY_REMOTE_PED,
  HSM_POLICY_RESTRICTED_RESTORE,
  HSM_POLICY_STORAGE,
  MODEL_BACKUP,
  POLICY_ACTIVATION,
  POLICY_AUTO_ACTIVATION,
  POLICY_FIXED,
  POLICY_NON_FIPS,
  POLICY_NUMERIC,
  POLICY_OFF_TO_ON_DESTRUCTIVE,
  POLICY_ON_TO_OFF_DESTRUCTIVE,
  POLICY_PRIVATE_CLONING,
  POLICY_PRIVATE_WRAPPING,
  POLICY_SECRET_CLONING,
  POLICY_STORAGE,
  RC_CONFIG_CHANGE_ILLEGAL,
  RC_CONFIG_FAILS_DEPENDENCIES,
  RC_OK,
  RC_POLICY_ID_INVALID,
  RC_POLICY_VALUE_INVALID,
} from '../protocol'
import { EVENT_CONTROLLED, EVENT_NO_DECOMMISSION, EVENT_TAMPER_DECOMMISSIONS } from './events'
import {
  hsmPolicyRow,
  hsmPolicyRows,
  Policy,
  partitionPolicyRow,
  partitionPolicyRows,
  policyIsIn,
} from './policy-table'
import { firmwareVersion, isBackup, isPed, maxPartitions, model, profile, storage } from './state'

/** True where this HSM has row i: its firmware knows the policy, and so does its model. */
export function hsmHasPolicy(i: i32): bool {
  const row = hsmPolicyRow(i)
  if (row.id === HSM_POLICY_RESTRICTED_RESTORE && !isBackup()) return false
  return policyIsIn(row, firmwareVersion())
}

export function partitionHasPolicy(i: i32): bool {
  return policyIsIn(partitionPolicyRow(i), firmwareVersion())
}

export function hsmPolicyId(i: i32): u32 {
  return hsmPolicyRow(i).id
}

export function partitionPolicyId(i: i32): u32 {
  return partitionPolicyRow(i).id
}

function flagsOf(row: Policy): u32 {
  return profile().generation >= 7 ? row.flags7 : row.flags6
}

export function hsmPolicyFlags(i: i32): u32 {
  return flagsOf(hsmPolicyRow(i))
}

export function partitionPolicyFlags(i: i32): u32 {
  const row = partitionPolicyRow(i)
  // Activation caches a PED secret; on a password HSM there is none.
  if (!isPed() && (row.id === POLICY_ACTIVATION || row.id === POLICY_AUTO_ACTIVATION)) return POLICY_FIXED
  return flagsOf(row)
}

function defaultOf(row: Policy): u32 {
  return profile().generation >= 7 ? row.default7 : row.default6
}

/** What the hardware allows, given by the model and the manufacturing record, or else by the row. */
export function hsmCapability(i: i32): u32 {
  const row = hsmPolicyRow(i)
  const id = row.id
  if (id === HSM_POLICY_PIN_AUTH) return isPed() ? 0 : 1
  if (id === HSM_POLICY_PED_AUTH) return isPed() ? 1 : 0
  if (id === HSM_POLICY_REMOTE_PED || id === HSM_POLICY_M_OF_N) return isPed() ? 1 : 0
  if (id === HSM_POLICY_FULL_FUNCTION) return model() === MODEL_BACKUP ? 0 : 1
  if (id === HSM_POLICY_STORAGE) return <u32>storage()
  if (id === HSM_POLICY_MAX_PARTITIONS) return maxPartitions()
  return (flagsOf(row) & POLICY_FIXED) !== 0 ? defaultOf(row) : 1
}

export function partitionCapability(i: i32): u32 {
  const row = partitionPolicyRow(i)
  if ((partitionPolicyFlags(i) & POLICY_FIXED) !== 0) return row.id === POLICY_STORAGE ? row.most : defaultOf(row)
  return row.most
}

function valueAt(base: usize, id: u32): u32 {
  return load32be(base + ((<usize>id) << 2))
}

export function hsmPolicy(id: u32): u32 {
  return valueAt(SB + SB_POLICIES, id)
}

export function partitionPolicy(partition: u32, id: u32): u32 {
  return valueAt(partitionRow(partition) + P_POLICIES, id)
}

export function hsmPolicyDefaults(): void {
  for (let i = 0; i < hsmPolicyRows(); i++) {
    if (!hsmHasPolicy(i)) continue
    const row = hsmPolicyRow(i)
    let value = defaultOf(row)
    if ((flagsOf(row) & POLICY_FIXED) !== 0) value = hsmCapability(i)
    store32be(SB + SB_POLICIES + ((<usize>row.id) << 2), value)
  }
}

/** Takes over the policies of before zeroization (64 numbers by id), where they may be changed at all. */
export function restorePolicies(values: usize): void {
  for (let i = 0; i < hsmPolicyRows(); i++) {
    if (!hsmHasPolicy(i)) continue
    const row = hsmPolicyRow(i)
    const value = valueAt(values, row.id)
    if ((flagsOf(row) & POLICY_FIXED) === 0 && value <= row.most) setHsmPolicy(row.id, value)
  }
}

/** What a tamper has to know of the policies. */
export function tamperPolicies(): u32 {
  let flags: u32 = 0
  if (hsmPolicy(HSM_POLICY_DECOMMISSION_ON_TAMPER) !== 0) flags |= EVENT_TAMPER_DECOMMISSIONS
  if (hsmPolicy(HSM_POLICY_NO_DECOMMISSION) !== 0) flags |= EVENT_NO_DECOMMISSION
  if (hsmPolicy(HSM_POLICY_CONTROLLED_TAMPER) !== 0) flags |= EVENT_CONTROLLED
  return flags
}

export function partitionPolicyDefaults(partition: u32): void {
  for (let i = 0; i < partitionPolicyRows(); i++) {
    if (!partitionHasPolicy(i)) continue
    const row = partitionPolicyRow(i)
    let value = defaultOf(row)
    // A partition is never less restrictive than its HSM.
    if (
      hsmPolicy(HSM_POLICY_CLONING) === 0 &&
      (row.id === POLICY_PRIVATE_CLONING || row.id === POLICY_SECRET_CLONING)
    ) {
      value = 0
    }
    if (hsmPolicy(HSM_POLICY_NON_FIPS) === 0 && row.id === POLICY_NON_FIPS) value = 0
    store32be(partitionRow(partition) + P_POLICIES + ((<usize>row.id) << 2), value)
  }
}

function isDestructive(flags: u32, old: u32, value: u32): bool {
  if (old === 0 && value !== 0) return (flags & POLICY_OFF_TO_ON_DESTRUCTIVE) !== 0
  if (old !== 0 && value === 0) return (flags & POLICY_ON_TO_OFF_DESTRUCTIVE) !== 0
  return false
}

/** Set by the two checks below: the change empties what it governs. */
let destructive: bool = false

export function changeIsDestructive(): bool {
  return destructive
}

/** May the HSM policy be set to this value? */
export function checkHsmPolicy(id: u32, value: u32): u32 {
  for (let i = 0; i < hsmPolicyRows(); i++) {
    if (!hsmHasPolicy(i)) continue
    const row = hsmPolicyRow(i)
    if (row.id !== id) continue
    const flags = flagsOf(row)
    if ((flags & POLICY_FIXED) !== 0 || hsmCapability(i) === 0) return RC_CONFIG_CHANGE_ILLEGAL
    if (value > row.most) return RC_POLICY_VALUE_INVALID
    destructive = isDestructive(flags, hsmPolicy(id), value)
    return RC_OK
  }
  return RC_POLICY_ID_INVALID
}

/** May the partition policy be set to this value? */
export function checkPartitionPolicy(partition: u32, id: u32, value: u32): u32 {
  for (let i = 0; i < partitionPolicyRows(); i++) {
    if (!partitionHasPolicy(i)) continue
    const row = partitionPolicyRow(i)
    if (row.id !== id) continue
    const flags = partitionPolicyFlags(i)
    if ((flags & POLICY_FIXED) !== 0) return RC_CONFIG_CHANGE_ILLEGAL
    if (value > row.most || ((flags & POLICY_NUMERIC) !== 0 && value === 0)) return RC_POLICY_VALUE_INVALID
    if (value !== 0 && hsmPolicy(HSM_POLICY_CLONING) === 0) {
      if (id === POLICY_PRIVATE_CLONING || id === POLICY_SECRET_CLONING) return RC_CONFIG_FAILS_DEPENDENCIES
    }
    if (value !== 0 && hsmPolicy(HSM_POLICY_NON_FIPS) === 0 && id === POLICY_NON_FIPS)
      return RC_CONFIG_FAILS_DEPENDENCIES
    if (value !== 0 && profile().wrapExcludesClone !== 0) {
      const other = id === POLICY_PRIVATE_CLONING ? POLICY_PRIVATE_WRAPPING : POLICY_PRIVATE_CLONING
      const either = id === POLICY_PRIVATE_CLONING || id === POLICY_PRIVATE_WRAPPING
      if (either && partitionPolicy(partition, other) !== 0) return RC_CONFIG_FAILS_DEPENDENCIES
    }
    destructive = isDestructive(flags, partitionPolicy(partition, id), value)
    return RC_OK
  }
  return RC_POLICY_ID_INVALID
}

export function setHsmPolicy(id: u32, value: u32): void {
  store32be(SB + SB_POLICIES + ((<usize>id) << 2), value)
}

export function setPartitionPolicy(partition: u32, id: u32, value: u32): void {
  store32be(partitionRow(partition) + P_POLICIES + ((<usize>id) << 2), value)
}

/** The authentication kind of every role of this HSM. */
export function authKind(): u32 {
  return isPed() ? AUTH_PED : AUTH_PASSWORD
}
