import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { asItIs, BenchError, type RowSpec, type Samples } from '../../bench/harness/bench.js'
import { measuredRow, median, missesGate, missingRow, ratios } from '../../bench/harness/statistics.js'

const test = suite('statistics of a benchmark')

const spec = (more: Partial<RowSpec> = {}): RowSpec => ({
  id: 'a-vs-b',
  unit: 'ns',
  baselineName: 'b',
  ratio: 'speed',
  what: 'a against b',
  present: asItIs,
  ...more,
})

test('the median is the middle, or half-way between the two in the middle', () => {
  assert.is(median([3, 1, 2]), 2)
  assert.is(median([4, 1, 3, 2]), 2.5)
  assert.is(median([7]), 7)
  assert.throws(
    () => median([]),
    (error: unknown) => error instanceof BenchError,
  )
})

test('a speed is how often ours fits into the baseline, a cost how often the baseline fits into ours', () => {
  const samples: Samples = { ours: [2, 4, 1], baseline: [6, 8, 4] }
  assert.equal(ratios('speed', samples), [3, 2, 4])
  assert.equal(ratios('cost', samples), [1 / 3, 1 / 2, 1 / 4])
})

test('the ratio of a row is the median of the rounds, not the ratio of the medians', () => {
  // A busy last round slows both down: the rounds say 2, 3, 3, the medians 4 to 2.
  const row = measuredRow(spec(), { ours: [2, 1, 10], baseline: [4, 3, 30] })
  assert.equal(row, {
    id: 'a-vs-b',
    unit: 'ns',
    ours: 2,
    baseline: 4,
    baselineName: 'b',
    ratio: 3,
    min: 2,
    max: 3,
    runs: 3,
  })
})

test('costs are shown in the unit of the row', () => {
  const row = measuredRow(spec({ unit: 'ops/s', present: (ns) => 1e9 / ns }), { ours: [1000], baseline: [2000] })
  assert.is(row.ours, 1e6)
  assert.is(row.baseline, 5e5)
  assert.is(row.ratio, 2)
})

test('rounds that do not match, and costs that cannot be, are no numbers', () => {
  const wrong: Samples[] = [
    { ours: [], baseline: [] },
    { ours: [1, 2], baseline: [1] },
    { ours: [0], baseline: [1] },
    { ours: [1], baseline: [Number.NaN] },
  ]
  for (const samples of wrong) {
    assert.throws(
      () => measuredRow(spec(), samples),
      (error: unknown) => error instanceof BenchError,
    )
  }
})

test('a gate is a floor of a speed and a ceiling of a cost; what was not measured misses none', () => {
  const at = (ratio: number, more: Partial<RowSpec>) => {
    const one = spec(more)
    const cost = one.ratio === 'speed' ? { ours: [1], baseline: [ratio] } : { ours: [ratio], baseline: [1] }
    return missesGate(one, measuredRow(one, cost))
  }
  assert.is(at(2.9, { gate: 3 }), true)
  assert.is(at(3, { gate: 3 }), false)
  assert.is(at(2.2, { ratio: 'cost', gate: 2.1 }), true)
  assert.is(at(2.1, { ratio: 'cost', gate: 2.1 }), false)
  assert.is(at(0.1, { target: 5 }), false)
  assert.is(missesGate(spec({ gate: 3 }), missingRow(spec(), 'b is not installed')), false)
})

test.run()
