import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { interleave, loop } from '../../bench/harness/rounds.js'

const test = suite('rounds of a benchmark')

/** Contenders that write down when they run; each answers how often it has. */
function recorded(names: readonly string[]) {
  const log: string[] = []
  const contender = (name: string) => () => {
    log.push(name)
    return log.filter((entry) => entry === name).length
  }
  return { log, contenders: Object.fromEntries(names.map((name) => [name, contender(name)])) }
}

test('every contender has its turn in every round, and another one begins each', async () => {
  const { log, contenders } = recorded(['a', 'b', 'c'])
  await interleave(contenders, 4, { warmups: 1 })
  assert.is(log.join(''), 'abc' + 'abc' + 'bca' + 'cab' + 'abc')
})

test('warm-up rounds are not counted', async () => {
  const { contenders } = recorded(['a', 'b'])
  const costs = await interleave(contenders, 3, { warmups: 2 })
  assert.equal(costs.against('a', 'b'), { ours: [3, 4, 5], baseline: [3, 4, 5] })
})

test('the costs of a round stay together whoever began it', async () => {
  let round = 0
  const costs = await interleave({ a: () => ++round, b: async () => 100 + round }, 1, { warmups: 0 })
  assert.equal(costs.against('a', 'b', 'a note'), { ours: [1], baseline: [101], note: 'a note' })
})

test('a contender that nobody knows has no costs', async () => {
  const costs = await interleave({ a: () => 1 }, 2)
  assert.equal(costs.against('a', 'z'), { ours: [1, 1], baseline: [] })
})

test('what fails in a round ends the comparison', async () => {
  try {
    await interleave({ a: () => Promise.reject(new Error('no')) }, 1)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, Error)
  }
})

test('a loop repeats its work until a sample is long enough, and answers the cost of one unit', () => {
  for (const clock of ['cpu', 'wall'] as const) {
    let calls = 0
    let sink = 0
    const work = () => {
      calls++
      for (let i = 0; i < 1000; i++) sink = (sink * 31 + i) | 0
    }
    const contender = loop(work, { units: 1000, milliseconds: 1, clock })
    const cost = contender()
    assert.ok(typeof cost === 'number' && cost > 0 && cost < 1e6, `${cost} ns a step`)
    const before = calls
    contender()
    assert.ok(calls - before > 1, 'one call of this work is shorter than a sample')
    assert.type(sink, 'number')
  }
})

test.run()
