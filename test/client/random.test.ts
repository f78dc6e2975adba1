import { createECDH, createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom, systemRandom, TokenClient } from '../../host/client/index.js'
import { ephemeralKey } from '../../host/client/random.js'

const test = suite('client: random bytes')

test('a seed decides the stream, whatever pieces it is drawn in', () => {
  const whole = Buffer.from(seededRandom('a seed')(1000))
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 200 }), { maxLength: 5 }), (lengths) => {
      const random = seededRandom('a seed')
      const pieces = Buffer.concat(lengths.map((length) => random(length)))
      assert.equal(pieces, whole.subarray(0, pieces.length))
    }),
  )
  assert.not.equal(Buffer.from(seededRandom('another')(1000)), whole)
})

test('the stream is SHA-512 of the seed’s hash and a counter', () => {
  const seed = createHash('sha512').update('a seed').digest()
  const block = (index: number): Buffer =>
    createHash('sha512')
      .update('moonlet client')
      .update(seed)
      .update(Buffer.of(0, 0, 0, 0, 0, 0, 0, index))
      .digest()
  assert.equal(Buffer.from(seededRandom('a seed')(128)), Buffer.concat([block(0), block(1)]))
})

test('what is drawn is the caller’s own', () => {
  const random = seededRandom('a seed')
  random(10).fill(0)
  assert.equal(random(54), seededRandom('a seed')(64).subarray(10))
})

test('a key is a scalar in range: others are drawn again', () => {
  const order = 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'
  const draws = [Buffer.alloc(48), Buffer.from(order, 'hex'), Buffer.alloc(48, 0xff), Buffer.alloc(48, 5)]
  const pair = ephemeralKey(() => Uint8Array.from(draws.shift() ?? []))
  const expected = createECDH('secp384r1')
  expected.setPrivateKey(Buffer.alloc(48, 5))
  assert.equal(pair.getPublicKey(), expected.getPublicKey())
  assert.is(draws.length, 0)
})

test('the access id of a client comes from its source; the system’s is another each time', () => {
  const transport = {
    exchange: () => Promise.reject(new Error()),
    closed: new Promise<void>(() => {}),
    async close() {},
  }
  const access = (random = systemRandom): bigint => new TokenClient(transport, { random }).access
  assert.is(access(seededRandom('a')), access(seededRandom('a')))
  assert.is.not(access(seededRandom('a')), access(seededRandom('b')))
  assert.is.not(access(), access())
})

test.run()
