// Where a new object goes: token objects into the log, session objects into memory.

import { txBegin, txCommit } from '../flash/transaction'
import { BIT_TOKEN, RC_OK, RC_RANDOM_NO_RNG, RC_SESSION_READ_ONLY } from '../protocol'
import { plainSize } from '../token/attributes'
import { addObject, endObject, newOuid, objectBits, objectHandle, storeVolatile } from '../token/objects'
import { recordLength } from '../token/record'
import { sessionWritable } from '../token/sessions'
import { access, currentSession, here, myStorageKey } from './context'
import { write32 } from './frame'

/** May this session keep the object in hand? A read-only one has session objects alone. */
export function mayKeep(): u32 {
  return (objectBits & BIT_TOKEN) === 0 || sessionWritable(currentSession()) ? RC_OK : RC_SESSION_READ_ONLY
}

/** Keeps the object in hand where its CKA_TOKEN says. */
export function keepObject(): u32 {
  if ((objectBits & BIT_TOKEN) === 0) return storeVolatile(access(), here())
  let rc = mayKeep()
  if (rc === RC_OK) rc = txBegin(recordLength(plainSize()))
  if (rc === RC_OK) rc = addObject(here(), myStorageKey())
  if (rc === RC_OK) txCommit()
  return rc
}

/**
 * Both keys of a pair in one transaction: the public one is added first, the private one last, and then both are admitted. Where the
 * second cannot be kept the first is ended in the same transaction, so nothing is left of either.
 */
let pairOpen: bool = false
let publicHandle: u32 = 0

export function keepPublic(rcPublic: u32, privateLength: i32): u32 {
  if (rcPublic !== RC_OK) return rcPublic
  pairOpen = false
  if ((objectBits & BIT_TOKEN) === 0) {
    const rc = storeVolatile(access(), here())
    publicHandle = objectHandle
    return rc
  }
  // Room for the private key too: its template and at most 3 KiB of RSA-4096 components.
  let rc = txBegin(recordLength(plainSize()) + recordLength(privateLength + 4096))
  if (rc === RC_OK) rc = addObject(here(), myStorageKey())
  pairOpen = rc === RC_OK
  publicHandle = objectHandle
  return rc
}

export function keepPrivate(rcPrivate: u32): u32 {
  let rc = rcPrivate
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) {
    if ((objectBits & BIT_TOKEN) === 0) rc = storeVolatile(access(), here())
    else {
      if (!pairOpen) rc = txBegin(recordLength(plainSize()))
      if (rc === RC_OK) rc = addObject(here(), myStorageKey())
      pairOpen = pairOpen || rc === RC_OK
    }
  }
  if (rc !== RC_OK) endObject(access(), here(), publicHandle)
  if (pairOpen) txCommit()
  pairOpen = false
  if (rc !== RC_OK) return rc
  write32(publicHandle)
  write32(objectHandle)
  return RC_OK
}
