import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, CONTEXT, Core, equalBytes, SHA3, seedProperties } from './core.js'

const test = suite('SHA-3')
const core = new Core()
seedProperties()

function digest(alg: number, pieces: readonly Uint8Array[]): Uint8Array {
  const [ctx, out] = [core.room(CONTEXT), core.room(64)]
  core.call.hashInit(ctx, alg)
  for (const piece of pieces) core.call.hashUpdate(ctx, core.put(piece), piece.length)
  core.call.hashFinal(ctx, out)
  return core.take(out, core.call.hashLength(alg))
}

test(
  'lengths and rates are those of FIPS 202',
  core.checked(() => {
    for (const { alg, length, block } of SHA3) {
      assert.is(core.call.hashLength(alg), length)
      assert.is(core.call.hashBlock(alg), block)
    }
  }),
)

test(
  'every length around the edges of the rate agrees with node:crypto',
  core.checked(() => {
    for (const { name, alg, block } of SHA3) {
      for (let n = 0; n <= 2 * block + 2; n++) {
        const message = Buffer.alloc(n, n + 1)
        equalBytes(digest(alg, [message]), createHash(name).update(message).digest(), `${name} of ${n} bytes`)
        core.reset()
      }
    }
  }),
)

test(
  'any pieces of any message agree with node:crypto, and so does HMAC with keys of any length',
  core.checked(() => {
    const pieces = fc.array(arbitraryBytes(0, 300), { maxLength: 5 })
    fc.assert(
      fc.property(fc.constantFrom(...SHA3), pieces, arbitraryBytes(0, 300), ({ name, alg, length }, parts, key) => {
        const message = Buffer.concat(parts)
        equalBytes(digest(alg, parts), createHash(name).update(message).digest(), name)
        const out = core.room(64)
        core.call.hmac(alg, core.put(key), key.length, core.put(message), message.length, out)
        equalBytes(core.take(out, length), createHmac(name, key).update(message).digest(), `HMAC ${name}`)
        core.reset()
      }),
    )
  }),
)

test.run()
