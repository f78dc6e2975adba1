import { generateKeyPairSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toInteger } from './numbers.js'
import { fromExponents } from './rsa-key.js'

const test = suite('RSA keys made complete')

test('the primes come out of the exponents, and all that is derived from them', () => {
  for (const publicExponent of [3, 65537]) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent })
    const jwk = privateKey.export({ format: 'jwk' })
    const number = (text: string | undefined) => toInteger(Buffer.from(text ?? '', 'base64url'))
    const key = fromExponents(number(jwk.n), number(jwk.e), number(jwk.d))
    if (key === undefined) throw new Error('no key')
    assert.is(key.p * key.q, number(jwk.n))
    assert.equal([key.p, key.q].sort(), [number(jwk.p), number(jwk.q)].sort())
    assert.is((key.qinv * key.q) % key.p, 1n)
    assert.is((key.dp * key.e) % (key.p - 1n), 1n)
    assert.is((key.dq * key.e) % (key.q - 1n), 1n)
  }
})

test('numbers that are no key give none', () => {
  assert.is(fromExponents(3233n, 17n, 2753n)?.e, 17n)
  assert.is(fromExponents(3233n, 17n, 2754n), undefined)
  assert.is(fromExponents(101n, 3n, 67n), undefined)
  assert.is(fromExponents(0n, 0n, 0n), undefined)
})

test.run()
