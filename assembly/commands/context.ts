// The request in hand: its session, who is logged in, and the checks that many commands share.

import {
  ADMIN_PARTITION,
  RC_CONTAINER_HANDLE_INVALID,
  RC_OK,
  RC_SESSION_READ_ONLY,
  RC_USER_NOT_LOGGED_IN,
  ROLE_CRYPTO_OFFICER,
  ROLE_PARTITION_SO,
  ROLE_SO,
} from '../protocol'
import { isUser } from '../token/objects'
import { roleOf, sessionAccess, sessionPartition, sessionWritable, storageKeyOf } from '../token/sessions'

let session: u32 = 0
let sealed: bool = false

export function setRequest(id: u32, isSealed: bool): void {
  session = id
  sealed = isSealed
}

export function currentSession(): u32 {
  return session
}

export function requestIsSealed(): bool {
  return sealed
}

export function access(): u64 {
  return sessionAccess(session)
}

/** Partition of the session in hand. */
export function here(): u32 {
  return sessionPartition(session)
}

export function hereIsAdmin(): bool {
  return here() === ADMIN_PARTITION
}

export function myRole(): i32 {
  return roleOf(access(), here())
}

/** Storage key that the log-in opened, 0 = none. */
export function myStorageKey(): usize {
  return storageKeyOf(access(), here())
}

export function iAmUser(): bool {
  return isUser(access(), here())
}

/** The HSM SO on a read-write session of the HSM itself. */
export function needSo(): u32 {
  if (!hereIsAdmin()) return RC_CONTAINER_HANDLE_INVALID
  if (myRole() !== ROLE_SO) return RC_USER_NOT_LOGGED_IN
  return sessionWritable(session) ? RC_OK : RC_SESSION_READ_ONLY
}

export function needOfficer(): u32 {
  return myRole() === ROLE_CRYPTO_OFFICER ? RC_OK : RC_USER_NOT_LOGGED_IN
}

export function needWritingOfficer(): u32 {
  if (myRole() !== ROLE_CRYPTO_OFFICER) return RC_USER_NOT_LOGGED_IN
  return sessionWritable(session) ? RC_OK : RC_SESSION_READ_ONLY
}

export function needPartitionSo(): u32 {
  if (myRole() !== ROLE_PARTITION_SO) return RC_USER_NOT_LOGGED_IN
  return sessionWritable(session) ? RC_OK : RC_SESSION_READ_ONLY
}

export function needUser(): u32 {
  return iAmUser() ? RC_OK : RC_USER_NOT_LOGGED_IN
}
