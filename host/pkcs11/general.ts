// Library, slots and tokens (PKCS#11 2.40 §5.4, §5.5).

import * as protocol from '../../assembly/protocol.js'
import { type RoleInfo, type Slot, TokenError, type TokenStatus } from '../client/index.js'
import type { Application } from './application.js'
import { calls } from './calls.js'
import { LIBRARY, type Missing, type Room, type Version } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { given, type Handler, on } from './handlers.js'
import { passes } from './mechanism-codec.js'
import { inMessages, isEc } from './mechanism-kinds.js'
import { CKF } from './mechanisms.js'
import type { SlotInfo, TokenInfo } from './structures.js'

/** What a client sends first. */
export const HANDSHAKE = 'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1'

const MANUFACTURER = 'Safenet, Inc.'
const DESCRIPTION = 'Moonlet PKCS#11'

const SLOT_PRESENT = 1
const SLOT_REMOVABLE = 2
const SLOT_HARDWARE = 4

const TOKEN_FLAGS = {
  rng: 0x1,
  loginRequired: 0x4,
  userPinInitialized: 0x8,
  protectedPath: 0x100,
  initialized: 0x400,
  userPinCountLow: 0x10000,
  userPinFinalTry: 0x20000,
  userPinLocked: 0x40000,
  userPinToBeChanged: 0x80000,
} as const

export function numbers(list: readonly number[], room: Room): readonly number[] | Missing {
  return list.length <= room.capacity ? list : { missing: list.length }
}

export function firmware({ profile }: TokenStatus): Version & { readonly patch: number } {
  return { major: profile >>> 24, minor: (profile >>> 16) & 0xff, patch: (profile >>> 8) & 0xff }
}

const NO_VERSION: Version = { major: 0, minor: 0 }

function describe(slot: Slot): string {
  if (slot.kind === 'network') return 'Net Token Slot'
  return slot.partition === protocol.ADMIN_PARTITION ? 'Admin Token Slot' : 'User Token Slot'
}

async function slotInfo(app: Application, id: number): Promise<SlotInfo> {
  const { slot, present } = await app.slot(id)
  const removable = slot.kind === 'backup' ? SLOT_REMOVABLE : 0
  return {
    description: describe(slot),
    manufacturer: MANUFACTURER,
    flags: SLOT_HARDWARE | removable | (present ? SLOT_PRESENT : 0),
    hardwareVersion: NO_VERSION,
    firmwareVersion: present ? firmware(await app.clientOf(slot).status()) : NO_VERSION,
  }
}

function modelOf(slot: Slot, status: TokenStatus): string {
  if (status.backup) return 'G5Backup'
  if (slot.kind === 'network') return status.generation7 ? 'LunaSA 7' : 'LunaSA'
  return status.generation7 ? 'Luna K7' : 'K6 Base'
}

/** Through a session of the program, or one for this question alone. */
async function roleOf(app: Application, slot: Slot, role: number): Promise<RoleInfo | undefined> {
  const client = app.clientOf(slot)
  const open = app.sessionsIn(slot).find((one) => one.client === client)
  let own: number | undefined
  try {
    own = open ? undefined : await client.openSession(slot.partition, { readWrite: false })
    return await client.roles.info(open?.token ?? own ?? 0, role)
  } catch (error) {
    // A token that cannot say has none.
    if (error instanceof TokenError) return undefined
    throw error
  } finally {
    if (own !== undefined) await client.closeSession(own).catch(() => undefined)
  }
}

function officerFlags(officer: RoleInfo | undefined, most: number): number {
  if (!officer) return 0
  const { initialized, lockedOut, attempts, pinChange } = officer
  const few = initialized && attempts < most
  return (
    (initialized ? TOKEN_FLAGS.userPinInitialized : 0) |
    (few ? TOKEN_FLAGS.userPinCountLow : 0) |
    (few && attempts === 1 ? TOKEN_FLAGS.userPinFinalTry : 0) |
    (lockedOut ? TOKEN_FLAGS.userPinLocked : 0) |
    (pinChange ? TOKEN_FLAGS.userPinToBeChanged : 0)
  )
}

/** Wrong log-ins that the officer of a slot has when none was wrong. */
async function attemptsOf({ client, partition }: Slot): Promise<number> {
  if (partition === protocol.ADMIN_PARTITION) return protocol.SO_LOGIN_ATTEMPTS
  const policies = await client.partitions.policies(partition)
  const policy = policies.find(({ id }) => id === protocol.POLICY_MAX_FAILED_LOGINS)
  return policy?.value ?? protocol.USER_LOGIN_ATTEMPTS
}

/** Label, serial number and storage of what the slot shows. */
async function shown(app: Application, slot: Slot) {
  const client = app.clientOf(slot)
  if (slot.partition !== protocol.ADMIN_PARTITION) return client.partitions.info(slot.partition)
  const { label, serial, total, used, state } = await client.hsm.info()
  return { label, serial, total, used, initialized: state === protocol.STATE_FUNCTIONAL }
}

const officerOf = (app: Application, slot: Slot): Promise<RoleInfo | undefined> =>
  roleOf(app, slot, slot.partition === protocol.ADMIN_PARTITION ? protocol.ROLE_SO : protocol.ROLE_CRYPTO_OFFICER)

/** Whether a program that logs in is to leave the secret to the PED. */
async function hasPinPad(app: Application, slot: Slot, { ped }: TokenStatus): Promise<boolean> {
  const { asksChallenge: role } = app
  if (!ped || role === undefined || slot.partition === protocol.ADMIN_PARTITION) return ped
  return !(await roleOf(app, slot, role))?.hasChallenge
}

async function tokenInfo(app: Application, id: number): Promise<TokenInfo> {
  const slot = await app.presentSlot(id)
  const status = await app.clientOf(slot).status()
  const [what, officer] = [await shown(app, slot), await officerOf(app, slot)]
  const most = await attemptsOf(slot)
  const open = app.sessionsOn(id)
  const [total, free] = [Number(what.total), Number(what.total - what.used)]
  return {
    label: what.label,
    manufacturer: MANUFACTURER,
    model: modelOf(slot, status),
    serialNumber: String(what.serial),
    flags:
      TOKEN_FLAGS.rng |
      TOKEN_FLAGS.loginRequired |
      (what.initialized ? TOKEN_FLAGS.initialized : 0) |
      ((await hasPinPad(app, slot, status)) ? TOKEN_FLAGS.protectedPath : 0) |
      officerFlags(officer, most),
    maxSessions: 0,
    sessions: open.length,
    maxRwSessions: 0,
    rwSessions: open.filter(({ readWrite }) => readWrite).length,
    maxPin: protocol.PASSWORD_MAX,
    minPin: protocol.PASSWORD_MIN,
    totalPublic: total,
    freePublic: free,
    totalPrivate: total,
    freePrivate: free,
    hardwareVersion: NO_VERSION,
    firmwareVersion: firmware(status),
    utcTime: '',
  }
}

/** Of the message calls that our own library has. */
function messageFlags(type: number, flags: number): number {
  const { encrypts, signs, parts } = inMessages(type)
  const when = (may: boolean, of: number, flag: number): number => (may && (flags & of) !== 0 ? flag : 0)
  const all =
    when(encrypts, CKF.ENCRYPT, CKF.MESSAGE_ENCRYPT) |
    when(encrypts, CKF.DECRYPT, CKF.MESSAGE_DECRYPT) |
    when(signs, CKF.SIGN, CKF.MESSAGE_SIGN) |
    when(signs, CKF.VERIFY, CKF.MESSAGE_VERIFY)
  return all !== 0 && parts ? all | CKF.MULTI_MESSAGE : all
}

export const generalHandlers: readonly Handler[] = [
  on(calls.initialize, (app, [handshake]) => {
    if (Buffer.from(given(handshake)).toString('latin1') !== HANDSHAKE) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    if (app.initialized) throw new Pkcs11Error(CKR.CRYPTOKI_ALREADY_INITIALIZED)
    app.initialize()
  }),
  on(calls.finalize, (app) => app.finalize()),
  on(calls.getInfo, () => ({
    cryptokiVersion: { major: 2, minor: 40 },
    manufacturer: MANUFACTURER,
    flags: 0,
    description: DESCRIPTION,
    libraryVersion: { major: 0, minor: 1 },
  })),
  on(calls.getSlotList, async (app, [present, room]) => numbers(await app.slotIds(present !== 0), room)),
  on(calls.getSlotInfo, slotInfo),
  on(calls.getTokenInfo, tokenInfo),
  on(calls.getMechanismList, async (app, [id, room]) => {
    const all = await app.mechanismsOf(await app.presentSlot(id))
    return numbers(
      all.map(({ mechanism }) => mechanism).filter((type) => passes(type, app.offered)),
      room,
    )
  }),
  on(calls.getMechanismInfo, async (app, [id, type]) => {
    const all = await app.mechanismsOf(await app.presentSlot(id))
    const found = all.find(({ mechanism }) => mechanism === type)
    if (!found) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
    const ec = isEc(type) ? CKF.EC_F_P | CKF.EC_OID | CKF.EC_UNCOMPRESS : 0
    const messages = app.offered === LIBRARY ? messageFlags(type, found.flags) : 0
    return { min: found.min, max: found.max, flags: found.flags | CKF.HW | ec | messages }
  }),
]
