// SHAVS: short and long messages and the Monte Carlo test, and HMAC by HMACVS and by the RFCs.
import { basename } from 'node:path'
import type { Family } from '../family.js'
import { type Firmware, hashOf } from '../firmware.js'
import type { NistFile } from '../nist-text.js'
import { all, compare, failed, notApplicable, type Outcome, PASSED } from '../result.js'

function hashNameOf(file: NistFile): string | undefined {
  if (/rfc1321/.test(file.comments)) return 'MD5'
  const stated = /"SHA-?(\d+(?:\/\d+)?) (?:ShortMsg|LongMsg|Monte)/.exec(file.comments)?.[1]
  const named = /^SHA(\d+(?:_\d+)?)(?:ShortMsg|LongMsg|Monte)/.exec(basename(file.path))?.[1]
  const number = stated ?? named?.replace('_', '/')
  return number && `SHA-${number}`
}

const STEPS = 1000

/** One step of the outer loop of the Monte Carlo test (SHAVS §6.4): a thousand digests of the three before. */
function monteCarlo(firmware: Firmware, alg: number, seed: Uint8Array): Uint8Array {
  const { core } = firmware
  const length = core.call.hashLength(alg)
  const [ctx, message] = [core.room(512), core.room(4 * length)]
  for (let i = 0; i < 3; i++) core.memory.set(seed, message + i * length)
  const last = message + 3 * length
  for (let step = 0; step < STEPS; step++) {
    core.call.hashInit(ctx, alg)
    core.call.hashUpdate(ctx, message, 3 * length)
    core.call.hashFinal(ctx, last)
    core.memory.copyWithin(message, message + length, last + length)
  }
  return core.take(last, length)
}

export const sha: Family = {
  matches: (file) => file.hasFields('MD') && !file.hasFields('Key') && hashNameOf(file) !== undefined,

  *results(file, { firmware }) {
    const name = hashNameOf(file) ?? ''
    const alg = hashOf(name)
    let seed: Uint8Array | undefined
    for (const vector of file.vectors(['MD'])) {
      const primitive = alg === undefined ? 'OTHER' : name === 'SHA-1' || name === 'MD5' ? name : 'SHA-2'
      const outcome = firmware.run((): Outcome => {
        if (alg === undefined) return notApplicable(`${name}: the firmware has no such hash`)
        const digest = vector.bytes('MD')
        if (vector.has('Seed')) {
          const start = seed ?? vector.bytes('Seed')
          seed = digest
          return compare('digest', monteCarlo(firmware, alg, start), digest)
        }
        const bits = vector.count('Len')
        if (bits % 8 !== 0) return notApplicable('a message of bits that are no whole bytes')
        // An empty message is written as 00.
        const message = vector.bytes('Msg').subarray(0, bits / 8)
        return all(
          () => (message.length === bits / 8 ? PASSED : failed('Msg is shorter than Len')),
          () => compare('digest', firmware.hash(alg, message), digest),
        )
      })
      yield { primitive, where: vector.where, outcome }
    }
  },
}

/** The hash of a file of HMAC test cases that holds but one. */
const rfcHash = (file: NistFile): string | undefined =>
  /HMAC-(MD5|SHA-?\d+)/.exec(file.comments)?.[1] ?? /md5|sha-?\d+/i.exec(basename(file.path))?.[0]
const HASH_OF_LENGTH = new Map(
  [20, 28, 32, 48, 64].map((length, i) => [length, `SHA-${['1', '224', '256', '384', '512'][i]}`]),
)

export const hmac: Family = {
  matches: (file) =>
    (file.hasFields('Klen', 'Tlen', 'Key', 'Msg', 'Mac', 'L') && /HMAC/.test(file.comments)) ||
    (file.hasFields('Len', 'Key', 'Msg', 'MD') && rfcHash(file) !== undefined),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['Mac', 'MD'])) {
      const outcome = firmware.run((): Outcome => {
        const name = vector.has('L') ? HASH_OF_LENGTH.get(vector.count('L')) : rfcHash(file)
        const alg = hashOf(name ?? '')
        if (alg === undefined) return notApplicable(`HMAC with ${name}: the firmware has no such hash`)
        const expected = vector.bytes(vector.has('Mac') ? 'Mac' : 'MD')
        const mac = firmware.hmac(alg, vector.bytes('Key'), vector.bytes('Msg'))
        return compare('MAC', mac.subarray(0, expected.length), expected)
      })
      yield { primitive: 'HMAC', where: vector.where, outcome }
    }
  },
}
