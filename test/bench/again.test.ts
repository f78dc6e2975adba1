// A row that misses its gate is measured again, and only that one.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { asItIs, type Context, type Group, type RowSpec } from '../../bench/harness/bench.js'
import { type Measured, measure, measureAgain } from '../../bench/harness/run.js'

const test = suite('rows that miss their gate')

const specOf = (id: string, gate?: number): RowSpec => ({
  ...{ id, unit: 'ns', baselineName: 'b', ratio: 'speed', what: id, present: asItIs },
  ...(gate === undefined ? {} : { gate }),
})

/** A group whose `late` row has these ratios one after the other, and what it was asked for. */
function groupOf(late: number[]): { readonly group: Group; readonly asked: string[][] } {
  const asked: string[][] = []
  const group: Group = {
    rows: [specOf('late', 3), specOf('good', 3), specOf('free')],
    async measure(wanted) {
      asked.push([...wanted])
      const ratio = late.shift() ?? 0
      return new Map([...wanted].map((id) => [id, { ours: [1], baseline: [id === 'late' ? ratio : 3.5] }]))
    },
  }
  return { group, asked }
}

const context: Context = {
  quick: true,
  folder: () => '',
  adopt: () => undefined,
  progress: () => undefined,
}

const ratioOf = (rows: readonly Measured[], id: string) => rows.find(({ spec }) => spec.id === id)?.row.ratio

async function all(late: number[]) {
  const { group, asked } = groupOf(late)
  const first = await measure(
    group,
    group.rows.map(({ id }) => id),
    context,
  )
  return { rows: await measureAgain([group], first, context), asked }
}

test('once it reaches the gate that counts', async () => {
  const { rows, asked } = await all([2, 4, 1])
  assert.is(ratioOf(rows, 'late'), 4)
  assert.equal(asked, [['late', 'good', 'free'], ['late']])
  assert.equal(
    rows.map(({ spec }) => spec.id),
    ['late', 'good', 'free'],
  )
})

test('three times in a row is a miss', async () => {
  const { rows, asked } = await all([2, 1, 2.5, 4])
  assert.is(ratioOf(rows, 'late'), 2.5)
  assert.is(asked.length, 3)
})

test('where all reach theirs nothing is measured again', async () => {
  assert.is((await all([3])).asked.length, 1)
})

test.run()
