// WRAP through the command port, held against OpenSSL: AES key wrap with and without padding under both numbers, CBC, OAEP; which keys
// may leave, under which policies.
import { constants, createDecipheriv, createPrivateKey, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute, type Mechanism } from '../../../host/client/index.js'
import {
  cryptOfficer,
  fill,
  HASHES,
  importAes,
  importGeneric,
  importPrivate,
  importPublic,
  oaep,
  opensslUnwrap,
  opensslWrap,
  pkcs8,
  storesNothing,
} from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, officerOn, ownPartition, prepare, SECRETS } from '../support/officer.js'
import { aesKey } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('crypt: wrap')

const {
  CKM_AES_CBC_PAD: CBC_PAD,
  CKM_AES_KEY_WRAP: KW,
  CKM_AES_KEY_WRAP_KWP: KWP,
  CKM_LUNA_AES_KW: LUNA_KW,
  CKM_LUNA_AES_KWP: LUNA_KWP,
  POLICY_PRIVATE_CLONING,
  POLICY_PRIVATE_WRAPPING,
  POLICY_SECRET_WRAPPING,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_NOT_WRAPPABLE,
  RC_KEY_SIZE_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_KEY_UNEXTRACTABLE,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_WRAPPING_KEY_HANDLE_INVALID,
} = protocol
const { bool } = attribute
const EXTRACTABLE = bool(protocol.CKA_EXTRACTABLE, true)

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PRIVATE = [
  rsa.privateKey,
  generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
  ...['prime256v1', 'secp384r1', 'secp521r1', 'secp256k1'].map(
    (namedCurve) => generateKeyPairSync('ec', { namedCurve }).privateKey,
  ),
]

let officer: Officer

test.before(async () => {
  officer = await cryptOfficer()
})

const wrap = async (mechanism: Mechanism, kek: number, key: number, by: Officer = officer) =>
  Buffer.from(await by.client.crypto.wrap(by.session, mechanism, kek, key))

const hex = (text: string) => Buffer.from(text, 'hex')

test('RFC 3394 §4.6 and RFC 5649 §6, under the numbers of PKCS#11 and of the vendor', async () => {
  const kek256 = await importAes(officer, hex('000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F'))
  const key256 = await importAes(officer, hex('00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F'))
  const kek192 = await importAes(officer, hex('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8'))
  const key20 = await importGeneric(officer, hex('c37b7e6492584340bed12207808941155068f738'))
  const key7 = await importGeneric(officer, hex('466f7250617369'))
  for (const mechanism of [KW, LUNA_KW]) {
    const expected = '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21'
    assert.is((await wrap({ mechanism }, kek256, key256)).toString('hex'), expected)
  }
  for (const mechanism of [KWP, LUNA_KWP]) {
    const expected = '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a'
    assert.is((await wrap({ mechanism }, kek192, key20)).toString('hex'), expected)
    assert.is((await wrap({ mechanism }, kek192, key7)).toString('hex'), 'afbeb0f07dfbf5419200f2ccb50bb24f')
  }
  await officer.client.objects.destroy(officer.session, [kek256, key256, kek192, key20, key7])
})

test('secret keys of any length under AES-128, -192 and -256: as OpenSSL', async () => {
  for (const size of [16, 24, 32]) {
    const kek = await importAes(officer, fill(size, size))
    for (const n of [1, 7, 8, 9, 15, 16, 17, 24, 32, 100, 256, 512]) {
      const key = await importGeneric(officer, fill(n, n))
      const what = `${size} ${n}`
      for (const mechanism of [KWP, LUNA_KWP]) {
        const expected = opensslWrap(fill(size, size), fill(n, n), true)
        assert.equal(await wrap({ mechanism }, kek, key), expected, what)
      }
      for (const mechanism of [KW, LUNA_KW]) {
        if (n >= 16 && n % 8 === 0) {
          const expected = opensslWrap(fill(size, size), fill(n, n), false)
          assert.equal(await wrap({ mechanism }, kek, key), expected, what)
        } else await refuses(RC_KEY_SIZE_RANGE, wrap({ mechanism }, kek, key), what)
      }
      const wrapped = await wrap({ mechanism: CBC_PAD, parameter: fill(16, 5) }, kek, key)
      const decipher = createDecipheriv(`aes-${8 * size}-cbc`, fill(size, size), fill(16, 5))
      assert.equal(Buffer.concat([decipher.update(wrapped), decipher.final()]), fill(n, n), what)
      await officer.client.objects.destroy(officer.session, [key])
    }
    await officer.client.objects.destroy(officer.session, [kek])
  }
})

test('OAEP takes out secret keys, for OpenSSL to open', async () => {
  const open = await importPublic(officer, rsa.publicKey)
  const key = await importAes(officer, fill(32))
  for (const { name, hash } of HASHES) {
    const wrapped = await wrap(oaep(hash), open, key)
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    assert.equal(privateDecrypt({ key: rsa.privateKey, padding, oaepHash: name }, wrapped), fill(32))
  }
  const long = await importGeneric(officer, fill(200))
  await refuses(RC_KEY_SIZE_RANGE, wrap(oaep(protocol.CKM_SHA256), open, long))
  await officer.client.objects.destroy(officer.session, [open, key, long])
})

/** An officer of a partition with private key wrapping on, and with a key that wraps; the value of the key is `fill(32, 50)`. */
async function wrappingOfficer(profile: number): Promise<Officer & { readonly kek: number }> {
  const own = await prepare(await TestToken.make({ profile }))
  // On firmware 7 cloning and wrapping of private keys exclude each other.
  await own.client.partitions.setPolicy(own.admin, own.partition, POLICY_PRIVATE_CLONING, 0)
  await own.client.partitions.setPolicy(own.admin, own.partition, POLICY_PRIVATE_WRAPPING, 1)
  return { ...own, kek: await importAes(own, fill(32, 50)) }
}

for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_7_1]) {
  test(`${profile.toString(16)}: with policy 1 on private keys leave as PKCS#8, and are the same keys outside`, async () => {
    const own = await wrappingOfficer(profile)
    for (const key of PRIVATE) {
      const handle = await importPrivate(own, key, [EXTRACTABLE])
      for (const mechanism of [KWP, LUNA_KWP]) {
        const der = opensslUnwrap(fill(32, 50), await wrap({ mechanism }, own.kek, handle, own), true)
        const back = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
        assert.equal(back.export({ format: 'jwk' }), key.export({ format: 'jwk' }))
        if (key.asymmetricKeyType === 'rsa') assert.equal(der, pkcs8(key))
      }
      const wrapped = await wrap({ mechanism: CBC_PAD, parameter: fill(16) }, own.kek, handle, own)
      const decipher = createDecipheriv('aes-256-cbc', fill(32, 50), fill(16))
      const der = Buffer.concat([decipher.update(wrapped), decipher.final()])
      assert.ok(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).equals(key))
      await own.client.objects.destroy(own.session, [handle])
    }
  })
}

test('with policy 1 off no private key leaves, extractable or not, by no mechanism', async () => {
  const kek = await importAes(officer, fill(32))
  const open = await importPublic(officer, rsa.publicKey)
  for (const key of PRIVATE.slice(0, 3)) {
    for (const extractable of [true, false]) {
      const handle = await importPrivate(officer, key, [bool(protocol.CKA_EXTRACTABLE, extractable)])
      await storesNothing(officer, async () => {
        for (const mechanism of [KW, KWP, LUNA_KW, LUNA_KWP]) {
          await refuses(RC_KEY_NOT_WRAPPABLE, wrap({ mechanism }, kek, handle))
        }
        await refuses(RC_KEY_NOT_WRAPPABLE, wrap({ mechanism: CBC_PAD, parameter: fill(16) }, kek, handle))
        await refuses(RC_KEY_NOT_WRAPPABLE, wrap(oaep(protocol.CKM_SHA256), open, handle))
      })
      await officer.client.objects.destroy(officer.session, [handle])
    }
  }
  await officer.client.objects.destroy(officer.session, [kek, open])
})

test('with policy 1 on an unextractable private key still stays, and OAEP takes none', async () => {
  const own = await wrappingOfficer(protocol.PROFILE_6_27_0)
  const key = await importPrivate(own, rsa.privateKey, [bool(protocol.CKA_EXTRACTABLE, false)])
  await refuses(RC_KEY_UNEXTRACTABLE, wrap({ mechanism: KWP }, own.kek, key, own))
  // Unless somebody says so a private key is not extractable.
  await refuses(RC_KEY_UNEXTRACTABLE, wrap({ mechanism: KWP }, own.kek, await importPrivate(own, rsa.privateKey), own))
  const open = await importPublic(own, rsa.publicKey)
  const ec = await importPrivate(own, PRIVATE[2] ?? rsa.privateKey, [EXTRACTABLE])
  await refuses(RC_KEY_NOT_WRAPPABLE, wrap(oaep(protocol.CKM_SHA256), open, ec, own))
})

test('policy 1 is destructive when it is switched on, and on firmware 7 excludes cloning', async () => {
  const own = await prepare(await TestToken.make({ profile: protocol.PROFILE_7_0_3 }))
  const { client, admin, partition, session } = own
  await client.objects.create(session, aesKey('kept', fill(32)))
  const set = (id: number, value: number) => client.partitions.setPolicy(admin, partition, id, value)
  await refuses(protocol.RC_CONFIG_FAILS_DEPENDENCIES, set(POLICY_PRIVATE_WRAPPING, 1))
  await set(POLICY_PRIVATE_CLONING, 0)
  assert.is((await client.partitions.info(partition)).objects, 1)
  await set(POLICY_PRIVATE_WRAPPING, 1)
  assert.is((await client.partitions.info(partition)).objects, 0)
  await refuses(protocol.RC_CONFIG_FAILS_DEPENDENCIES, set(POLICY_PRIVATE_CLONING, 1))
})

test('with policy 5 off no secret key leaves', async () => {
  const own = await prepare(await TestToken.make())
  await own.client.partitions.setPolicy(own.admin, own.partition, POLICY_SECRET_WRAPPING, 0)
  const [kek, key] = [await importAes(own, fill(32)), await importAes(own, fill(32, 2))]
  await refuses(RC_KEY_NOT_WRAPPABLE, wrap({ mechanism: KW }, kek, key, own))
  const open = await importPublic(own, rsa.publicKey)
  await refuses(RC_KEY_NOT_WRAPPABLE, wrap(oaep(protocol.CKM_SHA256), open, key, own))
})

test('sensitive keys leave wrapped, unextractable ones not at all, data and public keys never', async () => {
  const kek = await importAes(officer, fill(32))
  const sensitive = await importAes(officer, fill(32, 2), [bool(protocol.CKA_SENSITIVE, true)])
  assert.is((await wrap({ mechanism: KW }, kek, sensitive)).length, 40)
  const own = await importAes(officer, fill(32, 2), [bool(protocol.CKA_EXTRACTABLE, false)])
  for (const mechanism of [KW, KWP, LUNA_KW, LUNA_KWP]) {
    await refuses(RC_KEY_UNEXTRACTABLE, wrap({ mechanism }, kek, own))
  }
  const open = await importPublic(officer, rsa.publicKey)
  await refuses(RC_KEY_NOT_WRAPPABLE, wrap({ mechanism: KWP }, kek, open))
  const data = await officer.client.objects.create(officer.session, [
    attribute.ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
    attribute.bytes(protocol.CKA_VALUE, fill(32)),
  ])
  await refuses(RC_KEY_NOT_WRAPPABLE, wrap({ mechanism: KWP }, kek, data))
  await officer.client.objects.destroy(officer.session, [kek, sensitive, own, open, data])
})

test('handles that are none, keys that cannot wrap, parameters and mechanisms that do not fit', async () => {
  const [kek, key] = [await importAes(officer, fill(32)), await importAes(officer, fill(32, 2))]
  const open = await importPublic(officer, rsa.publicKey)
  await storesNothing(officer, async () => {
    for (const other of [0, 77, 0x7fff_ffff, 0xffff_ffff]) {
      await refuses(RC_WRAPPING_KEY_HANDLE_INVALID, wrap({ mechanism: KW }, other, key))
      await refuses(RC_KEY_HANDLE_INVALID, wrap({ mechanism: KW }, kek, other))
      await refuses(RC_WRAPPING_KEY_HANDLE_INVALID, wrap(oaep(protocol.CKM_SHA256), other, key))
      await refuses(RC_KEY_HANDLE_INVALID, wrap(oaep(protocol.CKM_SHA256), open, other))
    }
    await refuses(RC_KEY_TYPE_INCONSISTENT, wrap({ mechanism: KW }, open, key))
    await refuses(RC_KEY_TYPE_INCONSISTENT, wrap(oaep(protocol.CKM_SHA256), kek, key))
    for (const mechanism of [KW, KWP, LUNA_KW, LUNA_KWP]) {
      await refuses(RC_MECHANISM_PARAM_INVALID, wrap({ mechanism, parameter: Buffer.alloc(7) }, kek, key))
    }
    for (const n of [0, 15, 17]) {
      await refuses(RC_MECHANISM_PARAM_INVALID, wrap({ mechanism: CBC_PAD, parameter: fill(n) }, kek, key))
    }
    await refuses(RC_MECHANISM_PARAM_INVALID, wrap(oaep(0x0210), open, key))
    for (const mechanism of [protocol.CKM_AES_CTR, protocol.CKM_AES_GCM, protocol.CKM_RSA_PKCS_PSS, 0x1234_5678]) {
      await refuses(RC_MECHANISM_INVALID, wrap({ mechanism }, kek, key))
    }
  })
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const narrow = await importPublic(officer, small.publicKey)
  await refuses(RC_KEY_SIZE_RANGE, wrap(oaep(protocol.CKM_SHA512), narrow, key))
})

test('a key of another partition has no handle here', async () => {
  const { token, client, admin, session } = officer
  const key = await client.objects.create(session, aesKey('here', fill(32)))
  const other = await ownPartition(client, admin, { label: 'other' })
  const there = { token, client, admin, partition: other, session: await officerOn(client, other) }
  const kek = await importAes(there, fill(32))
  await refuses(RC_KEY_HANDLE_INVALID, wrap({ mechanism: KW }, kek, key, there))
})

test('a read-only session may wrap: nothing is stored by it', async () => {
  const token = await TestToken.make()
  const own = await prepare(token)
  const kek = await own.client.objects.create(own.session, aesKey('kek', fill(32, 50)))
  const reader = token.newClient()
  const session = await reader.openSession(own.partition, { readWrite: false })
  await reader.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  const wrapped = await reader.crypto.wrap(session, { mechanism: KW }, kek, kek)
  assert.equal(Buffer.from(wrapped), opensslWrap(fill(32, 50), fill(32, 50), false))
})

test.run()
