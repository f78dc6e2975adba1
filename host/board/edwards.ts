import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { CURVE_ED448, CURVE_ED25519 } from '../../assembly/protocol.js'

// The accelerator's Edwards curves: pure EdDSA (RFC 8032), which is OpenSSL's.

export interface EdwardsCurve {
  /** Bytes of a seed and of a public key. */
  readonly length: number
  /** DER around a seed (PKCS#8) and around a public key (SubjectPublicKeyInfo), RFC 8410. */
  readonly privateHead: Uint8Array
  readonly publicHead: Uint8Array
}

function curve(length: number, last: number): EdwardsCurve {
  const algorithm = [0x30, 5, 6, 3, 0x2b, 0x65, last]
  return {
    length,
    privateHead: Uint8Array.of(0x30, length + 14, 2, 1, 0, ...algorithm, 4, length + 2, 4, length),
    publicHead: Uint8Array.of(0x30, length + 10, ...algorithm, 3, length + 1, 0),
  }
}

const CURVES: ReadonlyMap<number, EdwardsCurve> = new Map([
  [CURVE_ED25519, curve(32, 0x70)],
  [CURVE_ED448, curve(57, 0x71)],
])

/** @param id one of CURVE_… */
export function edwardsOf(id: number | undefined): EdwardsCurve | undefined {
  return id === undefined ? undefined : CURVES.get(id)
}

function privateKey({ privateHead }: EdwardsCurve, seed: Uint8Array): KeyObject {
  const der = Buffer.concat([privateHead, seed])
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

export function edwardsPublic(curve: EdwardsCurve, seed: Uint8Array): Buffer {
  const der = createPublicKey(privateKey(curve, seed)).export({ format: 'der', type: 'spki' })
  return der.subarray(der.length - curve.length)
}

export function edwardsSign(curve: EdwardsCurve, seed: Uint8Array, message: Uint8Array): Buffer {
  return sign(null, message, privateKey(curve, seed))
}

/** False also where the public key is no point of the curve. */
export function edwardsVerify(
  { publicHead }: EdwardsCurve,
  key: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): boolean {
  const der = Buffer.concat([publicHead, key])
  return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}
