// What makes tokens and their PINs, and tells of slots that come and go (PKCS#11 2.40 §5.5, §5.6; 3.0 §5.6.8, §5.6.10).

import * as protocol from '../../assembly/protocol.js'
import { DEFAULT_DOMAIN, type Slot } from '../client/index.js'
import type { Application } from './application.js'
import { calls } from './calls.js'
import type { Bytes } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { type Handler, on, onSession } from './handlers.js'
import { CKF } from './mechanisms.js'
import { end, endMessages } from './operations.js'
import { login, pinText, roleNow } from './session-handlers.js'
import type { OperationKind, Session } from './sessions.js'

const DONT_BLOCK = 1

/**
 * Makes the HSM or the partition in a slot new. Who has an SO already proves it by the PIN. Its cloning domain is the default one, or the
 * red key's where the HSM asks its PED.
 */
async function initToken(app: Application, id: number, pin: Bytes, label: string): Promise<void> {
  const slot = await app.presentSlot(id)
  if (app.sessionsOn(id).length > 0) throw new Pkcs11Error(CKR.SESSION_EXISTS)
  const password = pinText(pin)
  await alone(slot, async (client, session) => {
    const { ped } = await client.status()
    const secrets = { label: label.trimEnd(), password, domain: ped ? '' : DEFAULT_DOMAIN }
    if (slot.partition === protocol.ADMIN_PARTITION) {
      const { state } = await client.hsm.info()
      if (state === protocol.STATE_FUNCTIONAL) await client.roles.login(session, protocol.ROLE_SO, password)
      return client.hsm.init(session, secrets)
    }
    const { initialized } = await client.partitions.info(slot.partition)
    if (initialized) await client.roles.login(session, protocol.ROLE_PARTITION_SO, password)
    return client.partitions.init(session, secrets)
  })
}

/** Making a token new has ended its sessions. */
function unlessTold(error: unknown): void {
  if (!(error instanceof Error && 'code' in error)) throw error
}

/** The Partition SO gives the Crypto Officer a PIN, the first or another one. */
async function initPin(session: Session, pin: Bytes): Promise<void> {
  if ((await roleNow(session)) !== protocol.ROLE_PARTITION_SO) throw new Pkcs11Error(CKR.USER_NOT_LOGGED_IN)
  const { roles } = session.client
  const { initialized } = await roles.info(session.token, protocol.ROLE_CRYPTO_OFFICER)
  if (initialized) await roles.resetSecret(session.token, protocol.ROLE_CRYPTO_OFFICER, pinText(pin))
  else await roles.init(session.token, protocol.ROLE_CRYPTO_OFFICER, pinText(pin))
}

/** Whoever is logged in changes his own PIN; where nobody is, the Crypto Officer, who proves himself by the old one. */
async function setPin(session: Session, old: Bytes, next: Bytes): Promise<void> {
  if (!session.readWrite) throw new Pkcs11Error(CKR.SESSION_READ_ONLY)
  const [before, after] = [pinText(old), pinText(next)]
  const role = await roleNow(session)
  if (role !== undefined) return session.client.roles.changeSecret(session.token, role, before, after)
  const { slot } = session
  if (slot.partition === protocol.ADMIN_PARTITION) throw new Pkcs11Error(CKR.USER_NOT_LOGGED_IN)
  return alone(slot, async (client, token) => {
    await client.roles.login(token, protocol.ROLE_CRYPTO_OFFICER, before)
    await client.roles.changeSecret(token, protocol.ROLE_CRYPTO_OFFICER, before, after)
  })
}

/** A session of nobody's, which leaves the program's own log-ins as they are. */
async function alone(slot: Slot, work: (client: Slot['client'], session: number) => Promise<void>): Promise<void> {
  const client = slot.client.another()
  const session = await client.openSession(slot.partition)
  try {
    await work(client, session)
  } finally {
    await client.closeSession(session).catch(unlessTold)
  }
}

/** Operations by the flags of C_SessionCancel. */
const CANCELLED: readonly (readonly [flag: number, kind: OperationKind])[] = [
  [0x100, 'encrypt'],
  [0x200, 'decrypt'],
  [0x400, 'digest'],
  [0x800, 'sign'],
  [0x2000, 'verify'],
]
const MESSAGES_CANCELLED: readonly (readonly [flag: number, kind: OperationKind])[] = [
  [CKF.MESSAGE_ENCRYPT, 'encrypt'],
  [CKF.MESSAGE_DECRYPT, 'decrypt'],
  [CKF.MESSAGE_SIGN, 'sign'],
  [CKF.MESSAGE_VERIFY, 'verify'],
]
const FIND_OBJECTS = 0x40

function cancel(session: Session, flags: number): void {
  const has = (flag: number) => Math.floor(flags / flag) % 2 === 1
  if (has(FIND_OBJECTS)) session.search = undefined
  for (const [flag, kind] of CANCELLED) if (has(flag)) end(session, kind)
  for (const [flag, kind] of MESSAGES_CANCELLED) if (has(flag)) endMessages(session, kind)
}

async function loginUser(session: Session, app: Application, user: number, pin: Bytes, name: Bytes): Promise<void> {
  // The users of this token are its roles, and have no other names.
  const named = name instanceof Uint8Array ? name.length : name.missing
  if (named > 0) throw new Pkcs11Error(CKR.USER_TYPE_INVALID)
  await login(session, user, pin, app)
}

async function waitForEvent(app: Application, flags: number): Promise<number> {
  const slot = flags % 2 === DONT_BLOCK ? await app.slotEvent() : await app.nextSlotEvent()
  if (slot === undefined) throw new Pkcs11Error(CKR.NO_EVENT)
  return slot
}

export const tokenHandlers: readonly Handler[] = [
  on(calls.initToken, (app, [id, pin, label]) => initToken(app, id, pin, label)),
  on(calls.initToken2, (app, [id, pin, label]) => initToken(app, id, pin, label)),
  onSession(calls.initPin, (session, [, pin]) => initPin(session, pin)),
  onSession(calls.setPin, (session, [, old, next]) => setPin(session, old, next)),
  onSession(calls.loginUser, (session, [, user, pin, name], app) => loginUser(session, app, user, pin, name)),
  onSession(calls.sessionCancel, (session, [, flags]) => cancel(session, flags)),
  on(calls.waitForSlotEvent, waitForEvent),
]
