// DRBGVS: HMAC_DRBG without reseed, with one, and with prediction resistance. The firmware has it with SHA-512.
import { basename } from 'node:path'
import type { Family } from '../family.js'
import type { Firmware } from '../firmware.js'
import type { Vector } from '../nist-text.js'
import { compare, failed, notApplicable, type Outcome } from '../result.js'

/** Instantiate, reseed where the vector has one, two requests: the second is what counts (DRBGVS §6). */
function generated(firmware: Firmware, vector: Vector): Outcome {
  const { core } = firmware
  const { call } = core
  const place = (bytes: Uint8Array) => [core.put(bytes), bytes.length] as const
  const resistant = vector.text('PredictionResistance') === 'True'
  const seed = [place(vector.bytes('EntropyInput')), place(vector.bytes('Nonce'))] as const
  const personal = place(vector.bytes('PersonalizationString'))
  if (call.drbgInstantiate(resistant, ...seed[0], ...seed[1], ...personal) !== 1) return failed('instantiate: refused')
  if (vector.has('EntropyInputReseed')) {
    const entropy = place(vector.bytes('EntropyInputReseed'))
    const additional = place(vector.bytes('AdditionalInputReseed'))
    if (call.drbgReseed(...entropy, ...additional) !== 1) return failed('reseed: refused')
  }
  const expected = vector.bytes('ReturnedBits')
  const out = core.room(expected.length)
  const [additional, entropy] = [vector.allBytes('AdditionalInput'), vector.allBytes('EntropyInputPR')]
  for (const request of [0, 1]) {
    const more = additional[request]
    const fresh = entropy[request]
    if (more === undefined || (resistant && fresh === undefined)) return failed('inputs for fewer than two requests')
    const good = fresh
      ? call.drbgGenerateResistant(out, expected.length, ...place(fresh), ...place(more))
      : call.drbgGenerate(out, expected.length, ...place(more))
    if (good !== 1) return failed(`request ${request + 1}: refused`)
  }
  return compare('returned bits', core.take(out, expected.length), expected)
}

export const drbg: Family = {
  matches: (file) =>
    file.hasFields('EntropyInput', 'Nonce', 'PersonalizationString', 'AdditionalInput', 'ReturnedBits') &&
    (/HMAC_DRBG/.test(file.comments) || /HMAC_DRBG/.test(basename(file.path))),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['ReturnedBits'])) {
      const hash = vector.section(/^SHA-/)?.input ?? 'a hash that the file does not name'
      const outcome = firmware.run(() => {
        if (hash !== 'SHA-512') return notApplicable(`HMAC_DRBG with ${hash}: the firmware's has SHA-512`)
        try {
          return generated(firmware, vector)
        } finally {
          firmware.core.call.drbgUninstantiate()
        }
      })
      yield { primitive: 'HMAC_DRBG', where: vector.where, outcome }
    }
  },
}
