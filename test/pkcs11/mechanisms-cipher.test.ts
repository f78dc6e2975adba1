// Ciphers and key wrapping through the door, held against OpenSSL and published values.
import { constants, createCipheriv, createPublicKey, publicEncrypt } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill, opensslWrap } from '../firmware/support/crypt-keys.js'
import { bare, Desk, HASHES, open, withIv } from './mechanism-desk.js'
import { ckrOf, data, flag, number } from './support.js'

const test = suite('pkcs11 mechanisms: ciphers')
const { CKK_AES, CKK_DES, CKK_DES2, CKK_DES3, CKK_GENERIC_SECRET } = protocol

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

const BLOCK_CIPHERS = [
  {
    name: 'des-ede3',
    keyType: CKK_DES3,
    length: 24,
    size: 8,
    ecb: protocol.CKM_DES3_ECB,
    cbc: protocol.CKM_DES3_CBC,
    pad: protocol.CKM_DES3_CBC_PAD,
  },
  {
    name: 'des-ede3',
    keyType: CKK_DES2,
    length: 16,
    size: 8,
    ecb: protocol.CKM_DES3_ECB,
    cbc: protocol.CKM_DES3_CBC,
    pad: protocol.CKM_DES3_CBC_PAD,
  },
  {
    name: 'aes-192',
    keyType: CKK_AES,
    length: 24,
    size: 16,
    ecb: protocol.CKM_AES_ECB,
    cbc: protocol.CKM_AES_CBC,
    pad: protocol.CKM_AES_CBC_PAD,
  },
]

test('Triple DES and AES in ECB, CBC and CBC with padding, at once and in parts', async () => {
  for (const { name, keyType, length, size, ecb, cbc, pad } of BLOCK_CIPHERS) {
    const value = fill(length, 3)
    const own = length === 16 ? Buffer.concat([value, value.subarray(0, 8)]) : value
    const key = await desk.secret(keyType, value)
    const iv = fill(size, 9)
    const long = fill(100_000 - (100_000 % size), 5)
    const modes = [
      { how: bare(ecb), cipher: () => createCipheriv(`${name}-ecb`, own, null).setAutoPadding(false), input: long },
      { how: withIv(cbc, iv), cipher: () => createCipheriv(`${name}-cbc`, own, iv).setAutoPadding(false), input: long },
      { how: withIv(pad, iv), cipher: () => createCipheriv(`${name}-cbc`, own, iv), input: long.subarray(3) },
    ]
    for (const { how, cipher, input } of modes) {
      for (const text of [input, input.subarray(0, size * 3)]) {
        const one = cipher()
        const expected = Buffer.concat([one.update(text), one.final()])
        assert.equal(await desk.encrypt(how, key, text), expected, `${name} ${how.type}`)
        assert.equal(await desk.encryptParts(how, key, text, 9001), expected, `${name} ${how.type} in parts`)
        assert.equal(await desk.decrypt(how, key, expected), Buffer.from(text))
        assert.equal(await desk.decryptParts(how, key, expected, 7777), Buffer.from(text))
      }
    }
    assert.is(await ckrOf(() => desk.encrypt(bare(ecb), key, fill(size + 1))), CKR.DATA_LEN_RANGE)
    assert.is(await ckrOf(() => desk.decrypt(withIv(pad, iv), key, fill(size + 1))), CKR.ENCRYPTED_DATA_LEN_RANGE)
    assert.is(
      await ckrOf(() => desk.encrypt(withIv(cbc, fill(size - 1)), key, fill(size))),
      CKR.MECHANISM_PARAM_INVALID,
    )
  }
})

test('Triple DES of SP 800-67, appendix B, and DES of FIPS 81', async () => {
  const three = await desk.secret(CKK_DES3, hex('0123456789abcdef 23456789abcdef01 456789abcdef0123'))
  const text = hex('5468652071756663 6b2062726f776e20 666f78206a756d70')
  const expected = hex('a826fd8ce53b855f cce21c8112256fe6 68d5c05dd9b6b900')
  assert.equal(await desk.encrypt(bare(protocol.CKM_DES3_ECB), three, text), expected)
  assert.equal(await desk.decrypt(bare(protocol.CKM_DES3_ECB), three, expected), text)
  const one = await desk.secret(CKK_DES, hex('0123456789abcdef'))
  const message = Buffer.from('Now is the time for all ')
  assert.equal(
    await desk.encrypt(bare(protocol.CKM_DES_ECB), one, message),
    hex('3fa40e8a984d4815 6a271787ab8883f9 893d51ec4b563b53'),
  )
  const iv = hex('1234567890abcdef')
  assert.equal(
    await desk.encrypt(withIv(protocol.CKM_DES_CBC, iv), one, message),
    hex('e5c7cdde872bf27c 43e934008c389c0f 683788499a7c05f6'),
  )
})

test('keys of DES are made with odd parity and the length of their kind', async () => {
  for (const [type, keyType, length] of [
    [protocol.CKM_DES_KEY_GEN, CKK_DES, 8],
    [protocol.CKM_DES2_KEY_GEN, CKK_DES2, 16],
    [protocol.CKM_DES3_KEY_GEN, CKK_DES3, 24],
  ] as const) {
    const value = await desk.value(await desk.generate(bare(type), open(keyType, 0)))
    assert.is(value.length, length)
    for (const byte of value) assert.is([...byte.toString(2)].filter((bit) => bit === '1').length % 2, 1)
    assert.is(await ckrOf(() => desk.secret(keyType, fill(length + 1))), CKR.ATTRIBUTE_VALUE_INVALID)
  }
  const check = await desk.value(await desk.secret(CKK_DES3, fill(24)), protocol.CKA_CHECK_VALUE)
  const cipher = createCipheriv('des-ede3-ecb', fill(24), null).setAutoPadding(false)
  assert.equal(check, cipher.update(Buffer.alloc(8)).subarray(0, 3))
})

const gcm = (iv: Uint8Array, aad: Uint8Array, tagBits: number): CkMechanism => ({
  type: protocol.CKM_AES_GCM,
  parameter: { form: 'gcm', iv, ivBits: iv.length * 8, aad, tagBits },
})

test('GCM with tags from 32 bits on, and associated data as long as a command can be', async () => {
  const key = await desk.secret(CKK_AES, fill(32, 3))
  for (const tagBits of [32, 64, 96, 104, 112, 120, 128]) {
    const input = fill(tagBits === 128 ? 65_520 : 100)
    const cipher = createCipheriv('aes-256-gcm', fill(32, 3), fill(8), { authTagLength: tagBits / 8 }).setAAD(fill(20))
    const expected = Buffer.concat([cipher.update(input), cipher.final(), cipher.getAuthTag()])
    assert.equal(await desk.encrypt(gcm(fill(8), fill(20), tagBits), key, input), expected, `${tagBits}`)
    assert.equal(await desk.decryptParts(gcm(fill(8), fill(20), tagBits), key, expected, 20_000), input)
    expected[0] = (expected[0] ?? 0) ^ 1
    assert.is(await ckrOf(() => desk.decrypt(gcm(fill(8), fill(20), tagBits), key, expected)), 0x40)
  }
  assert.is(await ckrOf(() => desk.encrypt(gcm(fill(12), fill(0), 40), key, fill(1))), CKR.MECHANISM_PARAM_INVALID)
  // Beside the longest that leaves room for parts, and with a bit more.
  const [long, longer] = [gcm(fill(12), fill(61_440), 128), gcm(fill(12), fill(62_000), 128)]
  const input = fill(10_000)
  const cipher = createCipheriv('aes-256-gcm', fill(32, 3), fill(12)).setAAD(fill(61_440))
  const expected = Buffer.concat([cipher.update(input), cipher.final(), cipher.getAuthTag()])
  assert.equal(await desk.encrypt(long, key, input), expected)
  assert.equal(await desk.decrypt(long, key, expected), input)
  assert.is(await ckrOf(() => desk.encrypt(longer, key, input)), CKR.DATA_LEN_RANGE)
  assert.is(await ckrOf(() => desk.decrypt(longer, key, expected)), CKR.ENCRYPTED_DATA_LEN_RANGE)
})

const ccm = (length: number, nonce: Uint8Array, aad: Uint8Array, mac: number): CkMechanism => ({
  type: protocol.CKM_AES_CCM,
  parameter: { form: 'ccm', length, nonce, aad, mac },
})

test('CCM', async () => {
  const key = await desk.secret(CKK_AES, fill(16, 3))
  for (const [nonce, mac, length] of [
    [7, 16, 1000],
    [12, 8, 33],
    [13, 4, 1],
  ] as const) {
    const cipher = createCipheriv('aes-128-ccm', fill(16, 3), fill(nonce), { authTagLength: mac })
    cipher.setAAD(fill(30), { plaintextLength: length })
    const expected = Buffer.concat([cipher.update(fill(length)), cipher.final(), cipher.getAuthTag()])
    const how = ccm(length, fill(nonce), fill(30), mac)
    assert.equal(await desk.encrypt(how, key, fill(length)), expected)
    assert.equal(await desk.decrypt(how, key, expected), fill(length))
    expected[expected.length - 1] = (expected[expected.length - 1] ?? 0) ^ 1
    assert.is(await ckrOf(() => desk.decrypt(how, key, expected)), 0x40)
  }
  for (const [nonce, mac] of [
    [6, 16],
    [14, 16],
    [12, 5],
    [12, 18],
  ] as const) {
    assert.is(
      await ckrOf(() => desk.encrypt(ccm(3, fill(nonce), fill(0), mac), key, fill(3))),
      CKR.MECHANISM_PARAM_INVALID,
    )
  }
})

test('key wrap as a cipher, with its own initial value or another', async () => {
  const key = await desk.secret(CKK_AES, fill(32, 3))
  const { CKM_AES_KEY_WRAP: KW, CKM_AES_KEY_WRAP_KWP: KWP, CKM_LUNA_AES_KW, CKM_LUNA_AES_KWP } = protocol
  for (const type of [KW, CKM_LUNA_AES_KW]) {
    const wrapped = opensslWrap(fill(32, 3), fill(64), false)
    assert.equal(await desk.encrypt({ type, parameter: undefined }, key, fill(64)), wrapped)
    assert.equal(await desk.decryptParts(withIv(type, new Uint8Array(0)), key, wrapped, 10), fill(64))
    const cipher = createCipheriv('id-aes256-wrap', fill(32, 3), fill(8, 4))
    assert.equal(await desk.encrypt(withIv(type, fill(8, 4)), key, fill(64)), cipher.update(fill(64)))
    assert.is(await ckrOf(() => desk.decrypt(withIv(type, fill(8, 5)), key, wrapped)), 0x40)
    assert.is(await ckrOf(() => desk.encrypt(withIv(type, fill(7)), key, fill(64))), CKR.MECHANISM_PARAM_INVALID)
    assert.is(await ckrOf(() => desk.encrypt(withIv(type, fill(0)), key, fill(63))), CKR.DATA_LEN_RANGE)
  }
  for (const type of [KWP, CKM_LUNA_AES_KWP, protocol.CKM_AES_KEY_WRAP_PAD]) {
    const wrapped = opensslWrap(fill(32, 3), fill(61), true)
    assert.equal(await desk.encrypt(withIv(type, new Uint8Array(0)), key, fill(61)), wrapped)
    assert.equal(await desk.decrypt(withIv(type, hex('a65959a6')), key, wrapped), fill(61))
    const other = await desk.encrypt(withIv(type, fill(8, 4)), key, fill(9))
    assert.equal(await desk.decrypt(withIv(type, fill(4, 4)), key, other), fill(9))
    assert.is(await ckrOf(() => desk.decrypt(withIv(type, fill(0)), key, other)), 0x40)
  }
})

test('secret keys wrapped by every cipher come back as they were', async () => {
  const aes = await desk.secret(CKK_AES, fill(32, 3))
  const des = await desk.secret(CKK_DES3, fill(24, 3))
  const target = await desk.secret(CKK_GENERIC_SECRET, fill(40, 8), [flag(protocol.CKA_EXTRACTABLE, true)])
  const cases: [CkMechanism, number, Buffer | undefined][] = [
    [bare(protocol.CKM_AES_ECB), aes, undefined],
    [withIv(protocol.CKM_AES_CBC, fill(16)), aes, undefined],
    [withIv(protocol.CKM_AES_CBC_PAD, fill(16)), aes, undefined],
    [bare(protocol.CKM_DES3_ECB), des, undefined],
    [withIv(protocol.CKM_DES3_CBC_PAD, fill(8)), des, undefined],
    [withIv(protocol.CKM_AES_KEY_WRAP_KWP, new Uint8Array(0)), aes, opensslWrap(fill(32, 3), fill(40, 8), true)],
    [withIv(protocol.CKM_LUNA_AES_KW, new Uint8Array(0)), aes, opensslWrap(fill(32, 3), fill(40, 8), false)],
  ]
  for (const [how, by, expected] of cases) {
    const wrapped = await desk.wrap(how, by, target)
    if (expected) assert.equal(wrapped, expected)
    const back = await desk.unwrap(how, by, wrapped, open(CKK_GENERIC_SECRET, 40))
    assert.equal(await desk.value(back), fill(40, 8), how.type.toString(16))
    assert.is(await desk.flag(back, protocol.CKA_LOCAL), false)
  }
  const cipher = createCipheriv('aes-256-cbc', fill(32, 3), fill(16)).setAutoPadding(false)
  const zeros = Buffer.concat([fill(40, 8), Buffer.alloc(8)])
  assert.equal(await desk.wrap(withIv(protocol.CKM_AES_CBC, fill(16)), aes, target), cipher.update(zeros))
})

const rsaTemplates = (): [ReturnType<typeof number>[], ReturnType<typeof number>[]] => [
  [
    number(protocol.CKA_MODULUS_BITS, 2048),
    ...[protocol.CKA_ENCRYPT, protocol.CKA_VERIFY, protocol.CKA_WRAP].map((usage) => flag(usage, true)),
  ],
  [protocol.CKA_DECRYPT, protocol.CKA_SIGN, protocol.CKA_UNWRAP].map((usage) => flag(usage, true)),
]

const b64 = (value: Uint8Array): string => Buffer.from(value).toString('base64url')

test('RSA: PKCS#1 v1.5, OAEP with every hash, label and MGF1, and the raw operation', async () => {
  const [open_, own] = await desk.pair(bare(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN), ...rsaTemplates())
  const [n, e] = [await desk.value(open_, protocol.CKA_MODULUS), await desk.value(open_, protocol.CKA_PUBLIC_EXPONENT)]
  const key = createPublicKey({ key: { kty: 'RSA', n: b64(n), e: b64(e) }, format: 'jwk' })
  const pkcs = bare(protocol.CKM_RSA_PKCS)
  assert.equal(
    await desk.decrypt(pkcs, own, publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, fill(33))),
    fill(33),
  )
  for (const length of [0, 1, 245])
    assert.equal(await desk.decrypt(pkcs, own, await desk.encrypt(pkcs, open_, fill(length))), fill(length))
  assert.is(await ckrOf(() => desk.encrypt(pkcs, open_, fill(246))), CKR.DATA_LEN_RANGE)
  const bad = [
    Buffer.alloc(255),
    Buffer.concat([Buffer.of(0, 2), fill(7), Buffer.of(0), fill(246)]),
    Buffer.concat([Buffer.of(0, 1), Buffer.alloc(253, 0xff), Buffer.of(0)]),
  ]
  for (const block of bad) {
    if (block.length !== 256) continue
    const raw = publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
    assert.is(await ckrOf(() => desk.decrypt(pkcs, own, raw)), 0x40)
  }

  for (const { name, hash, mgf, length } of HASHES) {
    if (2 * length + 2 + 20 > 256) continue
    for (const label of [new Uint8Array(0), fill(12)]) {
      const how: CkMechanism = {
        type: protocol.CKM_RSA_PKCS_OAEP,
        parameter: { form: 'oaep', hash, mgf, source: 1, label },
      }
      const sealed = publicEncrypt(
        { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: name, oaepLabel: label },
        fill(20),
      )
      assert.equal(await desk.decrypt(how, own, sealed), fill(20), name)
      assert.equal(await desk.decrypt(how, own, await desk.encrypt(how, open_, fill(20))), fill(20))
      const other: CkMechanism = { ...how, parameter: { form: 'oaep', hash, mgf, source: 1, label: fill(5) } }
      assert.is(await ckrOf(() => desk.decrypt(other, own, sealed)), 0x40)
    }
  }
  const mixed: CkMechanism = {
    type: protocol.CKM_RSA_PKCS_OAEP,
    parameter: { form: 'oaep', hash: protocol.CKM_SHA256, mgf: 1, source: 1, label: new Uint8Array(0) },
  }
  assert.equal(await desk.decrypt(mixed, own, await desk.encrypt(mixed, open_, fill(20))), fill(20))

  const raw = bare(protocol.CKM_RSA_X_509)
  const block = Buffer.concat([Buffer.alloc(1), fill(255)])
  assert.equal(await desk.encrypt(raw, open_, block), publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block))
  assert.equal(
    await desk.decrypt(raw, own, await desk.encrypt(raw, open_, fill(3))),
    Buffer.concat([Buffer.alloc(253), fill(3)]),
  )
  assert.is(await ckrOf(() => desk.encrypt(raw, open_, Buffer.alloc(256, 0xff))), 0x20)

  const target = await desk.secret(CKK_AES, fill(32, 8), [flag(protocol.CKA_EXTRACTABLE, true)])
  for (const how of [pkcs, mixed]) {
    assert.equal(
      await desk.value(await desk.unwrap(how, own, await desk.wrap(how, open_, target), open(CKK_AES, 0))),
      fill(32, 8),
    )
  }
})

test("keys of one cipher do not do another's work", async () => {
  const aes = await desk.secret(CKK_AES, fill(16))
  const des = await desk.secret(CKK_DES3, fill(24))
  assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_DES3_ECB), aes, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_AES_ECB), des, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_DES_ECB), des, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await ckrOf(() => desk.sign(bare(protocol.CKM_AES_CMAC), des, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
  const idle = await desk.create([
    ...[number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY), number(protocol.CKA_KEY_TYPE, CKK_AES)],
    ...[data(protocol.CKA_VALUE, fill(16)), flag(protocol.CKA_ENCRYPT, false)],
  ])
  assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_AES_ECB), idle, fill(16))), CKR.KEY_FUNCTION_NOT_PERMITTED)
})

test.run()
