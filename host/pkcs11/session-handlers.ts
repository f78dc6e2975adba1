// Sessions and log-ins (PKCS#11 2.40 §5.6), and the token's random numbers.

import * as protocol from '../../assembly/protocol.js'
import { concat, type Slot } from '../client/index.js'
import type { Application } from './application.js'
import { calls } from './calls.js'
import type { Bytes } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { given, type Handler, on, onSession } from './handlers.js'
import { forgetKeys } from './key-info.js'
import { loginChanges, shownRole } from './log-ins.js'
import { endAll } from './operations.js'
import type { Session } from './sessions.js'
import type { SessionState } from './structures.js'

const CKF_RW_SESSION = 2
const CKF_SERIAL_SESSION = 4

const CKU_SO = 0
const CKU_USER = 1
const CKU_CONTEXT_SPECIFIC = 2
/** The vendor's: the Crypto User, and the auditor. */
const CKU_LIMITED_USER = 0x80000001
const CKU_AUDIT = 0x80000002

/** Bytes of one RANDOM command. */
const RANDOM_MOST = 4096
/** Bytes of a seed of one command. */
const SEED_MOST = 60 * 1024
/** More random bytes than this are no request of a program. */
const RANDOM_LIMIT = 1024 * 1024

/** The role of a CKU_… in a slot. @throws Pkcs11Error USER_TYPE_INVALID; OPERATION_NOT_INITIALIZED: a log-in for one operation */
export function roleIn(slot: Slot, user: number): number {
  const admin = slot.partition === protocol.ADMIN_PARTITION
  if (user === CKU_SO) return admin ? protocol.ROLE_SO : protocol.ROLE_PARTITION_SO
  if (user === CKU_USER) return protocol.ROLE_CRYPTO_OFFICER
  if (user === CKU_LIMITED_USER) return protocol.ROLE_CRYPTO_USER
  if (user === CKU_AUDIT && admin) return protocol.ROLE_AUDITOR
  // No key of this token asks for a log-in of its own.
  if (user === CKU_CONTEXT_SPECIFIC) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  throw new Pkcs11Error(CKR.USER_TYPE_INVALID)
}

const isSo = (role: number | undefined): boolean =>
  role === protocol.ROLE_SO || role === protocol.ROLE_PARTITION_SO || role === protocol.ROLE_AUDITOR

const decoder = new TextDecoder('utf-8', { fatal: true })

/** A PIN as text; the token asks its PED where there is none. @throws Pkcs11Error PIN_INVALID */
export function pinText(pin: Bytes): string {
  try {
    return decoder.decode(given(pin))
  } catch (cause) {
    if (cause instanceof Pkcs11Error) throw cause
    throw new Pkcs11Error(CKR.PIN_INVALID, 'a PIN is UTF-8', { cause })
  }
}

export async function roleNow(session: Session): Promise<number | undefined> {
  return (await session.client.sessionInfo(session.token)).role
}

/** Opens a session in a slot, or (CA_OpenSession) on another partition of the HSM that the slot shows whole. */
export async function open(
  app: Application,
  [id, flags]: readonly [number, number],
  partitionOf: (slot: Slot) => number | Promise<number> = ({ partition }) => partition,
): Promise<number> {
  const wanted = flags % 8
  if ((wanted & CKF_SERIAL_SESSION) === 0) throw new Pkcs11Error(CKR.SESSION_PARALLEL_NOT_SUPPORTED)
  const shown = await app.presentSlot(id)
  const slot = { ...shown, partition: await partitionOf(shown) }
  const readWrite = (wanted & CKF_RW_SESSION) !== 0
  const [other] = app.sessionsIn(slot)
  if (!readWrite && other && isSo(await roleNow(other).catch(() => undefined))) {
    throw new Pkcs11Error(CKR.SESSION_READ_WRITE_SO_EXISTS)
  }
  return (await app.openSession(slot, readWrite)).handle
}

export async function login(session: Session, user: number, pin: Bytes, app: Application): Promise<void> {
  const role = roleIn(session.slot, user)
  if (isSo(role) && app.sessionsIn(session.slot).some(({ readWrite }) => !readWrite)) {
    throw new Pkcs11Error(CKR.SESSION_READ_ONLY_EXISTS)
  }
  try {
    await session.client.roles.login(session.token, role, pinText(pin))
  } finally {
    loginChanges(session)
  }
}

async function logout(session: Session, app: Application): Promise<void> {
  await session.client.roles.logout(session.token)
  loginChanges(session)
  forgetKeys(session.client)
  for (const one of app.sessionsIn(session.slot)) {
    // Private objects are out of sight now, and private session objects gone.
    endAll(one)
    one.search = undefined
  }
}

function stateOf({ slot, readWrite }: Session, role: number | undefined): SessionState {
  const user = role === undefined ? 0 : 1
  return {
    slot: slot.id,
    state: isSo(role) ? 4 : readWrite ? 2 + user : user,
    flags: CKF_SERIAL_SESSION | (readWrite ? CKF_RW_SESSION : 0),
    deviceError: 0,
  }
}

function info(session: Session): SessionState | Promise<SessionState> {
  const role = shownRole(session)
  return role instanceof Promise ? role.then((known) => stateOf(session, known)) : stateOf(session, role)
}

async function random(session: Session, length: number): Promise<Uint8Array> {
  if (length > RANDOM_LIMIT) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  const parts: Uint8Array[] = []
  for (let left = length; left > 0; left -= RANDOM_MOST) {
    parts.push(await session.client.random(Math.min(left, RANDOM_MOST)))
  }
  return concat(...parts)
}

export const sessionHandlers: readonly Handler[] = [
  on(calls.openSession, (app, request) => open(app, request)),
  on(calls.closeSession, (app, handle) => {
    // Its token is gone, and it with it.
    if (app.forget(handle)) return
    const session = app.session(handle)
    return session.run(() => app.drop(app.session(session.handle)))
  }),
  on(calls.closeAllSessions, async (app, id) => {
    await app.slot(id)
    await Promise.all(app.sessionsOn(id).map((session) => session.run(() => app.drop(session))))
  }),
  onSession(calls.getSessionInfo, info),
  onSession(calls.login, (session, [, user, pin], app) => login(session, user, pin, app)),
  onSession(calls.logout, (session, _, app) => logout(session, app)),
  onSession(calls.seedRandom, async ({ client }, [, seed]) => {
    const bytes = given(seed)
    for (let at = 0; at < bytes.length; at += SEED_MOST) await client.seedRandom(bytes.subarray(at, at + SEED_MOST))
  }),
  onSession(calls.generateRandom, (session, [, { capacity }]) => random(session, capacity)),
]
