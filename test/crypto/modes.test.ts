import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, arbitraryKey, bytes, Core, equalBytes, readVectors, seedProperties, text } from './core.js'

const test = suite('CBC, CTR, padding')
const core = new Core()
seedProperties()

const arbitraryBlock = arbitraryBytes(16, 16)

function encrypted(mode: string, key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-${mode}`, key, iv).setAutoPadding(false)
  return Buffer.concat([cipher.update(plaintext), cipher.final()])
}

test(
  'the vectors of CAVP and RFC 3686',
  core.checked(() => {
    for (const vector of readVectors('modes.txt')) {
      const plaintext = bytes(vector, 'plaintext')
      const ciphertext = bytes(vector, 'ciphertext')
      const n = plaintext.length
      const ctx = core.aesKey(bytes(vector, 'key'))
      const iv = core.put(bytes(vector, 'iv'))
      const out = core.room(n)
      const cbc = text(vector, 'mode') === 'CBC'
      const [encrypt, decrypt] = cbc
        ? [core.call.cbcEncrypt, core.call.cbcDecrypt]
        : [core.call.ctrCrypt, core.call.ctrCrypt]
      encrypt(ctx, iv, core.put(plaintext), out, n)
      equalBytes(core.take(out, n), ciphertext, text(vector, 'source'))
      decrypt(ctx, iv, core.put(ciphertext), out, n)
      equalBytes(core.take(out, n), plaintext, text(vector, 'source'))
      core.reset()
    }
  }),
)

test(
  'CBC of any number of blocks agrees with node:crypto, both directions, in place and not',
  core.checked(() => {
    const blocks = fc.integer({ min: 0, max: 30 }).chain((n) => arbitraryBytes(16 * n, 16 * n))
    fc.assert(
      fc.property(arbitraryKey, arbitraryBlock, blocks, fc.boolean(), (key, iv, plaintext, inPlace) => {
        const n = plaintext.length
        const ctx = core.aesKey(key)
        const ivAt = core.put(iv)
        const src = core.put(plaintext)
        const dst = inPlace ? src : core.room(n)
        core.call.cbcEncrypt(ctx, ivAt, src, dst, n)
        equalBytes(core.take(dst, n), encrypted('cbc', key, iv, plaintext))
        core.call.cbcDecrypt(ctx, ivAt, dst, src, n)
        equalBytes(core.take(src, n), plaintext)
        equalBytes(core.take(ivAt, 16), iv)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'CTR of any length agrees with node:crypto, in place and not',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, arbitraryBlock, arbitraryBytes(0, 500), fc.boolean(), (key, iv, plaintext, inPlace) => {
        const n = plaintext.length
        const ctx = core.aesKey(key)
        const ivAt = core.put(iv)
        const src = core.put(plaintext)
        const dst = inPlace ? src : core.room(n)
        core.call.ctrCrypt(ctx, ivAt, src, dst, n)
        equalBytes(core.take(dst, n), encrypted('ctr', key, iv, plaintext))
        equalBytes(core.take(ivAt, 16), iv)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'the CTR counter carries through all 128 bits',
  core.checked(() => {
    const key = Buffer.alloc(32, 3)
    const plaintext = Buffer.alloc(200, 0x77)
    for (const ones of [4, 8, 9, 12, 16]) {
      const iv = Buffer.alloc(16, 0x10)
      iv.fill(0xff, 16 - ones)
      const src = core.put(plaintext)
      core.call.ctrCrypt(core.aesKey(key), core.put(iv), src, src, plaintext.length)
      equalBytes(core.take(src, plaintext.length), encrypted('ctr', key, iv, plaintext), `${ones} bytes of ones`)
    }
  }),
)

test(
  'padding goes on and comes off again, whatever the length',
  core.checked(() => {
    for (let n = 0; n <= 33; n++) {
      const at = core.room(n + 16, 0x77)
      const total = core.call.pad(at, n)
      const expected = 16 - (n % 16)
      assert.is(total, n + expected)
      equalBytes(core.take(at, total), Buffer.concat([Buffer.alloc(n, 0x77), Buffer.alloc(expected, expected)]))
      assert.is(core.call.unpadded(at, total), n)
      core.reset()
    }
  }),
)

test(
  'padding is refused when any byte of it is wrong, and when its length is 0 or over 16',
  core.checked(() => {
    for (let length = 0; length <= 255; length++) {
      const block = Buffer.alloc(32, 0x5a)
      block.fill(length, Math.max(0, 32 - length))
      block[31] = length
      assert.is(core.call.unpadded(core.put(block), 32), length >= 1 && length <= 16 ? 32 - length : -1, `${length}`)
      for (let i = 32 - Math.min(length, 16); i < 31; i++) {
        const damaged = Buffer.from(block)
        damaged[i] = (damaged[i] ?? 0) ^ 0x80
        assert.is(core.call.unpadded(core.put(damaged), 32), -1, `byte ${i} of ${length}`)
      }
      core.reset()
    }
  }),
)

test.run()
