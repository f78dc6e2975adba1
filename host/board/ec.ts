import { createECDH, createPrivateKey, createPublicKey, diffieHellman as derive } from 'node:crypto'
import { inverse, mod, toBytes, toInt } from './big-int.js'
import { type Curve, P384 } from './curves.js'
import { ecPrivateKey, ecPublicKey } from './der.js'
import { digestInt, signWith } from './nonces.js'
import { p384Agree, p384Public } from './p384.js'

// The accelerator's elliptic curves. Scalar multiplication with a secret is OpenSSL's, or p384.ts's; ECDSA's arithmetic is on BigInt,
// because node:crypto takes no ready-made digest for EC keys. BigInt is not constant time: this chip lies inside the
// module boundary of the emulated device, and the emulator promises nothing about timing.

export function isScalar(curve: Curve, scalar: bigint): boolean {
  return scalar > 0n && scalar < curve.n
}

/** Full public-key validation of `04 ∥ X ∥ Y`: form, range, on the curve (the cofactor is 1). Undefined = not valid. */
export function decodePoint(curve: Curve, bytes: Uint8Array): readonly [x: bigint, y: bigint] | undefined {
  const { length, p, a, b } = curve
  if (bytes.length !== 1 + 2 * length || bytes[0] !== 4) return undefined
  const [x, y] = [toInt(bytes.subarray(1, 1 + length)), toInt(bytes.subarray(1 + length))]
  return x < p && y < p && mod(y * y - (x * x * x + a * x + b), p) === 0n ? [x, y] : undefined
}

/** `04 ∥ X ∥ Y` of a scalar in 1 … n − 1. */
export function publicKey(curve: Curve, scalar: bigint): Buffer {
  const bytes = toBytes(scalar, curve.length)
  try {
    if (curve === P384) return p384Public(bytes)
    const ecdh = createECDH(curve.name)
    ecdh.setPrivateKey(bytes)
    return ecdh.getPublicKey()
  } finally {
    bytes.fill(0)
  }
}

/** The X coordinate of scalar · peer; undefined where the peer's point is not valid. */
export function diffieHellman(curve: Curve, scalar: bigint, peer: Uint8Array): Buffer | undefined {
  if (!decodePoint(curve, peer)) return undefined
  const bytes = toBytes(scalar, curve.length)
  let own: Buffer | undefined
  try {
    if (curve === P384) return p384Agree(bytes, peer)
    // A key wants its public key too, which takes as long to compute as the result and is not looked at: any point will do.
    own = ecPrivateKey(curve.oid, bytes, peer)
    const privateKey = createPrivateKey({ key: own, format: 'der', type: 'sec1' })
    const publicKey = createPublicKey({ key: ecPublicKey(curve.oid, peer), format: 'der', type: 'spki' })
    return derive({ privateKey, publicKey })
  } finally {
    bytes.fill(0)
    own?.fill(0)
  }
}

// ---- ECDSA ----------------------------------------------------------------------------------------------------------

/** r ∥ s over a ready-made digest, each as long as the order. Deterministic (RFC 6979); s is not normalized. */
export function ecdsaSign(curve: Curve, scalar: bigint, digest: Uint8Array): Buffer {
  const xOf = (k: bigint): bigint => toInt(publicKey(curve, k).subarray(1, 1 + curve.length))
  return signWith(curve.n, scalar, digest, xOf)
}

/** FIPS 186-5 §6.4.2. `point` is a valid point of the curve, `signature` r ∥ s. */
export function ecdsaVerify(
  curve: Curve,
  point: readonly [x: bigint, y: bigint],
  signature: Uint8Array,
  digest: Uint8Array,
): boolean {
  const { n, p, bits } = curve
  const half = Math.ceil(bits / 8)
  const [r, s] = [toInt(signature.subarray(0, half)), toInt(signature.subarray(half))]
  if (signature.length !== 2 * half || !isScalar(curve, r) || !isScalar(curve, s)) return false
  const w = inverse(s, n)
  const [x, , z] = doubleMultiply(curve, mod(digestInt(bits, digest) * w, n), mod(r * w, n), point)
  if (z === 0n) return false
  // x of the affine point, taken modulo n, is r: compare without the inversion, for all values below p that fit.
  const zz = (z * z) % p
  for (let candidate = r; candidate < p; candidate += n) if ((candidate * zz) % p === x) return true
  return false
}

// ---- points in Jacobian coordinates, (X : Y : Z) = (X/Z², Y/Z³), Z = 0 the point at infinity ------------------------

type Jacobian = readonly [x: bigint, y: bigint, z: bigint]
const INFINITY: Jacobian = [1n, 1n, 0n]

function double({ p, a }: Curve, [x, y, z]: Jacobian): Jacobian {
  if (z === 0n) return INFINITY
  const yy = (y * y) % p
  const s = (4n * x * yy) % p
  const zz = (z * z) % p
  const m = (3n * x * x + a * ((zz * zz) % p)) % p
  const x3 = mod(m * m - 2n * s, p)
  return [x3, mod(m * (s - x3) - 8n * yy * yy, p), (2n * y * z) % p]
}

function add(curve: Curve, left: Jacobian, right: Jacobian): Jacobian {
  const { p } = curve
  const [x1, y1, z1] = left
  const [x2, y2, z2] = right
  if (z1 === 0n) return right
  if (z2 === 0n) return left
  const z1z1 = (z1 * z1) % p
  const z2z2 = (z2 * z2) % p
  const u1 = (x1 * z2z2) % p
  const s1 = (((y1 * z2) % p) * z2z2) % p
  const h = mod(x2 * z1z1 - u1, p)
  const r = mod(((y2 * z1) % p) * z1z1 - s1, p)
  if (h === 0n) return r === 0n ? double(curve, left) : INFINITY
  const hh = (h * h) % p
  const hhh = (h * hh) % p
  const v = (u1 * hh) % p
  const x3 = mod(r * r - hhh - 2n * v, p)
  return [x3, mod(r * (v - x3) - s1 * hhh, p), (((z1 * z2) % p) * h) % p]
}

const WINDOW = 5

/** P, 3P, 5P … 15P. */
function oddMultiples(curve: Curve, point: Jacobian): Jacobian[] {
  const twice = double(curve, point)
  const table = [point]
  for (let last = point; table.length < 2 ** (WINDOW - 2); table.push(last)) last = add(curve, last, twice)
  return table
}

/** Signed digits of a scalar, least significant first: zero or odd, below 2^(WINDOW-1) in size (w-NAF). */
function digits(scalar: bigint): number[] {
  const result: number[] = []
  const [width, half] = [2 ** WINDOW, 2 ** (WINDOW - 1)]
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    let digit = 0
    if (rest & 1n) {
      digit = Number(BigInt.asUintN(WINDOW, rest))
      if (digit >= half) digit -= width
      rest -= BigInt(digit)
    }
    result.push(digit)
  }
  return result
}

const baseTables = new WeakMap<Curve, Jacobian[]>()

function baseTable(curve: Curve): Jacobian[] {
  const table = baseTables.get(curve) ?? oddMultiples(curve, [curve.g[0], curve.g[1], 1n])
  baseTables.set(curve, table)
  return table
}

/** Whether a point of the curve has the order of G, which all have where the cofactor is 1. */
export function hasOrder(curve: Curve, point: readonly [x: bigint, y: bigint]): boolean {
  return doubleMultiply(curve, 0n, curve.n, point)[2] === 0n
}

/** u1 · G + u2 · Q with one row of doublings for both (Straus, Shamir). Public values only. */
function doubleMultiply(curve: Curve, u1: bigint, u2: bigint, q: readonly [x: bigint, y: bigint]): Jacobian {
  const rows: readonly (readonly [number[], Jacobian[]])[] = [
    [digits(u1), baseTable(curve)],
    [digits(u2), oddMultiples(curve, [q[0], q[1], 1n])],
  ]
  let sum = INFINITY
  for (let i = Math.max(...rows.map(([row]) => row.length)) - 1; i >= 0; i--) {
    sum = double(curve, sum)
    for (const [row, table] of rows) {
      const digit = row[i] ?? 0
      const multiple = table[(Math.abs(digit) - 1) / 2]
      if (!multiple) continue
      const [x, y, z] = multiple
      sum = add(curve, sum, digit > 0 ? multiple : [x, curve.p - y, z])
    }
  }
  return sum
}
