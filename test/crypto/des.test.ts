import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import { arbitraryBytes, bytes, CONTEXT, Core, equalBytes, readVectors, seedProperties, text } from './core.js'

/** CIPHER_DES of the core. */
const DES = 1

const test = suite('DES')
const core = new Core()
seedProperties()

const ZERO = Buffer.alloc(8)

function keyed(key: Uint8Array): number {
  const ctx = core.room(CONTEXT)
  core.call.desKey(ctx, core.put(key), key.length)
  return ctx
}

test(
  'the vectors of NIST: ECB, CBC and CMAC, there and back',
  core.checked(() => {
    for (const vector of readVectors('des.txt')) {
      const [kind, key] = [text(vector, 'kind'), bytes(vector, 'key')]
      const [plaintext, expected] = [bytes(vector, 'plaintext'), bytes(vector, 'ciphertext')]
      const [ctx, at, n] = [keyed(key), core.put(plaintext), plaintext.length]
      const [out, back] = [core.room(n + 8), core.room(n + 8)]
      if (kind === 'cmac') {
        const mac = core.room(CONTEXT)
        core.call.cmacInitWith(mac, ctx, DES, 0)
        core.call.cmacUpdate(mac, at, n)
        core.call.cmacFinal(mac, out)
        equalBytes(core.take(out, 8), expected, text(vector, 'source'))
      } else {
        const iv = core.put(kind === 'cbc' ? bytes(vector, 'iv') : ZERO)
        if (kind === 'cbc') core.call.chainEncrypt(ctx, DES, iv, at, out, n)
        else core.call.desEncrypt(ctx, at, out, n / 8)
        equalBytes(core.take(out, n), expected, text(vector, 'source'))
        if (kind === 'cbc') core.call.chainDecrypt(ctx, DES, iv, out, back, n)
        else core.call.desDecrypt(ctx, out, back, n / 8)
        equalBytes(core.take(back, n), plaintext)
      }
      core.reset()
    }
  }),
)

test(
  'keys of two and three parts agree with OpenSSL, and one part three times is single DES',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryBytes(24, 24), arbitraryBytes(40, 40), (key, data) => {
        const cases = [
          [key, key],
          [key.slice(0, 16), Buffer.concat([key.slice(0, 16), key.slice(0, 8)])],
          [key.slice(0, 8), Buffer.concat([key.slice(0, 8), key.slice(0, 8), key.slice(0, 8)])],
        ] as const
        for (const [own, theirs] of cases) {
          const out = core.room(40)
          core.call.chainEncrypt(keyed(own), DES, core.put(ZERO), core.put(data), out, 40)
          const cipher = createCipheriv('des-ede3-cbc', theirs, ZERO).setAutoPadding(false)
          equalBytes(core.take(out, 40), cipher.update(data))
        }
        core.reset()
      }),
    )
  }),
)

test.run()
