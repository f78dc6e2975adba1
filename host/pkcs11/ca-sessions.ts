// Sessions of the token for calls that name a slot alone.

import * as protocol from '../../assembly/protocol.js'
import type { Slot, TokenClient } from '../client/index.js'
import type { Application } from './application.js'
import { CKR, Pkcs11Error } from './errors.js'

export interface TokenSession {
  readonly client: TokenClient
  readonly session: number
}

/** Works in a session of the program on this partition of a slot's token, or in one of its own that ends with the work. */
export async function inSession<Result>(
  app: Application,
  slot: Slot,
  work: (session: TokenSession) => Promise<Result>,
  partition: number = slot.partition,
): Promise<Result> {
  const client = app.clientOf(slot)
  const open = [...app.sessions.values()].find((one) => one.client === client && one.slot.partition === partition)
  if (open) return work({ client, session: open.token })
  const session = await client.openSession(partition, { readWrite: true })
  try {
    return await work({ client, session })
  } finally {
    await client.closeSession(session).catch(() => undefined)
  }
}

/** Works on the HSM itself, whatever partition the slot shows. */
export async function atHsm<Result>(
  app: Application,
  id: number,
  work: (session: TokenSession, slot: Slot) => Promise<Result>,
): Promise<Result> {
  const slot = await app.presentSlot(id)
  return inSession(app, slot, (session) => work(session, slot), protocol.ADMIN_PARTITION)
}

/** A partition ("container") of a slot's token; a slot of a partition shows that one alone. @throws Pkcs11Error ARGUMENTS_BAD */
export async function containerOf(
  app: Application,
  id: number,
  container: number,
): Promise<{ client: TokenClient; partition: number }> {
  const slot = await app.presentSlot(id)
  const client = app.clientOf(slot)
  if (slot.partition !== protocol.ADMIN_PARTITION) {
    if (container !== slot.partition) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    return { client, partition: container }
  }
  const known = await client.partitions.list()
  if (!known.some((one) => one.id === container)) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return { client, partition: container }
}
