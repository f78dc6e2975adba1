// The soak (soak/main.ts) for some seconds. MOONLET_SEED repeats a run.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { soak } from './soak/run.js'
import { verdictOf } from './soak/verdict.js'

const test = suite('NTLS: many clients')

const seed = Number(process.env.MOONLET_SEED ?? 1 + (Date.now() % 2 ** 31))

test('24 clients with 8 sessions each get their own answers; cut at any byte they leave nothing', async () => {
  console.log(`seed ${seed} (MOONLET_SEED)`)
  const { operations, commands } = await soak({ seconds: 5, clients: 24, sessions: 8, seed })
  assert.ok(operations > 24 * 8 && commands > operations)
})

test('memory that grows is seen', () => {
  const resident = 100e6
  const report = { operations: 0, commands: 0, measured: 10_000, remembered: 100 }
  const flat = Array.from({ length: 20 }, (_, i) => ({ heap: 50e6 + (i % 3) * 1e5, resident }))
  assert.ok(verdictOf({ ...report, samples: flat }).flat)
  const growing = flat.map(({ heap }, i) => ({ heap: heap + i * 150_000, resident }))
  assert.not.ok(verdictOf({ ...report, samples: growing }).flat)
  assert.ok(verdictOf({ ...report, samples: growing, remembered: 2000 }).flat, 'what the clients remember themselves')
  assert.not.ok(verdictOf({ ...report, samples: flat.map(({ heap }, i) => ({ heap, resident: i * 5e6 })) }).flat)
})

test.run()
