import { checkPrimeSync, createHash } from 'node:crypto'
import { inverse, mod, power, toBytes, toInt } from './big-int.js'
import { bitsOf, digestInt, signWith } from './nonces.js'
import { hasSmallFactor } from './rsa.js'

// The accelerator's DSA (FIPS 186-4): on BigInt, because node:crypto takes no ready-made digest and has no generator that is fed from the
// board's own random bytes.

type Random = (target: Uint8Array) => void

export interface DsaGroup {
  readonly p: bigint
  readonly q: bigint
  readonly g: bigint
  /** Bytes of q. */
  readonly orderLength: number
}

/** Bits of p and of q that go together (FIPS 186-4 §4.2). */
const SIZES: ReadonlySet<string> = new Set(['1024 160', '2048 224', '2048 256', '3072 256'])

/** Numbers that may be a group, as far as their sizes go; undefined = they are none. */
export function dsaGroup(p: bigint, q: bigint, g: bigint): DsaGroup | undefined {
  const bits = bitsOf(q)
  if (!SIZES.has(`${bitsOf(p)} ${bits}`) || g <= 1n || g >= p) return undefined
  return { p, q, g, orderLength: bits / 8 }
}

const HASH_BITS = 256
const hash = (value: bigint, length: number): bigint =>
  toInt(
    createHash('sha256')
      .update(toBytes(BigInt.asUintN(8 * length, value), length))
      .digest(),
  )

/** A p of so many bits with p − 1 a multiple of q, from the seed (FIPS 186-4 appendix A.1.1.2, steps 10 to 11); undefined = there is none. */
function primeFrom(seed: bigint, length: number, bits: number, q: bigint): bigint | undefined {
  const blocks = Math.ceil(bits / HASH_BITS)
  const least = 1n << BigInt(bits - 1)
  for (let offset = 1n, counter = 0; counter < 4 * bits; counter++, offset += BigInt(blocks)) {
    let w = 0n
    for (let j = 0; j < blocks; j++) w |= hash(seed + offset + BigInt(j), length) << BigInt(j * HASH_BITS)
    const x = BigInt.asUintN(bits - 1, w) + least
    const p = x - (x % (2n * q)) + 1n
    if (p >= least && !hasSmallFactor(p) && checkPrimeSync(p)) return p
  }
  return undefined
}

/**
 * New domain parameters: probable primes from a hash (FIPS 186-4 appendix A.1.1.2), a generator without proof (A.2.1). Undefined where no
 * group has these sizes.
 */
export function dsaParameters(bits: number, subprime: number, random: Random): DsaGroup | undefined {
  if (!SIZES.has(`${bits} ${subprime}`)) return undefined
  const bytes = Buffer.alloc(subprime / 8)
  const least = 1n << BigInt(subprime - 1)
  for (;;) {
    random(bytes)
    const seed = toInt(bytes)
    const q = least | BigInt.asUintN(subprime - 1, hash(seed, bytes.length)) | 1n
    if (!checkPrimeSync(q)) continue
    const p = primeFrom(seed, bytes.length, bits, q)
    if (p === undefined) continue
    for (let h = 2n; ; h++) {
      const g = power(h, (p - 1n) / q, p)
      if (g > 1n) return { p, q, g, orderLength: bytes.length }
    }
  }
}

/** Whether the numbers are a group after all: primes, and a generator of the subgroup. */
function isSound({ p, q, g }: DsaGroup): boolean {
  return (p - 1n) % q === 0n && power(g, q, p) === 1n && checkPrimeSync(q) && checkPrimeSync(p)
}

/** x ∥ y of a new key, x by rejection (FIPS 186-4 appendix B.1.2); undefined where the group is none. */
export function dsaGenerate(group: DsaGroup, random: Random): Buffer | undefined {
  if (!isSound(group)) return undefined
  const { p, q, g, orderLength } = group
  const bytes = Buffer.alloc(orderLength)
  let x = 0n
  while (x === 0n || x >= q) {
    random(bytes)
    x = toInt(bytes)
  }
  bytes.fill(0)
  return Buffer.concat([toBytes(x, orderLength), toBytes(power(g, x, p), bitsOf(p) / 8)])
}

/** r ∥ s over a ready-made digest, each as long as q. Deterministic (RFC 6979). */
export function dsaSign({ p, q, g }: DsaGroup, x: bigint, digest: Uint8Array): Buffer {
  return signWith(q, x, digest, (k) => power(g, k, p))
}

/** FIPS 186-4 §4.7. */
export function dsaVerify({ p, q, g, orderLength }: DsaGroup, y: bigint, signature: Uint8Array, digest: Uint8Array) {
  const [r, s] = [toInt(signature.subarray(0, orderLength)), toInt(signature.subarray(orderLength))]
  if (y <= 1n || y >= p || r === 0n || r >= q || s === 0n || s >= q) return false
  const w = inverse(s, q)
  const u1 = mod(digestInt(8 * orderLength, digest) * w, q)
  const u2 = mod(r * w, q)
  return ((power(g, u1, p) * power(y, u2, p)) % p) % q === r
}
