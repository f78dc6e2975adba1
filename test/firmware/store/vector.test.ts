// The remote PED vector lies outside the superblock, which names it: no other image of its sector passes, and no cut loses it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { cutEverywhere } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { PedDesk } from '../support/ped-desk.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: the remote PED vector')

/** Where the vectors lie, and the bytes of one (SPEC.md §6.1). */
const [FIRST, SIZE] = [4096, 64]
const { ADMIN_PARTITION: ADMIN } = protocol

const OK = String(protocol.RC_OK)

let desk: PedDesk
/** An initialized PED-authenticated HSM with the vector of the orange key; then with that of the other one. */
let orange: State
let other: State

const otherKey = () =>
  desk.byTheBook(
    { prompt: '/SETTING RPV.*reuse/', action: 'no' },
    { prompt: '/RPV.*Insert a/', action: 'key', key: 'other-orange' },
    { prompt: 'Overwrite?', action: 'yes' },
  )

async function asSo(token: TestToken): Promise<number> {
  const admin = await token.client.openSession(ADMIN)
  await token.client.roles.login(admin, protocol.ROLE_SO)
  return admin
}

test.before(async () => {
  desk = await PedDesk.lay()
  const token = await TestToken.make({ sectors: 12, auth: protocol.AUTH_PED }, { clock: desk.clock })
  desk.plug(token)
  await token.client.hsm.init(await token.client.openSession(ADMIN), { label: 'hsm' })
  await token.client.ped.initVector(await asSo(token))
  token.board.powerOff()
  orange = copyState(token.state)
  token.board.powerOn()
  desk.plug(token)
  const admin = await asSo(token)
  desk.plug(token, otherKey())
  await token.client.ped.initVector(admin)
  token.board.powerOff()
  other = copyState(token.state)
})

test.after(() => desk.clear())

const on = (state: State) => TestToken.on(copyState(state), { clock: desk.clock })

/** What `ped connect` with the orange key comes to. */
async function connects(token: TestToken): Promise<string> {
  desk.plug(token, desk.byTheBook(), 'remote')
  const code = await codeOf(token.client.ped.connect())
  token.board.detachPed('remote')
  return String(code)
}

test('each image of its sector belongs to one superblock', async () => {
  assert.is(await connects(on(orange)), OK)
  assert.is.not(await connects(on(other)), OK)
  const put = (into: State, from: State) => {
    const state = copyState(into)
    state.flash.image.set(from.flash.image.subarray(FIRST, protocol.FLASH_SECTOR), FIRST)
    return new TestToken(state, { clock: desk.clock }).board.powerOn()
  }
  assert.is(put(other, orange), protocol.RC_STORAGE_INTEGRITY, 'the old one comes back')
  assert.is(put(orange, other), protocol.RC_STORAGE_INTEGRITY, 'a later one')
  // The old record, copied behind the one that counts.
  const replayed = copyState(other)
  const record = orange.flash.image.subarray(FIRST, FIRST + SIZE)
  replayed.flash.image.set(record, FIRST + 2 * SIZE)
  const token = new TestToken(replayed, { clock: desk.clock })
  assert.is(token.board.powerOn(), protocol.RC_OK)
  assert.is.not(await connects(token), OK, 'it does not count')
  assert.not.ok(Buffer.from(token.state.flash.image).includes(Buffer.from(record)), 'and is made unreadable')
})

test('a changed byte is an error state', () => {
  for (const at of [0, 4, 30, 59, 60]) {
    const state = copyState(orange)
    state.flash.image[FIRST + at] = (state.flash.image[FIRST + at] ?? 0) ^ 1
    assert.is(new TestToken(state, { clock: desk.clock }).board.powerOn(), protocol.RC_STORAGE_INTEGRITY, `byte ${at}`)
  }
})

test('cut at every operation it is the old one or the new one', async () => {
  const outcomes = await cutEverywhere({
    from: orange,
    parts: { clock: desk.clock },
    prepare: async (token) => {
      desk.plug(token)
      const admin = await asSo(token)
      desk.plug(token, otherKey())
      return () => token.client.ped.initVector(admin)
    },
    view: async (token) => `${(await token.client.status()).state} ${await connects(token)}`,
  })
  console.log(`${outcomes.before + outcomes.after} power cuts`)
})

test('erasing it can be cut too', async () => {
  await cutEverywhere({
    from: orange,
    parts: { clock: desk.clock },
    prepare: async (token) => {
      desk.plug(token)
      const admin = await asSo(token)
      return () => token.client.ped.eraseVector(admin)
    },
    view: async (token) => {
      const { state } = await token.client.status()
      return `${state} ${(await token.client.ped.get()).vector}`
    },
  })
})

test('it outlives zeroization, and the next initialization takes it over', async () => {
  const token = on(orange)
  desk.plug(token)
  await token.client.hsm.zeroize(await asSo(token))
  assert.is(await connects(token), OK)
  assert.is(token.powerCycle(), protocol.RC_OK)
  desk.plug(token)
  await token.client.hsm.init(await token.client.openSession(ADMIN), { label: 'again' })
  assert.is(token.powerCycle(), protocol.RC_OK)
  assert.is(await connects(token), OK)
})

test.run()
