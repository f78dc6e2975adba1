// UNWRAP through the command port: what OpenSSL wrapped comes in with the right attributes; what is damaged, too long or against a
// policy does not, and leaves nothing behind.
import { constants, createCipheriv, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, type Mechanism } from '../../../host/client/index.js'
import {
  cryptOfficer,
  fill,
  flipped,
  HASHES,
  importAes,
  importPrivate,
  merged,
  oaep,
  opensslWrap,
  pkcs8,
  storesNothing,
} from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, prepare, SECRETS } from '../support/officer.js'
import { aesKey } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('crypt: unwrap')

const {
  CKM_AES_CBC_PAD: CBC_PAD,
  CKM_AES_KEY_WRAP: KW,
  CKM_AES_KEY_WRAP_KWP: KWP,
  CKM_LUNA_AES_KW: LUNA_KW,
  CKM_LUNA_AES_KWP: LUNA_KWP,
  RC_ATTRIBUTE_READ_ONLY,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OPERATION_NOT_ALLOWED,
  RC_TEMPLATE_INCOMPLETE,
  RC_TEMPLATE_INCONSISTENT,
  RC_UNWRAPPING_KEY_HANDLE_INVALID,
  RC_WRAPPED_KEY_INVALID,
  RC_WRAPPED_KEY_LEN_RANGE,
} = protocol
const { ulong, bool, bytes, text } = attribute

const KEK = fill(32, 50)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

let officer: Officer
let kek = 0

test.before(async () => {
  officer = await cryptOfficer()
  kek = await importAes(officer, KEK)
})

const unwrap = (mechanism: Mechanism, key: number, wrapped: Uint8Array, template: readonly Attribute[], by = officer) =>
  by.client.crypto.unwrap(by.session, mechanism, key, wrapped, template)

const secret = (keyType: number, ...more: Attribute[]): Attribute[] =>
  merged(
    [
      ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      ulong(protocol.CKA_KEY_TYPE, keyType),
      bool(protocol.CKA_TOKEN, false),
    ],
    more,
  )
const AES = secret(protocol.CKK_AES)
const GENERIC = secret(protocol.CKK_GENERIC_SECRET)
const READABLE = [bool(protocol.CKA_SENSITIVE, false), bool(protocol.CKA_EXTRACTABLE, true)]
const PRIVATE = [ulong(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY), bool(protocol.CKA_TOKEN, false)]

async function valueIn(handle: number, type: number = protocol.CKA_VALUE): Promise<Buffer> {
  const [answer] = await officer.client.objects.get(officer.session, handle, [type])
  assert.is(answer?.code, protocol.RC_OK)
  return Buffer.from(answer?.value ?? [])
}

function cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, iv)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

async function drop(...handles: number[]): Promise<void> {
  await officer.client.objects.destroy(officer.session, handles)
}

test('secret keys wrapped by OpenSSL under AES-128, -192 and -256, under the numbers of PKCS#11 and of the vendor', async () => {
  for (const size of [16, 24, 32]) {
    const own = await importAes(officer, fill(size, size))
    for (const n of [1, 7, 8, 16, 17, 32, 200]) {
      const template = merged(GENERIC, READABLE)
      const ways: [Mechanism, Buffer][] = [KWP, LUNA_KWP].map((mechanism) => [
        { mechanism },
        opensslWrap(fill(size, size), fill(n, n), true),
      ])
      if (n >= 16 && n % 8 === 0) {
        const wrapped = opensslWrap(fill(size, size), fill(n, n), false)
        ways.push([{ mechanism: KW }, wrapped], [{ mechanism: LUNA_KW }, wrapped])
      }
      const parameter = fill(16, 3)
      ways.push([{ mechanism: CBC_PAD, parameter }, cbc(fill(size, size), parameter, fill(n, n))])
      for (const [mechanism, wrapped] of ways) {
        const key = await unwrap(mechanism, own, wrapped, template)
        assert.equal(await valueIn(key), fill(n, n), `${size} ${n} ${mechanism.mechanism}`)
        assert.equal(await valueIn(key, protocol.CKA_VALUE_LEN), Buffer.of(0, 0, n >> 8, n & 255))
        await drop(key)
      }
    }
    await drop(own)
  }
})

test('OAEP brings secret keys in, with every hash', async () => {
  const own = await importPrivate(officer, rsa.privateKey)
  for (const { name, hash } of HASHES) {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const wrapped = publicEncrypt({ key: rsa.publicKey, padding, oaepHash: name }, fill(32))
    const key = await unwrap(oaep(hash), own, wrapped, merged(AES, READABLE))
    assert.equal(await valueIn(key), fill(32))
    await storesNothing(officer, async () => {
      for (const bit of [0, 900, 2047]) {
        await refuses(RC_WRAPPED_KEY_INVALID, unwrap(oaep(hash), own, flipped(wrapped, bit), AES))
      }
      await refuses(RC_WRAPPED_KEY_LEN_RANGE, unwrap(oaep(hash), own, wrapped.subarray(1), AES))
      await refuses(RC_WRAPPED_KEY_LEN_RANGE, unwrap(oaep(hash), own, Buffer.alloc(0), AES))
    })
    await drop(key)
  }
  await refuses(RC_MECHANISM_PARAM_INVALID, unwrap(oaep(0x0210), own, Buffer.alloc(256), AES))
  await refuses(RC_KEY_TYPE_INCONSISTENT, unwrap(oaep(protocol.CKM_SHA256), kek, Buffer.alloc(256), AES))
  await refuses(RC_KEY_TYPE_INCONSISTENT, unwrap({ mechanism: KW }, own, Buffer.alloc(40), AES))
})

test('an unwrapped key was never known to be secret: not local, not always sensitive, not never extractable', async () => {
  const types = [
    protocol.CKA_LOCAL,
    protocol.CKA_ALWAYS_SENSITIVE,
    protocol.CKA_NEVER_EXTRACTABLE,
    protocol.CKA_SENSITIVE,
    protocol.CKA_EXTRACTABLE,
    protocol.CKA_PRIVATE,
  ]
  const flags = async (handle: number) =>
    Buffer.concat((await officer.client.objects.get(officer.session, handle, types)).map(({ value }) => value))
  const wrapped = opensslWrap(KEK, fill(32), false)
  const closed = [bool(protocol.CKA_SENSITIVE, true), bool(protocol.CKA_EXTRACTABLE, false)]
  const key = await unwrap({ mechanism: KW }, kek, wrapped, merged(AES, closed))
  assert.equal(await flags(key), Buffer.of(0, 0, 0, 1, 0, 1))
  const own = await unwrap({ mechanism: KWP }, kek, opensslWrap(KEK, pkcs8(ec.privateKey), true), PRIVATE)
  assert.equal(await flags(own), Buffer.of(0, 0, 0, 1, 0, 1))
  for (const handle of [key, own]) {
    const [answer] = await officer.client.objects.get(officer.session, handle, [protocol.CKA_VALUE])
    assert.is(answer?.code, protocol.RC_ATTRIBUTE_SENSITIVE)
    assert.is(answer?.value.length, 0)
  }
  // What is made inside is all of it.
  const made = await officer.client.objects.generate(
    officer.session,
    protocol.CKM_AES_KEY_GEN,
    merged([ulong(protocol.CKA_VALUE_LEN, 32), bool(protocol.CKA_TOKEN, false)], closed),
  )
  assert.equal(await flags(made), Buffer.of(1, 1, 1, 1, 0, 1))
  await drop(key, own, made)
})

test('token objects stay, session objects end with the session', async () => {
  const own = await prepare(await TestToken.make({}, { seed: 'stay' }))
  const key = await own.client.objects.create(own.session, aesKey('kek', KEK))
  const wrapped = opensslWrap(KEK, fill(32), false)
  const kept = await unwrap(
    { mechanism: KW },
    key,
    wrapped,
    [...secret(protocol.CKK_AES, bool(protocol.CKA_TOKEN, true)), text(protocol.CKA_LABEL, 'kept')],
    own,
  )
  const passing = await unwrap({ mechanism: KW }, key, wrapped, AES, own)
  own.token.powerCycle()
  const session = await own.client.openSession(own.partition)
  await own.client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  const handles = (await own.client.objects.list(session)).map(({ handle }) => handle)
  assert.ok(handles.includes(kept))
  assert.not.ok(handles.includes(passing))
  const cipher = await own.client.crypto.encrypt(session, { mechanism: protocol.CKM_AES_ECB }, kept, Buffer.alloc(16))
  const expected = createCipheriv('aes-256-ecb', fill(32), null).setAutoPadding(false).update(Buffer.alloc(16))
  assert.equal(Buffer.from(cipher), expected)
})

test('a read-only session takes a session object, and no token object', async () => {
  const token = await TestToken.make({}, { seed: 'reader' })
  const own = await prepare(token)
  const key = await own.client.objects.create(own.session, aesKey('kek', KEK))
  const client = token.newClient()
  const session = await client.openSession(own.partition, { readWrite: false })
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  const reader = { ...own, client, session }
  const wrapped = opensslWrap(KEK, fill(32), false)
  assert.ok(await unwrap({ mechanism: KW }, key, wrapped, AES, reader))
  const stored = secret(protocol.CKK_AES, bool(protocol.CKA_TOKEN, true))
  await storesNothing(reader, () =>
    refuses(protocol.RC_SESSION_READ_ONLY, unwrap({ mechanism: KW }, key, wrapped, stored, reader)),
  )
})

test('one changed bit anywhere, a longer or a shorter key, another key: nothing comes in', async () => {
  const other = await importAes(officer, fill(32, 51))
  await storesNothing(officer, async () => {
    for (const [mechanism, padded] of [
      [KW, false],
      [LUNA_KW, false],
      [KWP, true],
      [LUNA_KWP, true],
    ] as const) {
      const wrapped = opensslWrap(KEK, fill(32), padded)
      for (let bit = 0; bit < 8 * wrapped.length; bit += 3) {
        await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism }, kek, flipped(wrapped, bit), AES), `bit ${bit}`)
      }
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism }, other, wrapped, AES))
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism }, kek, wrapped.subarray(0, -8), AES))
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism }, kek, Buffer.concat([wrapped, fill(8)]), AES))
    }
    // Each form has its own first half of the check value.
    await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: KWP }, kek, opensslWrap(KEK, fill(32), false), AES))
    await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: KW }, kek, opensslWrap(KEK, fill(32), true), AES))
  })
  await drop(other)
})

test('a length that the mechanism cannot have is told apart', () =>
  storesNothing(officer, async () => {
    const lengths: [Mechanism, number[]][] = [
      [{ mechanism: KW }, [0, 1, 8, 15, 16, 17, 23, 25, 39, 41]],
      [{ mechanism: LUNA_KW }, [0, 16, 41]],
      [{ mechanism: KWP }, [0, 1, 8, 15, 17, 39]],
      [{ mechanism: LUNA_KWP }, [0, 17]],
      [{ mechanism: CBC_PAD, parameter: fill(16) }, [0, 1, 15, 17, 24, 33]],
    ]
    for (const [mechanism, all] of lengths) {
      for (const n of all) {
        const call = unwrap(mechanism, kek, fill(n), AES)
        await refuses(RC_WRAPPED_KEY_LEN_RANGE, call, `${mechanism.mechanism} ${n}`)
      }
    }
  }))

test('CBC: padding that is none', () =>
  storesNothing(officer, async () => {
    const iv = fill(16)
    for (const end of ['00', '11', 'ff', '0202ff']) {
      const block = Buffer.concat([Buffer.alloc(16 - end.length / 2, 0x55), Buffer.from(end, 'hex')])
      const cipher = createCipheriv('aes-256-cbc', KEK, iv).setAutoPadding(false)
      const wrapped = Buffer.concat([cipher.update(block), cipher.final()])
      await refuses(RC_WRAPPED_KEY_INVALID, unwrap({ mechanism: CBC_PAD, parameter: iv }, kek, wrapped, GENERIC), end)
    }
  }))

// ---- templates, handles, policies --------------------------------------------------------------------------------------

test('templates that do not fit the key', () =>
  storesNothing(officer, async () => {
    const aes = opensslWrap(KEK, fill(32), true)
    const odd = opensslWrap(KEK, fill(20), true)
    const own = opensslWrap(KEK, pkcs8(ec.privateKey), true)
    const cls = (value: number) => ulong(protocol.CKA_CLASS, value)
    const cases: [string, number, Buffer, Attribute[]][] = [
      ['no class', RC_TEMPLATE_INCOMPLETE, aes, [ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES)]],
      ['no key type', RC_TEMPLATE_INCOMPLETE, aes, [cls(protocol.CKO_SECRET_KEY)]],
      ['a public key', protocol.RC_ARGUMENTS_BAD, aes, [cls(protocol.CKO_PUBLIC_KEY)]],
      ['data', protocol.RC_ARGUMENTS_BAD, aes, [cls(protocol.CKO_DATA)]],
      ['an AES key of 20 bytes', RC_ATTRIBUTE_VALUE_INVALID, odd, AES],
      ['an RSA key as a secret', RC_ATTRIBUTE_VALUE_INVALID, aes, secret(protocol.CKK_RSA)],
      [
        'a value of its own',
        protocol.RC_ARGUMENTS_BAD,
        aes,
        secret(protocol.CKK_AES, bytes(protocol.CKA_VALUE, fill(32))),
      ],
      [
        'RSA for an EC key',
        RC_TEMPLATE_INCONSISTENT,
        own,
        [...PRIVATE, ulong(protocol.CKA_KEY_TYPE, protocol.CKK_RSA)],
      ],
      ['curve and key', RC_TEMPLATE_INCONSISTENT, own, [...PRIVATE, bytes(protocol.CKA_EC_PARAMS, fill(10))]],
      ['local', RC_ATTRIBUTE_READ_ONLY, aes, secret(protocol.CKK_AES, bool(protocol.CKA_LOCAL, true))],
      [
        'always sensitive',
        RC_ATTRIBUTE_READ_ONLY,
        aes,
        secret(protocol.CKK_AES, bool(protocol.CKA_ALWAYS_SENSITIVE, true)),
      ],
      [
        'a check value',
        RC_ATTRIBUTE_READ_ONLY,
        aes,
        secret(protocol.CKK_AES, bytes(protocol.CKA_CHECK_VALUE, fill(3))),
      ],
      ['encrypting with a private key', RC_TEMPLATE_INCONSISTENT, own, [...PRIVATE, bool(protocol.CKA_ENCRYPT, true)]],
      ['an unknown attribute', protocol.RC_ATTRIBUTE_TYPE_INVALID, aes, [...AES, bytes(0x7777, fill(3))]],
      [
        'a boolean of two',
        RC_ATTRIBUTE_VALUE_INVALID,
        aes,
        secret(protocol.CKK_AES, bytes(protocol.CKA_TOKEN, Buffer.of(2))),
      ],
    ]
    for (const [what, rc, wrapped, template] of cases) {
      await refuses(rc, unwrap({ mechanism: KWP }, kek, wrapped, template), what)
    }
  }))

test('handles that are none, parameters and mechanisms that do not fit', () =>
  storesNothing(officer, async () => {
    const wrapped = opensslWrap(KEK, fill(32), false)
    for (const key of [0, 77, 0x7fff_ffff, 0xffff_ffff]) {
      await refuses(RC_UNWRAPPING_KEY_HANDLE_INVALID, unwrap({ mechanism: KW }, key, wrapped, AES))
    }
    for (const mechanism of [KW, KWP, LUNA_KW, LUNA_KWP]) {
      await refuses(RC_MECHANISM_PARAM_INVALID, unwrap({ mechanism, parameter: Buffer.alloc(7) }, kek, wrapped, AES))
    }
    for (const n of [0, 15, 17]) {
      await refuses(RC_MECHANISM_PARAM_INVALID, unwrap({ mechanism: CBC_PAD, parameter: fill(n) }, kek, wrapped, AES))
    }
    for (const mechanism of [protocol.CKM_AES_CTR, protocol.CKM_AES_GCM, protocol.CKM_RSA_PKCS_PSS, 0x1234_5678]) {
      await refuses(RC_MECHANISM_INVALID, unwrap({ mechanism }, kek, wrapped, AES))
    }
  }))

test('policies 2 and 6 keep private and secret keys out', async () => {
  const own = await prepare(await TestToken.make({}, { seed: 'policies' }))
  const { client, admin, partition } = own
  const key = await importAes(own, KEK)
  const [aes, der] = [opensslWrap(KEK, fill(32), true), opensslWrap(KEK, pkcs8(ec.privateKey), true)]
  const tried = async (private_: number, secret_: number) => {
    const first = unwrap({ mechanism: KWP }, key, der, PRIVATE, own)
    if (private_ === protocol.RC_OK) await first
    else await refuses(private_, first)
    const second = unwrap({ mechanism: KWP }, key, aes, AES, own)
    if (secret_ === protocol.RC_OK) await second
    else await refuses(secret_, second)
  }
  await tried(protocol.RC_OK, protocol.RC_OK)
  await client.partitions.setPolicy(admin, partition, protocol.POLICY_PRIVATE_UNWRAPPING, 0)
  await tried(RC_OPERATION_NOT_ALLOWED, protocol.RC_OK)
  await client.partitions.setPolicy(admin, partition, protocol.POLICY_SECRET_UNWRAPPING, 0)
  await storesNothing(own, () => tried(RC_OPERATION_NOT_ALLOWED, RC_OPERATION_NOT_ALLOWED))
})

test('where storage is full nothing comes in', async () => {
  const own = await prepare(await TestToken.make({}, { seed: 'full' }), { size: 4_000n })
  const key = await own.client.objects.create(own.session, aesKey('kek', KEK))
  const wrapped = opensslWrap(KEK, pkcs8(rsa.privateKey), true)
  const once = () => unwrap({ mechanism: KWP }, key, wrapped, merged(PRIVATE, [bool(protocol.CKA_TOKEN, true)]), own)
  await once()
  await once()
  await storesNothing(own, () => refuses(protocol.RC_CONTAINER_STORAGE_FULL, once()))
})

test.run()
