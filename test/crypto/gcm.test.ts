import { createCipheriv } from 'node:crypto'
import { gcm as nobleGcm } from '@noble/ciphers/aes.js'
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

const test = suite('AES-GCM')
const core = new Core()
seedProperties()

const NONE = new Uint8Array(0)

interface Message {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly aad: Uint8Array
}

function seal({ key, iv, aad }: Message, plaintext: Uint8Array, tagLen: number) {
  const n = plaintext.length
  const [keyAt, ivAt, aadAt] = [core.put(key), core.put(iv), core.put(aad)]
  const [dst, tag] = [core.room(n), core.room(tagLen)]
  core.call.gcmSeal(keyAt, key.length, ivAt, iv.length, aadAt, aad.length, core.put(plaintext), n, dst, tag, tagLen)
  return { ciphertext: core.take(dst, n), tag: core.take(tag, tagLen) }
}

/** The plaintext, or null; `dst` was filled with a pattern and must still hold it after a refusal. */
function open({ key, iv, aad }: Message, ciphertext: Uint8Array, tag: Uint8Array): Uint8Array | null {
  const n = ciphertext.length
  const [keyAt, ivAt, aadAt] = [core.put(key), core.put(iv), core.put(aad)]
  const [src, dst, tagAt] = [core.put(ciphertext), core.room(n, 0x99), core.put(tag)]
  if (core.call.gcmOpen(keyAt, key.length, ivAt, iv.length, aadAt, aad.length, src, n, dst, tagAt, tag.length) === 1) {
    return core.take(dst, n)
  }
  equalBytes(core.take(dst, n), Buffer.alloc(n, 0x99), 'plaintext was written before the tag was checked')
  return null
}

const arbitraryMessage = fc.record({
  key: arbitraryKey,
  iv: fc.oneof(arbitraryBytes(12, 12), arbitraryBytes(1, 70)),
  aad: arbitraryBytes(0, 80),
})

test(
  'the vectors of CAVP, those that must fail included',
  core.checked(() => {
    for (const vector of readVectors('gcm.txt')) {
      const message = { key: bytes(vector, 'key'), iv: bytes(vector, 'iv'), aad: bytes(vector, 'aad') }
      const [ciphertext, tag] = [bytes(vector, 'ciphertext'), bytes(vector, 'tag')]
      const opened = open(message, ciphertext, tag)
      if (vector.get('result') === 'fail') {
        assert.is(opened, null, `${text(vector, 'source')}: a wrong tag was taken`)
      } else {
        const plaintext = bytes(vector, 'plaintext')
        if (opened === null) throw new Error(`${text(vector, 'source')}: a right tag was refused`)
        equalBytes(opened, plaintext)
        const sealed = seal(message, plaintext, tag.length)
        equalBytes(sealed.ciphertext, ciphertext)
        equalBytes(sealed.tag, tag)
      }
      core.assertNothingLeft()
      core.reset()
    }
  }),
)

test(
  'any lengths agree with node:crypto',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryMessage, arbitraryBytes(0, 600), (message, plaintext) => {
        const { key, iv, aad } = message
        const name = `aes-${key.length * 8}-gcm`
        if (name !== 'aes-128-gcm' && name !== 'aes-192-gcm' && name !== 'aes-256-gcm') throw new Error(name)
        const cipher = createCipheriv(name, key, iv).setAAD(aad)
        const expected = Buffer.concat([cipher.update(plaintext), cipher.final()])
        const sealed = seal(message, plaintext, 16)
        equalBytes(sealed.ciphertext, expected)
        equalBytes(sealed.tag, cipher.getAuthTag())
        const opened = open(message, expected, cipher.getAuthTag())
        if (opened === null) throw new Error('a right tag was refused')
        equalBytes(opened, plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'associated data in two parts is the same as in one, wherever it is cut',
  core.checked(() => {
    const aad = arbitraryBytes(0, 60).chain((all) =>
      fc.tuple(fc.constant(all), fc.integer({ min: 0, max: all.length })),
    )
    fc.assert(
      fc.property(
        arbitraryKey,
        arbitraryBytes(12, 12),
        aad,
        arbitraryBytes(0, 200),
        (key, iv, [all, cut], plaintext) => {
          const [keyAt, ivAt, tag, at] = [core.put(key), core.put(iv), core.room(16), core.put(plaintext)]
          const [aad1, aad2] = [core.put(all.subarray(0, cut)), core.put(all.subarray(cut))]
          const n = plaintext.length
          const rest = all.length - cut
          core.call.gcmSeal2(keyAt, key.length, ivAt, 12, aad1, cut, aad2, rest, at, n, at, tag, 16)
          const expected = nobleGcm(key, iv, all).encrypt(plaintext)
          equalBytes(Buffer.concat([core.take(at, n), core.take(tag, 16)]), expected)
          assert.is(core.call.gcmOpen2(keyAt, key.length, ivAt, 12, aad1, cut, aad2, rest, at, n, at, tag, 16), 1)
          equalBytes(core.take(at, n), plaintext)
          core.reset()
        },
      ),
    )
  }),
)

test(
  'one wrong bit anywhere is refused and nothing is written',
  core.checked(() => {
    const place = fc.tuple(fc.constantFrom('ciphertext', 'tag', 'aad', 'iv', 'key'), fc.nat())
    const message = fc.record({ key: arbitraryKey, iv: arbitraryBytes(12, 12), aad: arbitraryBytes(1, 40) })
    fc.assert(
      fc.property(message, arbitraryBytes(1, 300), place, (original, plaintext, [where, bit]) => {
        const sealed = seal(original, plaintext, 16)
        const parts: Record<string, Uint8Array> = { ...original, ...sealed }
        const changed = { ...original, ...sealed, [where]: flipped(parts[where] ?? NONE, bit) }
        assert.is(open(changed, changed.ciphertext, changed.tag), null, `a wrong bit in ${where}`)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'refusing in place leaves the ciphertext as it was',
  core.checked(() => {
    const key = core.put(Buffer.alloc(32, 1))
    const iv = core.put(Buffer.alloc(12, 2))
    const sealed = Buffer.alloc(100, 0x42)
    const at = core.put(sealed)
    assert.is(core.call.gcmOpen(key, 32, iv, 12, iv, 0, at, 100, at, core.room(16), 16), 0)
    equalBytes(core.take(at, 100), sealed)
  }),
)

test(
  'lengths that SP 800-38D does not have are refused',
  core.checked(() => {
    const { call } = core
    for (const tagLen of [4, 8, 12, 13, 14, 15, 16]) assert.is(call.gcmLengthsValid(32, 12, tagLen), 1)
    for (const tagLen of [-1, 0, 1, 3, 5, 7, 9, 11, 17, 1 << 30]) assert.is(call.gcmLengthsValid(32, 12, tagLen), 0)
    for (const ivLen of [0, -1]) assert.is(call.gcmLengthsValid(32, ivLen, 16), 0)
    for (const keyLen of [0, 15, 31, 33]) assert.is(call.gcmLengthsValid(keyLen, 12, 16), 0)
    const at = core.room(64)
    assert.is(call.gcmOpen(at, 32, at, 12, at, 0, at, 16, at, at, 0), 0, 'an empty tag')
    assert.throws(() => call.gcmSeal(at, 32, at, 0, at, 0, at, 16, at, at, 16), /unreachable/)
  }),
)

test.run()
