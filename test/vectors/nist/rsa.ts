// RSAVS: signatures by PKCS#1 v1.5 and by PSS, generated and verified, through the firmware's encodings and the accelerator.
import { basename } from 'node:path'
import type { Family } from '../family.js'
import { hashOf } from '../firmware.js'
import type { NistFile, Vector } from '../nist-text.js'
import { toBytes } from '../numbers.js'
import type { PublicKeys } from '../public-key.js'
import { all, compare, expectVerdict, failed, notApplicable, type Outcome, PASSED, type Primitive } from '../result.js'
import { fromExponents, type RsaPrivateKey, type RsaPublicKey } from '../rsa-key.js'

export const MIN_BITS = 1024
export const MAX_BITS = 4096

type Scheme = 'RSA-PKCS1' | 'RSA-PSS'

function schemeOf(file: NistFile): Scheme | undefined {
  const about = `${file.comments} ${basename(file.path)}`
  if (/X9\.31/.test(about)) return undefined
  if (/RSASSA-PSS|Sig(Gen|Ver)PSS/.test(about)) return 'RSA-PSS'
  return /PKCS#1 Ver ?1\.5|Sig(Gen|Ver)15/.test(about) ? 'RSA-PKCS1' : undefined
}

/** The salt's length as the header states it, by modulus and hash or once for all; else that of the salt itself. */
function saltLength(file: NistFile, vector: Vector, hash: string): number | undefined {
  const [, all] = /^Salt len: (\d+)/m.exec(file.comments) ?? []
  if (all !== undefined) return Number(all)
  const size = vector.find('mod')
  const stated = file.comments.split('Mod Size ').find((part) => size !== undefined && part.startsWith(size))
  const [, own] = new RegExp(`SHA-?${hash.replace(/^SHA-?/, '')}\\(Salt len: (\\d+)\\)`).exec(stated ?? '') ?? []
  if (own !== undefined) return Number(own)
  return vector.has('SaltVal') ? vector.bytes('SaltVal').length : undefined
}

/** Private keys are many times used and take a search for their primes. */
class PrivateKeys {
  readonly #known = new Map<bigint, RsaPrivateKey | undefined>()

  of({ n, e }: RsaPublicKey, d: bigint): RsaPrivateKey | undefined {
    if (!this.#known.has(n)) this.#known.set(n, fromExponents(n, e, d))
    return this.#known.get(n)
  }
}

interface Signed {
  readonly scheme: Scheme
  readonly alg: number
  readonly salt: number
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

function verify(keys: PublicKeys, key: RsaPublicKey, { scheme, alg, salt, message, signature }: Signed): boolean {
  if (scheme === 'RSA-PKCS1') return keys.pkcs1Verify(key, alg, message, signature)
  return keys.pssVerify(key, { alg, mgf: alg }, salt, message, signature)
}

/** A signature by the file's private key: the file's own where nothing is random or the salt is given, else one that verifies. */
function sign(keys: PublicKeys, key: RsaPrivateKey, signed: Signed, salt: Uint8Array | undefined): Outcome {
  const { scheme, alg, message, signature } = signed
  if (scheme === 'RSA-PKCS1') return compare('signature', keys.pkcs1Sign(key, alg, message), signature)
  if (salt !== undefined || signed.salt === 0) {
    return compare('signature', keys.pssSign(key, { alg, mgf: alg }, salt ?? 0, message), signature)
  }
  const own = keys.pssSign(key, { alg, mgf: alg }, signed.salt, message)
  return expectVerdict('own signature', own !== undefined && verify(keys, key, { ...signed, signature: own }), true)
}

function check(file: NistFile, vector: Vector, scheme: Scheme, keys: PublicKeys, known: PrivateKeys): Outcome {
  const hash = vector.text('SHAAlg')
  const alg = hashOf(hash)
  if (alg === undefined) return notApplicable(`the firmware has no hash ${hash}`)
  const key = { n: vector.integer('n'), e: vector.integer('e') }
  const bits = key.n.toString(2).length
  if (bits < MIN_BITS || bits > MAX_BITS) return notApplicable(`a modulus of ${bits} bits`)
  const salt = scheme === 'RSA-PSS' ? saltLength(file, vector, hash) : 0
  if (salt === undefined) return notApplicable('PSS with a salt whose length the file does not say')
  // A number, written without its leading zeros.
  const signature = toBytes(vector.integer('S'), Math.ceil(bits / 8))
  const signed = { scheme, alg, salt, message: vector.numberBytes('Msg'), signature }
  const expected = !vector.has('Result') || /^P/.test(vector.text('Result'))
  return all(
    () => expectVerdict('signature', verify(keys, key, signed), expected),
    () => {
      // Verification files give a private key too, but for another exponent; with SHA-1 nothing new is signed.
      if (vector.has('Result') || !vector.has('d') || /^SHA-?1$/.test(hash)) return PASSED
      const own = known.of(key, vector.integer('d'))
      if (own === undefined) return failed('n, e and d are no key')
      const given =
        scheme === 'RSA-PSS' && vector.has('SaltVal') ? vector.bytes('SaltVal').subarray(0, salt) : undefined
      return sign(keys, own, signed, given)
    },
  )
}

export const rsaSignature: Family = {
  matches: (file) => file.hasFields('n', 'SHAAlg', 'e', 'Msg', 'S') && schemeOf(file) !== undefined,

  *results(file, { firmware, publicKeys }) {
    const scheme = schemeOf(file)
    if (scheme === undefined) return
    const known = new PrivateKeys()
    for (const vector of file.vectors(['S'], ['e'])) {
      const outcome = firmware.run(() => check(file, vector, scheme, publicKeys, known))
      const primitive: Primitive = scheme
      yield { primitive, where: vector.where, outcome }
    }
  },
}
