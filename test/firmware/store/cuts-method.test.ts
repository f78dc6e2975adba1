// The cuts of the other files are made from a recording; here they are held against the board's own fault injector.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BoardError, FaultyMemory } from '../../../host/board/index.js'
import { recordScenario, TORN_SEED } from '../support/cut-scenario.js'
import { officerOn, prepare } from '../support/officer.js'
import { cutStates, storeDigest } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: recorded power cuts')

/** Cuts the command at operation `at`; what is left, or undefined where the command has fewer operations. */
async function cutByInjector(base: TestToken, partition: number, at: number, torn?: (index: number) => number) {
  let faults: FaultyMemory | undefined
  const wrap = (memory: ConstructorParameters<typeof FaultyMemory>[0]) => {
    faults = new FaultyMemory(memory)
    return faults
  }
  const token = TestToken.on(copyState(base.state), { wrap })
  const session = await officerOn(token.client, partition)
  faults?.cut(torn ? { at, torn } : { at })
  try {
    await token.client.objects.create(session, dataObject('new', 'value'))
    return undefined
  } catch (error) {
    if (!(error instanceof BoardError)) throw error
    assert.is(error.code, 'POWER_CUT')
    assert.not(token.board.powered, 'the board stays off')
    return token.state
  }
}

test('the states they leave are the same', async () => {
  const { token: base, partition } = await prepare(await TestToken.make({ sectors: 12 }))
  base.board.powerOff()
  const recording = await recordScenario({
    from: base.state,
    prepare: async ({ client }) => {
      const session = await officerOn(client, partition)
      return () => client.objects.create(session, dataObject('new', 'value'))
    },
  })
  const whole = [...cutStates(recording, TORN_SEED, 0)].map(({ state }) => storeDigest(state))
  const found = new Set<string>()
  let at = 1
  for (; ; at++) {
    const state = await cutByInjector(base, partition, at)
    if (!state) break
    assert.ok(whole.includes(storeDigest(state)), `operation ${at}`)
    found.add(storeDigest(state))
  }
  assert.ok(at > 6, 'the command has several operations')
  assert.is(found.size, new Set(whole).size)
})

test('the torn writes they leave are the same', async () => {
  const { token: base, partition } = await prepare(await TestToken.make({ sectors: 12 }))
  base.board.powerOff()
  let length = 0
  const recording = await recordScenario({
    from: base.state,
    prepare: async ({ client }) => {
      const session = await officerOn(client, partition)
      return () => client.objects.create(session, dataObject('new', 'value'))
    },
  })
  const program = recording.changes.find((change) => change.kind === 'program')
  if (program?.kind === 'program') length = program.data.length
  // The first operation of the command programs the record.
  const state = await cutByInjector(base, partition, 1, (index) => (index < length / 2 ? 0xff : 0))
  const torn = [...cutStates(recording, TORN_SEED)].find(({ what }) => what.endsWith('front half'))
  assert.ok(state && torn)
  assert.is(storeDigest(state ?? base.state), storeDigest(torn?.state ?? base.state))
})

test.run()
