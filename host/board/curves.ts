import { CURVE_P256, CURVE_P384, CURVE_P521, CURVE_SECP256K1 } from '../../assembly/protocol.js'

/** A prime-order short Weierstrass curve y² = x³ + ax + b over the integers modulo p (SEC 2, FIPS 186-5). */
export interface Curve {
  /** Its name in OpenSSL. */
  readonly name: string
  /** Its OBJECT IDENTIFIER in DER. */
  readonly oid: Uint8Array
  /** Bytes of a coordinate. */
  readonly length: number
  readonly p: bigint
  readonly a: bigint
  readonly b: bigint
  /** The order of G; the cofactor is 1. */
  readonly n: bigint
  /** Bits of n. */
  readonly bits: number
  readonly g: readonly [x: bigint, y: bigint]
}

const hex = (...words: string[]): bigint => BigInt(`0x${words.join('')}`)

function curve(
  name: string,
  oid: string,
  p: bigint,
  a: bigint,
  b: bigint,
  n: bigint,
  g: readonly [bigint, bigint],
): Curve {
  const bitsOf = (value: bigint): number => value.toString(2).length
  return {
    name,
    oid: Buffer.from(oid, 'hex'),
    length: Math.ceil(bitsOf(p) / 8),
    p,
    a: (a + p) % p,
    b,
    n,
    bits: bitsOf(n),
    g,
  }
}

const p256 = curve(
  'prime256v1',
  '06082a8648ce3d030107',
  2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  -3n,
  hex('5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b'),
  hex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  [
    hex('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'),
    hex('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'),
  ],
)

const p384 = curve(
  'secp384r1',
  '06052b81040022',
  2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  -3n,
  hex('b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef'),
  hex('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
  [
    hex('aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7'),
    hex('3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f'),
  ],
)

const p521 = curve(
  'secp521r1',
  '06052b81040023',
  2n ** 521n - 1n,
  -3n,
  hex(
    '0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e1',
    '56193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00',
  ),
  hex(
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa',
    '51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
  ),
  [
    hex(
      '00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dba',
      'a14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66',
    ),
    hex(
      '011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c',
      '97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650',
    ),
  ],
)

const secp256k1 = curve(
  'secp256k1',
  '06052b8104000a',
  2n ** 256n - 2n ** 32n - 977n,
  0n,
  7n,
  hex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'),
  [
    hex('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'),
    hex('483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8'),
  ],
)

const CURVES: ReadonlyMap<number, Curve> = new Map([
  [CURVE_P256, p256],
  [CURVE_P384, p384],
  [CURVE_P521, p521],
  [CURVE_SECP256K1, secp256k1],
])

/** @param id one of CURVE_… */
export function curveOf(id: number | undefined): Curve | undefined {
  return id === undefined ? undefined : CURVES.get(id)
}

/** The curve of the certificates (OBC-1 §3). */
export const P384 = p384
