// UNWRAP of private keys: PKCS#8 that OpenSSL wrapped comes in and signs; what only looks like a key does not.
import { createCipheriv, generateKeyPairSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, type Mechanism } from '../../../host/client/index.js'
import {
  cryptOfficer,
  fill,
  flipped,
  importAes,
  importPrivate,
  importPublic,
  merged,
  opensslWrap,
  pkcs8,
  storesNothing,
} from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, prepare } from '../support/officer.js'
import { TestToken } from '../support/test-token.js'

const test = suite('crypt: unwrap private keys')

const {
  CKM_AES_CBC_PAD: CBC_PAD,
  CKM_AES_KEY_WRAP_KWP: KWP,
  CKM_LUNA_AES_KWP: LUNA_KWP,
  RC_OPERATION_NOT_ALLOWED,
  RC_WRAPPED_KEY_INVALID,
} = protocol
const { ulong, bool, bytes } = attribute

const KEK = fill(32, 50)
const PRIVATE = [ulong(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY), bool(protocol.CKA_TOKEN, false)]
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

let officer: Officer
let kek = 0

test.before(async () => {
  officer = await cryptOfficer()
  kek = await importAes(officer, KEK)
})

const unwrap = (mechanism: Mechanism, key: number, wrapped: Uint8Array, template: readonly Attribute[]) =>
  officer.client.crypto.unwrap(officer.session, mechanism, key, wrapped, template)

function cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, iv)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

async function drop(...handles: number[]): Promise<void> {
  await officer.client.objects.destroy(officer.session, handles)
}

test('private keys come in as PKCS#8 and sign for OpenSSL to verify', async () => {
  const { client, session } = officer
  for (const [key, open, mechanism] of [
    [rsa.privateKey, rsa.publicKey, protocol.CKM_SHA256_RSA_PKCS],
    [ec.privateKey, ec.publicKey, protocol.CKM_ECDSA_SHA256],
  ] as const) {
    const parameter = fill(16, 4)
    for (const [way, wrapped] of [
      [{ mechanism: KWP }, opensslWrap(KEK, pkcs8(key), true)],
      [{ mechanism: LUNA_KWP }, opensslWrap(KEK, pkcs8(key), true)],
      [{ mechanism: CBC_PAD, parameter }, cbc(KEK, parameter, pkcs8(key))],
    ] as const) {
      const own = await unwrap(way, kek, wrapped, PRIVATE)
      const signature = await client.crypto.sign(session, { mechanism }, own, fill(100))
      const public_ = await importPublic(officer, open)
      await client.crypto.verify(session, { mechanism }, public_, fill(100), signature)
      await drop(own, public_)
    }
  }
})

/** PKCS#8 forms that are whole as DER or nearly, and no keys. */
function broken(): Record<string, Buffer> {
  const [r, e] = [pkcs8(rsa.privateKey), pkcs8(ec.privateKey)]
  const at = (der: Buffer, part: Uint8Array) => der.indexOf(part) * 8
  const { d, p } = rsa.privateKey.export({ format: 'jwk' })
  const { x, d: scalar } = ec.privateKey.export({ format: 'jwk' })
  const number = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const withScalar = (value: Buffer) => {
    const copy = Buffer.from(e)
    copy.set(value, e.indexOf(number(scalar)))
    return copy
  }
  const ed = generateKeyPairSync('x25519').privateKey
  const brainpool = generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }).privateKey
  return {
    'cut short': r.subarray(0, -1),
    'one byte more': Buffer.concat([r, Buffer.of(0)]),
    'half of it': e.subarray(0, e.length / 2),
    'random bytes': fill(200),
    'an empty SEQUENCE': Buffer.of(0x30, 0),
    // With one of the two alone OpenSSL computes the right result by the other.
    'another prime and private exponent': flipped(flipped(r, at(r, number(p)) + 70), at(r, number(d)) + 70),
    'PKCS#1 without PKCS#8': rsa.privateKey.export({ format: 'der', type: 'pkcs1' }),
    'SEC1 without PKCS#8': ec.privateKey.export({ format: 'der', type: 'sec1' }),
    'a public key of another scalar': flipped(e, at(e, number(x)) + 7),
    'the scalar 0': withScalar(Buffer.alloc(32)),
    'the scalar n': withScalar(order),
    'a kind that the token does not have': pkcs8(ed),
    'a curve that the token does not have': pkcs8(brainpool),
    'another algorithm': flipped(r, at(r, Buffer.from('2a864886f70d010101', 'hex')) + 8 * 8 + 1),
  }
}

test('what is no private key is refused, and nothing of it stays', () =>
  storesNothing(officer, async () => {
    for (const [what, der] of Object.entries(broken())) {
      const wrapped = opensslWrap(KEK, der, true)
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: KWP }, kek, wrapped, PRIVATE), what)
      const stored = merged(PRIVATE, [bool(protocol.CKA_TOKEN, true)])
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: KWP }, kek, wrapped, stored), what)
    }
  }))

test('an RSA key of 512 bits is too small', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 })
  const wrapped = opensslWrap(KEK, pkcs8(privateKey), true)
  await storesNothing(officer, () => refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: KWP }, kek, wrapped, PRIVATE)))
})

test('a private key that came in from outside signs only where policy 17 lets it', async () => {
  const own = await prepare(await TestToken.make({}, { seed: 'local' }))
  const { client, session, admin, partition } = own
  const outside = await importPrivate(own, ec.privateKey)
  const params = bytes(protocol.CKA_EC_PARAMS, Buffer.from('06082a8648ce3d030107', 'hex'))
  const inside = await client.objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, [params], [])
  const sign = (key: number) => client.crypto.sign(session, { mechanism: protocol.CKM_ECDSA_SHA256 }, key, fill(3))
  assert.is((await sign(outside)).length, 64)
  await client.partitions.setPolicy(admin, partition, protocol.POLICY_NON_LOCAL_SIGNING, 0)
  await refuses(RC_OPERATION_NOT_ALLOWED, sign(outside))
  assert.is((await sign(inside.privateKey)).length, 64)
})

test.run()
