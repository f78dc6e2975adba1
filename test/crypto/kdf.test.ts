import { createHmac, pbkdf2Sync } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
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

const test = suite('HMAC and key derivation')
const core = new Core()
seedProperties()

function mac(alg: number, key: Uint8Array, message: Uint8Array): Uint8Array {
  const out = core.room(core.call.hashLength(alg))
  core.call.hmac(alg, core.put(key), key.length, core.put(message), message.length, out)
  return core.take(out, core.call.hashLength(alg))
}

/** SP 800-108 counter mode written from the standard, over node:crypto. */
function counterMode(hash: string, key: Uint8Array, fixed: Uint8Array, n: number): Uint8Array {
  const blocks: Buffer[] = []
  for (let i = 1, length = 0; length < n; i++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(i)
    const block = createHmac(hash, key).update(counter).update(fixed).digest()
    blocks.push(block)
    length += block.length
  }
  return Buffer.concat(blocks).subarray(0, n)
}

function framed(label: Uint8Array, context: Uint8Array, n: number): Uint8Array {
  const bits = Buffer.alloc(4)
  bits.writeUInt32BE(8 * n)
  return Buffer.concat([label, Buffer.of(0), context, bits])
}

test(
  'the HMAC vectors of RFC 4231',
  core.checked(() => {
    for (const vector of readVectors('hmac.txt')) {
      const actual = mac(hashNumber(text(vector, 'hash')), bytes(vector, 'key'), bytes(vector, 'message'))
      equalBytes(actual, bytes(vector, 'mac'))
      core.reset()
    }
  }),
)

test(
  'HMAC with keys around the block length, in pieces, agrees with node:crypto and is wiped',
  core.checked(() => {
    fc.assert(
      fc.property(
        fc.constantFrom(...HASHES),
        arbitraryBytes(0, 260),
        fc.array(arbitraryBytes(0, 150), { maxLength: 4 }),
        ({ name, alg, length }, key, parts) => {
          const ctx = core.room(CONTEXT)
          const out = core.room(length)
          core.call.hmacInit(ctx, alg, core.put(key), key.length)
          for (const part of parts) core.call.hmacUpdate(ctx, core.put(part), part.length)
          core.call.hmacFinal(ctx, out)
          equalBytes(core.take(out, length), createHmac(name, key).update(Buffer.concat(parts)).digest(), name)
          core.assertZero(ctx, CONTEXT, 'the HMAC context')
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

test(
  'the CAVP vectors of counter mode',
  core.checked(() => {
    for (const vector of readVectors('kbkdf.txt')) {
      const key = bytes(vector, 'key')
      const fixed = bytes(vector, 'fixed')
      const expected = bytes(vector, 'out')
      const out = core.room(expected.length)
      const alg = hashNumber(text(vector, 'hash'))
      const at = core.put(fixed)
      core.call.kdfCounter(alg, core.put(key), key.length, at, 0, at, fixed.length, 4, out, expected.length)
      equalBytes(core.take(out, expected.length), expected)
      core.reset()
    }
  }),
)

test(
  'the KDF of OBC-1: its known answer',
  core.checked(() => {
    const dv = Buffer.from(
      '60712174cdd905dfa5dae45acad3abf1b68d2de2b633a567dd51a0ba83f37110fde429370a6f8ef3646ee9231110e528',
      'hex',
    )
    const label = Buffer.from('OBC1 domain')
    const out = core.room(48)
    core.call.kdf(core.put(dv), 48, core.put(label), label.length, core.put(Buffer.of(1)), 1, out, 48)
    equalBytes(
      core.take(out, 48),
      Buffer.from(
        '2b1d0de2734b60523c1a172db5a58915446760b098611fe54187f0268c4a3ff2d3e206b922d188c698119f2bcab626ab',
        'hex',
      ),
    )
  }),
)

test(
  'the KDF of any length agrees with the standard, may write over its key, and is wiped',
  core.checked(() => {
    fc.assert(
      fc.property(
        fc.constantFrom(...HASHES),
        arbitraryBytes(0, 150),
        arbitraryBytes(0, 40),
        arbitraryBytes(0, 140),
        fc.integer({ min: 0, max: 300 }),
        ({ name, alg }, key, label, context, n) => {
          const at = core.room(Math.max(key.length, n))
          core.memory.set(key, at)
          const labelAt = core.put(label)
          const contextAt = core.put(context)
          core.call.kdfAlg(alg, at, key.length, labelAt, label.length, contextAt, context.length, at, n)
          equalBytes(core.take(at, n), counterMode(name, key, framed(label, context, n), n), name)
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

test(
  'kdf is counter mode with SHA-384',
  core.checked(() => {
    const key = Buffer.alloc(48, 1)
    const label = Buffer.from('label')
    const context = Buffer.from('context')
    const out = core.room(176)
    core.call.kdf(core.put(key), 48, core.put(label), 5, core.put(context), 7, out, 176)
    equalBytes(core.take(out, 176), counterMode('sha384', key, framed(label, context, 176), 176))
  }),
)

test(
  'the PBKDF2 vectors of RFC 7914',
  core.checked(() => {
    for (const vector of readVectors('pbkdf2.txt')) {
      const [password, salt, expected] = [bytes(vector, 'password'), bytes(vector, 'salt'), bytes(vector, 'out')]
      const out = core.room(expected.length)
      const iterations = Number(text(vector, 'iterations'))
      const alg = hashNumber(text(vector, 'hash'))
      const passwordAt = core.put(password)
      core.call.pbkdf2(alg, passwordAt, password.length, core.put(salt), salt.length, iterations, out, expected.length)
      equalBytes(core.take(out, expected.length), expected)
      core.reset()
    }
  }),
)

test(
  'PBKDF2 agrees with node:crypto and is wiped',
  core.checked(() => {
    fc.assert(
      fc.property(
        fc.constantFrom(...HASHES),
        arbitraryBytes(0, 140),
        arbitraryBytes(0, 140),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 200 }),
        ({ name, alg }, password, salt, iterations, n) => {
          const out = core.room(n)
          const passwordAt = core.put(password)
          core.call.pbkdf2(alg, passwordAt, password.length, core.put(salt), salt.length, iterations, out, n)
          equalBytes(core.take(out, n), pbkdf2Sync(password, salt, iterations, n, name), name)
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

test.run()
