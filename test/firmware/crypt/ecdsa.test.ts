// ECDSA through the command port on all four curves, held against OpenSSL, noble and RFC 6979.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import {
  cryptOfficer,
  digestOf,
  fill,
  flipped,
  HASHES,
  importPrivate,
  importPublic,
  publicTemplate,
} from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'

const test = suite('crypt: ECDSA')

const {
  CKM_ECDSA: ECDSA,
  RC_DATA_LEN_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_PARAM_INVALID,
  RC_SIGNATURE_INVALID,
  RC_SIGNATURE_LEN_RANGE,
} = protocol

const CURVES = [
  { openssl: 'prime256v1', jwk: 'P-256', length: 32, noble: p256, hash: 'sha256' },
  { openssl: 'secp384r1', jwk: 'P-384', length: 48, noble: p384, hash: 'sha384' },
  { openssl: 'secp521r1', jwk: 'P-521', length: 66, noble: p521, hash: 'sha512' },
  { openssl: 'secp256k1', jwk: 'secp256k1', length: 32, noble: secp256k1, hash: 'sha256' },
] as const
type TestCurve = (typeof CURVES)[number]

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly scalar: Buffer
  readonly own: number
  readonly open: number
}

let officer: Officer
const pairs = new Map<string, Pair>()

async function take(privateKey: KeyObject): Promise<Pair> {
  const publicKey = createPublicKey(privateKey)
  const scalar = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
  const [own, open] = [await importPrivate(officer, privateKey), await importPublic(officer, publicKey)]
  return { publicKey, privateKey, scalar, own, open }
}

test.before(async () => {
  officer = await cryptOfficer()
  for (const { openssl } of CURVES) {
    pairs.set(openssl, await take(generateKeyPairSync('ec', { namedCurve: openssl }).privateKey))
  }
})

function pairOn({ openssl }: TestCurve): Pair {
  const pair = pairs.get(openssl)
  if (!pair) throw new Error('no such pair')
  return pair
}

const signed = async (mechanism: number, key: number, data: Uint8Array, parameter = Buffer.alloc(0)) =>
  Buffer.from(await officer.client.crypto.sign(officer.session, { mechanism, parameter }, key, data))
const check = (mechanism: number, key: number, data: Uint8Array, signature: Uint8Array, parameter = Buffer.alloc(0)) =>
  officer.client.crypto.verify(officer.session, { mechanism, parameter }, key, data, signature)
const openssl = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' }) as const

for (const curve of CURVES) {
  test(`${curve.jwk}: with every hash, inside and outside of the token, both ways`, async () => {
    const { own, open, publicKey, privateKey, scalar } = pairOn(curve)
    for (const { name, ecdsa } of HASHES) {
      for (const data of [fill(500), Buffer.alloc(0)]) {
        const signature = await signed(ecdsa, own, data)
        assert.is(signature.length, 2 * curve.length)
        assert.ok(verify(name, data, openssl(publicKey), signature), name)
        assert.equal(await signed(ECDSA, own, digestOf(name, data)), signature, 'the digest decides')
        await check(ecdsa, open, data, signature)
        await check(ECDSA, open, digestOf(name, data), sign(name, data, openssl(privateKey)))
        // RFC 6979 by another program, which hashes as long as the curve is.
        const theirs = curve.noble.sign(digestOf(name, data), scalar, { prehash: false, lowS: false })
        if (name === curve.hash) assert.equal(signature, Buffer.from(theirs))
        await check(ecdsa, open, data, theirs)
      }
    }
  })

  test(`${curve.jwk}: a digest of any length but none: of a long one the front counts`, async () => {
    const { own, open } = pairOn(curve)
    for (const n of [1, 20, 28, 32, 33, 48, 63, 64])
      await check(ECDSA, open, fill(n), await signed(ECDSA, own, fill(n)))
    await refuses(RC_DATA_LEN_RANGE, signed(ECDSA, own, fill(0)))
    await refuses(RC_DATA_LEN_RANGE, check(ECDSA, open, fill(0), Buffer.alloc(2 * curve.length)))
    const signature = await signed(ECDSA, own, fill(200))
    await check(ECDSA, open, Buffer.concat([fill(200).subarray(0, 66), fill(9)]), signature)
    await refuses(protocol.RC_SIGNATURE_INVALID, check(ECDSA, open, fill(200, 2), signature))
  })

  test(`${curve.jwk}: what is not the signature`, async () => {
    const { own, open } = pairOn(curve)
    const data = fill(32)
    const signature = await signed(ECDSA, own, data)
    const L = curve.length
    const order = Buffer.from(
      curve.noble.Point.CURVE()
        .n.toString(16)
        .padStart(2 * L, '0'),
      'hex',
    )
    for (let bit = 0; bit < 8 * signature.length; bit += 13) {
      await refuses(RC_SIGNATURE_INVALID, check(ECDSA, open, data, flipped(signature, bit)), `bit ${bit}`)
    }
    await refuses(RC_SIGNATURE_INVALID, check(ECDSA, open, flipped(data, 0), signature))
    for (const [what, other] of Object.entries({
      zero: Buffer.alloc(2 * L),
      'r = n': Buffer.concat([order, signature.subarray(L)]),
      's = n': Buffer.concat([signature.subarray(0, L), order]),
      'r = 0': Buffer.concat([Buffer.alloc(L), signature.subarray(L)]),
      's = 0': Buffer.concat([signature.subarray(0, L), Buffer.alloc(L)]),
      ones: Buffer.alloc(2 * L, 0xff),
      swapped: Buffer.concat([signature.subarray(L), signature.subarray(0, L)]),
    })) {
      await refuses(RC_SIGNATURE_INVALID, check(ECDSA, open, data, other), what)
    }
    for (const other of [signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)]), Buffer.alloc(0)]) {
      await refuses(RC_SIGNATURE_LEN_RANGE, check(ECDSA, open, data, other), `${other.length}`)
    }
  })
}

/** RFC 6979 A.2.5 to A.2.7: private key, and the signature of "sample" with SHA-256, SHA-384 or SHA-512. */
const RFC_6979 = [
  {
    crv: 'P-256',
    x: 'C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721',
    ecdsa: protocol.CKM_ECDSA_SHA256,
    signature:
      'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716' +
      'F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  },
  {
    crv: 'P-384',
    x: '6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8' + '96D5724E4C70A825F872C9EA60D2EDF5',
    ecdsa: protocol.CKM_ECDSA_SHA384,
    signature:
      '94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46' +
      '99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8',
  },
  {
    crv: 'P-521',
    x:
      '00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75' +
      'CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538',
    ecdsa: protocol.CKM_ECDSA_SHA512,
    signature:
      '00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B53' +
      '4931D7D4E8455CC91F9B15BF05EC36E377FA' +
      '00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF077' +
      '7B1A20F8CCB1DCCC43997F1EE0E44DA4A67A',
  },
] as const

test('RFC 6979, A.2.5 to A.2.7: "sample"', async () => {
  for (const { crv, x, ecdsa, signature } of RFC_6979) {
    const curve = CURVES.find(({ jwk }) => jwk === crv)
    if (!curve) throw new Error('no such curve')
    const d = Buffer.from(x, 'hex')
    const point = Buffer.from(curve.noble.getPublicKey(d, false))
    const [px, py] = [point.subarray(1, 1 + curve.length), point.subarray(1 + curve.length)]
    const jwk = { kty: 'EC', crv, d: d.toString('base64url'), x: px.toString('base64url'), y: py.toString('base64url') }
    const { own } = await take(createPrivateKey({ key: jwk, format: 'jwk' }))
    assert.is((await signed(ecdsa, own, Buffer.from('sample'))).toString('hex').toUpperCase(), signature)
  }
})

test('a point without its OCTET STRING is the same public key', async () => {
  const { publicKey, own } = pairOn(CURVES[0])
  const template = publicTemplate(publicKey).map((one) =>
    one.type === protocol.CKA_EC_POINT ? attribute.bytes(one.type, one.value.slice(2)) : one,
  )
  const open = await officer.client.objects.create(officer.session, template)
  await check(ECDSA, open, fill(32), await signed(ECDSA, own, fill(32)))
})

test('a point that is not on the curve verifies nothing', async () => {
  const { publicKey, own } = pairOn(CURVES[0])
  const signature = await signed(ECDSA, own, fill(32))
  const template = publicTemplate(publicKey).map((one) =>
    one.type === protocol.CKA_EC_POINT ? attribute.bytes(one.type, flipped(one.value, 8 * one.value.length - 1)) : one,
  )
  const open = await officer.client.objects.create(officer.session, template)
  await refuses(RC_SIGNATURE_INVALID, check(ECDSA, open, fill(32), signature))
})

test('no parameter, and no RSA mechanism for an EC key', async () => {
  const { own, open } = pairOn(CURVES[0])
  for (const mechanism of [ECDSA, protocol.CKM_ECDSA_SHA256]) {
    await refuses(RC_MECHANISM_PARAM_INVALID, signed(mechanism, own, fill(32), Buffer.alloc(1)))
    await refuses(RC_MECHANISM_PARAM_INVALID, check(mechanism, open, fill(32), Buffer.alloc(64), Buffer.alloc(1)))
  }
  for (const mechanism of [protocol.CKM_RSA_PKCS, protocol.CKM_SHA256_RSA_PKCS]) {
    await refuses(RC_KEY_TYPE_INCONSISTENT, signed(mechanism, own, fill(32)))
    await refuses(RC_KEY_TYPE_INCONSISTENT, check(mechanism, open, fill(32), Buffer.alloc(64)))
  }
})

test('a pair made in the token: the private key stays, the public one is a valid key for OpenSSL', async () => {
  const { client, session } = officer
  for (const { jwk, length } of CURVES) {
    const params = publicTemplate(pairOn(CURVES.find((one) => one.jwk === jwk) ?? CURVES[0]).publicKey).filter(
      ({ type }) => type === protocol.CKA_EC_PARAMS,
    )
    const { publicKey, privateKey } = await client.objects.generatePair(
      session,
      protocol.CKM_EC_KEY_PAIR_GEN,
      params,
      [],
    )
    const [answer] = await client.objects.get(session, publicKey, [protocol.CKA_EC_POINT])
    const point = Buffer.from(answer?.value ?? []).subarray(-2 * length)
    const [x, y] = [point.subarray(0, length), point.subarray(length)].map((part) => part.toString('base64url'))
    const key = createPublicKey({ key: { kty: 'EC', crv: jwk, x: x ?? '', y: y ?? '' }, format: 'jwk' })
    const signature = await signed(protocol.CKM_ECDSA_SHA256, privateKey, fill(40))
    assert.ok(verify('sha256', fill(40), openssl(key), signature), jwk)
  }
})

test.run()
