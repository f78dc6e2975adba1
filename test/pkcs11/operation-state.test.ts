// C_GetOperationState and C_SetOperationState: what is put aside goes on as if nothing had been.
import { createHash, createHmac } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { AtSlot, plain, withIv } from './at-slot.js'
import { ckrOf, data, flag, needed, number, Program, QUERY, room, whole } from './support.js'

const test = suite('pkcs11: operation state')
const at = new AtSlot(test)

const MESSAGE = fill(150_000)
const CUTS = [0, 1, 63, 100_000, 150_000]

const stateOf = async (session = at.session): Promise<Uint8Array> =>
  whole(await at.program.call(calls.getOperationState, [session, room(4096)]))
const set = (state: Uint8Array, key = 0, session = at.session): Promise<void> =>
  at.program.call(calls.setOperationState, [session, state, 0, key])

const hmacKey = (): Promise<number> =>
  at.program.call(calls.createObject, [
    at.session,
    [
      number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
      data(protocol.CKA_VALUE, fill(32)),
      flag(protocol.CKA_SIGN, true),
      flag(protocol.CKA_VERIFY, true),
    ],
  ])

test('a digest goes on in another session, as often as one likes', async () => {
  const { program } = at
  const other = await program.call(calls.openSession, [1, 6])
  for (const cut of CUTS) {
    await program.call(calls.digestInit, [at.session, plain(protocol.CKM_SHA256)])
    if (cut > 0) await program.call(calls.digestUpdate, [at.session, MESSAGE.subarray(0, cut)])
    const length = needed(await program.call(calls.getOperationState, [at.session, QUERY]))
    const state = await stateOf()
    assert.is(state.length, length)
    const expected = createHash('sha256').update(MESSAGE).digest()
    for (const session of [at.session, other, other]) {
      await set(state, 0, session)
      if (cut < MESSAGE.length) await program.call(calls.digestUpdate, [session, MESSAGE.subarray(cut)])
      const made = whole(await program.call(calls.digestFinal, [session, room(64)]))
      assert.equal(Buffer.from(made), expected, `${cut}`)
    }
  }
})

test('saving does not end what is saved', async () => {
  const { program, session } = at
  await program.call(calls.digestInit, [session, plain(protocol.CKM_SHA512)])
  await program.call(calls.digestUpdate, [session, MESSAGE.subarray(0, 10)])
  await stateOf()
  await program.call(calls.digestUpdate, [session, MESSAGE.subarray(10)])
  const made = whole(await program.call(calls.digestFinal, [session, room(64)]))
  assert.equal(Buffer.from(made), createHash('sha512').update(MESSAGE).digest())
})

test('a MAC goes on with its key, and with no other', async () => {
  const { program, session } = at
  const [key, another] = [await hmacKey(), await hmacKey()]
  await at.begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  await program.call(calls.signUpdate, [session, MESSAGE.subarray(0, 70)])
  const state = await stateOf()
  const mac = createHmac('sha256', fill(32)).update(MESSAGE).digest()
  await set(state, key)
  await program.call(calls.signUpdate, [session, MESSAGE.subarray(70)])
  assert.equal(Buffer.from(whole(await program.call(calls.signFinal, [session, room(64)]))), mac)
  assert.is(await ckrOf(() => set(state)), CKR.KEY_NEEDED)
  assert.is(await ckrOf(() => set(state, another)), CKR.SAVED_STATE_INVALID)
  assert.is(await ckrOf(() => program.call(calls.setOperationState, [session, state, key, key])), CKR.KEY_NOT_NEEDED)
})

test('a state that was changed, or is of another program, is none', async () => {
  const { program, session } = at
  await program.call(calls.digestInit, [session, plain(protocol.CKM_SHA256)])
  await program.call(calls.digestUpdate, [session, MESSAGE.subarray(0, 100)])
  const state = await stateOf()
  for (let i = 0; i < state.length; i += 7) {
    const wrong = Uint8Array.from(state)
    wrong[i] = (wrong[i] ?? 0) ^ 1
    assert.is(await ckrOf(() => set(wrong)), CKR.SAVED_STATE_INVALID, `byte ${i}`)
  }
  assert.is(await ckrOf(() => set(state.subarray(0, -1))), CKR.SAVED_STATE_INVALID)
  assert.is(await ckrOf(() => set(new Uint8Array(0))), CKR.SAVED_STATE_INVALID)
  assert.is(await ckrOf(() => set(state, 1)), CKR.KEY_NOT_NEEDED)
  const { program: stranger } = Program.at(at.slots, 2)
  await stranger.initialize()
  const theirs = await stranger.officer()
  assert.is(
    await ckrOf(() => stranger.call(calls.setOperationState, [theirs, state, 0, 0])),
    CKR.SAVED_STATE_INVALID,
    'another program',
  )
  await stranger.call(calls.finalize, undefined)
  // What was under way is still.
  await program.call(calls.digestUpdate, [session, MESSAGE.subarray(100)])
  const made = whole(await program.call(calls.digestFinal, [session, room(64)]))
  assert.equal(Buffer.from(made), createHash('sha256').update(MESSAGE).digest())
})

test('ciphers, and two operations at once, are not saved', async () => {
  const { program, session } = at
  assert.is(await ckrOf(() => stateOf()), CKR.OPERATION_NOT_INITIALIZED)
  await at.begin(calls.encryptInit, withIv(protocol.CKM_AES_CBC), await at.aes(fill(32)))
  assert.is(await ckrOf(() => stateOf()), CKR.STATE_UNSAVEABLE)
  await program.call(calls.digestInit, [session, plain(protocol.CKM_SHA256)])
  assert.is(await ckrOf(() => stateOf()), CKR.STATE_UNSAVEABLE)
})

test.run()
