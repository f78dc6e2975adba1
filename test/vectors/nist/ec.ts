// ECDSAVS (key pairs, public keys, signatures), and the key agreement of SP 800-56A: the ECC CDH primitive and the tests without a
// key derivation function (ZZOnly), by the accelerator as the firmware calls it.
import type { Family, Modules } from '../family.js'
import { hashOf } from '../firmware.js'
import type { Vector } from '../nist-text.js'
import { joined, toBytes } from '../numbers.js'
import { curveOf, type PublicKeys } from '../public-key.js'
import {
  all,
  compare,
  expectVerdict,
  notApplicable,
  type Outcome,
  PASSED,
  type Primitive,
  type Result,
} from '../result.js'

const UNCOMPRESSED = Uint8Array.of(4)
const CURVE = /^([PKB]-\d+)(?:,\s*(SHA-?\d+(?:\/\d+)?))?$/

const noCurve = (name: string): Outcome => notApplicable(`the accelerator has no curve ${name}`)
const isValid = (vector: Vector): boolean => /^P/.test(vector.text('Result'))

/** 04 ∥ X ∥ Y: longer than the curve's where a coordinate is, so that the firmware sees that it is out of range. */
function point(keys: PublicKeys, curve: number, vector: Vector, x: string, y: string): Uint8Array {
  const length = keys.curveLength(curve)
  return joined(UNCOMPRESSED, toBytes(vector.integer(x), length), toBytes(vector.integer(y), length))
}

/** Every vector of a curve; those of curves that are not there are counted. */
function* onCurves(
  vectors: Iterable<Vector>,
  primitive: Primitive,
  { publicKeys, firmware }: Modules,
  check: (vector: Vector, curve: number, hash: string, keys: PublicKeys) => Outcome,
): Generator<Result> {
  for (const vector of vectors) {
    const [, name = 'without a name', hash = 'SHA-1'] = vector.section(CURVE) ?? []
    const curve = curveOf(name)
    const outcome = curve === undefined ? noCurve(name) : firmware.run(() => check(vector, curve, hash, publicKeys))
    yield { primitive: curve === undefined ? 'OTHER' : primitive, where: vector.where, outcome }
  }
}

export const keyPair: Family = {
  matches: (file) => file.hasSection(CURVE) && file.hasFields('d', 'Qx', 'Qy') && !file.hasFields('Msg'),
  results: (file, modules) =>
    onCurves(file.vectors(['d']), 'EC-KEY', modules, (vector, curve, _hash, keys) =>
      compare('public key', keys.ecPoint(curve, vector.integer('d')), point(keys, curve, vector, 'Qx', 'Qy')),
    ),
}

export const publicKey: Family = {
  matches: (file) => file.hasSection(CURVE) && file.hasFields('Qx', 'Qy', 'Result') && !file.hasFields('Msg'),
  results: (file, modules) =>
    // The firmware validates a public key where it works with it: an agreement with the scalar 1 gives its own X.
    onCurves(file.vectors(['Qx']), 'EC-KEY', modules, (vector, curve, _hash, keys) => {
      const agreed = keys.ecAgree(curve, 1n, point(keys, curve, vector, 'Qx', 'Qy'))
      return expectVerdict('public key', agreed !== undefined, isValid(vector))
    }),
}

/**
 * A signature of the file must verify, or not, as it says. Where it gives the private key too, one of the firmware's own must
 * verify (its nonces are those of RFC 6979, so it is another one); with SHA-1 nothing new is signed.
 */
function signature(vector: Vector, curve: number, hash: string, keys: PublicKeys): Outcome {
  const alg = hashOf(hash)
  if (alg === undefined) return notApplicable(`the firmware has no hash ${hash}`)
  const q = point(keys, curve, vector, 'Qx', 'Qy')
  const length = keys.curveLength(curve)
  const rs = joined(toBytes(vector.integer('R'), length), toBytes(vector.integer('S'), length))
  const message = vector.bytes('Msg')
  const expected = !vector.has('Result') || isValid(vector)
  return all(
    () => expectVerdict('signature', keys.ecVerify(curve, q, alg, message, rs), expected),
    () => {
      if (!vector.has('d') || hash === 'SHA-1') return PASSED
      const d = vector.integer('d')
      const own = keys.ecSign(curve, d, alg, message)
      return all(
        () => compare('public key', keys.ecPoint(curve, d), q),
        () => expectVerdict('own signature', own !== undefined && keys.ecVerify(curve, q, alg, message, own), true),
      )
    },
  )
}

export const ecdsa: Family = {
  matches: (file) =>
    file.hasSection(CURVE) && file.hasFields('Msg', 'Qx', 'Qy', 'R', 'S') && !isComponent(file.comments),
  results: (file, modules) => onCurves(file.vectors(['R']), 'ECDSA', modules, signature),
}

/** In these `Msg` is the digest. */
const isComponent = (comments: string): boolean => /SigGenComponent/.test(comments)

/** The ECC CDH primitive: the shared X coordinate, and our own public key. */
export const cdh: Family = {
  matches: (file) => file.hasFields('QCAVSx', 'QCAVSy', 'dIUT', 'ZIUT'),
  results: (file, modules) =>
    onCurves(file.vectors(['ZIUT']), 'ECDH', modules, (vector, curve, _hash, keys) => {
      const d = vector.integer('dIUT')
      const peer = point(keys, curve, vector, 'QCAVSx', 'QCAVSy')
      return all(
        () => compare('public key', keys.ecPoint(curve, d), point(keys, curve, vector, 'QIUTx', 'QIUTy')),
        () => compare('shared X', keys.ecAgree(curve, d, peer), vector.bytes('ZIUT')),
      )
    }),
}

const SET = /^(E[A-E]) - (SHA\d+)$/
const CURVE_OF_SET: ReadonlyMap<string, string> = new Map([
  ['EA', 'P-192'],
  ['EB', 'P-224'],
  ['EC', 'P-256'],
  ['ED', 'P-384'],
  ['EE', 'P-521'],
])

/** ECC static unified, ZZOnly: right where the own pair belongs together, the peer's key is valid, and the hash of Z is the other side's. */
export const agreement: Family = {
  matches: (file) =>
    file.hasSection(SET) && file.hasFields('QsCAVSx', 'QsCAVSy', 'dsIUT', 'QsIUTx', 'CAVSHashZZ', 'Result'),

  *results(file, { firmware, publicKeys: keys }) {
    for (const vector of file.vectors(['CAVSHashZZ'])) {
      const [, set = '', hash = ''] = vector.section(SET) ?? []
      const name = CURVE_OF_SET.get(set) ?? set
      const [curve, alg] = [curveOf(name), hashOf(hash)]
      if (curve === undefined || alg === undefined) {
        yield { primitive: 'OTHER', where: vector.where, outcome: noCurve(name) }
        continue
      }
      const outcome = firmware.run(() => {
        const d = vector.integer('dsIUT')
        const own = keys.ecPoint(curve, d)
        const paired = own !== undefined && Buffer.compare(own, point(keys, curve, vector, 'QsIUTx', 'QsIUTy')) === 0
        const z = keys.ecAgree(curve, d, point(keys, curve, vector, 'QsCAVSx', 'QsCAVSy'))
        const agreed = z !== undefined && Buffer.compare(firmware.hash(alg, z), vector.bytes('CAVSHashZZ')) === 0
        return expectVerdict('agreement', paired && agreed, isValid(vector))
      })
      yield { primitive: 'ECDH', where: vector.where, outcome }
    }
  },
}
