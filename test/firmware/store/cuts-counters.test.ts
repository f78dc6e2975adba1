// Counters never go back, an older image is refused, and what is zeroized stays zeroized.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { recordScenario, TORN_SEED } from '../support/cut-scenario.js'
import { firstTrace, newestSuperblock } from '../support/flash-image.js'
import { officerOn, prepare, soOn } from '../support/officer.js'
import { cutStates, type Recording, recordedToken } from '../support/power-cuts.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: counters and zeroization under power cuts')

let base: State
let partition = 0
let cuts = 0

test.before(async () => {
  const { token, client, session, partition: id } = await prepare(await TestToken.make({ sectors: 12 }))
  await client.objects.create(session, dataObject('public', 'value'))
  await client.objects.create(session, aesKey('private', Buffer.alloc(32, 7)))
  token.board.powerOff()
  base = copyState(token.state)
  partition = id
})

test.after(() => console.log(`${cuts} power cuts`))

/** Several commands on end: objects, a partition, policies. */
async function script(token: TestToken): Promise<() => Promise<unknown>> {
  const { client } = token
  const admin = await soOn(client)
  const session = await officerOn(client, partition)
  return async () => {
    const handle = await client.objects.create(session, dataObject('one', 'value'))
    await client.objects.destroy(session, [handle])
    await client.partitions.resize(admin, partition, 100_000n)
    await client.partitions.clear(session)
  }
}

test('sequence and monotonic counter only grow, over every cut and the restart after it', async () => {
  const recording = await recordScenario({ from: base, prepare: script })
  let counter = recording.before.counter
  let sequence = newestSuperblock(recording.before.flash.image).sequence
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const found = state.counter
    assert.ok(found >= counter, what)
    const token = TestToken.on(state)
    const booted = newestSuperblock(token.state.flash.image).sequence
    assert.ok(token.state.counter > found, `${what}: a boot steps the counter`)
    assert.is(booted, token.state.counter, `${what}: the superblock is the counter's`)
    assert.ok(booted > sequence, what)
    counter = found
    sequence = found
    cuts++
  }
})

/** A cut erase may also have turned the layout's number into a later one. */
const REFUSED: readonly number[] = [protocol.RC_STORAGE_INTEGRITY, protocol.RC_STORAGE_VERSION]

test('an image from before any operation is refused once the command is done, whatever a cut made of it', async () => {
  const recording = await recordScenario({ from: base, prepare: script })
  const after = copyState(recording.before)
  for (const change of recording.changes) after.apply(change)
  const current = newestSuperblock(after.flash.image).bytes
  let refused = 0
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    // The counter is no part of the image: it cannot be put back.
    state.counter = after.counter
    const isCurrent = newestSuperblock(state.flash.image).bytes.equals(current)
    const code = new TestToken(state).board.powerOn()
    if (isCurrent) assert.ok(code === protocol.RC_OK || code === protocol.RC_STORAGE_INTEGRITY, what)
    else assert.ok(REFUSED.includes(code), `${what}: ${code}`)
    if (!isCurrent) refused++
    cuts++
  }
  assert.ok(refused > 50, `${refused} images are older`)
})

/** Zeroized, wiped to the last byte, and so it stays. */
function assertZeroized(token: TestToken, what: string): void {
  assert.is(token.state.battery(protocol.BATTERY_KEK).length, 0, `${what}: the key is gone`)
  assert.is(firstTrace(token.state.flash.image), -1, `${what}: the flash is blank`)
}

const WIPES: readonly (readonly [name: string, work: (token: TestToken, admin: number) => Promise<unknown>])[] = [
  ['zeroize', ({ client }, admin) => client.hsm.zeroize(admin)],
  ['factory reset', ({ client }, admin) => client.hsm.factoryReset(admin)],
]

for (const [name, work] of WIPES) {
  test(`${name}: from the moment that the key is gone, every restart finishes the wipe, even one that is cut itself`, async () => {
    const recording = await recordScenario({
      from: base,
      prepare: async (token) => {
        const admin = await soOn(token.client)
        return () => work(token, admin)
      },
    })
    let begun = false
    for (const { what, state } of cutStates(recording, TORN_SEED, 4)) {
      const gone = state.battery(protocol.BATTERY_KEK).length === 0
      assert.not(begun && !gone, `${what}: the key comes back`)
      begun = gone
      cuts++
      if (!gone) continue
      const { token, recorder } = recordedToken(copyState(state))
      const boot: Recording = await recorder.record(() => token.board.powerOn())
      assertZeroized(token, what)
      assert.is((await token.client.status()).state, protocol.STATE_ZEROIZED, what)
      for (const second of cutStates(boot, TORN_SEED, 2)) {
        assertZeroized(TestToken.on(second.state), `${what}; its recovery cut ${second.what}`)
        cuts++
      }
    }
    assert.ok(begun)
  })
}

test.run()
