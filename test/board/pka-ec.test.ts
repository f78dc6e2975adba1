import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CURVE_P256,
  CURVE_P384,
  CURVE_P521,
  CURVE_SECP256K1,
  PERIPHERAL_FAILED,
  PERIPHERAL_INVALID,
  PERIPHERAL_MISMATCH,
  PKA_EC_GENERATE,
  PKA_EC_PUBLIC,
  PKA_ECDH,
  PKA_ECDSA_SIGN,
  PKA_ECDSA_VERIFY,
} from '../../assembly/protocol.js'
import { hex, ok, pka, run } from './pka-support.js'

const test = suite('board: accelerator, elliptic curves')

const CURVES = [
  { id: CURVE_P256, openssl: 'prime256v1', jwk: 'P-256', length: 32, noble: p256 },
  { id: CURVE_P384, openssl: 'secp384r1', jwk: 'P-384', length: 48, noble: p384 },
  { id: CURVE_P521, openssl: 'secp521r1', jwk: 'P-521', length: 66, noble: p521 },
  { id: CURVE_SECP256K1, openssl: 'secp256k1', jwk: 'secp256k1', length: 32, noble: secp256k1 },
] as const
type TestCurve = (typeof CURVES)[number]

function generate(curve: TestCurve): { scalar: Buffer; point: Buffer } {
  const key = ok(PKA_EC_GENERATE, Uint8Array.of(curve.id))
  assert.is(key.length, curve.length + 1 + 2 * curve.length)
  return { scalar: key.subarray(0, curve.length), point: key.subarray(curve.length) }
}

function publicKeyObject({ jwk, length }: TestCurve, point: Buffer): KeyObject {
  const [x, y] = [point.subarray(1, 1 + length), point.subarray(1 + length)].map((part) => part.toString('base64url'))
  return createPublicKey({ key: { kty: 'EC', crv: jwk, x: x ?? '', y: y ?? '' }, format: 'jwk' })
}

// ---- elliptic curves ------------------------------------------------------------------------------------------------

for (const curve of CURVES) {
  const id = Uint8Array.of(curve.id)
  const order = curve.noble.Point.CURVE().n
  const scalarBytes = (value: bigint): Buffer => hex(value.toString(16).padStart(2 * curve.length, '0'))

  test(`${curve.jwk}: made keys and public keys agree with OpenSSL`, () => {
    const { scalar, point } = generate(curve)
    const ecdh = createECDH(curve.openssl)
    ecdh.setPrivateKey(scalar)
    assert.equal(point, ecdh.getPublicKey())
    assert.equal(ok(PKA_EC_PUBLIC, id, scalar), point)
    assert.equal(
      ok(PKA_EC_PUBLIC, id, scalarBytes(1n)).subarray(1),
      Buffer.from(curve.noble.Point.BASE.toBytes(false)).subarray(1),
    )
    assert.not.equal(generate(curve).scalar, scalar)
  })

  test(`${curve.jwk}: ECDH agrees with OpenSSL from both sides`, () => {
    const [a, b] = [generate(curve), generate(curve)]
    const ecdh = createECDH(curve.openssl)
    ecdh.setPrivateKey(a.scalar)
    assert.equal(ok(PKA_ECDH, id, a.scalar, b.point), ecdh.computeSecret(b.point))
    assert.equal(ok(PKA_ECDH, id, b.scalar, a.point), ecdh.computeSecret(b.point))
  })

  test(`${curve.jwk}: invalid points are refused`, () => {
    const { scalar, point } = generate(curve)
    const changed = (edit: (copy: Buffer) => void): Buffer => {
      const copy = Buffer.from(point)
      edit(copy)
      return copy
    }
    const points = [
      changed((copy) => copy.writeUInt8(2)),
      changed((copy) => copy.writeUInt8(6)),
      changed((copy) => copy.writeUInt8((copy.at(-1) ?? 0) ^ 1, copy.length - 1)),
      changed((copy) => copy.fill(0xff, 1, 1 + curve.length)),
      changed((copy) => copy.fill(0, 1)),
      point.subarray(0, -1),
      Buffer.concat([point, Buffer.alloc(1)]),
      Buffer.concat([Uint8Array.of(3), point.subarray(1, 1 + curve.length)]),
    ]
    for (const bad of points) {
      assert.is(run(PKA_ECDH, id, scalar, bad).status, -PERIPHERAL_INVALID)
      if (bad.length !== point.length) continue
      const { status } = run(PKA_ECDSA_VERIFY, id, bad, Buffer.alloc(2 * curve.length, 1), Buffer.alloc(32))
      assert.is(status, -PERIPHERAL_INVALID)
    }
  })

  test(`${curve.jwk}: scalars outside 1 … n - 1 are refused`, () => {
    const { point } = generate(curve)
    for (const bad of [0n, order, order + 1n, 2n ** BigInt(8 * curve.length) - 1n]) {
      assert.is(run(PKA_EC_PUBLIC, id, scalarBytes(bad)).status, -PERIPHERAL_INVALID)
      assert.is(run(PKA_ECDH, id, scalarBytes(bad), point).status, -PERIPHERAL_INVALID)
      assert.is(run(PKA_ECDSA_SIGN, id, scalarBytes(bad), Buffer.alloc(32)).status, -PERIPHERAL_INVALID)
    }
    assert.equal(
      ok(PKA_EC_PUBLIC, id, scalarBytes(order - 1n)).subarray(0, 1 + curve.length),
      ok(PKA_EC_PUBLIC, id, scalarBytes(1n)).subarray(0, 1 + curve.length),
    )
  })

  test(`${curve.jwk}: signatures agree with OpenSSL in both directions`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom('sha256', 'sha384', 'sha512'), (message, hash) => {
        const { scalar, point } = generate(curve)
        const digest = createHash(hash).update(message).digest()
        const key = publicKeyObject(curve, point)
        const signature = ok(PKA_ECDSA_SIGN, id, scalar, digest)
        assert.ok(verify(hash, message, { key, dsaEncoding: 'ieee-p1363' }, signature))
        assert.is(run(PKA_ECDSA_VERIFY, id, point, signature, digest).status, 0)

        const { crv, x, y } = key.export({ format: 'jwk' })
        const secret = createPrivateKey({
          key: { kty: 'EC', crv: crv ?? '', x: x ?? '', y: y ?? '', d: scalar.toString('base64url') },
          format: 'jwk',
        })
        const theirs = sign(hash, message, { key: secret, dsaEncoding: 'ieee-p1363' })
        assert.is(run(PKA_ECDSA_VERIFY, id, point, theirs, digest).status, 0)
      }),
      { numRuns: 15 },
    )
  })

  test(`${curve.jwk}: digests of any length, as another library signs them`, () => {
    const { scalar, point } = generate(curve)
    for (const length of [1, 20, 28, 31, 32, 33, 48, 64, 65, 66, 67, 100]) {
      for (const fill of [0, 0x5a, 0xff]) {
        const digest = Buffer.alloc(length, fill)
        const theirs = curve.noble.sign(digest, scalar, { prehash: false, lowS: false })
        assert.is(run(PKA_ECDSA_VERIFY, id, point, theirs, digest).status, 0, `${length} bytes of ${fill}`)
        const ours = ok(PKA_ECDSA_SIGN, id, scalar, digest)
        assert.ok(curve.noble.verify(ours, digest, point, { prehash: false, lowS: false }))
      }
    }
    assert.is(run(PKA_ECDSA_SIGN, id, scalar).status, -PERIPHERAL_INVALID)
  })

  test(`${curve.jwk}: changed signatures, digests and keys do not verify`, () => {
    const { scalar, point } = generate(curve)
    const digest = createHash('sha384').update('message').digest()
    const signature = ok(PKA_ECDSA_SIGN, id, scalar, digest)
    const [r, s] = [signature.subarray(0, curve.length), signature.subarray(curve.length)]
    const mismatch = (p: Uint8Array, sig: Uint8Array, d: Uint8Array): void =>
      assert.is(run(PKA_ECDSA_VERIFY, id, p, sig, d).status, -PERIPHERAL_MISMATCH)
    fc.assert(
      fc.property(fc.nat({ max: 8 * signature.length - 1 }), (bit) => {
        const flipped = Buffer.from(signature)
        flipped.writeUInt8((flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3)
        mismatch(point, flipped, digest)
      }),
      { numRuns: 40 },
    )
    mismatch(point, signature, createHash('sha384').update('massage').digest())
    mismatch(generate(curve).point, signature, digest)
    mismatch(point, Buffer.concat([s, r]), digest)
    const beyond = (part: Buffer): Buffer =>
      scalarBytes((BigInt(`0x${part.toString('hex')}`) + order) % 2n ** BigInt(8 * curve.length))
    for (const bad of [0n, order]) {
      mismatch(point, Buffer.concat([scalarBytes(bad), s]), digest)
      mismatch(point, Buffer.concat([r, scalarBytes(bad)]), digest)
    }
    mismatch(point, Buffer.concat([beyond(r), s]), digest)
    mismatch(point, Buffer.concat([r, beyond(s)]), digest)
    // A key's mirror image has the same X: its signatures are not the key's.
    const mirrored = scalarBytes(order - BigInt(`0x${scalar.toString('hex')}`))
    mismatch(point, ok(PKA_ECDSA_SIGN, id, mirrored, digest), digest)
  })

  test(`${curve.jwk}: operands of a wrong length are refused`, () => {
    const { scalar, point } = generate(curve)
    const digest = Buffer.alloc(32, 1)
    const signature = ok(PKA_ECDSA_SIGN, id, scalar, digest)
    assert.is(run(PKA_EC_GENERATE).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_EC_GENERATE, id, id).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_EC_PUBLIC, id, scalar.subarray(1)).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_EC_PUBLIC, id, scalar, id).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_ECDH, id, scalar).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_ECDSA_VERIFY, id, point, signature).status, -PERIPHERAL_INVALID)
    assert.is(run(PKA_ECDSA_VERIFY, id, point, signature.subarray(1)).status, -PERIPHERAL_INVALID)
  })
}

test('coordinates beyond the field are refused, where a coordinate has room for them', () => {
  const [curve] = CURVES.filter(({ id }) => id === CURVE_P521)
  if (!curve) throw new Error('no P-521')
  const id = Uint8Array.of(curve.id)
  const { scalar, point } = generate(curve)
  const { p } = curve.noble.Point.CURVE()
  for (const at of [1, 1 + curve.length]) {
    const beyond = Buffer.from(point)
    const coordinate = BigInt(`0x${point.toString('hex', at, at + curve.length)}`) + p
    beyond.set(hex(coordinate.toString(16).padStart(2 * curve.length, '0')), at)
    assert.is(run(PKA_ECDH, id, scalar, beyond).status, -PERIPHERAL_INVALID)
  }
})

test('a point whose X lies between the order and the field gives a good signature', () => {
  for (const curve of CURVES.filter(({ length }) => length === 32)) {
    const { Point } = curve.noble
    const { n } = Point.CURVE()
    const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
    // The first point with X = n + r: its r is small, which no honest signer ever meets.
    let r = 1n
    let nonce: InstanceType<typeof Point> | undefined
    for (; !nonce; r++) {
      try {
        nonce = Point.fromHex(`02${(n + r).toString(16).padStart(64, '0')}`)
      } catch {
        continue
      }
      break
    }
    if (!nonce) throw new Error('no point')
    const message = Buffer.from('message')
    const digest = createHash('sha256').update(message).digest()
    const s = 12345n
    // Q = (s R - e G) / r makes (r, s) the signature of e.
    const key = nonce.multiply(s).subtract(Point.BASE.multiply(number(digest) % n))
    let inverse = 1n
    for (let power = n - 2n, base = r; power > 0n; power >>= 1n) {
      if (power & 1n) inverse = (inverse * base) % n
      base = (base * base) % n
    }
    const point = Buffer.from(key.multiply(inverse).toBytes(false))
    const signature = hex(r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0'))
    const theirs = { key: publicKeyObject(curve, point), dsaEncoding: 'ieee-p1363' } as const
    assert.ok(verify('sha256', message, theirs, signature))
    assert.is(run(PKA_ECDSA_VERIFY, Uint8Array.of(curve.id), point, signature, digest).status, 0)
  }
})

test('RFC 6979 appendix A.2: the published deterministic signatures', () => {
  const rows = [
    {
      id: CURVE_P256,
      hash: 'sha256',
      x: 'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
      r: 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
      s: 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
    },
    {
      id: CURVE_P384,
      hash: 'sha384',
      x: '6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5',
      r: '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46',
      s: '99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8',
    },
    {
      id: CURVE_P521,
      hash: 'sha512',
      x: '00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538',
      r: '00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa',
      s: '00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a',
    },
  ]
  for (const { id, hash, x, r, s } of rows) {
    const digest = createHash(hash).update('sample').digest()
    assert.is(ok(PKA_ECDSA_SIGN, Uint8Array.of(id), hex(x), digest).toString('hex'), r + s)
  }
})

test('an unknown operation or curve is refused', () => {
  assert.is(run(0).status, -PERIPHERAL_INVALID)
  assert.is(run(99, Buffer.alloc(10)).status, -PERIPHERAL_INVALID)
  assert.is(run(PKA_EC_GENERATE, Uint8Array.of(0)).status, -PERIPHERAL_INVALID)
  assert.is(run(PKA_EC_GENERATE, Uint8Array.of(5)).status, -PERIPHERAL_INVALID)
})

test('a result that does not fit is not given at all', () => {
  const output = Buffer.alloc(32 + 64)
  assert.is(pka.run(PKA_EC_GENERATE, Uint8Array.of(CURVE_P256), output), -PERIPHERAL_FAILED)
  assert.ok(output.every((byte) => byte === 0))
})

test.run()
