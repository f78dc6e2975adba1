// A slot whose HSM asks its PED: a log-in without a PIN waits for a person, and nobody else waits with it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrByName, type SlotSource } from '../../host/client/index.js'
import { calls } from '../../host/pkcs11/calls.js'
import { initHsm, ownPartition } from '../firmware/support/officer.js'
import { insert, PedDesk, press, ScriptedOperator } from '../firmware/support/ped-desk.js'
import { TestToken } from '../firmware/support/test-token.js'
import { ckrOf, Program, slotOf } from './support.js'

const test = suite('pkcs11 at a PED')

let desk: PedDesk
let person: ScriptedOperator
let token: TestToken
let slots: SlotSource
let program: Program
let session: number

test.before(async () => {
  desk = await PedDesk.lay()
  token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
  person = new ScriptedOperator(desk.byTheBook())
  desk.plug(token, person)
  const partition = await ownPartition(token.client, await initHsm(token))
  const client = token.newClient()
  slots = { slots: async () => [slotOf(client, partition)] }
})

test.after(() => desk.clear())

test.before.each(async () => {
  program = Program.at(slots).program
  await program.initialize()
  session = await program.call(calls.openSession, [1, 6])
})

test.after.each(() => program.call(calls.finalize, undefined))

const login = () => program.call(calls.login, [session, 1, { missing: 0 }])

test('the slot says that its PIN is not typed here', async () => {
  assert.is((await program.call(calls.getTokenInfo, 1)).flags & 0x100, 0x100)
})

test('a log-in without a PIN waits for the key; other sessions and programs do not', async () => {
  const other = await program.call(calls.openSession, [1, 4])
  const asked = person.asked()
  const waiting = login()
  await asked
  assert.is((await program.call(calls.getSessionInfo, other)).state, 0)
  const stranger = Program.at(slots).program
  await stranger.initialize()
  assert.equal(await stranger.call(calls.getSlotList, [1, { capacity: 4, query: false }]), [1])
  await waiting
  assert.is((await program.call(calls.getSessionInfo, session)).state, 3)
  assert.is((await program.call(calls.getSessionInfo, other)).state, 1)
})

test('another key, no key and a person who gives up are told as the token tells them', async () => {
  const content = { kind: protocol.PED_KIND_USER, secret: Buffer.alloc(48, 5), pin: false }
  await desk.box.write('other-black', { ...(await desk.box.read('black')), content })
  person.next(insert('other-black'))
  assert.is(await ckrOf(login), ckrByName('CKR_PIN_INCORRECT'))
  person.next(press('no-key'))
  const waiting = ckrOf(login)
  await person.asked()
  desk.clock.advance(protocol.PED_KEY_TIMEOUT)
  token.board.tick()
  assert.is(await waiting, ckrByName('CKR_TIMEOUT'))
  person.next(press('cancel'))
  assert.is(await ckrOf(login), ckrByName('CKR_FUNCTION_CANCELED'))
  await login()
})

test.run()
