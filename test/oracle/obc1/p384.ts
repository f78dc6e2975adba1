// P-384: raw keys (48-byte scalar, 97-byte 04 ∥ X ∥ Y), ECDH, point check, ECDSA with RFC 6979 nonces. For tests: not constant time.
import { createECDH, createHash, createHmac, createPublicKey, type ECDH, verify as verifySignature } from 'node:crypto'

const hex = (digits: string) => BigInt(`0x${digits}`)
const P = hex('fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff')
const N = hex('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973')
const B = hex('b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef')
const toInt = (bytes: Buffer) => hex(bytes.toString('hex'))
const toBytes = (value: bigint) => Buffer.from(value.toString(16).padStart(96, '0'), 'hex')
const mod = (a: bigint, m: bigint) => ((a % m) + m) % m

function inverse(a: bigint, m: bigint): bigint {
  let [r0, r1, s0, s1] = [m, mod(a, m), 0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1, s0, s1] = [r1, r0 - quotient * r1, s1, s0 - quotient * s1]
  }
  return mod(s0, m)
}

function holder(privateKey: Buffer): ECDH {
  const ecdh = createECDH('secp384r1')
  ecdh.setPrivateKey(privateKey)
  return ecdh
}

export const publicKey = (privateKey: Buffer): Buffer => holder(privateKey).getPublicKey()

/** Full public-key validation: form, range, on the curve. The cofactor is 1, so there is no small subgroup. */
export function isValidPoint(key: Buffer): boolean {
  if (key.length !== 97 || key[0] !== 4) return false
  const [x, y] = [toInt(key.subarray(1, 49)), toInt(key.subarray(49))]
  return x < P && y < P && mod(y * y - (x * x * x - 3n * x + B), P) === 0n
}

/** X coordinate, 48 bytes. */
export function ecdh(privateKey: Buffer, peer: Buffer): Buffer {
  if (!isValidPoint(peer)) throw new RangeError('not a point of P-384')
  return holder(privateKey).computeSecret(peer)
}

function hmac(key: Buffer, ...parts: Buffer[]): Buffer {
  const mac = createHmac('sha384', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** r ∥ s, SHA-384, deterministic nonce, s not normalized. */
export function sign(privateKey: Buffer, message: Buffer): Buffer {
  const e = mod(toInt(createHash('sha384').update(message).digest()), N)
  const seed = Buffer.concat([privateKey, toBytes(e)])
  let V: Buffer = Buffer.alloc(48, 1)
  let K: Buffer = Buffer.alloc(48, 0)
  for (const step of [0, 1]) {
    K = hmac(K, V, Buffer.of(step), seed)
    V = hmac(K, V)
  }
  for (;;) {
    V = hmac(K, V)
    const k = toInt(V)
    if (k > 0n && k < N) {
      const r = mod(toInt(publicKey(V).subarray(1, 49)), N)
      const s = mod(inverse(k, N) * (e + r * toInt(privateKey)), N)
      if (r !== 0n && s !== 0n) return Buffer.concat([toBytes(r), toBytes(s)])
    }
    K = hmac(K, V, Buffer.of(0))
    V = hmac(K, V)
  }
}

export function verify(key: Buffer, message: Buffer, signature: Buffer): boolean {
  const [x, y] = [key.subarray(1, 49).toString('base64url'), key.subarray(49).toString('base64url')]
  const imported = createPublicKey({ key: { kty: 'EC', crv: 'P-384', x, y }, format: 'jwk' })
  return verifySignature('sha384', message, { key: imported, dsaEncoding: 'ieee-p1363' }, signature)
}
