// The rows of all policies: the vendor's published numbers, with what each generation makes of them.
// Sources: generation 6 from a K6 at 6.10.9, generation 7 from a secondary catalogue and the vendor's tables; which rows a release
// lists is inferred from the release that brought them (DESIGN.md "Policies").

import {
  POLICY_FIXED,
  POLICY_NUMERIC,
  POLICY_OFF_TO_ON_DESTRUCTIVE,
  POLICY_ON_TO_OFF_DESTRUCTIVE,
  PROFILE_7_0_3,
  PROFILE_7_7_1,
  PROFILE_7_8_0,
} from '../protocol'

@unmanaged
export class Policy {
  id: u32
  flags6: u32
  default6: u32
  flags7: u32
  default7: u32
  /** Greatest value; 1 for a switch. */
  most: u32
  /** First firmware that has the row, and the first that has it no more. */
  since: u32
  until: u32
}

const ROW: usize = 32
const ROWS_MAX: i32 = 64
const HSM: usize = memory.data(2048, 16)
const PARTITION: usize = memory.data(2048, 16)

const UP: u32 = POLICY_OFF_TO_ON_DESTRUCTIVE
const DOWN: u32 = POLICY_ON_TO_OFF_DESTRUCTIVE
const BOTH: u32 = POLICY_OFF_TO_ON_DESTRUCTIVE | POLICY_ON_TO_OFF_DESTRUCTIVE
const FIXED: u32 = POLICY_FIXED
const NUMERIC: u32 = POLICY_NUMERIC
const NEVER: u32 = 0xffffffff

let hsmRows: i32 = 0
let partitionRows: i32 = 0

export function hsmPolicyRows(): i32 {
  return hsmRows
}

export function partitionPolicyRows(): i32 {
  return partitionRows
}

export function hsmPolicyRow(i: i32): Policy {
  return changetype<Policy>(HSM + <usize>i * ROW)
}

export function partitionPolicyRow(i: i32): Policy {
  return changetype<Policy>(PARTITION + <usize>i * ROW)
}

/** True where this firmware has the row. */
export function policyIsIn(row: Policy, version: u32): bool {
  return version >= row.since && version < row.until
}

function fill(row: Policy, id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  row.id = id
  row.flags6 = flags6
  row.default6 = default6
  row.flags7 = flags7
  row.default7 = default7
  row.most = most
  row.since = 0
  row.until = NEVER
}

function hsm(id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  if (hsmRows === ROWS_MAX) unreachable()
  fill(hsmPolicyRow(hsmRows), id, flags6, default6, flags7, default7, most)
  hsmRows++
}

/** A row of firmware 6 alone. */
function hsm6(id: u32, flags: u32, value: u32): void {
  hsm(id, flags, value, 0, 0, 1)
  hsmPolicyRow(hsmRows - 1).until = PROFILE_7_0_3
}

/** A row that firmware 7 brought, in that release or a later one. */
function hsm7(since: u32, id: u32, flags: u32, value: u32): void {
  hsm(id, 0, 0, flags, value, 1)
  hsmPolicyRow(hsmRows - 1).since = since
}

function partition(id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  if (partitionRows === ROWS_MAX) unreachable()
  fill(partitionPolicyRow(partitionRows), id, flags6, default6, flags7, default7, most)
  partitionRows++
}

function partition7(since: u32, id: u32, flags: u32, value: u32): void {
  partition(id, 0, 0, flags, value, 1)
  partitionPolicyRow(partitionRows - 1).since = since
}

/**
 * Power-up: writes the tables. Columns: id, flags and default of 6.x, flags and default of 7.x, greatest value. A fixed row's default
 * is its capability; those of the rows that the model decides are in policies.ts.
 */
export function policyTableBegin(): void {
  hsmRows = 0
  partitionRows = 0
  hsm(0, FIXED, 0, FIXED, 0, 1) // PIN authentication: by model
  hsm(1, FIXED, 0, FIXED, 0, 1) // PED authentication: by model
  hsm(2, FIXED | NUMERIC, 15, FIXED | NUMERIC, 15, 15) // performance level
  hsm(4, FIXED, 1, FIXED, 1, 1) // domestic mechanisms and key sizes
  hsm(6, BOTH, 1, BOTH, 0, 1) // masking
  hsm(7, BOTH, 1, BOTH, 1, 1) // cloning
  hsm(9, FIXED, 0, FIXED, 0, 1) // full (non-backup) functionality: by model
  hsm(12, BOTH, 1, BOTH, 1, 1) // non-FIPS algorithms
  hsm(15, BOTH, 1, BOTH, 0, 1) // SO can reset partition PIN
  hsm(16, 0, 1, 0, 1, 1) // network replication
  hsm(17, FIXED, 0, FIXED, 0, 1) // Korean algorithms
  hsm(18, FIXED, 0, FIXED, 0, 1) // FIPS evaluated
  hsm(19, FIXED, 0, FIXED, 0, 1) // manufacturing token
  hsm6(20, BOTH, 1) // remote authentication
  hsm(21, 0, 0, 0, 1, 1) // force user PIN change
  hsm(22, BOTH, 1, BOTH, 1, 1) // off-board storage
  hsm(23, FIXED, 0, FIXED, 0, 1) // partition groups
  hsm(25, FIXED, 0, FIXED, 0, 1) // remote PED usage: by model
  hsm6(26, FIXED, 1) // MTK split stored externally
  hsm(27, FIXED | NUMERIC, 0, FIXED | NUMERIC, 0, 0xffffffff) // storage, bytes: by model
  hsm6(29, BOTH, 1) // acceleration
  hsm(30, FIXED, 1, FIXED, 1, 1) // unmasking
  hsm(33, FIXED | NUMERIC, 0, FIXED | NUMERIC, 0, 100) // most partitions: by model
  hsm(35, BOTH, 0, BOTH, 0, 1) // single domain
  hsm(36, FIXED, 0, FIXED, 0, 1) // unified PED key
  hsm(37, FIXED, 0, FIXED, 0, 1) // M of N: by model
  hsm7(PROFILE_7_0_3, 38, FIXED, 0) // small form factor backup
  hsm7(PROFILE_7_0_3, 39, FIXED, 0) // secure trusted channel: not modelled
  hsm7(PROFILE_7_0_3, 40, BOTH, 0) // decommission on tamper
  hsm6(41, FIXED, 1) // per-partition SO
  hsm7(PROFILE_7_0_3, 42, FIXED, 1) // partition re-initialize
  hsm7(PROFILE_7_0_3, 43, FIXED, 1) // low-level maths acceleration
  hsm7(PROFILE_7_0_3, 46, 0, 0) // disabling decommission
  hsm7(PROFILE_7_0_3, 47, FIXED, 0) // tunnel slot
  hsm7(PROFILE_7_0_3, 48, BOTH, 1) // controlled tamper recovery
  hsm7(PROFILE_7_7_1, 49, FIXED, 0) // partition utilization metrics: not modelled
  hsm7(PROFILE_7_7_1, 50, FIXED, 0) // functionality modules: not modelled
  hsm7(PROFILE_7_7_1, 51, FIXED, 0) // SMFS auto-activation: not modelled
  hsm7(PROFILE_7_7_1, 55, 0, 0) // restricted restore: a Backup HSM's
  hsm7(PROFILE_7_8_0, 57, FIXED, 0) // host time synchronization

  partition(0, UP, 1, UP, 1, 1) // private key cloning
  partition(1, UP, 0, UP, 0, 1) // private key wrapping
  partition(2, 0, 1, 0, 1, 1) // private key unwrapping
  partition(3, FIXED, 0, FIXED, 0, 1) // private key masking
  partition(4, UP, 1, UP, 1, 1) // secret key cloning
  partition(5, UP, 1, UP, 1, 1) // secret key wrapping
  partition(6, 0, 1, 0, 1, 1) // secret key unwrapping
  partition(7, FIXED, 0, FIXED, 0, 1) // secret key masking
  partition(10, UP, 1, UP, 1, 1) // multipurpose keys
  partition(11, UP, 1, UP, 1, 1) // changing key attributes
  // Off in 6.x, where a wrong challenge is documented to count.
  partition(15, UP, 0, UP, 1, 1) // ignore failed challenge responses
  partition(16, UP, 1, UP, 1, 1) // operate without RSA blinding
  partition(17, 0, 1, 0, 1, 1) // signing with non-local keys
  partition(18, UP, 1, UP, 1, 1) // raw RSA operations
  partition(19, FIXED | NUMERIC, 0, FIXED | NUMERIC, 0, 0xffffffff) // key storage space, bytes: the partition's size
  partition(20, NUMERIC, 10, NUMERIC, 10, 10) // max failed user logins
  partition(21, 0, 1, 0, 1, 1) // high availability recovery
  partition(22, 0, 0, 0, 0, 1) // activation
  partition(23, 0, 0, 0, 0, 1) // auto-activation
  partition(24, FIXED, 0, FIXED, 0, 1) // indirect log-in: not modelled
  partition(25, NUMERIC, 248, NUMERIC, 248, 248) // minimum PIN length, inverted
  partitionPolicyRow(partitionRows - 1).until = PROFILE_7_8_0
  partition7(PROFILE_7_8_0, 25, NUMERIC, 247)
  partitionPolicyRow(partitionRows - 1).most = 247
  partition(26, NUMERIC, 255, NUMERIC, 255, 255) // maximum PIN length
  partition(28, UP, 1, UP, 1, 1) // key management functions
  partition(29, UP, 1, UP, 1, 1) // RSA signing without confirmation
  partition(30, FIXED, 1, FIXED, 1, 1) // remote authentication
  partition(31, 0, 1, 0, 1, 1) // private key unmasking
  partition(32, 0, 1, 0, 1, 1) // secret key unmasking
  partition(33, UP, 1, UP, 1, 1) // RSA PKCS mechanism
  partition(34, UP, 1, UP, 1, 1) // CBC-PAD (un)wrap of any size
  partition(35, FIXED, 0, FIXED, 0, 1) // private key small form factor backup
  partition(36, FIXED, 0, FIXED, 0, 1) // secret key small form factor backup
  partition7(PROFILE_7_0_3, 37, FIXED | DOWN, 0) // force secure trusted channel: not modelled
  partition7(PROFILE_7_0_3, 39, DOWN, 0) // start and end date attributes
  partition7(PROFILE_7_7_1, 40, FIXED | BOTH, 0) // per-key authorization data: of V1 partitions, not modelled
  partition7(PROFILE_7_7_1, 41, FIXED, 0) // partition version: every partition is V0
  partition7(PROFILE_7_7_1, 42, 0, 0) // CPv1
  partition7(PROFILE_7_8_0, 43, UP, 1) // non-FIPS algorithms
  partition7(PROFILE_7_8_0, 44, 0, 1) // extended domain management
  partition7(PROFILE_7_8_0, 45, FIXED, 0) // pre-hashed input
}
