import { createCipheriv } from 'node:crypto'
import { cmac as nobleCmac } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import { arbitraryBytes, arbitraryKey, bytes, Core, equalBytes, readVectors, seedProperties, text } from './core.js'

const test = suite('CBC, CTR, CMAC')
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
  'the CMAC examples of SP 800-38B',
  core.checked(() => {
    for (const vector of readVectors('cmac.txt')) {
      const message = bytes(vector, 'message')
      const out = core.room(16)
      core.call.cmac(core.aesKey(bytes(vector, 'key')), core.put(message), message.length, out)
      equalBytes(core.take(out, 16), bytes(vector, 'mac'))
      core.reset()
    }
  }),
)

test(
  'CMAC of any length agrees with an independent implementation',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, arbitraryBytes(0, 100), (key, message) => {
        const out = core.room(16)
        core.call.cmac(core.aesKey(key), core.put(message), message.length, out)
        equalBytes(core.take(out, 16), nobleCmac(message, key))
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test.run()
