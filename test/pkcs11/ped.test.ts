// A slot whose HSM asks its PED: a log-in without a PIN waits for a person, and nobody else waits with it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrByName, type SlotSource } from '../../host/client/index.js'
import { caCalls } from '../../host/pkcs11/ca-calls.js'
import { calls } from '../../host/pkcs11/calls.js'
import { initHsm, ownPartition } from '../firmware/support/officer.js'
import { insert, PedDesk, press, ScriptedOperator } from '../firmware/support/ped-desk.js'
import { TestToken } from '../firmware/support/test-token.js'
import { ckrOf, Program, slotOf, utf8 } from './support.js'

const test = suite('pkcs11 at a PED')

let desk: PedDesk
let person: ScriptedOperator
let token: TestToken
let slots: SlotSource
let program: Program
let session: number
let partition: number

test.before(async () => {
  desk = await PedDesk.lay()
  token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
  person = new ScriptedOperator(desk.byTheBook())
  desk.plug(token, person)
  partition = await ownPartition(token.client, await initHsm(token))
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

test('a program that is to ask for the challenge sees no PIN pad once there is one, and the challenge is its PIN', async () => {
  const { program: asking } = Program.at(slots, 0, protocol.ROLE_CRYPTO_OFFICER)
  await asking.initialize()
  const hasPad = async (one: Program) => ((await one.call(calls.getTokenInfo, 1)).flags & 0x100) !== 0
  assert.ok(await hasPad(asking))
  const own = await token.client.openSession(partition, { readWrite: true })
  await token.client.roles.login(own, protocol.ROLE_PARTITION_SO)
  await token.client.roles.createChallenge(own, protocol.ROLE_CRYPTO_OFFICER, 'by-heart')
  await token.client.closeSession(own)
  assert.not.ok(await hasPad(asking))
  assert.ok(await hasPad(program))
  const other = await asking.call(calls.openSession, [1, 6])
  await asking.call(calls.login, [other, 1, utf8('by-heart')])
  assert.is((await asking.call(calls.getSessionInfo, other)).state, 3)
})

test('CA_CreateLoginChallenge sets the challenge that a program brings; one that the HSM makes is for the PED alone', async () => {
  await program.call(calls.login, [session, 0, { missing: 0 }])
  const create = (challenge: string, capacity = 64) =>
    program.call(caCalls.createLoginChallenge, [session, 1, utf8(challenge), { capacity, query: capacity === 0 }])
  assert.equal(await create('brought-along', 0), { missing: 13 })
  assert.equal(await create('brought-along', 3), { missing: 13 })
  assert.equal(await create('brought-along'), utf8('brought-along'))
  assert.equal(await create(''), new Uint8Array(0))
  assert.is(await ckrOf(() => create('short')), ckrByName('CKR_PIN_LEN_RANGE'))
})

test('CA_SetPedId takes the ids of the PED here and the one afar', async () => {
  const set = (id: number) => program.call(caCalls.setPedId, [1, id])
  const now = await program.call(caCalls.getPedId, 1)
  await set(now)
  assert.is(await ckrOf(() => set(5)), ckrByName('CKR_ARGUMENTS_BAD'))
  assert.is(await program.call(caCalls.getPedId, 1), now)
})

test.run()
