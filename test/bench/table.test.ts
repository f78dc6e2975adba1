import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inMicroseconds, perSecond, type RowSpec } from '../../bench/harness/bench.js'
import { measuredRow, missingRow } from '../../bench/harness/statistics.js'
import { figure, tableLines } from '../../bench/harness/table.js'

const test = suite('table of a benchmark')

test('figures have three digits that say something', () => {
  const figures: [number, string][] = [
    [0, '0.00'],
    [0.00791, '0.00791'],
    [0.95, '0.950'],
    [5.614, '5.61'],
    [38.86, '38.9'],
    [366, '366'],
    [12_345.6, '12,346'],
    [1_234_567, '1,234,567'],
  ]
  for (const [value, text] of figures) assert.is(figure(value), text)
})

const SPEED: RowSpec = {
  id: 'fast-vs-slow',
  unit: 'ops/s',
  baselineName: 'slow',
  ratio: 'speed',
  what: '',
  target: 5,
  present: perSecond,
}
const COST: RowSpec = {
  ...SPEED,
  id: 'growth',
  unit: 'µs',
  baselineName: 'few',
  ratio: 'cost',
  target: 1.3,
  present: inMicroseconds,
}

test('numbers stand right, words left, and a row without numbers says why', () => {
  const { target: _, ...open } = SPEED
  const lines = tableLines([
    { spec: SPEED, row: measuredRow(SPEED, { ours: [1e6, 1e6, 1e6], baseline: [6e6, 5e6, 7e6] }) },
    { spec: COST, row: measuredRow(COST, { ours: [1200], baseline: [1000] }) },
    { spec: { ...open, id: 'other' }, row: missingRow({ ...open, id: 'other' }, 'slow is not installed') },
  ])
  assert.equal(lines, [
    'id             ours  unit   baseline  against  ratio   min   max  spread  runs  wanted',
    'fast-vs-slow  1,000  ops/s       167  slow      6.00  5.00  7.00    33 %     3  >= 5',
    'growth         1.20  µs         1.00  few       1.20  1.20  1.20     0 %     1  <= 1.3',
    'other                ops/s            slow     not measured: slow is not installed',
  ])
})

test('what nothing is wanted of says which way is better', () => {
  const { target: _, ...open } = SPEED
  const last = (spec: RowSpec) =>
    tableLines([{ spec, row: measuredRow(spec, { ours: [1], baseline: [1] }) }])[1]
      ?.split(/ {2,}/)
      .at(-1)
  assert.is(last(open), 'more')
  assert.is(last({ ...open, ratio: 'cost' }), 'less')
})

test.run()
