import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, arbitraryKey, Core, equalBytes, flipped, seedProperties } from './core.js'

const test = suite('AES-CCM')
const core = new Core()
seedProperties()

interface Message {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
}

interface Sealed {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

function seal({ key, nonce, aad }: Message, plaintext: Uint8Array, tagLen: number): Sealed {
  const n = plaintext.length
  const [keyAt, nonceAt, aadAt] = [core.put(key), core.put(nonce), core.put(aad)]
  const [src, dst, tag] = [core.put(plaintext), core.room(n), core.room(tagLen)]
  core.call.ccmSeal(keyAt, key.length, nonceAt, nonce.length, aadAt, aad.length, src, n, dst, tag, tagLen)
  return { ciphertext: core.take(dst, n), tag: core.take(tag, tagLen) }
}

/** The plaintext, or null; `dst` was filled with a pattern and must still hold it after a refusal. */
function open({ key, nonce, aad }: Message, { ciphertext, tag }: Sealed): Uint8Array | null {
  const n = ciphertext.length
  const [keyAt, nonceAt, aadAt] = [core.put(key), core.put(nonce), core.put(aad)]
  const [src, dst, tagAt] = [core.put(ciphertext), core.room(n, 0x99), core.put(tag)]
  const { ccmOpen } = core.call
  if (ccmOpen(keyAt, key.length, nonceAt, nonce.length, aadAt, aad.length, src, n, dst, tagAt, tag.length) === 1) {
    return core.take(dst, n)
  }
  equalBytes(core.take(dst, n), Buffer.alloc(n, 0x99), 'plaintext was written before the tag was checked')
  return null
}

function reference({ key, nonce, aad }: Message, plaintext: Uint8Array, authTagLength: number): Sealed {
  const name: 'aes-128-ccm' | 'aes-192-ccm' | 'aes-256-ccm' =
    key.length === 16 ? 'aes-128-ccm' : key.length === 24 ? 'aes-192-ccm' : 'aes-256-ccm'
  const cipher = createCipheriv(name, key, nonce, { authTagLength })
  if (aad.length > 0) cipher.setAAD(aad, { plaintextLength: plaintext.length })
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

const arbitraryMessage: fc.Arbitrary<Message> = fc.record({
  key: arbitraryKey,
  nonce: arbitraryBytes(7, 13),
  aad: arbitraryBytes(0, 80),
})
const arbitraryTag = fc.constantFrom(4, 6, 8, 10, 12, 14, 16)

test(
  'the examples of SP 800-38C',
  core.checked(() => {
    const key = Buffer.from('404142434445464748494a4b4c4d4e4f', 'hex')
    const count = (first: number, n: number) => Buffer.from(Array.from({ length: n }, (_, i) => (first + i) & 0xff))
    const examples = [
      { nonce: 7, aad: 8, payload: 4, tag: 4, sealed: '7162015b4dac255d' },
      { nonce: 8, aad: 16, payload: 16, tag: 6, sealed: 'd2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd' },
      {
        nonce: 12,
        aad: 20,
        payload: 24,
        tag: 8,
        sealed: 'e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951',
      },
      {
        nonce: 13,
        aad: 65536,
        payload: 32,
        tag: 14,
        sealed: '69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b',
      },
    ]
    for (const { nonce, aad, payload, tag, sealed } of examples) {
      const message = { key, nonce: count(0x10, nonce), aad: count(0, aad) }
      const made = seal(message, count(0x20, payload), tag)
      equalBytes(Buffer.concat([made.ciphertext, made.tag]), Buffer.from(sealed, 'hex'), `nonce of ${nonce} bytes`)
      core.assertNothingLeft()
      core.reset()
    }
  }),
)

test(
  'any lengths agree with node:crypto and come back',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryMessage, arbitraryBytes(0, 400), arbitraryTag, (message, plaintext, tagLen) => {
        const sealed = seal(message, plaintext, tagLen)
        const expected = reference(message, plaintext, tagLen)
        equalBytes(sealed.ciphertext, expected.ciphertext)
        equalBytes(sealed.tag, expected.tag)
        const opened = open(message, sealed)
        if (opened === null) throw new Error('refused')
        equalBytes(opened, plaintext)
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'associated data around the longer form of its length',
  core.checked(() => {
    for (const n of [0xfeff, 0xff00, 0xff01, 0x10000]) {
      const message = { key: Buffer.alloc(32, 1), nonce: Buffer.alloc(12, 2), aad: Buffer.alloc(n, 3) }
      const plaintext = Buffer.alloc(20, 4)
      equalBytes(seal(message, plaintext, 16).tag, reference(message, plaintext, 16).tag, `${n} bytes`)
      core.reset()
    }
  }),
)

test(
  'a payload as long as its length field can say, and no longer',
  core.checked(() => {
    const message = { key: Buffer.alloc(16, 1), nonce: Buffer.alloc(13, 0xff), aad: new Uint8Array(0) }
    const plaintext = Buffer.alloc(65535, 4)
    const sealed = seal(message, plaintext, 16)
    equalBytes(sealed.ciphertext, reference(message, plaintext, 16).ciphertext)
    equalBytes(sealed.tag, reference(message, plaintext, 16).tag)
    assert.is(core.call.ccmLengthsValid(16, 13, 65535, 16), 1)
    assert.is(core.call.ccmLengthsValid(16, 13, 65536, 16), 0)
    assert.is(core.call.ccmLengthsValid(16, 12, 65536, 16), 1)
    assert.is(core.call.ccmLengthsValid(16, 12, 2 ** 24, 16), 0)
    assert.is(core.call.ccmLengthsValid(16, 11, 2 ** 24, 16), 1)
  }),
)

test(
  'in place both ways',
  core.checked(() => {
    const message = { key: Buffer.alloc(24, 1), nonce: Buffer.alloc(9, 2), aad: Buffer.alloc(5, 3) }
    const plaintext = Buffer.from('what is sealed where it lies, in more than one group of eight blocks. '.repeat(4))
    const n = plaintext.length
    const [key, nonce, aad] = [core.put(message.key), core.put(message.nonce), core.put(message.aad)]
    const [at, tag] = [core.put(plaintext), core.room(8)]
    core.call.ccmSeal(key, 24, nonce, 9, aad, 5, at, n, at, tag, 8)
    equalBytes(core.take(at, n), reference(message, plaintext, 8).ciphertext)
    assert.is(core.call.ccmOpen(key, 24, nonce, 9, aad, 5, at, n, at, tag, 8), 1)
    equalBytes(core.take(at, n), plaintext)
  }),
)

test(
  'one wrong bit anywhere is refused and nothing is written',
  core.checked(() => {
    const place = fc.constantFrom('key', 'nonce', 'aad', 'ciphertext', 'tag')
    fc.assert(
      fc.property(
        arbitraryMessage,
        arbitraryBytes(0, 80),
        arbitraryTag,
        place,
        fc.nat(),
        (message, text, n, where, bit) => {
          const sealed = seal(message, text, n)
          const whole = { ...message, ...sealed }
          if (whole[where].length === 0) return
          const damaged = { ...whole, [where]: flipped(whole[where], bit) }
          assert.is(open(damaged, damaged), null, where)
          core.assertNothingLeft()
          core.reset()
        },
      ),
    )
  }),
)

test(
  'lengths that CCM does not have are refused',
  core.checked(() => {
    const buffer = core.room(64, 0x11)
    const wrong = [
      [15, 12, 16],
      [16, 6, 16],
      [16, 14, 16],
      [16, 12, 2],
      [16, 12, 5],
      [16, 12, 18],
      [16, 12, 0],
      [16, 12, -4],
    ] as const
    const before = core.take(buffer, 64)
    for (const [keyLen, nonceLen, tagLen] of wrong) {
      assert.is(core.call.ccmLengthsValid(keyLen, nonceLen, 8, tagLen), 0)
      const call = [buffer, keyLen, buffer, nonceLen, buffer, 0, buffer, 8, buffer, buffer, tagLen] as const
      assert.is(core.call.ccmOpen(...call), 0)
      assert.throws(() => core.call.ccmSeal(...call), /unreachable/)
    }
    assert.is(core.call.ccmLengthsValid(16, 12, -1, 16), 0)
    equalBytes(core.take(buffer, 64), before)
  }),
)

test.run()
