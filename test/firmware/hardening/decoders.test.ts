// Every decoder of firmware and host against inputs that are nearly right: the fuzzer's targets, a little of each. `npm run fuzz` runs
// them for as long as one likes.
// test-timeout: 400
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../fuzz/engine/random.js'
import { guardedFirmware } from '../../fuzz/firmware/guarded-build.js'
import { TARGETS } from '../../fuzz/targets/index.js'

const seed = Number(process.env.MOONLET_SEED ?? Date.now() & 0x7fffffff)
console.log(`seed ${seed}`)

/** Runs of each target: those that boot a token or carry a handshake are slow. */
const RUNS: Readonly<Record<string, number>> = { command: 60, cloning: 40, ped: 60, flash: 40, journal: 200 }
const RUNS_OF_OTHERS = 400

const test = suite('decoders')

for (const target of TARGETS) {
  test(`${target.name}: ${target.summary}`, async () => {
    const fuzzer = await target.prepare({ firmware: () => guardedFirmware() })
    const inputs = fc.nat(0x7fffffff)
    await fc.assert(
      fc.asyncProperty(inputs, async (number) => {
        const input = fuzzer.generate(new Random(number))
        const { finding } = await fuzzer.run(input)
        assert.is(finding && `${finding.oracle} (${finding.where}): ${finding.message}`, undefined)
      }),
      // Another number is another input, not a smaller one.
      { seed, numRuns: RUNS[target.name] ?? RUNS_OF_OTHERS, endOnFailure: true },
    )
  })
}

test.run()
