// KWVS: KW and KWP, authenticated encryption (AE) and decryption (AD).
import type { Family } from '../family.js'
import { all, compare, expectRefusal, notApplicable } from '../result.js'

/** RFC 5649 and what OpenSSL makes, under names of their own. */
const isPlain = /^KWP?$/

export const keyWrap: Family = {
  matches: (file) =>
    (file.hasFields('K', 'C') && /SP 800-38F KWP?-A[ED] with AES/.test(file.comments)) ||
    (file.hasFields('Key', 'Input', 'Output') && file.hasSection(isPlain)),

  *results(file, { firmware }) {
    const stated = /SP 800-38F (KWP?)-A[ED] with AES-\d+ (inverse )?cipher/.exec(file.comments)
    const [keyName, plainName, wrappedName] = stated ? ['K', 'P', 'C'] : ['Key', 'Input', 'Output']
    for (const vector of file.vectors([wrappedName])) {
      const kw = (stated?.[1] ?? vector.section(isPlain)?.[0]) === 'KW'
      const name = kw ? 'kwWrap' : 'kwpWrap'
      const outcome = firmware.run(() => {
        if (stated?.[2] !== undefined) return notApplicable('key wrap by the inverse cipher function')
        const [key, wrapped] = [vector.bytes(keyName), vector.bytes(wrappedName)]
        if (vector.fails) return expectRefusal('check value', firmware.unwrap(name, key, wrapped))
        const plaintext = vector.bytes(plainName)
        return all(
          () => compare('wrapped key', firmware.wrap(name, key, plaintext), wrapped),
          () => compare('key', firmware.unwrap(name, key, wrapped), plaintext),
        )
      })
      yield { primitive: kw ? 'AES-KW' : 'AES-KWP', where: vector.where, outcome }
    }
  },
}
