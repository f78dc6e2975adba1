import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  arbitraryBytes,
  bytes,
  CONTEXT,
  Core,
  equalBytes,
  HASHES,
  hashNumber,
  readVectors,
  seedProperties,
  text,
} from './core.js'

const test = suite('SHA-2 and SHA-1')
const core = new Core()
seedProperties()

function digest(alg: number, parts: readonly Uint8Array[]): Uint8Array {
  const ctx = core.room(CONTEXT)
  const out = core.room(core.call.hashLength(alg))
  core.call.hashInit(ctx, alg)
  for (const part of parts) core.call.hashUpdate(ctx, core.put(part), part.length)
  core.call.hashFinal(ctx, out)
  core.assertZero(ctx, CONTEXT, 'the hash context')
  return core.take(out, core.call.hashLength(alg))
}

test(
  'the vectors of SHAVS',
  core.checked(() => {
    for (const vector of readVectors('sha2.txt')) {
      const actual = digest(hashNumber(text(vector, 'hash')), [bytes(vector, 'message')])
      equalBytes(actual, bytes(vector, 'digest'), text(vector, 'source'))
      core.reset()
    }
  }),
)

test(
  'lengths and block lengths are those of FIPS 180-4',
  core.checked(() => {
    for (const { alg, length, block } of HASHES) {
      assert.is(core.call.hashLength(alg), length)
      assert.is(core.call.hashBlock(alg), block)
    }
  }),
)

test(
  'an unknown algorithm traps',
  core.checked(() => {
    for (const alg of [0, 12, -1]) assert.throws(() => core.call.hashInit(core.room(CONTEXT), alg), /unreachable/)
  }),
)

test(
  'every length around the block edges agrees with node:crypto',
  core.checked(() => {
    for (const { name, alg, block } of HASHES) {
      for (let n = 0; n <= 2 * block + 2; n++) {
        const message = Buffer.alloc(n, n + 1)
        equalBytes(digest(alg, [message]), createHash(name).update(message).digest(), `${name} of ${n} bytes`)
        core.reset()
      }
    }
  }),
)

test(
  'a message in any pieces agrees with node:crypto',
  core.checked(() => {
    const pieces = fc.array(arbitraryBytes(0, 300), { maxLength: 6 })
    fc.assert(
      fc.property(fc.constantFrom(...HASHES), pieces, ({ name, alg }, parts) => {
        const expected = createHash(name)
        for (const part of parts) expected.update(part)
        equalBytes(digest(alg, parts), expected.digest(), name)
        core.reset()
      }),
    )
  }),
)

test(
  'sha384 is the digest in one call, in place too, and leaves nothing behind',
  core.checked(() => {
    const message = Buffer.from('a message that is not to be found in memory afterwards')
    const at = core.put(message)
    core.call.sha384(at, message.length, at)
    equalBytes(core.take(at, 48), createHash('sha384').update(message).digest())
    core.assertNothingLeft()
  }),
)

test.run()
