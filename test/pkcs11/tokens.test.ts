// Tokens and PINs that are made at the door, slots that come and go, calls of PKCS#11 3.0, what is remembered of keys.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrByName, type Slot, TokenClient, type Transport, TransportError } from '../../host/client/index.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { initHsm, SECRETS } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { plain } from './at-slot.js'
import { ckrOf, data, flag, number, Program, room, slotOf, utf8, whole } from './support.js'

const test = suite('pkcs11 tokens')

/** A cable that can be cut, and that knows what it has carried. */
class Cable implements Transport {
  readonly closed = new Promise<void>(() => {})
  cut = false
  readonly asked: number[] = []

  constructor(private readonly token: TestToken) {}

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    if (this.cut) throw new TransportError('TRANSPORT_REMOVED', 'pulled')
    this.asked.push(new DataView(frame.buffer, frame.byteOffset).getUint16(0))
    return this.token.exchange(frame)
  }

  async close(): Promise<void> {}
}

let token: TestToken
let partition: number
let cable: Cable
let slots: Slot[]
let program: Program
const source = { slots: async () => [...slots] }

function plug(): void {
  cable = new Cable(token)
  slots = [slotOf(new TokenClient(cable, { now: 0n }), partition)]
}

test.before(async () => {
  token = await TestToken.make({ sectors: 24, storage: 900_000n })
  const admin = await initHsm(token)
  ;({ id: partition } = await token.client.partitions.create(admin, { legacy: false, label: 'new' }))
})

test.before.each(async () => {
  plug()
  program = Program.at(source, 2).program
  await program.initialize()
})

test.after.each(() => program.call(calls.finalize, undefined))

const [SO, USER] = [0, 1]
const open = () => program.call(calls.openSession, [1, 6])
const initToken = (pin: string, label: string) => program.call(calls.initToken2, [1, utf8(pin), label])

test('a partition is made new by its SO, who gives the Crypto Officer a PIN', async () => {
  await initToken(SECRETS.partitionSo, 'by the door')
  assert.is((await program.call(calls.getTokenInfo, 1)).label, 'by the door')
  const session = await open()
  assert.is(await ckrOf(() => program.call(calls.initPin, [session, utf8('x')])), CKR.USER_NOT_LOGGED_IN)
  await program.call(calls.login, [session, SO, utf8(SECRETS.partitionSo)])
  assert.is((await program.call(calls.getSessionInfo, session)).state, 4)
  await program.call(calls.initPin, [session, utf8('first-password')])
  await program.call(calls.initPin, [session, utf8(SECRETS.officer)])
  await program.call(calls.logout, session)
  await program.call(calls.login, [session, USER, utf8(SECRETS.officer)])
  assert.is(await ckrOf(() => initToken(SECRETS.partitionSo, 'again')), CKR.SESSION_EXISTS)
  await program.call(calls.closeAllSessions, 1)
  assert.is(await ckrOf(() => initToken('not-the-password', 'again')), ckrByName('CKR_PIN_INCORRECT'))
  assert.is((await program.call(calls.getTokenInfo, 1)).label, 'by the door')
})

test('a PIN is changed without a log-in by who knows it, and nobody is logged in by that', async () => {
  const session = await open()
  await program.call(calls.setPin, [session, utf8(SECRETS.officer), utf8('second-password')])
  assert.is((await program.call(calls.getSessionInfo, session)).state, 2)
  const again = () => program.call(calls.setPin, [session, utf8(SECRETS.officer), utf8('third-password')])
  assert.is(await ckrOf(again), ckrByName('CKR_PIN_INCORRECT'))
  await program.call(calls.setPin, [session, utf8('second-password'), utf8(SECRETS.officer)])
  const reader = await program.call(calls.openSession, [1, 4])
  const readOnly = () => program.call(calls.setPin, [reader, utf8(SECRETS.officer), utf8('x')])
  assert.is(await ckrOf(readOnly), CKR.SESSION_READ_ONLY)
})

async function officer(): Promise<{ session: number; key: number }> {
  const session = await open()
  await program.call(calls.loginUser, [session, USER, utf8(SECRETS.officer), { missing: 0 }])
  const key = await program.call(calls.createObject, [
    session,
    [
      number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
      flag(protocol.CKA_TOKEN, true),
      flag(protocol.CKA_UNWRAP, false),
      data(protocol.CKA_VALUE, new Uint8Array(16)),
    ],
  ])
  return { session, key }
}

const encrypt = async (session: number, key: number): Promise<Uint8Array> => {
  await program.call(calls.encryptInit, [session, plain(protocol.CKM_AES_ECB), key])
  return whole(await program.call(calls.encrypt, [session, new Uint8Array(16), room(16)]))
}

test('users have no names; what is under way is cancelled by its flag alone', async () => {
  const session = await open()
  const named = () => program.call(calls.loginUser, [session, USER, utf8(SECRETS.officer), utf8('admin')])
  assert.is(await ckrOf(named), CKR.USER_TYPE_INVALID)
  await program.call(calls.closeSession, session)
  const { session: other, key } = await officer()
  await program.call(calls.encryptInit, [other, plain(protocol.CKM_AES_ECB), key])
  await program.call(calls.findObjectsInit, [other, []])
  await program.call(calls.sessionCancel, [other, 0x200 + 0x40])
  await program.call(calls.findObjectsInit, [other, []])
  const begin = () => program.call(calls.encryptInit, [other, plain(protocol.CKM_AES_ECB), key])
  assert.is(await ckrOf(begin), CKR.OPERATION_ACTIVE)
  assert.is(await ckrOf(() => program.call(calls.getOperationState, [other, room(99)])), CKR.STATE_UNSAVEABLE)
  await program.call(calls.sessionCancel, [other, 0x100])
  const state = () => program.call(calls.setOperationState, [other, utf8('state'), 0, 0])
  assert.is(await ckrOf(state), CKR.SAVED_STATE_INVALID)
  await begin()
  await program.call(calls.destroyObject, [other, key])
})

test('a key is looked at once, and again after it was changed or the program has logged out', async () => {
  const { session, key } = await officer()
  const looks = () => cable.asked.filter((command) => command === protocol.CMD_OBJECT_GET).length
  for (let i = 0; i < 3; i++) await encrypt(session, key)
  assert.is(looks(), 1)
  await program.call(calls.setAttributeValue, [session, key, [flag(protocol.CKA_ENCRYPT, false)]])
  const refused = await ckrOf(() => encrypt(session, key))
  assert.is(refused, CKR.KEY_FUNCTION_NOT_PERMITTED)
  await program.call(calls.setAttributeValue, [session, key, [flag(protocol.CKA_ENCRYPT, true)]])
  await encrypt(session, key)
  assert.is(looks(), 3)
  await program.call(calls.logout, session)
  assert.is(await ckrOf(() => encrypt(session, key)), CKR.KEY_HANDLE_INVALID)
  await program.call(calls.login, [session, USER, utf8(SECRETS.officer)])
  await encrypt(session, key)
  await program.call(calls.destroyObject, [session, key])
  assert.is(await ckrOf(() => encrypt(session, key)), CKR.KEY_HANDLE_INVALID)
})

test('a device that is pulled and plugged in again: events, sessions that end, sessions that work', async () => {
  const { session, key } = await officer()
  const event = (flags: number) => program.call(calls.waitForSlotEvent, flags)
  assert.is(await ckrOf(() => event(1)), CKR.NO_EVENT)
  await program.call(calls.encryptInit, [session, plain(protocol.CKM_AES_ECB), key])
  cable.cut = true
  const cut = () => program.call(calls.encrypt, [session, new Uint8Array(16), room(16)])
  assert.is(await ckrOf(cut), CKR.DEVICE_REMOVED)
  slots = []
  assert.is(await event(1), 1)
  assert.is(await ckrOf(() => event(1)), CKR.NO_EVENT)
  assert.equal(await program.call(calls.getSlotList, [1, room(9)]), [])
  assert.equal(await program.call(calls.getSlotList, [0, room(9)]), [1])
  assert.is(await ckrOf(open), CKR.TOKEN_NOT_PRESENT)
  assert.is(await ckrOf(() => encrypt(session, key)), CKR.DEVICE_REMOVED)
  const waiting = event(0)
  assert.is((await program.call(calls.getInfo, undefined)).cryptokiVersion.major, 2)
  plug()
  assert.is(await waiting, 1)
  // The token has forgotten nothing, but the session was that of a device that went.
  assert.is(await ckrOf(() => encrypt(session, key)), CKR.DEVICE_REMOVED)
  await program.call(calls.closeSession, session)
  assert.is(await ckrOf(() => encrypt(session, key)), CKR.SESSION_HANDLE_INVALID)
  const again = await open()
  await program.call(calls.login, [again, USER, utf8(SECRETS.officer)])
  assert.is((await encrypt(again, key)).length, 16)
  const last = ckrOf(() => event(0))
  await program.call(calls.finalize, undefined)
  assert.is(await last, CKR.CRYPTOKI_NOT_INITIALIZED)
  await program.initialize()
})

test('an HSM is made new by its SO', async () => {
  slots = [slotOf(slots[0]?.client ?? token.client, protocol.ADMIN_PARTITION, 1)]
  assert.is(await ckrOf(() => initToken('not-the-password', 'x')), ckrByName('CKR_PIN_INCORRECT'))
  await initToken(SECRETS.so, 'made new')
  assert.is((await program.call(calls.getTokenInfo, 1)).label, 'made new')
  slots = []
})

test.run()
