// Uses of a key that has a limit (CKA_USAGE_LIMIT): looked at when the key is opened, counted when its work is done and before anybody has
// the result, so that a cut leaves no use uncounted that was one.

import { PLAIN } from '../arena'
import { txBeginDeleting, txCommit } from '../flash/transaction'
import {
  CKA_USAGE_COUNT,
  CKA_USAGE_LIMIT,
  CMD_DERIVE,
  CMD_UNWRAP,
  RC_ENCRYPTED_DATA_INVALID,
  RC_KEY_NOT_ACTIVE,
  RC_OK,
  RC_SIGNATURE_INVALID,
  RC_WRAPPED_KEY_INVALID,
} from '../protocol'
import { plainPutUlong, plainSize, ulongOf } from '../token/attributes'
import { endObject, objectHandle, openObject } from '../token/objects'
import { SESSION_HANDLES } from '../token/session-objects'
import { access, here } from './context'
import { rewrite } from './object-change'

/** The key with a limit that the command in hand uses, 0 = none. */
let limited: u32 = 0
/** The use was counted with an earlier part. */
let counted: bool = false

export function usageBegin(): void {
  limited = 0
  counted = false
}

/** What follows belongs to a use that was counted before: it may have been the last one. */
export function usageCounted(): void {
  counted = true
}

/** The key in hand is about to be used. */
export function usageOf(handle: u32): u32 {
  if (counted) return RC_OK
  const limit = ulongOf(PLAIN, plainSize(), CKA_USAGE_LIMIT, u32.MAX_VALUE)
  if (limit === u32.MAX_VALUE) return RC_OK
  if (ulongOf(PLAIN, plainSize(), CKA_USAGE_COUNT, 0) >= limit) return RC_KEY_NOT_ACTIVE
  limited = handle
  return RC_OK
}

/** More of the same operation follows: it is counted with its last part. */
export function usageGoesOn(): void {
  limited = 0
}

/** Whether the command got as far as working with its key. */
function worked(rc: u32): bool {
  if (rc === RC_OK || rc === RC_SIGNATURE_INVALID) return true
  return rc === RC_ENCRYPTED_DATA_INVALID || rc === RC_WRAPPED_KEY_INVALID
}

/** The end of a crypt command: what it answers is `rc`, or why its use could not be counted. */
export function usageEnd(command: u32, rc: u32): u32 {
  if (limited === 0 || !worked(rc)) return rc
  const made = rc === RC_OK && (command === CMD_DERIVE || command === CMD_UNWRAP) ? objectHandle : 0
  let stored = openObject(access(), here(), limited)
  if (stored === RC_OK) stored = plainPutUlong(CKA_USAGE_COUNT, ulongOf(PLAIN, plainSize(), CKA_USAGE_COUNT, 0) + 1)
  if (stored === RC_OK) stored = rewrite()
  if (stored === RC_OK) return rc
  if (made !== 0) undo(made)
  return stored
}

/** The key that was made goes again. */
function undo(handle: u32): void {
  const lasting = handle < SESSION_HANDLES
  if (lasting && txBeginDeleting(1) !== RC_OK) return
  endObject(access(), here(), handle)
  if (lasting) txCommit()
}
