import { createECDH, createHash, type ECDH, randomBytes } from 'node:crypto'

/** So many random bytes. Whoever draws from one gets all its keys, nonces and names from there. */
export type RandomBytes = (length: number) => Uint8Array

export const systemRandom: RandomBytes = (length) => randomBytes(length)

const BLOCK = 64

/**
 * A stream that a seed decides: block i of 64 bytes is SHA-512("moonlet client" ∥ SHA-512(seed) ∥ i u64). For repeatable
 * runs only: whoever knows the seed knows every key.
 */
export function seededRandom(seed: string): RandomBytes {
  const key = createHash('sha512').update(seed).digest()
  let next = 0n
  let rest = Buffer.alloc(0)
  return (length) => {
    const parts = [rest]
    for (let have = rest.length; have < length; have += BLOCK) {
      const counter = Buffer.alloc(8)
      counter.writeBigUInt64BE(next)
      next += 1n
      parts.push(createHash('sha512').update('moonlet client').update(key).update(counter).digest())
    }
    const drawn = Buffer.concat(parts)
    rest = drawn.subarray(length)
    return Uint8Array.from(drawn.subarray(0, length))
  }
}

/** Order of P-384. */
const ORDER = Buffer.from(
  'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  'hex',
)

/** A key pair of P-384, the scalar by rejection (FIPS 186-5 appendix A.2.2). */
export function ephemeralKey(random: RandomBytes): ECDH {
  for (;;) {
    const scalar = random(ORDER.length)
    if (scalar.every((byte) => byte === 0) || Buffer.compare(scalar, ORDER) >= 0) continue
    const pair = createECDH('secp384r1')
    pair.setPrivateKey(scalar)
    scalar.fill(0)
    return pair
  }
}
