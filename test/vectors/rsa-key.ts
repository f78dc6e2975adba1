// RSA keys as vectors give them, made complete: the firmware wants the primes and what is derived from them.

export interface RsaPublicKey {
  readonly n: bigint
  readonly e: bigint
}

export interface RsaPrivateKey extends RsaPublicKey {
  readonly d: bigint
  readonly p: bigint
  readonly q: bigint
  readonly dp: bigint
  readonly dq: bigint
  readonly qinv: bigint
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

/** a^-1 modulo a prime. */
const inverse = (a: bigint, prime: bigint): bigint => power(a, prime - 2n, prime)

export function fromPrimes(n: bigint, e: bigint, d: bigint, p: bigint, q: bigint): RsaPrivateKey {
  return { n, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qinv: inverse(q, p) }
}

/**
 * The same from the exponents alone (FIPS 186-5 appendix A.1, SP 800-56B C.1): e·d - 1 is a multiple of p - 1 and q - 1, so square roots
 * of 1 modulo n appear when its factors of two are taken one by one. Undefined where the numbers are no key of two primes.
 */
export function fromExponents(n: bigint, e: bigint, d: bigint): RsaPrivateKey | undefined {
  let odd = e * d - 1n
  let twos = 0
  while (odd > 0n && odd % 2n === 0n) {
    odd /= 2n
    twos++
  }
  if (odd <= 0n || twos === 0) return undefined
  for (const base of [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n]) {
    let x = power(base, odd, n)
    for (let i = 0; i < twos; i++) {
      const square = (x * x) % n
      if (square === 1n && x !== 1n && x !== n - 1n) {
        const p = gcd(x - 1n, n)
        return fromPrimes(n, e, d, p, n / p)
      }
      x = square
    }
  }
  return undefined
}
