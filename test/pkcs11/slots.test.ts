// Slots, tokens, mechanisms, sessions and log-ins, call by call, over a token with the real firmware.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { SECRETS } from '../firmware/support/officer.js'
import { AtSlot, plain } from './at-slot.js'
import { ckrOf, Program, QUERY, room, utf8, whole } from './support.js'

const test = suite('pkcs11 slots')
const at = new AtSlot(test)

test('a call before C_Initialize, and a second C_Initialize, are refused', async () => {
  const other = Program.at(at.slots).program
  assert.is(await ckrOf(() => other.call(calls.getInfo, undefined)), CKR.CRYPTOKI_NOT_INITIALIZED)
  await other.initialize()
  assert.is(await ckrOf(() => other.initialize()), CKR.CRYPTOKI_ALREADY_INITIALIZED)
  assert.is(
    await ckrOf(() => Program.at(at.slots).program.call(calls.initialize, [utf8('hello'), 0, { missing: 0 }])),
    CKR.ARGUMENTS_BAD,
  )
})

test('slots, token and mechanisms', async () => {
  assert.equal(await at.program.call(calls.getSlotList, [1, room(8)]), [1])
  assert.equal(await at.program.call(calls.getSlotList, [1, QUERY]), { missing: 1 })
  const info = await at.program.call(calls.getTokenInfo, 1)
  assert.is(info.label, 'partition')
  assert.equal(info.firmwareVersion, { major: 6, minor: 27 })
  // RNG, log-in required, PIN initialized, token initialized.
  assert.is(info.flags, 0x40d)
  assert.is(info.sessions, 1)
  const list = await at.program.call(calls.getMechanismList, [1, room(99)])
  assert.ok(Array.isArray(list) && list.includes(protocol.CKM_AES_GCM))
  const ecdsa = await at.program.call(calls.getMechanismInfo, [1, protocol.CKM_ECDSA])
  assert.equal(ecdsa, { min: 112, max: 521, flags: 0x1902801 })
  assert.is(await ckrOf(() => at.program.call(calls.getMechanismInfo, [1, 0x9999])), CKR.MECHANISM_INVALID)
  assert.is(await ckrOf(() => at.program.call(calls.getTokenInfo, 5)), CKR.SLOT_ID_INVALID)
})

test('what a client refuses by itself is not in its list', async () => {
  const listed = async (offered: number) => {
    const { program: other } = Program.at(at.slots, offered)
    await other.initialize()
    const list = await other.call(calls.getMechanismList, [1, room(99)])
    const short = await other.call(calls.getMechanismList, [1, QUERY])
    assert.ok('length' in list)
    assert.equal(short, { missing: list.length })
    return new Set(list)
  }
  const [old, recent] = [await listed(0), await listed(1)]
  assert.not.ok(old.has(protocol.CKM_AES_CBC))
  assert.ok(old.has(protocol.CKM_SHA256_RSA_PKCS) && recent.has(protocol.CKM_AES_CBC))
  assert.not.ok(recent.has(protocol.CKM_AES_KEY_WRAP))
})

test('sessions: their states, and what may not be opened', async () => {
  const state = async (handle: number) => (await at.program.call(calls.getSessionInfo, handle)).state
  assert.is(await state(at.session), 3)
  const reader = await at.program.call(calls.openSession, [1, 4])
  assert.is(await state(reader), 1)
  await at.program.call(calls.logout, reader)
  assert.is(await state(at.session), 2)
  assert.is(await state(reader), 0)
  assert.is(await ckrOf(() => at.program.call(calls.openSession, [1, 2])), CKR.SESSION_PARALLEL_NOT_SUPPORTED)
  const so = () => at.program.call(calls.login, [at.session, 0, utf8(SECRETS.so)])
  assert.is(await ckrOf(so), CKR.SESSION_READ_ONLY_EXISTS)
  const pin = (text: string) => () => at.program.call(calls.login, [at.session, 1, utf8(text)])
  assert.is(await ckrOf(pin('wrong-password')), protocol.RC_PIN_INCORRECT >>> 16)
  await pin(SECRETS.officer)()
  assert.is(await ckrOf(pin(SECRETS.officer)), protocol.RC_USER_ALREADY_LOGGED_IN >>> 16)
  await at.program.call(calls.closeAllSessions, 1)
  assert.is(await ckrOf(() => state(at.session)), CKR.SESSION_HANDLE_INVALID)
})

test('a PIN may be changed by its owner, and is what it was for others until then', async () => {
  await at.program.call(calls.setPin, [at.session, utf8(SECRETS.officer), utf8('another-password')])
  await at.program.call(calls.logout, at.session)
  assert.not.equal(await ckrOf(() => at.program.call(calls.login, [at.session, 1, utf8(SECRETS.officer)])), 0)
  await at.program.call(calls.login, [at.session, 1, utf8('another-password')])
  await at.program.call(calls.setPin, [at.session, utf8('another-password'), utf8(SECRETS.officer)])
  assert.is(
    await ckrOf(() => at.program.call(calls.setPin, [at.session, Uint8Array.of(0xff, 0xfe), utf8('x')])),
    CKR.PIN_INVALID,
  )
})

test('two programs share neither log-ins nor session objects', async () => {
  const other = Program.at(at.slots).program
  await other.initialize()
  const theirs = await other.call(calls.openSession, [1, 6])
  assert.is((await other.call(calls.getSessionInfo, theirs)).state, 2)
  const key = await at.aes(fill(16))
  await other.call(calls.login, [theirs, 1, utf8(SECRETS.officer)])
  assert.is(await ckrOf(() => other.call(calls.destroyObject, [theirs, key])), CKR.OBJECT_HANDLE_INVALID)
  assert.is(await ckrOf(() => other.call(calls.getSessionInfo, theirs + 1)), CKR.SESSION_HANDLE_INVALID)
  await at.program.call(calls.logout, at.session)
  assert.is((await other.call(calls.getSessionInfo, theirs)).state, 3)
  await other.call(calls.finalize, undefined)
})

test('what this token has not is said, and not faked', async () => {
  const ripemd160 = () => at.program.call(calls.digestInit, [at.session, plain(0x240)])
  assert.is(await ckrOf(ripemd160), CKR.MECHANISM_INVALID)
  await at.program.call(calls.seedRandom, [at.session, fill(70_000)])
  assert.is(whole(await at.program.call(calls.generateRandom, [at.session, room(10_000)])).length, 10_000)
  assert.is(await ckrOf(() => at.program.call(calls.waitForSlotEvent, 1)), CKR.NO_EVENT)
  assert.is(await ckrOf(() => at.program.call(calls.initToken, [1, { missing: 0 }, ''])), CKR.SESSION_EXISTS)
  assert.ok(at.partition > 0)
})

test.run()
