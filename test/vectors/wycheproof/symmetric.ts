import type { AeadInput, Firmware } from '../firmware.js'
import { hashOf } from '../firmware.js'
import { joined } from '../numbers.js'
import { all, compare, expectRefusal, notApplicable, type Outcome, PASSED } from '../result.js'
import type { Check } from '../wycheproof.js'
import { judge, outside } from './judge.js'
import type { Reader } from './reader.js'

const NAMES = { gcm: { seal: 'gcmSeal', open: 'gcmOpen' }, ccm: { seal: 'ccmSeal', open: 'ccmOpen' } } as const
const isValid = (test: Reader): boolean => test.text('result') === 'valid'

/** Opens; what is valid is sealed again to the same bytes. */
function openAndSeal(
  firmware: Firmware,
  kind: keyof typeof NAMES,
  test: Reader,
  input: AeadInput,
  message: Uint8Array,
  ciphertext: Uint8Array,
): Outcome {
  const tag = test.bytes('tag')
  return all(
    () => judge(test, 'plaintext', firmware.open(NAMES[kind].open, input, { ciphertext, tag }), message),
    () => {
      if (!isValid(test)) return PASSED
      const made = firmware.seal(NAMES[kind].seal, input, message, tag.length)
      return compare('ciphertext and tag', made && joined(made.ciphertext, made.tag), joined(ciphertext, tag))
    },
  )
}

export const aead =
  (kind: keyof typeof NAMES): Check =>
  (_group, test, { firmware }) => {
    const input = { key: test.bytes('key'), nonce: test.bytes('iv'), aad: test.bytes('aad') }
    return openAndSeal(firmware, kind, test, input, test.bytes('msg'), test.bytes('ct'))
  }

/** GMAC is GCM of nothing with the message as associated data. */
export const gmac: Check = (_group, test, { firmware }) => {
  const input = { key: test.bytes('key'), nonce: test.bytes('iv'), aad: test.bytes('msg') }
  return openAndSeal(firmware, 'gcm', test, input, new Uint8Array(0), new Uint8Array(0))
}

/** A MAC, cut to the length that the group states, against the test's. */
function judgeMac(group: Reader, test: Reader, mac: Uint8Array | undefined): Outcome {
  const tag = test.bytes('tag')
  const own = mac?.subarray(0, group.number('tagSize') / 8)
  return judge(test, 'MAC', own !== undefined && Buffer.compare(own, tag) === 0)
}

export const cmac: Check = (group, test, { firmware }) =>
  judgeMac(group, test, firmware.cmac(test.bytes('key'), test.bytes('msg')))

export const hmac =
  (hash: string): Check =>
  (group, test, { firmware }) => {
    const alg = hashOf(hash)
    if (alg === undefined) return notApplicable(`the firmware has no hash ${hash}`)
    return judgeMac(group, test, firmware.hmac(alg, test.bytes('key'), test.bytes('msg')))
  }

/** Without a ciphertext it is the wrapping that must be refused. */
export const keyWrap =
  (name: 'kwWrap' | 'kwpWrap'): Check =>
  (_group, test, { firmware }) => {
    const [key, message, wrapped] = [test.bytes('key'), test.bytes('msg'), test.bytes('ct')]
    if (wrapped.length === 0) return expectRefusal('wrapping', firmware.wrap(name, key, message))
    return all(
      () => judge(test, 'key', firmware.unwrap(name, key, wrapped), message),
      () => {
        // A short key is refused in this direction too; otherwise a wrong ciphertext says nothing about wrapping.
        if (test.text('result') === 'invalid') return PASSED
        return judge(test, 'wrapped key', firmware.wrap(name, key, message), wrapped)
      },
    )
  }

export const cbcPad: Check = (_group, test, { firmware }) => {
  const [key, iv, message, ciphertext] = [test.bytes('key'), test.bytes('iv'), test.bytes('msg'), test.bytes('ct')]
  if (ciphertext.length === 0 || ciphertext.length % 16 !== 0) {
    return outside(test, 'a ciphertext that is no whole blocks: refused before any decryption')
  }
  return all(
    () => judge(test, 'plaintext', firmware.cbcPadDecrypt(key, iv, ciphertext), message),
    () => (isValid(test) ? compare('ciphertext', firmware.cbcPadEncrypt(key, iv, message), ciphertext) : PASSED),
  )
}

export const pbkdf2 =
  (hash: string): Check =>
  (_group, test, { firmware }) => {
    const alg = hashOf(hash)
    if (alg === undefined) return notApplicable(`the firmware has no hash ${hash}`)
    const [password, salt] = [test.bytes('password'), test.bytes('salt')]
    const made = firmware.pbkdf2(alg, password, salt, test.number('iterationCount'), test.number('dkLen'))
    return judge(test, 'derived key', made, test.bytes('dk'))
  }
