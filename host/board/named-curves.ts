import {
  checkPrimeSync,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { mod, toBytes, toInt } from './big-int.js'
import type { Curve } from './curves.js'
import { ecBareKey, ecPublicKey, readSequence } from './der.js'
import { decodePoint, ecdsaVerify, hasOrder } from './ec.js'
import { bitsOf, signWith } from './nonces.js'

// The accelerator's other curves: whatever OpenSSL knows by its object identifier, and prime curves that are written out
// (SEC 1 appendix C.2). Scalar multiplication with a secret is OpenSSL's, which refuses points that are not on the curve.

export interface NamedCurve {
  /** CKA_EC_PARAMS: an object identifier, or ECParameters. */
  readonly parameters: Uint8Array
  readonly order: bigint
  /** Bytes of the order, and so of a scalar. */
  readonly orderLength: number
  /** What signatures are verified with; curves over binary fields have none. */
  readonly prime: Curve | undefined
}

const [SEQUENCE, OBJECT_IDENTIFIER, INTEGER, OCTETS, BITS] = [0x30, 0x06, 0x02, 0x04, 0x03]
const PRIME_FIELD = Buffer.from('2a8648ce3d0101', 'hex')
/** Bytes of parameters that are written out: 521 bits, with a seed. */
const MOST = 800

function privateKey(parameters: Uint8Array, scalar: Uint8Array): KeyObject {
  const der = ecBareKey(parameters, scalar)
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'sec1' })
  } finally {
    der.fill(0)
  }
}

/** ECParameters of a curve that OpenSSL knows by name. */
function writtenOut(identifier: Uint8Array): Uint8Array | undefined {
  // Any key of it tells the name.
  const { namedCurve } = privateKey(identifier, Uint8Array.of(1)).asymmetricKeyDetails ?? {}
  if (namedCurve === undefined) return undefined
  // The key is not used: no random number of OpenSSL's gets any further.
  const { publicKey } = generateKeyPairSync('ec', { namedCurve, paramEncoding: 'explicit' })
  const [algorithm] = readSequence(publicKey.export({ format: 'der', type: 'spki' })) ?? []
  const [, parameters] = (algorithm && readSequence(algorithm.whole)) ?? []
  return parameters?.whole
}

/** The numbers of ECParameters; undefined where they have another form. */
function numbersOf(parameters: Uint8Array) {
  const parts = readSequence(parameters)
  const [version, field, coefficients, base, order] = parts ?? []
  if (version?.tag !== INTEGER || base?.tag !== OCTETS || order?.tag !== INTEGER || base.content[0] !== 4)
    return undefined
  const [kind, modulus] = (field?.tag === SEQUENCE && readSequence(field.whole)) || []
  const [a, b, seed] = (coefficients?.tag === SEQUENCE && readSequence(coefficients.whole)) || []
  if (kind?.tag !== OBJECT_IDENTIFIER || !modulus || a?.tag !== OCTETS || b?.tag !== OCTETS) return undefined
  if (seed && seed.tag !== BITS) return undefined
  const isPrime = Buffer.compare(kind.content, PRIME_FIELD) === 0
  if (isPrime && modulus.tag !== INTEGER) return undefined
  return { p: isPrime ? toInt(modulus.content) : undefined, a, b, base: base.content, order: toInt(order.content) }
}

/** A curve that somebody wrote out is held against what makes it one: this keeps its own keys from harm, not the curve from being weak. */
function isSound(curve: Curve): boolean {
  const { p, a, b, n, g, bits, length } = curve
  if (bits < 112 || bitsOf(p) > 521 || Math.abs(bits - bitsOf(p)) > 1 || n === p) return false
  if (a >= p || b >= p || mod(4n * a ** 3n + 27n * b * b, p) === 0n || !checkPrimeSync(p) || !checkPrimeSync(n))
    return false
  const point = Buffer.concat([Buffer.of(4), ...g.map((one) => toBytes(one, length))])
  return decodePoint(curve, point) !== undefined && hasOrder(curve, g)
}

function read(parameters: Uint8Array): NamedCurve | undefined {
  const isName = parameters[0] === OBJECT_IDENTIFIER
  const whole = isName ? writtenOut(parameters) : parameters
  const numbers = whole && whole.length <= MOST ? numbersOf(whole) : undefined
  if (!numbers) return undefined
  const { p, a, b, base, order } = numbers
  const bits = bitsOf(order)
  const known = { parameters, order, orderLength: Math.ceil(bits / 8) }
  if (p === undefined) return isName ? { ...known, prime: undefined } : undefined
  const length = Math.ceil(bitsOf(p) / 8)
  if (base.length !== 1 + 2 * length) return undefined
  const prime: Curve = {
    ...{ name: '', oid: parameters, length, p, a: toInt(a.content), b: toInt(b.content), n: order, bits },
    g: [toInt(base.subarray(1, 1 + length)), toInt(base.subarray(1 + length))],
  }
  return isName || isSound(prime) ? { ...known, prime } : undefined
}

/** Curves that were asked for; the one that was read first makes room. */
const curves = new Map<string, NamedCurve>()
const REMEMBERED = 128

/** The curve of CKA_EC_PARAMS; undefined where there is none. Throws where OpenSSL does not know it. */
export function namedCurve(parameters: Uint8Array): NamedCurve | undefined {
  const name = Buffer.from(parameters).toString('hex')
  const known = curves.get(name) ?? read(Uint8Array.from(parameters))
  if (!known) return undefined
  const [oldest] = curves.keys()
  if (!curves.has(name) && curves.size >= REMEMBERED && oldest !== undefined) curves.delete(oldest)
  curves.set(name, known)
  return known
}

/** `04 ∥ X ∥ Y` of a scalar below the order. */
export function namedPublic({ parameters }: NamedCurve, scalar: Uint8Array): Buffer {
  const der = createPublicKey(privateKey(parameters, scalar)).export({ format: 'der', type: 'spki' })
  // SEQUENCE { SEQUENCE { ecPublicKey, curve }, BIT STRING }, whose first byte counts unused bits.
  const [, bits] = readSequence(der) ?? []
  return Buffer.from(bits?.content.subarray(1) ?? [])
}

/** The X coordinate of scalar · peer. */
export function namedAgree({ parameters }: NamedCurve, scalar: Uint8Array, peer: Uint8Array): Buffer {
  const publicKey = createPublicKey({ key: ecPublicKey(parameters, peer), format: 'der', type: 'spki' })
  return diffieHellman({ privateKey: privateKey(parameters, scalar), publicKey })
}

/** r ∥ s over a ready-made digest, each as long as the order. Deterministic (RFC 6979). */
export function namedSign(curve: NamedCurve, scalar: Uint8Array, digest: Uint8Array): Buffer {
  const { order, orderLength } = curve
  return signWith(order, toInt(scalar), digest, (k) => {
    const nonce = toBytes(k, orderLength)
    const point = namedPublic(curve, nonce)
    nonce.fill(0)
    return toInt(point.subarray(1, (1 + point.length) / 2))
  })
}

/** Whether the signature is of this digest. */
export function namedVerify(curve: Curve, point: Uint8Array, signature: Uint8Array, digest: Uint8Array): boolean {
  const decoded = decodePoint(curve, point)
  return decoded !== undefined && hasOrder(curve, decoded) && ecdsaVerify(curve, decoded, signature, digest)
}
