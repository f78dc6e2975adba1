// The store beside a plain model: random commands, power cuts at random operations, restarts, older images, a full flash; compared after
// every step. MOONLET_RUNS makes it longer, MOONLET_SEED repeats a run.
// test-timeout: 400
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { State } from '../../../host/board/index.js'
import type { Model } from './model-command.js'
import { commands } from './model-commands.js'
import { ModelToken } from './model-token.js'

const test = suite('store: beside a model')

const runs = Number(process.env.MOONLET_RUNS ?? 20)
const seed = Number(process.env.MOONLET_SEED ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (MOONLET_SEED), ${runs} runs (MOONLET_RUNS)`)

let base: State

test.before(async () => {
  base = await ModelToken.make()
})

test('whatever is done to it, it holds what the model holds', async () => {
  const tally = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(commands(60), async (row) => {
      const real = await ModelToken.on(base)
      const model: Model = { contents: await real.contents(), images: [], labels: 0, tally }
      await fc.asyncModelRun(() => ({ model, real }), row)
      await real.reboot()
    }),
    { seed, numRuns: runs },
  )
  console.log([...tally].map(([what, times]) => `${what}: ${times}`).join(', '))
  assert.ok((tally.get('cuts') ?? 0) > runs, 'there were cuts')
})

test.run()
