import { createCipheriv } from 'node:crypto'
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
  readVectors,
  seedProperties,
  text,
} from './core.js'

const test = suite('AES')
const core = new Core()
seedProperties()

function ecb(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
  return Buffer.concat([cipher.update(plaintext), cipher.final()])
}

test(
  'the vectors of FIPS 197 and CAVP, both directions',
  core.checked(() => {
    for (const vector of readVectors('aes.txt')) {
      const plaintext = bytes(vector, 'plaintext')
      const ciphertext = bytes(vector, 'ciphertext')
      const ctx = core.aesKey(bytes(vector, 'key'))
      const out = core.room(plaintext.length)
      core.call.aesEncrypt(ctx, core.put(plaintext), out, plaintext.length / 16)
      equalBytes(core.take(out, plaintext.length), ciphertext, `${text(vector, 'source')}, encryption`)
      core.call.aesDecrypt(ctx, core.put(ciphertext), out, plaintext.length / 16)
      equalBytes(core.take(out, plaintext.length), plaintext, `${text(vector, 'source')}, decryption`)
      core.reset()
    }
  }),
)

test(
  'any number of blocks agrees with node:crypto and comes back, in place',
  core.checked(() => {
    const blocks = fc.integer({ min: 0, max: 40 }).chain((n) => arbitraryBytes(16 * n, 16 * n))
    fc.assert(
      fc.property(arbitraryKey, blocks, (key, plaintext) => {
        const ctx = core.aesKey(key)
        const at = core.put(plaintext)
        core.call.aesEncrypt(ctx, at, at, plaintext.length / 16)
        equalBytes(core.take(at, plaintext.length), ecb(key, plaintext))
        core.call.aesDecrypt(ctx, at, at, plaintext.length / 16)
        equalBytes(core.take(at, plaintext.length), plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'every block of a group of eight has its own place',
  core.checked(() => {
    const key = Buffer.alloc(32, 7)
    const ctx = core.aesKey(key)
    for (let block = 0; block < 8; block++) {
      const plaintext = Buffer.alloc(128)
      plaintext.fill(block + 1, 16 * block, 16 * block + 16)
      const at = core.put(plaintext)
      core.call.aesEncrypt8(ctx, at, at)
      equalBytes(core.take(at, 128), ecb(key, plaintext))
      core.call.aesDecrypt8(ctx, at, at)
      equalBytes(core.take(at, 128), plaintext)
    }
  }),
)

test(
  'one block at a time gives the same as eight, with either key schedule',
  core.checked(() => {
    const blocks = fc.integer({ min: 0, max: 40 }).chain((n) => arbitraryBytes(16 * n, 16 * n))
    fc.assert(
      fc.property(arbitraryKey, blocks, fc.boolean(), (key, plaintext, single) => {
        const ctx = core.room(CONTEXT)
        const expand = single ? core.call.aesKeySingle : core.call.aesKey
        expand(ctx, core.put(key), key.length)
        const at = core.put(plaintext)
        core.call.aesSingleEncrypt(ctx, at, at, plaintext.length / 16)
        equalBytes(core.take(at, plaintext.length), ecb(key, plaintext))
        core.call.aesSingleDecrypt(ctx, at, at, plaintext.length / 16)
        equalBytes(core.take(at, plaintext.length), plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'a key expanded for encryption alone encrypts alike',
  core.checked(() => {
    for (const length of [16, 24, 32]) {
      const key = Buffer.alloc(length, length)
      const plaintext = Buffer.alloc(48, 0x5a)
      const ctx = core.room(CONTEXT)
      core.call.aesKeyEncrypt(ctx, core.put(key), length)
      const at = core.put(plaintext)
      core.call.aesEncrypt(ctx, at, at, 3)
      equalBytes(core.take(at, 48), ecb(key, plaintext))
    }
    core.assertNothingLeft()
  }),
)

test(
  'a key of another length traps',
  core.checked(() => {
    for (const length of [0, 8, 15, 17, 31, 33, 64]) {
      assert.throws(() => core.call.aesKey(core.room(CONTEXT), core.room(64), length), /unreachable/)
    }
  }),
)

test.run()
