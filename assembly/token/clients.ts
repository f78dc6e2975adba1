// What ends with a client: its session, and with its last session its log-in and its session objects.

import { dropSessionObjects, sessionObjectsClear } from './session-objects'
import {
  closePartition,
  closeSession,
  loginAccess,
  loginCount,
  loginIs,
  logout,
  sessionAccess,
  sessionPartition,
} from './sessions'

export function clientGone(session: u32): void {
  const access = sessionAccess(session)
  const partition = sessionPartition(session)
  if (closeSession(session)) dropSessionObjects(access, partition, false)
}

export function clientLogout(access: u64, partition: u32): void {
  logout(access, partition)
  dropSessionObjects(access, partition, true)
}

/** Every log-in of a role ends although nobody has logged out: what these log-ins had opened goes as it does then. */
export function roleGone(partition: u32, role: i32): void {
  for (let i = 0; i < loginCount(); i++) if (loginIs(i, partition, role)) clientLogout(loginAccess(i), partition)
}

/** A partition is gone or made new: nobody keeps anything of it. */
export function partitionGone(partition: u32): void {
  closePartition(partition)
  sessionObjectsClear(partition, false)
}
