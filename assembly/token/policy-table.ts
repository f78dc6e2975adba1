// The rows of all policies: the vendor's published numbers, with what each generation makes of them.
// Sources: generation 6 from a K6 at 6.10.9, generation 7 from a secondary catalogue (DESIGN.md "Behaviour").

import { POLICY_FIXED, POLICY_NUMERIC, POLICY_OFF_TO_ON_DESTRUCTIVE, POLICY_ON_TO_OFF_DESTRUCTIVE } from '../protocol'

@unmanaged
export class Policy {
  id: u32
  flags6: u32
  default6: u32
  flags7: u32
  default7: u32
  /** Greatest value; 1 for a switch. */
  most: u32
}

const ROW: usize = 24
const HSM: usize = memory.data(384, 16)
const PARTITION: usize = memory.data(768, 16)

const UP: u32 = POLICY_OFF_TO_ON_DESTRUCTIVE
const BOTH: u32 = POLICY_OFF_TO_ON_DESTRUCTIVE | POLICY_ON_TO_OFF_DESTRUCTIVE
const FIXED: u32 = POLICY_FIXED
const NUMERIC: u32 = POLICY_NUMERIC

let hsmRows: i32 = 0
let partitionRows: i32 = 0

export function hsmPolicyCount(): i32 {
  return hsmRows
}

export function partitionPolicyCount(): i32 {
  return partitionRows
}

export function hsmPolicyRow(i: i32): Policy {
  return changetype<Policy>(HSM + <usize>i * ROW)
}

export function partitionPolicyRow(i: i32): Policy {
  return changetype<Policy>(PARTITION + <usize>i * ROW)
}

function fill(row: Policy, id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  row.id = id
  row.flags6 = flags6
  row.default6 = default6
  row.flags7 = flags7
  row.default7 = default7
  row.most = most
}

function hsm(id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  fill(hsmPolicyRow(hsmRows), id, flags6, default6, flags7, default7, most)
  hsmRows++
}

function partition(id: u32, flags6: u32, default6: u32, flags7: u32, default7: u32, most: u32): void {
  fill(partitionPolicyRow(partitionRows), id, flags6, default6, flags7, default7, most)
  partitionRows++
}

/** Power-up: writes the tables. Columns: id, flags and default of 6.x, flags and default of 7.x, greatest value. */
export function policyTableBegin(): void {
  hsmRows = 0
  partitionRows = 0
  hsm(0, FIXED, 0, FIXED, 0, 1) // PIN authentication
  hsm(1, FIXED, 0, FIXED, 0, 1) // PED authentication
  hsm(6, BOTH, 0, BOTH, 0, 1) // masking
  hsm(7, BOTH, 1, BOTH, 1, 1) // cloning
  hsm(9, FIXED, 0, FIXED, 0, 1) // full (non-backup) functionality
  hsm(12, BOTH, 1, BOTH, 1, 1) // non-FIPS algorithms
  hsm(15, BOTH, 1, BOTH, 0, 1) // SO can reset partition PIN
  hsm(16, 0, 1, 0, 1, 1) // network replication
  hsm(21, 0, 0, 0, 1, 1) // force user PIN change
  hsm(22, BOTH, 1, BOTH, 1, 1) // off-board storage
  hsm(25, FIXED, 0, FIXED, 0, 1) // remote PED usage
  hsm(27, FIXED | NUMERIC, 0, FIXED | NUMERIC, 0, 0xffffffff) // storage, bytes
  hsm(33, FIXED | NUMERIC, 0, FIXED | NUMERIC, 0, 100) // most partitions

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
  partition(20, NUMERIC, 10, NUMERIC, 10, 10) // max failed user logins
  partition(21, 0, 1, 0, 1, 1) // high availability recovery
  partition(22, 0, 0, 0, 0, 1) // activation
  partition(23, 0, 0, 0, 0, 1) // auto-activation
  partition(25, NUMERIC, 248, NUMERIC, 248, 248) // minimum PIN length, inverted
  partition(26, NUMERIC, 255, NUMERIC, 255, 255) // maximum PIN length
  partition(28, UP, 1, UP, 1, 1) // key management functions
  partition(29, UP, 1, UP, 1, 1) // RSA signing without confirmation
  partition(33, UP, 1, UP, 1, 1) // RSA PKCS mechanism
  partition(34, UP, 1, UP, 1, 1) // CBC-PAD (un)wrap of any size
}
