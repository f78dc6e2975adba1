// The domains of a partition beyond its first: labels, order, removal. The first slot is the primary domain, the one that cloning
// prefers where two partitions share several.

import { SECRET, SECRET2 } from '../arena'
import { ctEqual, wipe } from '../crypto/util'
import { DOMAIN_LABEL_SIZE, DOMAIN_SIZE, domainLabel, domainSlot, P_DOMAINS, partitionRow } from '../flash/superblock'
import { ADMIN_PARTITION, DOMAIN_RED, DOMAIN_TEXT, HSM_POLICY_SINGLE_DOMAIN, RC_GENERAL_ERROR } from '../protocol'
import { textDomainVector } from './keys'
import { addDomain, domainCount, domainType, domainVector } from './partitions'
import { hsmPolicy } from './policies'

const SWAP: usize = memory.data(64, 16)

/** HSM policy 35: every partition has the domain of the HSM, and nobody is asked for another. */
export function singleDomain(): bool {
  return hsmPolicy(HSM_POLICY_SINGLE_DOMAIN) !== 0
}

/** Gives a partition one more domain: a red key's 48 bytes, or the vector of a text. */
export function giveDomain(id: u32, red: bool, domain: usize, length: i32): u32 {
  if (red) memory.copy(SECRET, domain, 48)
  else textDomainVector(domain, length, SECRET)
  const rc = addDomain(id, red ? DOMAIN_RED : DOMAIN_TEXT, SECRET)
  wipe(SECRET, 48)
  return rc
}

export function giveHsmDomain(id: u32): u32 {
  if (!domainVector(ADMIN_PARTITION, 0, SECRET)) return RC_GENERAL_ERROR
  const rc = addDomain(id, domainType(ADMIN_PARTITION, 0), SECRET)
  wipe(SECRET, 48)
  return rc
}

/** True where the partition has this domain already; the vector is compared in constant time. */
export function hasDomain(id: u32, type: i32, vector: usize): bool {
  let found = false
  for (let slot = 0; slot < domainCount(id); slot++) {
    if (!domainVector(id, slot, SECRET2)) continue
    if (ctEqual(SECRET2, vector, 48) && domainType(id, slot) === type) found = true
  }
  wipe(SECRET2, 48)
  return found
}

export function domainLabelLength(id: u32, slot: i32): i32 {
  return <i32>load<u8>(domainLabel(id, slot))
}

/** True where a domain in another slot bears the label. */
export function domainLabelTaken(id: u32, label: usize, length: i32, except: i32): bool {
  for (let slot = 0; slot < domainCount(id); slot++) {
    if (slot === except || domainLabelLength(id, slot) !== length) continue
    if (memory.compare(domainLabel(id, slot) + 1, label, length) === 0) return true
  }
  return false
}

export function setDomainLabel(id: u32, slot: i32, label: usize, length: i32): void {
  const at = domainLabel(id, slot)
  memory.fill(at, 0, DOMAIN_LABEL_SIZE)
  store<u8>(at, <u8>length)
  memory.copy(at + 1, label, length)
}

/** The domain in `slot` becomes the first; those before it move one slot on. */
export function makePrimary(id: u32, slot: i32): void {
  for (let i = slot; i > 0; i--) {
    swap(domainSlot(id, i), domainSlot(id, i - 1), DOMAIN_SIZE)
    swap(domainLabel(id, i), domainLabel(id, i - 1), DOMAIN_LABEL_SIZE)
  }
}

function swap(a: usize, b: usize, size: usize): void {
  memory.copy(SWAP, a, size)
  memory.copy(a, b, size)
  memory.copy(b, SWAP, size)
}

export function removeDomain(id: u32, slot: i32): void {
  const last = domainCount(id) - 1
  for (let i = slot; i < last; i++) {
    memory.copy(domainSlot(id, i), domainSlot(id, i + 1), DOMAIN_SIZE)
    memory.copy(domainLabel(id, i), domainLabel(id, i + 1), DOMAIN_LABEL_SIZE)
  }
  memory.fill(domainSlot(id, last), 0, DOMAIN_SIZE)
  memory.fill(domainLabel(id, last), 0, DOMAIN_LABEL_SIZE)
  store<u8>(partitionRow(id) + P_DOMAINS, <u8>last)
}
