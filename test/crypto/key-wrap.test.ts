import { createCipheriv } from 'node:crypto'
import { aeskw, aeskwp } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  arbitraryBytes,
  arbitraryKey,
  bytes,
  Core,
  equalBytes,
  flipped,
  readVectors,
  seedProperties,
  text,
} from './core.js'

const test = suite('AES key wrap')
const core = new Core()
seedProperties()

const KW_IV = Buffer.alloc(8, 0xa6)
const KWP_IV = Buffer.from('a65959a6', 'hex')

function wrap(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = core.room(plaintext.length + 8)
  assert.is(core.call.kwWrap(core.put(key), key.length, core.put(plaintext), plaintext.length, out), 1)
  return core.take(out, plaintext.length + 8)
}

/** The plaintext, or null; after a refusal for a wrong check value the output must be zero. */
function unwrap(key: Uint8Array, wrapped: Uint8Array): Uint8Array | null {
  const n = wrapped.length - 8
  const out = core.room(n, 0x99)
  const valid = core.call.kwUnwrap(core.put(key), key.length, core.put(wrapped), wrapped.length, out)
  if (valid === 1) return core.take(out, n)
  core.assertZero(out, n, 'the output of a refused unwrapping')
  return null
}

function wrapPadded(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const n = 8 + Math.ceil(plaintext.length / 8) * 8
  const out = core.room(n)
  assert.is(core.call.kwpWrap(core.put(key), key.length, core.put(plaintext), plaintext.length, out), n)
  return core.take(out, n)
}

function unwrapPadded(key: Uint8Array, wrapped: Uint8Array): Uint8Array | null {
  const n = wrapped.length - 8
  const out = core.room(n, 0x99)
  const length = core.call.kwpUnwrap(core.put(key), key.length, core.put(wrapped), wrapped.length, out)
  if (length >= 0) return core.take(out, length)
  assert.is(length, -1)
  core.assertZero(out, n, 'the output of a refused unwrapping')
  return null
}

function checkVectors(file: string, seal: typeof wrap, open: typeof unwrap): void {
  for (const vector of readVectors(file)) {
    const [key, ciphertext] = [bytes(vector, 'key'), bytes(vector, 'ciphertext')]
    const opened = open(key, ciphertext)
    if (vector.get('result') === 'fail') {
      assert.is(opened, null, `${text(vector, 'source')}: a wrong check value was taken`)
    } else {
      const plaintext = bytes(vector, 'plaintext')
      if (opened === null) throw new Error(`${text(vector, 'source')}: refused`)
      equalBytes(opened, plaintext)
      equalBytes(seal(key, plaintext), ciphertext)
    }
    core.assertNothingLeft()
    core.reset()
  }
}

test(
  'KW: the vectors of RFC 3394 and CAVP, those that must fail included',
  core.checked(() => {
    checkVectors('kw.txt', wrap, unwrap)
  }),
)

test(
  'KWP: the vectors of RFC 5649 and CAVP, those that must fail included',
  core.checked(() => {
    checkVectors('kwp.txt', wrapPadded, unwrapPadded)
  }),
)

const semiblocks = (min: number, max: number) => fc.integer({ min, max }).chain((n) => arbitraryBytes(8 * n, 8 * n))

test(
  'KW of any length agrees with node:crypto and an independent implementation',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, semiblocks(2, 40), (key, plaintext) => {
        const wrapped = wrap(key, plaintext)
        equalBytes(wrapped, createCipheriv(`id-aes${key.length * 8}-wrap`, key, KW_IV).update(plaintext))
        equalBytes(wrapped, aeskw(key).encrypt(plaintext))
        const opened = unwrap(key, wrapped)
        if (opened === null) throw new Error('refused')
        equalBytes(opened, plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'KWP of any length agrees with node:crypto and an independent implementation',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, arbitraryBytes(1, 300), (key, plaintext) => {
        const wrapped = wrapPadded(key, plaintext)
        equalBytes(wrapped, createCipheriv(`id-aes${key.length * 8}-wrap-pad`, key, KWP_IV).update(plaintext))
        equalBytes(wrapped, aeskwp(key).encrypt(plaintext))
        const opened = unwrapPadded(key, wrapped)
        if (opened === null) throw new Error('refused')
        equalBytes(opened, plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'both work in place and on overlapping buffers',
  core.checked(() => {
    const key = core.put(Buffer.alloc(32, 5))
    const plaintext = Buffer.from('forty bytes of a key that must come back', 'latin1')
    for (const shift of [-8, 0, 8]) {
      const buffer = core.room(96)
      const at = buffer + 16
      core.memory.set(plaintext, at)
      core.call.kwWrap(key, 32, at, 40, at + shift)
      assert.is(core.call.kwUnwrap(key, 32, at + shift, 48, at), 1)
      equalBytes(core.take(at, 40), plaintext, `KW, shifted by ${shift}`)
      core.memory.set(plaintext, at)
      assert.is(core.call.kwpWrap(key, 32, at, 37, at + shift), 48)
      assert.is(core.call.kwpUnwrap(key, 32, at + shift, 48, at), 37)
      equalBytes(core.take(at, 37), plaintext.subarray(0, 37), `KWP, shifted by ${shift}`)
    }
  }),
)

test(
  'one wrong bit in key or ciphertext is refused and the output is wiped',
  core.checked(() => {
    fc.assert(
      fc.property(
        arbitraryKey,
        semiblocks(2, 12),
        fc.boolean(),
        fc.boolean(),
        fc.nat(),
        (key, plaintext, padded, inKey, bit) => {
          const wrapped = padded ? wrapPadded(key, plaintext) : wrap(key, plaintext)
          const open = padded ? unwrapPadded : unwrap
          assert.is(inKey ? open(flipped(key, bit), wrapped) : open(key, flipped(wrapped, bit)), null)
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

/** Wraps 8-byte blocks as KWP does with any check value and padding: what a forger who knows the key could make. */
function forge(key: Uint8Array, check: Uint8Array, padded: Uint8Array): Uint8Array {
  if (padded.length === 8) {
    const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
    return cipher.update(Buffer.concat([check, padded]))
  }
  return createCipheriv(`id-aes${key.length * 8}-wrap`, key, check).update(padded)
}

test(
  'KWP: every length and padding byte of the plaintext is checked',
  core.checked(() => {
    const key = Buffer.alloc(16, 9)
    for (const size of [8, 16, 24]) {
      for (const claimed of [
        0,
        1,
        size - 9,
        size - 8,
        size - 7,
        size - 1,
        size,
        size + 1,
        size + 8,
        2 ** 31,
        2 ** 32 - 1,
      ]) {
        if (claimed < 0) continue
        for (const dirty of [-1, size - 7, size - 2, size - 1]) {
          const check = Buffer.from(KWP_IV.toString('hex').padEnd(16, '0'), 'hex')
          check.writeUInt32BE(claimed, 4)
          const padded = Buffer.alloc(size)
          padded.fill(0x31, 0, Math.min(claimed, size))
          if (dirty >= 0) padded[dirty] = 1
          const clean = padded.subarray(Math.min(claimed, size)).every((byte) => byte === 0)
          const expected = claimed > size - 8 && claimed <= size && clean
          const opened = unwrapPadded(key, forge(key, check, padded))
          assert.is(opened !== null, expected, `size ${size}, claimed ${claimed}, dirty ${dirty}`)
          if (opened !== null) equalBytes(opened, padded.subarray(0, claimed))
          core.reset()
        }
      }
    }
  }),
)

test(
  'every bit of the check value counts',
  core.checked(() => {
    const key = Buffer.alloc(24, 4)
    for (const size of [8, 16, 24]) {
      const plaintext = Buffer.alloc(size, 0x31)
      const check = Buffer.concat([KWP_IV, Buffer.of(0, 0, 0, size)])
      assert.ok(unwrapPadded(key, forge(key, check, plaintext)))
      for (let bit = 0; bit < 64; bit++) {
        const wrong = unwrapPadded(key, forge(key, flipped(check, bit), plaintext))
        assert.is(wrong, null, `KWP, size ${size}, bit ${bit}`)
        if (size > 8) assert.is(unwrap(key, forge(key, flipped(KW_IV, bit), plaintext)), null, `KW, bit ${bit}`)
        core.reset()
      }
    }
  }),
)

test(
  'lengths that KW and KWP do not have are refused before anything is written',
  core.checked(() => {
    const key = core.put(Buffer.alloc(32))
    const src = core.room(64, 0x11)
    const dst = core.room(80, 0x99)
    for (const n of [-8, 0, 7, 8, 9, 15, 17, 20, 31]) assert.is(core.call.kwWrap(key, 32, src, n, dst), 0, `wrap ${n}`)
    for (const n of [-8, 0, 8, 16, 20, 23, 25]) assert.is(core.call.kwUnwrap(key, 32, src, n, dst), 0, `unwrap ${n}`)
    for (const n of [0, -1]) assert.is(core.call.kwpWrap(key, 32, src, n, dst), 0, `KWP wrap ${n}`)
    for (const n of [-8, 0, 8, 12, 15, 17]) assert.is(core.call.kwpUnwrap(key, 32, src, n, dst), -1, `KWP unwrap ${n}`)
    equalBytes(core.take(dst, 80), Buffer.alloc(80, 0x99))
  }),
)

test.run()
