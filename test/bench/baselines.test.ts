import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { speedOf } from '../../bench/crypto/aes.js'
import { agree, FirmwareKeyWrap, type KeyWrap, NobleKeyWrap, NodeKeyWrap } from '../../bench/crypto/wraps.js'
import { BenchError } from '../../bench/harness/bench.js'
import { seedProperties } from '../crypto/core.js'

const test = suite('what the benchmark compares with')
seedProperties()

const isBenchError = (error: unknown) => error instanceof BenchError

test('all three key wraps give the same bytes, and the object back, with padding and without', () => {
  const semiblocks = fc.integer({ min: 2, max: 20 }).chain((n) => fc.uint8Array({ minLength: 8 * n, maxLength: 8 * n }))
  const objects = { kw: semiblocks, kwp: fc.uint8Array({ minLength: 1, maxLength: 160 }) } as const
  for (const wrapping of ['kw', 'kwp'] as const) {
    const ours = new FirmwareKeyWrap(wrapping, 32, 32 * 176)
    fc.assert(
      fc.property(fc.array(objects[wrapping], { minLength: 1, maxLength: 32 }), (list) => {
        agree(
          [ours, new NodeKeyWrap(wrapping), new NobleKeyWrap(wrapping)],
          list.map((object) => Buffer.from(object)),
        )
      }),
    )
  }
})

test('a key wrap that gives other bytes is not measured', () => {
  const node = new NodeKeyWrap('kw')
  const objects = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const swapped: KeyWrap = { wrap: (list) => node.wrap(list).reverse(), unwrap: (list) => node.unwrap(list) }
  const forgetful: KeyWrap = { wrap: (list) => node.wrap(list), unwrap: (list) => node.unwrap(list).slice(1) }
  assert.throws(() => agree([node, swapped], objects), isBenchError)
  assert.throws(() => agree([node, forgetful], objects), isBenchError)
})

test('the rate of openssl speed is read from its machine-readable line', () => {
  assert.is(speedOf('+H:16384\n+F:22:AES-256-CTR:411934720.00\n'), 411934720)
  for (const output of ['', '+F:22:AES-256-CTR:0.00', 'version: 3.0'])
    assert.throws(() => speedOf(output), isBenchError)
})

test.run()
