import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Core } from './core.js'

const test = suite('health tests of the TRNG')
const core = new Core()
test.before.each(() => core.call.trngHealthReset())

/** SP 800-90B §4.4 with 4 bits of entropy per sample and a chance of 2^-30 for a false alarm. */
const ENTROPY = 4
const ALPHA_BITS = 30
const WINDOW = 512
const REPETITION = 1 + Math.ceil(ALPHA_BITS / ENTROPY)
const PROPORTION = 1 + criticalValue()

/** Smallest k with P(at most k successes) >= 1 - 2^-30 for WINDOW trials of chance 2^-ENTROPY, exact in integers. */
function criticalValue(): number {
  const sides = 1n << BigInt(ENTROPY)
  const all = sides ** BigInt(WINDOW)
  let sum = 0n
  let choices = 1n
  for (let k = 0; ; k++) {
    sum += choices * (sides - 1n) ** BigInt(WINDOW - k)
    if ((all - sum) << BigInt(ALPHA_BITS) <= all) return k
    choices = (choices * BigInt(WINDOW - k)) / BigInt(k + 1)
  }
}

const healthy = (samples: Uint8Array) => core.call.trngHealth(core.put(samples), samples.length) === 1

/** n samples in which no value is repeated at once and each comes once in 256. */
const counting = (n: number) => Uint8Array.from({ length: n }, (_, i) => i & 0xff)

/** A window in which its first value comes `matches` times, never twice in a row. */
function windowWith(matches: number): Uint8Array {
  return Uint8Array.from({ length: WINDOW }, (_, i) => (i % 2 === 0 && i < 2 * matches ? 0xaa : 1 + (i % 100)))
}

test(
  'good samples pass, in one piece and in many',
  core.checked(() => {
    for (let i = 0; i < 20; i++) assert.ok(healthy(randomBytes(4096)))
    for (let i = 1; i < 300; i++) assert.ok(healthy(counting(i)))
  }),
)

test(
  'the repetition count fails at its cutoff, not before, and across calls',
  core.checked(() => {
    assert.ok(healthy(Buffer.alloc(REPETITION - 1, 7)))
    assert.not(healthy(Buffer.of(7)))
    core.call.trngHealthReset()
    assert.ok(healthy(Buffer.alloc(REPETITION - 1, 7)))
    assert.ok(healthy(Buffer.of(8)))
    assert.ok(healthy(Buffer.alloc(REPETITION - 1, 7)))
  }),
)

test(
  'a source that is stuck at 0 fails at once',
  core.checked(() => {
    assert.not(healthy(Buffer.alloc(REPETITION)))
  }),
)

test(
  'the adaptive proportion fails at its cutoff, not before',
  core.checked(() => {
    assert.ok(healthy(windowWith(PROPORTION - 1)))
    assert.not(healthy(windowWith(PROPORTION)))
  }),
)

test(
  'a window ends after 512 samples',
  core.checked(() => {
    const half = PROPORTION - 1
    assert.ok(healthy(windowWith(half)))
    assert.ok(healthy(windowWith(half)))
    assert.ok(healthy(windowWith(half)))
  }),
)

test(
  'a window goes on over several calls',
  core.checked(() => {
    const samples = windowWith(PROPORTION)
    assert.ok(healthy(samples.subarray(0, 100)))
    assert.not(healthy(samples.subarray(100)))
  }),
)

test(
  'a failure stays until the reset',
  core.checked(() => {
    assert.not(healthy(Buffer.alloc(REPETITION)))
    assert.not(healthy(counting(1024)))
    assert.not(healthy(Buffer.alloc(0)))
    core.call.trngHealthReset()
    assert.ok(healthy(counting(1024)))
  }),
)

test.run()
