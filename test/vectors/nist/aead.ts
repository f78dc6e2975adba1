// GCMVS and CCMVS. What a file says must be refused is refused; everything else is opened, and sealed again to the same bytes.
import type { Family } from '../family.js'
import type { AeadInput, Firmware, Sealed } from '../firmware.js'
import type { Vector } from '../nist-text.js'
import { joined } from '../numbers.js'
import { all, compare, expectRefusal, type Outcome } from '../result.js'

const NAMES = { gcm: { seal: 'gcmSeal', open: 'gcmOpen' }, ccm: { seal: 'ccmSeal', open: 'ccmOpen' } } as const

function check(
  firmware: Firmware,
  kind: keyof typeof NAMES,
  input: AeadInput,
  sealed: Sealed,
  plaintext: Uint8Array | undefined,
): Outcome {
  const { seal, open } = NAMES[kind]
  if (plaintext === undefined) return expectRefusal('tag', firmware.open(open, input, sealed))
  return all(
    () => compare('plaintext', firmware.open(open, input, sealed), plaintext),
    () => {
      const made = firmware.seal(seal, input, plaintext, sealed.tag.length)
      return compare(
        'ciphertext and tag',
        made && joined(made.ciphertext, made.tag),
        joined(sealed.ciphertext, sealed.tag),
      )
    },
  )
}

export const gcm: Family = {
  matches: (file) => file.hasFields('Key', 'IV', 'CT', 'AAD', 'Tag') && !/XPN|GMAC/.test(file.comments),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['Tag'])) {
      const outcome = firmware.run(() => {
        const input = { key: vector.bytes('Key'), nonce: vector.bytes('IV'), aad: vector.bytes('AAD') }
        const sealed = { ciphertext: vector.bytes('CT'), tag: vector.bytes('Tag') }
        return check(firmware, 'gcm', input, sealed, vector.fails ? undefined : vector.bytes('PT'))
      })
      yield { primitive: 'AES-GCM', where: vector.where, outcome }
    }
  },
}

/** A field whose length stands elsewhere: an empty one is written as 00. */
const sized = (vector: Vector, name: string, length: string): Uint8Array =>
  vector.bytes(name).subarray(0, vector.count(length))

export const ccm: Family = {
  matches: (file) => file.hasFields('Key', 'Nonce', 'Adata', 'CT', 'Plen', 'Tlen'),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['CT'])) {
      const outcome = firmware.run(() => {
        const nonce = sized(vector, 'Nonce', 'Nlen')
        const input = { key: vector.bytes('Key'), nonce, aad: sized(vector, 'Adata', 'Alen') }
        const [whole, n] = [vector.bytes('CT'), vector.count('Plen')]
        const sealed = { ciphertext: whole.subarray(0, n), tag: whole.subarray(n) }
        const refused = vector.has('Result') && !/^P/.test(vector.text('Result'))
        if (sealed.tag.length !== vector.count('Tlen'))
          return { kind: 'failed', why: 'CT is not as long as Plen and Tlen say' }
        return check(firmware, 'ccm', input, sealed, refused ? undefined : sized(vector, 'Payload', 'Plen'))
      })
      yield { primitive: 'AES-CCM', where: vector.where, outcome }
    }
  },
}
