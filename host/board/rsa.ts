import {
  checkPrimeSync,
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { gcd, inverse, toBytes, toInt } from './big-int.js'
import { integerSequence } from './der.js'

/** Big-endian numbers, without a fixed width. */
export interface RsaPublic {
  readonly n: Uint8Array
  readonly e: Uint8Array
}
export interface RsaPrivate extends RsaPublic {
  readonly d: Uint8Array
  readonly p: Uint8Array
  readonly q: Uint8Array
  readonly dp: Uint8Array
  readonly dq: Uint8Array
  readonly qinv: Uint8Array
}

type Random = (target: Uint8Array) => void

export const RSA_MIN_BITS = 1024
export const RSA_MAX_BITS = 8192

interface Divisors {
  readonly primes: readonly number[]
  readonly product: bigint
}

/** The odd primes below 2000, in groups whose products are exact as JavaScript numbers. */
const SMALL_PRIMES: readonly Divisors[] = (() => {
  const groups: Divisors[] = []
  let primes: number[] = []
  let product = 1
  for (let n = 3; n < 2000; n += 2) {
    let divisor = 3
    while (divisor * divisor <= n && n % divisor !== 0) divisor += 2
    if (divisor * divisor <= n) continue
    if (product * n > Number.MAX_SAFE_INTEGER) {
      groups.push({ primes, product: BigInt(product) })
      primes = []
      product = 1
    }
    primes.push(n)
    product *= n
  }
  groups.push({ primes, product: BigInt(product) })
  return groups
})()

export function hasSmallFactor(candidate: bigint): boolean {
  return SMALL_PRIMES.some(({ primes, product }) => {
    const rest = Number(candidate % product)
    return primes.some((divisor) => rest % divisor === 0)
  })
}

/**
 * A random prime of exactly `bits` bits, the upper two set, so that a product of two has twice as many bits. OpenSSL
 * decides primality, with 64 rounds of Miller-Rabin or more but without trial division, which is most of the work here.
 */
function prime(bits: number, e: bigint, random: Random): bigint {
  const bytes = Buffer.alloc(Math.ceil(bits / 8))
  for (;;) {
    random(bytes)
    const candidate = BigInt.asUintN(bits, toInt(bytes)) | (3n << BigInt(bits - 2)) | 1n
    if (hasSmallFactor(candidate) || gcd(candidate - 1n, e) !== 1n || !checkPrimeSync(candidate)) continue
    bytes.fill(0)
    return candidate
  }
}

/**
 * A new key from the board's own random bytes (FIPS 186-5 appendix A.1.3, random probable primes): a seeded board makes
 * the same key again, which OpenSSL's generator could not. Undefined where the size or the exponent is not acceptable.
 */
export function generateRsa(bits: number, exponent: Uint8Array, random: Random): RsaPrivate | undefined {
  const e = toInt(exponent)
  if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS || bits % 2 !== 0) return undefined
  if (e < 3n || e >= 2n ** 256n || e % 2n === 0n) return undefined
  const half = bits / 2
  for (;;) {
    const [first, second] = [prime(half, e, random), prime(half, e, random)]
    const [p, q] = first > second ? [first, second] : [second, first]
    const lambda = ((p - 1n) * (q - 1n)) / gcd(p - 1n, q - 1n)
    const d = inverse(e, lambda)
    // The standard's bounds: primes far apart, a private exponent that is not small.
    if (p - q <= 1n << BigInt(half - 100) || d <= 1n << BigInt(half)) continue
    const [k, h] = [Math.ceil(bits / 8), Math.ceil(half / 8)]
    return {
      n: toBytes(p * q, k),
      e: toBytes(e, Math.ceil(e.toString(16).length / 2)),
      d: toBytes(d, k),
      p: toBytes(p, h),
      q: toBytes(q, h),
      dp: toBytes(d % (p - 1n), h),
      dq: toBytes(d % (q - 1n), h),
      qinv: toBytes(inverse(q, p), h),
    }
  }
}

const ZERO = Uint8Array.of(0)
const padding = constants.RSA_NO_PADDING

/** block^d mod n, as long as n. Throws where the numbers are no key or the block is not below n. */
export function rsaPrivate(key: RsaPrivate, block: Uint8Array): Buffer {
  const der = integerSequence(ZERO, key.n, key.e, key.d, key.p, key.q, key.dp, key.dq, key.qinv)
  try {
    return privateDecrypt({ key: createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }), padding }, block)
  } finally {
    der.fill(0)
  }
}

/** block^e mod n, as long as n. Throws where the numbers are no key or the block is not below n. */
export function rsaPublic(key: RsaPublic, block: Uint8Array): Buffer {
  const der = integerSequence(key.n, key.e)
  return publicEncrypt({ key: createPublicKey({ key: der, format: 'der', type: 'pkcs1' }), padding }, block)
}
