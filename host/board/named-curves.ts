import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import { ecBareKey, ecPublicKey } from './der.js'

// The accelerator's other curves: whatever OpenSSL knows by its object identifier, for key agreement alone. OpenSSL refuses points that
// are not on the curve.

/** Bytes of the object identifier ecPublicKey. */
const ALGORITHM = 9

function privateKey(oid: Uint8Array, scalar: Uint8Array): KeyObject {
  const der = ecBareKey(oid, scalar)
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'sec1' })
  } finally {
    der.fill(0)
  }
}

/** Bytes of the tag and length of the element of DER at `at`. */
function headLength(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0
  return first < 0x80 ? 2 : 2 + (first & 0x7f)
}

/** `04 ∥ X ∥ Y` of a scalar below the order. @param oid the curve's, encoded */
export function namedPublic(oid: Uint8Array, scalar: Uint8Array): Buffer {
  const der = createPublicKey(privateKey(oid, scalar)).export({ format: 'der', type: 'spki' })
  // SEQUENCE { SEQUENCE { ecPublicKey, curve }, BIT STRING }, whose first byte counts unused bits.
  const bits = headLength(der, 0) + 2 + ALGORITHM + oid.length
  return der.subarray(bits + headLength(der, bits) + 1)
}

/** The X coordinate of scalar · peer. */
export function namedAgree(oid: Uint8Array, scalar: Uint8Array, peer: Uint8Array): Buffer {
  const publicKey = createPublicKey({ key: ecPublicKey(oid, peer), format: 'der', type: 'spki' })
  return diffieHellman({ privateKey: privateKey(oid, scalar), publicKey })
}
