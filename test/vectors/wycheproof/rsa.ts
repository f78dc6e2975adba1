import { createPrivateKey } from 'node:crypto'
import { hashOf } from '../firmware.js'
import { MAX_BITS, MIN_BITS } from '../nist/rsa.js'
import { bitLength, toInteger } from '../numbers.js'
import type { Hashes } from '../public-key.js'
import { notApplicable, type Outcome } from '../result.js'
import type { RsaPrivateKey, RsaPublicKey } from '../rsa-key.js'
import type { Check } from '../wycheproof.js'
import { judge } from './judge.js'
import type { Reader } from './reader.js'

/** What of a group cannot be done here, if anything. */
function obstacle(group: Reader, key: RsaPublicKey): Outcome | undefined {
  const bits = bitLength(key.n)
  if (bits < MIN_BITS || bits > MAX_BITS) return notApplicable(`a modulus of ${bits} bits`)
  const unknown = ['sha', 'mgfSha'].find((name) => group.has(name) && hashOf(group.text(name)) === undefined)
  return unknown ? notApplicable(`the firmware has no hash ${group.text(unknown)}`) : undefined
}

/** Those of a group that has no obstacle. */
const hashesOf = (group: Reader): Hashes => ({
  alg: hashOf(group.text('sha')) ?? 0,
  mgf: hashOf(group.text('mgfSha')) ?? 0,
})

function publicKey(group: Reader): RsaPublicKey {
  const key = group.object('publicKey')
  return { n: key.integer('modulus'), e: key.integer('publicExponent') }
}

const numberOf = (text: string | undefined): bigint => toInteger(Buffer.from(text ?? '', 'base64url'))

/** Undefined where it is no key of two primes. */
function privateKey(group: Reader): RsaPrivateKey | undefined {
  const numbers = group.has('privateKey') ? group.object('privateKey') : undefined
  if (numbers?.has('otherPrimeInfos')) return undefined
  const der = Buffer.from(group.bytes('privateKeyPkcs8'))
  const jwk = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
  return {
    n: numberOf(jwk.n),
    e: numberOf(jwk.e),
    d: numberOf(jwk.d),
    p: numberOf(jwk.p),
    q: numberOf(jwk.q),
    dp: numberOf(jwk.dp),
    dq: numberOf(jwk.dq),
    qinv: numberOf(jwk.qi),
  }
}

const threePrimes = notApplicable('a key of more than two primes')

export const pkcs1Verify: Check = (group, test, { publicKeys: keys }) => {
  const key = publicKey(group)
  const alg = hashOf(group.text('sha')) ?? 0
  const [message, signature] = [test.bytes('msg'), test.bytes('sig')]
  return obstacle(group, key) ?? judge(test, 'signature', keys.pkcs1Verify(key, alg, message, signature))
}

export const pkcs1Generate: Check = (group, test, { publicKeys: keys }) => {
  const key = privateKey(group)
  if (key === undefined) return threePrimes
  const alg = hashOf(group.text('sha')) ?? 0
  const [message, signature] = [test.bytes('msg'), test.bytes('sig')]
  // With SHA-1 nothing new is signed: what was signed must verify.
  const made = () =>
    group.text('sha') === 'SHA-1' ? keys.pkcs1Verify(key, alg, message, signature) : keys.pkcs1Sign(key, alg, message)
  return obstacle(group, key) ?? judge(test, 'signature', made(), signature)
}

export const pss: Check = (group, test, { publicKeys: keys }) => {
  const key = publicKey(group)
  if (group.text('mgf') !== 'MGF1') return notApplicable(`the firmware has no ${group.text('mgf')}`)
  const verified = () =>
    keys.pssVerify(key, hashesOf(group), group.number('sLen'), test.bytes('msg'), test.bytes('sig'))
  return obstacle(group, key) ?? judge(test, 'signature', verified())
}

export const oaep: Check = (group, test, { publicKeys: keys }) => {
  const key = privateKey(group)
  if (key === undefined) return threePrimes
  const opened = () => keys.oaepOpen(key, hashesOf(group), test.bytes('label'), test.bytes('ct'))
  return obstacle(group, key) ?? judge(test, 'message', opened(), test.bytes('msg'))
}
