// Where a new object goes: token objects into the log, session objects into memory.

import { txBegin, txCommit } from '../flash/transaction'
import { BIT_TOKEN, RC_OK, RC_SESSION_READ_ONLY } from '../protocol'
import { plainSize } from '../token/attributes'
import { addObject, objectBits, storeVolatile } from '../token/objects'
import { recordLength } from '../token/record'
import { sessionWritable } from '../token/sessions'
import { access, currentSession, here, myStorageKey } from './context'

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
