import { createHmac } from 'node:crypto'
import { cmac } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, arbitraryKey, Core, equalBytes, HASHES, seedProperties } from './core.js'

const test = suite('SP 800-108 counter mode')
const core = new Core()
seedProperties()

const CMAC = 16

type Prf = (key: Uint8Array, data: Uint8Array) => Uint8Array

/** Counter mode written from the standard. */
function counterMode(prf: Prf, key: Uint8Array, before: Uint8Array, after: Uint8Array, size: number, n: number) {
  const blocks: Uint8Array[] = []
  for (let i = 1, length = 0; length < n; i++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(i)
    const block = prf(key, Buffer.concat([before, counter.subarray(4 - size), after]))
    blocks.push(block)
    length += block.length
  }
  return Buffer.concat(blocks).subarray(0, n)
}

const arbitraryPrf = fc.oneof(
  fc.tuple(fc.constantFrom(...HASHES), arbitraryBytes(0, 150)).map(([{ alg, name }, key]) => ({
    number: alg,
    key,
    prf: (secret: Uint8Array, data: Uint8Array) => createHmac(name, secret).update(data).digest(),
  })),
  arbitraryKey.map((key) => ({
    number: CMAC,
    key,
    prf: (secret: Uint8Array, data: Uint8Array) => cmac(data, secret),
  })),
)

test(
  'any PRF, counter and place of it agree with the standard; the output may lie over the key, and all is wiped',
  core.checked(() => {
    const place = fc.tuple(arbitraryBytes(0, 70), arbitraryBytes(0, 70))
    fc.assert(
      fc.property(
        arbitraryPrf,
        place,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 300 }),
        ({ number, key, prf }, [before, after], size, n) => {
          const at = core.room(Math.max(key.length, n))
          core.memory.set(key, at)
          const [beforeAt, afterAt] = [core.put(before), core.put(after)]
          const { kdfCounter } = core.call
          assert.is(kdfCounter(number, at, key.length, beforeAt, before.length, afterAt, after.length, size, at, n), 1)
          equalBytes(core.take(at, n), counterMode(prf, key, before, after, size, n))
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

test(
  'a counter that would run over is refused, and nothing is written',
  core.checked(() => {
    const key = core.put(Buffer.alloc(16, 1))
    const out = core.room(255 * 16 + 1, 0x99)
    assert.is(core.call.kdfCounter(CMAC, key, 16, key, 0, key, 0, 1, out, 255 * 16), 1)
    core.memory.fill(0x99, out, out + 255 * 16 + 1)
    assert.is(core.call.kdfCounter(CMAC, key, 16, key, 0, key, 0, 1, out, 255 * 16 + 1), 0)
    assert.is(core.call.kdfCounterValid(1, 16, 2, 65535 * 32), 1)
    assert.is(core.call.kdfCounterValid(1, 16, 2, 65535 * 32 + 1), 0)
    for (const size of [0, 5, -1]) assert.is(core.call.kdfCounter(1, key, 16, key, 0, key, 0, size, out, 16), 0)
    for (const keyLen of [0, 15, 33]) assert.is(core.call.kdfCounter(CMAC, key, keyLen, key, 0, key, 0, 1, out, 16), 0)
    assert.is(core.call.kdfCounter(1, key, 16, key, 0, key, 0, 4, out, -1), 0)
    equalBytes(core.take(out, 255 * 16 + 1), Buffer.alloc(255 * 16 + 1, 0x99))
  }),
)

test.run()
