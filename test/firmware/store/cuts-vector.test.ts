// Power cuts while the remote PED vector is made, made again and erased: one vector or the other or none, and none left behind.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { defaultRules, KEY_NAMES, RuleOperator } from '../../../host/ped/index.js'
import { recordScenario, TORN_SEED } from '../support/cut-scenario.js'
import { initHsm, soOn } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { cutStates } from '../support/power-cuts.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts and the remote PED vector')

/** SPEC.md §6.1: 64 bytes each behind the factory record. */
const FIRST = protocol.FLASH_FACTORY_SECTOR * protocol.FLASH_SECTOR + 4096
const SIZE = 64

let desk: PedDesk
let without: State
let withOne: State
let cuts = 0

test.before(async () => {
  desk = await PedDesk.lay()
  const token = await TestToken.make({ sectors: 12, auth: protocol.AUTH_PED })
  desk.plug(token)
  const admin = await initHsm(token)
  token.board.powerOff()
  without = copyState(token.state)
  token.board.powerOn()
  desk.plug(token)
  await token.client.ped.initVector(await soOn(token.newClient()))
  assert.ok(admin > 0)
  token.board.powerOff()
  withOne = copyState(token.state)
})

test.after(() => {
  desk.clear()
  console.log(`${cuts} power cuts`)
})

/** The slots up to the last one that was ever written, in hex. */
function vectors({ flash }: State): string[] {
  const slots: string[] = []
  for (let at = FIRST; at < protocol.FLASH_SECTOR; at += SIZE) {
    slots.push(Buffer.from(flash.image.subarray(at, at + SIZE)).toString('hex'))
  }
  while (slots.at(-1) === 'ff'.repeat(SIZE)) slots.pop()
  return slots
}

/** All of a slot but its magic. */
const ZERO = '00'.repeat(SIZE - 4)
const whole = (state: State): string[] =>
  vectors(state).filter((slot) => slot.startsWith('4f425631') && slot.endsWith('5aa5c0de'))

type Work = (token: TestToken, admin: number) => Promise<unknown>

/** With this key in the PED. Each cut leaves the vector of before or that of after, and nothing of any other; a new one can be made and lasts. */
async function cutVector(from: State, key: string, work: Work): Promise<void> {
  const recording = await recordScenario({
    from,
    prepare: async (token) => {
      const rules = defaultRules({ ...KEY_NAMES, remote: key })
      desk.plug(token, new RuleOperator({ rules, box: desk.box, clock: desk.clock }))
      const admin = await soOn(token.client)
      return () => work(token, admin)
    },
  })
  const after = copyState(recording.before)
  for (const change of recording.changes) after.apply(change)
  const allowed = [whole(recording.before).at(-1), whole(after).at(-1)]
  assert.ok(allowed[0] !== allowed[1], 'the command changes something')
  let finished = false
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const token = TestToken.on(state)
    const [left] = whole(token.state)
    assert.ok(left === allowed[0] || left === allowed[1], `${what}: neither before nor after`)
    assert.not(finished && left !== allowed[1], `${what}: what was done is undone`)
    finished = left === allowed[1]
    assert.ok(
      vectors(token.state).every((slot) => slot === left || slot.slice(8) === ZERO),
      `${what}: remains of a vector`,
    )
    assert.is((await token.client.status()).vector, left !== undefined, what)
    desk.plug(token)
    await token.client.ped.initVector(await soOn(token.client))
    token.powerCycle()
    assert.ok((await token.client.status()).vector, `${what}: a new vector lasts`)
    cuts++
  }
  assert.ok(finished)
}

test('make the first', () => cutVector(without, 'orange', ({ client }, admin) => client.ped.initVector(admin)))

test('make another', () => cutVector(withOne, 'other-orange', ({ client }, admin) => client.ped.initVector(admin)))

test('erase it', () => cutVector(withOne, 'orange', ({ client }, admin) => client.ped.eraseVector(admin)))

test.run()
