// What is left for old programs: published values, and node:crypto where OpenSSL still has it.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  arbitraryBytes,
  arbitraryKey,
  bytes,
  CONTEXT,
  Core,
  equalBytes,
  MD5,
  readVectors,
  seedProperties,
  text,
} from './core.js'

const test = suite('old ciphers and digests')
const core = new Core()
core.after(() => core.assertNothingLeft())
seedProperties()

/** CIPHER_… of the core. */
const CIPHERS: Readonly<Record<string, number>> = { cast128: 2, rc2: 3, seed: 5, aria: 6 }
/** HASH_… of the core. */
const DIGESTS: Readonly<Record<string, number>> = { md5: MD5.alg, md2: 11 }

const vectors = readVectors('old.txt')

test(
  'the published values of CAST-128, RC2, SEED and ARIA, there and back',
  core.checked(() => {
    const of = vectors.filter((vector) => text(vector, 'kind') in CIPHERS)
    assert.is(of.length, 18)
    for (const vector of of) {
      const cipher = CIPHERS[text(vector, 'kind')] ?? 0
      const [key, plaintext] = [bytes(vector, 'key'), bytes(vector, 'plaintext')]
      const [ctx, n] = [core.room(CONTEXT), plaintext.length]
      const [out, back] = [core.room(n), core.room(n)]
      if (vector.has('bits')) core.call.rc2Key(ctx, core.put(key), key.length, Number(text(vector, 'bits')))
      else core.call.blockKey(ctx, cipher, core.put(key), key.length)
      core.call.blockEncrypt(ctx, cipher, core.put(plaintext), out, n)
      equalBytes(core.take(out, n), bytes(vector, 'ciphertext'), text(vector, 'source'))
      core.call.blockDecrypt(ctx, cipher, out, back, n)
      equalBytes(core.take(back, n), plaintext, text(vector, 'source'))
      core.reset()
    }
  }),
)

test(
  'the published keystreams of RC4',
  core.checked(() => {
    const of = vectors.filter((vector) => text(vector, 'kind') === 'rc4')
    assert.is(of.length, 3)
    for (const vector of of) {
      const [key, at, expected] = [bytes(vector, 'key'), Number(text(vector, 'at')), bytes(vector, 'keystream')]
      const n = at + expected.length
      const out = core.room(n)
      core.call.rc4Crypt(core.put(key), key.length, out, out, n)
      equalBytes(core.take(out + at, expected.length), expected, text(vector, 'source'))
      core.reset()
    }
  }),
)

function digest(alg: number, pieces: readonly Uint8Array[]): Uint8Array {
  const [ctx, out] = [core.room(CONTEXT), core.room(64)]
  core.call.hashInit(ctx, alg)
  for (const piece of pieces) core.call.hashUpdate(ctx, core.put(piece), piece.length)
  core.call.hashFinal(ctx, out)
  core.assertZero(ctx, CONTEXT, 'the context')
  return core.take(out, core.call.hashLength(alg))
}

test(
  'the published digests of MD5 and MD2, and HMAC with MD5',
  core.checked(() => {
    for (const vector of vectors.filter((one) => one.has('digest'))) {
      const [kind, message] = [text(vector, 'kind'), bytes(vector, 'message')]
      const alg = DIGESTS[kind]
      if (alg !== undefined) {
        equalBytes(digest(alg, [message]), bytes(vector, 'digest'), text(vector, 'source'))
        // MD2 has a checksum beside its state: both go on between pieces.
        const pieces = Array.from(message, (byte) => Uint8Array.of(byte))
        equalBytes(digest(alg, pieces), bytes(vector, 'digest'), `${text(vector, 'source')} byte by byte`)
      } else {
        const [key, out] = [bytes(vector, 'key'), core.room(16)]
        core.call.hmac(10, core.put(key), key.length, core.put(message), message.length, out)
        equalBytes(core.take(out, 16), bytes(vector, 'digest'), text(vector, 'source'))
      }
      core.reset()
    }
  }),
)

test(
  'MD5 of every length around its block agrees with node:crypto',
  core.checked(() => {
    assert.is(core.call.hashBlock(10), 64)
    assert.is(core.call.hashBlock(11), 16)
    for (let n = 0; n <= 130; n++) {
      const message = Buffer.alloc(n, n + 1)
      const expected = createHash('md5').update(message).digest()
      equalBytes(digest(10, [message]), expected, `${n} bytes`)
      equalBytes(digest(10, [message.subarray(0, n >> 1), message.subarray(n >> 1)]), expected, `${n} bytes in parts`)
      core.reset()
    }
  }),
)

test(
  'ARIA in CBC agrees with node:crypto, with every key and where the result takes the place of the data',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, arbitraryBytes(16, 16), fc.integer({ min: 1, max: 12 }), (key, iv, blocks) => {
        const data = Buffer.alloc(blocks * 16, key)
        const [ctx, at, n] = [core.room(CONTEXT), core.put(data), data.length]
        core.call.blockKey(ctx, CIPHERS.aria ?? 0, core.put(key), key.length)
        core.call.chainEncrypt(ctx, CIPHERS.aria ?? 0, core.put(iv), at, at, n)
        const name = `aria-${key.length * 8}-cbc`
        equalBytes(core.take(at, n), createCipheriv(name, key, iv).setAutoPadding(false).update(data), name)
        core.call.chainDecrypt(ctx, CIPHERS.aria ?? 0, core.put(iv), at, at, n)
        equalBytes(core.take(at, n), data, name)
        const reverse = core.put(data)
        core.call.blockDecrypt(ctx, CIPHERS.aria ?? 0, reverse, reverse, n)
        const ecb = createDecipheriv(`aria-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
        equalBytes(core.take(reverse, n), ecb.update(data), `${name} decryption alone`)
        core.reset()
      }),
    )
  }),
)

test(
  'every key of CAST-128, RC2 and SEED undoes what it has done, and no two lengths are one',
  core.checked(() => {
    for (const [name, lengths] of Object.entries({ cast128: [1, 5, 10, 11, 16], rc2: [1, 8, 127, 128], seed: [16] })) {
      const cipher = CIPHERS[name] ?? 0
      const seen = new Set<string>()
      for (const length of lengths) {
        // RC2: a key that goes on with zeros is another key; CAST-128 fills up with zeros, so its ends differ here.
        const key = Buffer.alloc(length, 0x5a)
        const data = Buffer.alloc(160, length)
        const [ctx, at, iv] = [core.room(CONTEXT), core.put(data), core.room(16, 0x33)]
        core.call.blockKey(ctx, cipher, core.put(key), length)
        core.call.chainEncrypt(ctx, cipher, iv, at, at, 160)
        seen.add(Buffer.from(core.take(at, 160)).toString('hex'))
        core.call.chainDecrypt(ctx, cipher, iv, at, at, 160)
        equalBytes(core.take(at, 160), data, `${name} ${length}`)
        core.reset()
      }
      assert.is(seen.size, lengths.length, name)
    }
  }),
)

test.run()
