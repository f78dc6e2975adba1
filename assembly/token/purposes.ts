// Partition policy 10, off: a key serves one purpose. No key then wraps and decrypts, or is cut so short that it can be guessed.

import {
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_ENCRYPT,
  CKA_SIGN,
  CKA_UNWRAP,
  CKA_VERIFY,
  CKA_WRAP,
  POLICY_MULTIPURPOSE,
  RC_OK,
  RC_TEMPLATE_INCONSISTENT,
} from '../protocol'
import { plainFind } from './attributes'
import { partitionPolicy } from './policies'

/** Bytes of 112 bits, below which a derived key is a piece of one (SP 800-131A). */
const LEAST: i32 = 14

let single: bool = false

/** Before a command on keys: whether this partition's serve one purpose each. */
export function purposesOf(partition: u32, isPartition: bool): void {
  single = isPartition && partitionPolicy(partition, POLICY_MULTIPURPOSE) === 0
}

export function onePurpose(): bool {
  return single
}

function says(type: u32): i32 {
  const p = plainFind(type)
  return p !== 0 && load<u8>(p) === 1 ? 1 : 0
}

/** What the key in hand is for, as the policy has it. */
export function purposesFit(): u32 {
  if (!single) return RC_OK
  const ciphers = says(CKA_ENCRYPT) | says(CKA_DECRYPT)
  const signatures = says(CKA_SIGN) | says(CKA_VERIFY)
  const wrapping = says(CKA_WRAP) | says(CKA_UNWRAP)
  return ciphers + signatures + wrapping + says(CKA_DERIVE) <= 1 ? RC_OK : RC_TEMPLATE_INCONSISTENT
}

/** Whether a key of so many bytes may be derived. */
export function derivedFits(length: i32): bool {
  return !single || length >= LEAST
}
