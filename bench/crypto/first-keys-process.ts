// One contender in a process in which nothing of it has run yet: wraps and unwraps 1,000 keys of 32 bytes in four batches. Prints what a
// key of the first batch cost and what a key of all four did, in nanoseconds of real time, and SHA-256 of what came out.
import { createHash } from 'node:crypto'
import { BenchError } from '../harness/bench.js'
import { clockNow } from '../harness/rounds.js'
import { pattern } from './samples.js'
import { CHECK, FirmwareKeyWrap, type KeyWrap, NobleKeyWrap } from './wraps.js'

const BYTES = 32
const BATCH = 250
const BATCHES = 4

/** Ours has to compile its module first, as an engine compiles the functions of the other one when they are called. */
function contender(name: string | undefined): KeyWrap {
  if (name === 'ours') return new FirmwareKeyWrap('kw', BATCH, BATCH * (BYTES + 2 * CHECK))
  if (name === 'noble') return new NobleKeyWrap('kw')
  throw new BenchError(`there is no contender ${name}`)
}

const batches = Array.from({ length: BATCHES }, (_, b) =>
  Array.from({ length: BATCH }, (_, k) => pattern(BYTES, b * BATCH + k + 1)),
)
const results: Buffer[] = []
const costs: number[] = []
const started = clockNow('wall')
const keyWrap = contender(process.argv[2])
for (const [b, objects] of batches.entries()) {
  const wrapped = keyWrap.wrap(objects)
  results.push(...wrapped, ...keyWrap.unwrap(wrapped))
  costs.push((clockNow('wall') - started) / ((b + 1) * BATCH))
}
const digest = createHash('sha256').update(Buffer.concat(results)).digest('hex')
process.stdout.write(`${costs[0]} ${costs.at(-1)} ${digest}\n`)
