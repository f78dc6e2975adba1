// What the crypt commands ask of a mechanism, and what it may do under the policies that hold.

import { HSM_POLICY_NON_FIPS, POLICY_NON_FIPS, PROFILE_7_8_0 } from '../protocol'
import { FAMILY_DIGEST, FAMILY_GENERATE, FAMILY_HMAC } from './mechanism-families'
import {
  DECRYPT,
  DERIVE,
  DIGEST,
  ENCRYPT,
  GENERATE,
  GENERATE_PAIR,
  Mechanism,
  mechanismCount,
  rowAt,
  SIGN,
  UNWRAP,
  VERIFY,
  WRAP,
} from './mechanism-table'
import { hsmPolicy, partitionPolicy } from './policies'
import { firmwareVersion } from './state'

export let mechFamily: u32 = 0
/** HASH_… of the mechanism, 0 = it has none of its own. */
export let mechHash: i32 = 0
export let mechKeyType: u32 = 0
export let mechIsGeneral: bool = false
let mechFlags: u32 = 0

/** Flags that hold on the HSM as a whole. */
export function rowFlags(i: i32): u32 {
  const r = rowAt(i)
  return hsmPolicy(HSM_POLICY_NON_FIPS) !== 0 ? r.flags : r.approved
}

/** Whether algorithms that FIPS does not approve are on for this partition. */
export function nonFips(partition: u32): bool {
  if (hsmPolicy(HSM_POLICY_NON_FIPS) === 0) return false
  return firmwareVersion() < <u32>PROFILE_7_8_0 || partitionPolicy(partition, POLICY_NON_FIPS) !== 0
}

function find(number: u32): Mechanism {
  for (let i = 0; i < mechanismCount(); i++) if (rowAt(i).number === number) return rowAt(i)
  return changetype<Mechanism>(0)
}

/** Takes a mechanism in hand, with what it may do on this partition. One that there is not may do nothing. */
export function takeMechanism(number: u32, partition: u32): void {
  const r = find(number)
  if (changetype<usize>(r) === 0) {
    mechFlags = 0
    mechFamily = FAMILY_GENERATE
    mechHash = 0
    mechKeyType = 0
    mechIsGeneral = false
    return
  }
  mechFamily = r.family
  mechHash = r.hash
  mechKeyType = r.keyType
  mechIsGeneral = r.general !== 0
  mechFlags = nonFips(partition) ? r.flags : r.approved
}

export function canDigest(): bool {
  return (mechFlags & DIGEST) !== 0
}

export function canSign(): bool {
  return (mechFlags & SIGN) !== 0
}

export function canVerify(): bool {
  return (mechFlags & VERIFY) !== 0
}

export function canEncrypt(): bool {
  return (mechFlags & ENCRYPT) !== 0
}

export function canDecrypt(): bool {
  return (mechFlags & DECRYPT) !== 0
}

export function canWrap(): bool {
  return (mechFlags & WRAP) !== 0
}

export function canUnwrap(): bool {
  return (mechFlags & UNWRAP) !== 0
}

export function canDerive(): bool {
  return (mechFlags & DERIVE) !== 0
}

export function canGenerate(): bool {
  return (mechFlags & (GENERATE | GENERATE_PAIR)) !== 0
}

/** Hash of a digest mechanism, as parameters name it; 0 = it is none, or one that is too old for anything but itself. */
export function hashOf(number: u32): i32 {
  const r = find(number)
  return changetype<usize>(r) !== 0 && r.family === FAMILY_DIGEST && r.approved !== 0 ? r.hash : 0
}

/** Hash of an HMAC with its whole length, as parameters name it; 0 as above. */
export function hmacHashOf(number: u32): i32 {
  const r = find(number)
  if (changetype<usize>(r) === 0 || r.family !== FAMILY_HMAC || r.approved === 0) return 0
  return r.general === 0 ? r.hash : 0
}
