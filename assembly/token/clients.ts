// What ends with a client: its session, and with its last session its log-in and its session objects.

import { dropSessionObjects, sessionObjectsClear } from './objects'
import { closePartition, closeSession, logout, sessionAccess, sessionPartition } from './sessions'

export function clientGone(session: u32): void {
  const access = sessionAccess(session)
  const partition = sessionPartition(session)
  if (closeSession(session)) dropSessionObjects(access, partition, false)
}

export function clientLogout(access: u64, partition: u32): void {
  logout(access, partition)
  dropSessionObjects(access, partition, true)
}

/** A partition is gone or made new: nobody keeps anything of it. */
export function partitionGone(partition: u32): void {
  closePartition(partition)
  sessionObjectsClear(partition, false)
}
