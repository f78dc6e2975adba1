// KBKDFVS (SP 800-108), counter mode, PBKDF2 as RFC 6070 has it, and HKDF as RFC 5869 has it.
import { basename } from 'node:path'
import type { Family } from '../family.js'
import { hashOf } from '../firmware.js'
import type { Vector } from '../nist-text.js'
import { all, compare, failed, notApplicable, type Outcome } from '../result.js'

const CMAC = 16
const NOTHING = new Uint8Array(0)

/** The fixed input data before and behind the counter. */
function parts(vector: Vector): readonly [before: Uint8Array, after: Uint8Array] {
  const location = vector.text('CTRLOCATION')
  if (location === 'MIDDLE_FIXED') return [vector.bytes('DataBeforeCtrData'), vector.bytes('DataAfterCtrData')]
  const fixed = vector.bytes('FixedInputData')
  return location === 'AFTER_FIXED' ? [fixed, NOTHING] : [NOTHING, fixed]
}

export const kbkdf: Family = {
  matches: (file) => file.hasFields('PRF', 'CTRLOCATION', 'RLEN', 'KI', 'KO') && /Counter Mode/.test(file.comments),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['KO'])) {
      const outcome = firmware.run((): Outcome => {
        const name = vector.text('PRF')
        const prf = /^CMAC_AES\d+$/.test(name) ? CMAC : hashOf(name.replace(/^HMAC_/, ''))
        if (prf === undefined) return notApplicable(`${name}: the firmware has no such PRF`)
        const bits = Number(/^(\d+)_BITS$/.exec(vector.text('RLEN'))?.[1])
        const [before, after] = parts(vector)
        const expected = vector.bytes('KO')
        if (expected.length * 8 !== vector.count('L')) return failed('KO is not as long as L')
        const made = firmware.counterMode(prf, vector.bytes('KI'), before, after, bits / 8, expected.length)
        return compare('derived key', made, expected)
      })
      yield { primitive: 'KBKDF', where: vector.where, outcome }
    }
  },
}

/** A text with its escapes: `\0` is a byte of zero. */
const textBytes = (text: string): Uint8Array => Buffer.from(text.replaceAll('\\0', '\0'), 'latin1')

export const pbkdf2: Family = {
  matches: (file) => file.hasFields('PASSWORD', 'SALT', 'ITERATIONS', 'DERIVED_KEY'),

  *results(file, { firmware }) {
    const name = /PBKDF2.?(SHA-?\d+)/i.exec(`${file.comments} ${basename(file.path)}`)?.[1] ?? ''
    for (const vector of file.vectors(['DERIVED_KEY'])) {
      const outcome = firmware.run((): Outcome => {
        const alg = hashOf(name)
        if (alg === undefined) return notApplicable(`PBKDF2 with ${name || 'a hash that the file does not name'}`)
        const [password, salt] = [textBytes(vector.text('PASSWORD')), textBytes(vector.text('SALT'))]
        const made = firmware.pbkdf2(alg, password, salt, vector.count('ITERATIONS'), vector.count('LENGTH'))
        return compare('derived key', made, vector.bytes('DERIVED_KEY'))
      })
      yield { primitive: 'PBKDF2', where: vector.where, outcome }
    }
  },
}

/** With the extracted key on the way. */
export const hkdf: Family = {
  matches: (file) => file.hasFields('Hash', 'IKM', 'PRK', 'OKM'),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['OKM'])) {
      const outcome = firmware.run((): Outcome => {
        const alg = hashOf(vector.text('Hash'))
        if (alg === undefined) return notApplicable(`HKDF with ${vector.text('Hash')}`)
        const salt = vector.has('salt') ? vector.bytes('salt') : NOTHING
        const [key, info, expected] = [vector.bytes('IKM'), vector.bytes('info'), vector.bytes('OKM')]
        const [extracted, n] = [vector.bytes('PRK'), vector.count('L')]
        return all(
          () => compare('extracted key', firmware.hkdf(alg, key, salt, info, extracted.length, false), extracted),
          () => compare('derived key', firmware.hkdf(alg, key, salt, info, n, true), expected),
        )
      })
      yield { primitive: 'HKDF', where: vector.where, outcome }
    }
  },
}
