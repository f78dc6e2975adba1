// The secret arena: every key, PIN and opened object lives here and nowhere else (OBC-1 §10 rule 3), so that one fill wipes them
// and a test can read that they are gone. Layout is static; the slots that outlive a command are listed first.

import { wipe } from './crypto/util'

/** Bytes of one opened object: the largest cloning message holds less. */
export const PLAIN_MAX: i32 = 65536

/** Root keys, held while the token is functional: KEK, MTK, RSK, RAK, FK, GSK, TUK private key. */
export const KEY_KEK: usize = memory.data(32, 16)
export const KEY_MTK: usize = memory.data(32, 16)
export const KEY_RSK: usize = memory.data(80, 16)
export const KEY_RAK: usize = KEY_RSK + 32
export const KEY_FK: usize = memory.data(32, 16)
export const KEY_GSK: usize = memory.data(32, 16)
export const KEY_TUK: usize = memory.data(48, 16)
export const KEY_RPV: usize = memory.data(48, 16)
/** Authenticates the audit log. */
export const KEY_AUDIT: usize = memory.data(48, 16)
/** Another HSM's, imported for a look at its log; behind the 48 bytes its serial (native). Goes when an auditor logs out. */
export const KEY_AUDIT_IMPORTED: usize = memory.data(56, 16)

/** Wraps what clients keep of operations in parts (commands/crypt-part.ts); drawn when it is first needed after a power-up. */
export const KEY_STATE: usize = memory.data(32, 16)
let stateKeyDrawn: bool = false

export function hasStateKey(): bool {
  return stateKeyDrawn
}

export function setStateKey(drawn: bool): void {
  stateKeyDrawn = drawn
}

const SCRATCH_SIZE: i32 = 8192
const SCRATCH: usize = memory.data(8192, 16)

/** Scratch for one command; wiped when the command ends. */
export const CEK: usize = SCRATCH
export const PIN_KEY: usize = SCRATCH + 64
export const ROLE_KEK: usize = SCRATCH + 128
export const PSK: usize = SCRATCH + 192
export const SECRET: usize = SCRATCH + 256
export const SECRET2: usize = SCRATCH + 384
export const SHARED: usize = SCRATCH + 640
export const KDF_OUT: usize = SCRATCH + 1024
export const PKA_IN: usize = SCRATCH + 2048
export const PKA_OUT: usize = SCRATCH + 5120
export const PKA_IN_SIZE: i32 = 3072
export const PKA_OUT_SIZE: i32 = 3072

/** The plaintext attribute list of the object in hand, and a second one for rewriting it. */
export const PLAIN: usize = memory.data(65536, 16)
export const PLAIN2: usize = memory.data(65536, 16)

/** One cloning batch: as many objects as a message can hold. */
export const BATCH_MAX: i32 = 1024
/** A check value and a CEK per object, as key wrap works on them in place. */
export const BATCH_CEK: usize = 40
export const BATCH_CEKS: usize = memory.data(40960, 16)
/** 32 TRNG bytes per object. */
export const BATCH_SEEDS: usize = memory.data(32768, 16)
/**
 * Records at rest, opened or to be sealed in place: those of one message, 43 bytes longer each than an envelope of at least 96, and
 * one more of any length that was read and did not fit.
 */
export const BATCH_RECORDS: usize = memory.data(163840, 16)
const BATCH_RECORDS_SIZE: i32 = 163840

let batchObjects: i32 = 0
let batchBytes: i32 = 0

export function useBatch(objects: i32, bytes: i32): void {
  if (objects > batchObjects) batchObjects = objects
  if (bytes > batchBytes) batchBytes = bytes
}

/** How far PLAIN and PLAIN2 were filled since the last wipe: wiping 128 KiB after every command would cost more than the command. */
let plainUsed: i32 = 0
let plain2Used: i32 = 0

export function usePlain(length: i32): void {
  if (length > plainUsed) plainUsed = length
}

export function usePlain2(length: i32): void {
  if (length > plain2Used) plain2Used = length
}

/** End of a command, whatever its outcome. */
export function wipeScratch(): void {
  wipe(SCRATCH, SCRATCH_SIZE)
  wipe(PLAIN, plainUsed)
  wipe(PLAIN2, plain2Used)
  wipe(BATCH_CEKS, batchObjects * <i32>BATCH_CEK)
  wipe(BATCH_SEEDS, batchObjects << 5)
  wipe(BATCH_RECORDS, batchBytes)
  plainUsed = 0
  plain2Used = 0
  batchObjects = 0
  batchBytes = 0
}

/** Tamper: all of it, whatever the command in hand has said of what it uses; that goes on, and says it again at its end. */
export function wipeArena(): void {
  wipe(SCRATCH, SCRATCH_SIZE)
  wipe(PLAIN, PLAIN_MAX)
  wipe(PLAIN2, PLAIN_MAX)
  wipe(BATCH_CEKS, BATCH_MAX * <i32>BATCH_CEK)
  wipe(BATCH_SEEDS, BATCH_MAX << 5)
  wipe(BATCH_RECORDS, BATCH_RECORDS_SIZE)
}

/** Zeroize, tamper, error state. */
export function wipeRootKeys(): void {
  wipe(KEY_KEK, 32)
  wipe(KEY_MTK, 32)
  wipe(KEY_RSK, 80)
  wipe(KEY_FK, 32)
  wipe(KEY_GSK, 32)
  wipe(KEY_TUK, 48)
  wipe(KEY_RPV, 48)
  wipe(KEY_AUDIT, 48)
  wipe(KEY_AUDIT_IMPORTED, 56)
  wipe(KEY_STATE, 32)
  stateKeyDrawn = false
}
