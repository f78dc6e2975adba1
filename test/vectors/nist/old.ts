// What is left for old programs: Triple DES by its validation tests (TMOVS, TDESMMT) and the examples of SP 800-38B, CAST-128, SEED and
// RC4 as their RFCs have them, in the same form.
import type { Family } from '../family.js'
import type { Firmware } from '../firmware.js'
import type { NistFile, Vector } from '../nist-text.js'
import { joined } from '../numbers.js'
import { all, compare, notApplicable, type Outcome, type Primitive } from '../result.js'

/** CIPHER_… of the core, and how a file says that it is meant. */
const CIPHERS: readonly (readonly [primitive: Primitive, cipher: number, comment: RegExp])[] = [
  ['TDES', 1, /\bTDES|"tdes_values"|3DES/],
  ['CAST-128', 2, /CAST5/],
  ['SEED', 5, /\bSEED\b|RFC 4269/],
]
const CONTEXT = 4608

const cipherOf = (file: NistFile) => CIPHERS.find(([, , comment]) => comment.test(file.comments))

const isInterleaved = (file: NistFile): boolean => file.hasFields('IV1')

/** A field in capitals or not. */
const named = (vector: Vector, name: string): string => (vector.has(name) ? name : name.toLowerCase())

/** One key three times, or three. */
function keyOf(vector: Vector): Uint8Array {
  if (vector.has('KEYs')) return joined(...['KEYs', 'KEYs', 'KEYs'].map((name) => vector.bytes(name)))
  if (vector.has('KEY1')) return joined(...['KEY1', 'KEY2', 'KEY3'].map((name) => vector.bytes(name)))
  return vector.bytes(named(vector, 'KEY'))
}

/** ECB, or CBC where there is an initial value. */
function crypt({ core }: Firmware, cipher: number, vector: Vector, data: Uint8Array, encrypts: boolean): Uint8Array {
  const [key, ctx, at, n] = [keyOf(vector), core.room(CONTEXT), core.put(data), data.length]
  core.call.blockKey(ctx, cipher, core.put(key), key.length)
  const iv = named(vector, 'IV')
  if (vector.has(iv)) {
    const chain = encrypts ? core.call.chainEncrypt : core.call.chainDecrypt
    chain(ctx, cipher, core.put(vector.bytes(iv)), at, at, n)
  } else {
    const block = encrypts ? core.call.blockEncrypt : core.call.blockDecrypt
    block(ctx, cipher, at, at, n)
  }
  return core.take(at, n)
}

export const oldCipher: Family = {
  matches: (file) =>
    (file.hasFields('PLAINTEXT', 'CIPHERTEXT') || file.hasFields('plaintext', 'ciphertext')) &&
    cipherOf(file) !== undefined &&
    !/\b(CFB|OFB|CTR)/.test(file.comments),

  *results(file, { firmware }) {
    const [primitive, cipher] = cipherOf(file) ?? ['OTHER', 0]
    for (const vector of file.vectors(['CIPHERTEXT', 'ciphertext'])) {
      const outcome = firmware.run((): Outcome => {
        if (isInterleaved(file)) return notApplicable('CBC of three chains by turns')
        const plaintext = vector.bytes(named(vector, 'PLAINTEXT'))
        const ciphertext = vector.bytes(named(vector, 'CIPHERTEXT'))
        return all(
          () => compare('ciphertext', crypt(firmware, cipher, vector, plaintext, true), ciphertext),
          () => compare('plaintext', crypt(firmware, cipher, vector, ciphertext, false), plaintext),
        )
      })
      yield { primitive, where: vector.where, outcome }
    }
  },
}

export const rc4: Family = {
  matches: (file) => file.hasFields('KEY', 'OFFSET', 'PLAINTEXT', 'CIPHERTEXT'),

  *results(file, { firmware }) {
    const { core } = firmware
    for (const vector of file.vectors(['CIPHERTEXT'])) {
      const outcome = firmware.run((): Outcome => {
        const [key, skipped, expected] = [vector.bytes('KEY'), vector.count('OFFSET'), vector.bytes('CIPHERTEXT')]
        const at = core.put(joined(Buffer.alloc(skipped), vector.bytes('PLAINTEXT')))
        core.call.rc4Crypt(core.put(key), key.length, at, at, skipped + expected.length)
        return compare('ciphertext', core.take(at + skipped, expected.length), expected)
      })
      yield { primitive: 'RC4', where: vector.where, outcome }
    }
  },
}

export const tripleCmac: Family = {
  matches: (file) => /3DES-CMAC/.test(file.comments) && file.hasFields('KEY1', 'MESSAGE', 'OUTPUT'),

  *results(file, { firmware }) {
    const { core } = firmware
    for (const vector of file.vectors(['OUTPUT'])) {
      const outcome = firmware.run((): Outcome => {
        const [key, message] = [keyOf(vector), vector.bytes('MESSAGE')]
        const [ctx, mac, out] = [core.room(CONTEXT), core.room(CONTEXT), core.room(16)]
        core.call.blockKey(ctx, 1, core.put(key), key.length)
        core.call.cmacInitWith(mac, ctx, 1, 0)
        core.call.cmacUpdate(mac, core.put(message), message.length)
        core.call.cmacFinal(mac, out)
        return compare('MAC', core.take(out, 8), vector.bytes('OUTPUT'))
      })
      yield { primitive: 'TDES', where: vector.where, outcome }
    }
  },
}
