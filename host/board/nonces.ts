// What DSA and ECDSA have in common: the digest as a number, nonces that need no chance (RFC 6979), and the equation of the signature.

import { createHmac } from 'node:crypto'
import { inverse, mod, toBytes, toInt } from './big-int.js'

export const bitsOf = (value: bigint): number => value.toString(2).length

/** The digest as a number: its leftmost bits, as many as the order has (FIPS 186-5 §6.4.1). */
export function digestInt(bits: number, digest: Uint8Array): bigint {
  const excess = 8 * digest.length - bits
  return excess > 0 ? toInt(digest) >> BigInt(excess) : toInt(digest)
}

/** Hash for the nonces by the length of what is signed, so that the published RFC 6979 values come out. */
function nonceHash(digest: Uint8Array): string {
  const hashes: Readonly<Record<number, string>> = { 20: 'sha1', 28: 'sha224', 32: 'sha256', 48: 'sha384' }
  return hashes[digest.length] ?? 'sha512'
}

/** Candidates for the nonce k (RFC 6979 §3.2), each in 1 … order − 1. */
function* nonces(order: bigint, secret: bigint, digest: Uint8Array): Generator<bigint, never> {
  const bits = bitsOf(order)
  const hash = nonceHash(digest)
  const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer =>
    parts.reduce((state, part) => state.update(part), createHmac(hash, key)).digest()
  const orderBytes = Math.ceil(bits / 8)
  const seed = Buffer.concat([toBytes(secret, orderBytes), toBytes(digestInt(bits, digest) % order, orderBytes)])
  const size = hmac(seed).length
  let v: Buffer = Buffer.alloc(size, 1)
  let k: Buffer = Buffer.alloc(size, 0)
  for (const step of [0, 1]) {
    k = hmac(k, v, Uint8Array.of(step), seed)
    v = hmac(k, v)
  }
  seed.fill(0)
  for (;;) {
    const blocks: Buffer[] = []
    for (let have = 0; have < orderBytes; have += size) {
      v = hmac(k, v)
      blocks.push(v)
    }
    const candidate = digestInt(bits, Buffer.concat(blocks).subarray(0, orderBytes))
    if (candidate > 0n && candidate < order) yield candidate
    k = hmac(k, v, Uint8Array.of(0))
    v = hmac(k, v)
  }
}

/**
 * r ∥ s over a ready-made digest, each as long as the order.
 * @param commit what r is taken from, for a nonce: a coordinate of k · G, or g^k
 */
export function signWith(order: bigint, secret: bigint, digest: Uint8Array, commit: (k: bigint) => bigint): Buffer {
  const bits = bitsOf(order)
  const length = Math.ceil(bits / 8)
  const e = digestInt(bits, digest)
  for (const candidates = nonces(order, secret, digest); ; ) {
    const k = candidates.next().value
    const r = commit(k) % order
    const s = mod(inverse(k, order) * (e + r * secret), order)
    if (r !== 0n && s !== 0n) return Buffer.concat([toBytes(r, length), toBytes(s, length)])
  }
}
