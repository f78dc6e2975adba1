// Keys derived through the door, held against OpenSSL and published values; and what they have of their base.
import { createCipheriv, createHash, createHmac, hkdfSync, pbkdf2Sync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { CkAttribute } from '../../host/pkcs11/attribute-codec.js'
import { ulongBytes } from '../../host/pkcs11/attribute-codec.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism, KdfSegment } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { bare, Desk, generic, HASHES, hex, open, withNumber } from './mechanism-desk.js'
import { ckrOf, data, flag, number } from './support.js'

const test = suite('pkcs11 mechanisms: derivation')
const { CKK_AES, CKK_DES2, CKK_DES3, CKK_GENERIC_SECRET } = protocol

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

interface HkdfOptions {
  readonly extracts?: boolean
  readonly expands?: boolean
  readonly saltType?: number
  readonly saltKey?: number
  readonly type?: number
}

const hkdf = (hash: number, salt: Uint8Array, info: Uint8Array, options: HkdfOptions = {}): CkMechanism => {
  const { extracts = true, expands = true, saltType = salt.length > 0 ? 2 : 1, saltKey = 0 } = options
  return {
    type: options.type ?? protocol.CKM_HKDF_DERIVE,
    parameter: { form: 'hkdf', extracts, expands, hash, saltType, salt, saltKey, info },
  }
}

test('HKDF with every hash, whole and in halves, with a key for a salt, and for data', async () => {
  const base = await desk.secret(CKK_GENERIC_SECRET, fill(80, 4))
  const saltKey = await desk.secret(CKK_GENERIC_SECRET, fill(20, 5))
  for (const { name, hash, length } of HASHES) {
    for (const salt of [new Uint8Array(0), fill(200)]) {
      const expected = Buffer.from(hkdfSync(name, fill(80, 4), salt, fill(9), 333))
      assert.equal(await desk.derived(hkdf(hash, salt, fill(9)), base, generic(333)), expected, name)
    }
    const prk = createHmac(name, fill(20, 5)).update(fill(80, 4)).digest()
    const halves = { extracts: true, expands: false, saltType: 4, saltKey }
    const key = await desk.derive(
      hkdf(hash, new Uint8Array(0), fill(9), halves),
      base,
      generic(length, [flag(protocol.CKA_DERIVE, true)]),
    )
    assert.equal(await desk.value(key), prk)
    const rest = await desk.derived(hkdf(hash, fill(3), fill(9), { extracts: false }), key, generic(333))
    assert.equal(rest, Buffer.from(hkdfSync(name, fill(80, 4), fill(20, 5), fill(9), 333)))
  }
  const how = hkdf(protocol.CKM_SHA256, fill(3), fill(9), { type: protocol.CKM_HKDF_DATA })
  const made = await desk.derive(how, base, [
    number(protocol.CKA_CLASS, protocol.CKO_DATA),
    number(protocol.CKA_VALUE_LEN, 40),
  ])
  assert.equal(await desk.value(made), Buffer.from(hkdfSync('sha256', fill(80, 4), fill(3), fill(9), 40)))
  assert.is(
    await ckrOf(() => desk.derived(hkdf(protocol.CKM_SHA_1, fill(3), fill(9)), base, generic(0))),
    CKR_TEMPLATE_INCOMPLETE,
  )
  const none = hkdf(protocol.CKM_SHA256, fill(3), fill(9), { extracts: false, expands: false })
  assert.is(await ckrOf(() => desk.derived(none, base, generic(8))), CKR.MECHANISM_PARAM_INVALID)
})
const CKR_TEMPLATE_INCOMPLETE = 0xd0

test('HKDF of RFC 5869, test case 1', async () => {
  const base = await desk.secret(CKK_GENERIC_SECRET, Buffer.alloc(22, 0x0b))
  const how = hkdf(protocol.CKM_SHA256, hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'))
  assert.equal(
    await desk.derived(how, base, generic(42)),
    hex('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'),
  )
})

const pbkdf2 = (prf: number, iterations: number, password: string, salt: string): CkMechanism => ({
  type: protocol.CKM_PKCS5_PBKD2,
  parameter: {
    form: 'password',
    saltSource: 1,
    salt: Buffer.from(salt),
    iterations,
    prf,
    prfData: new Uint8Array(0),
    password: Buffer.from(password),
  },
})

test('PBKDF2 of RFC 6070 and with every function; the password travels sealed', async () => {
  const key = await desk.generate(pbkdf2(1, 4096, 'password', 'salt'), generic(20))
  assert.equal(await desk.value(key), hex('4b007901b765489abead49d926f721d065a429c1'))
  for (const [prf, name] of [
    [3, 'sha224'],
    [4, 'sha256'],
    [5, 'sha384'],
    [6, 'sha512'],
  ] as const) {
    const made = await desk.generate(pbkdf2(prf, 7, 'a password', 'some salt'), open(CKK_AES, 32))
    assert.equal(await desk.value(made), pbkdf2Sync('a password', 'some salt', 7, 32, name))
  }
  for (const [prf, iterations] of [
    [2, 1],
    [4, 0],
    [4, 1_000_001],
  ] as const) {
    assert.is(
      await ckrOf(() => desk.generate(pbkdf2(prf, iterations, 'x', 'y'), generic(20))),
      CKR.MECHANISM_PARAM_INVALID,
    )
  }
})

const counter = (bits: number, little = false): Buffer =>
  Buffer.concat([Buffer.of(little ? 1 : 0), Buffer.alloc(7), ulongBytes(bits)])
const keyLength = (bits: number, method = 1): Buffer =>
  Buffer.concat([ulongBytes(method), Buffer.alloc(8), ulongBytes(bits)])
const bytes = (value: Uint8Array): KdfSegment => ({ type: 4, value })

const kdf = (type: number, prf: number, segments: readonly KdfSegment[], iv?: Uint8Array): CkMechanism => ({
  type,
  parameter: { form: 'kdf', prf, segments, iv, more: 0 },
})

test('SP 800-108 in counter mode: NIST CAVP, CMAC-AES128, 32-bit counter before the fixed data', async () => {
  // KBKDF counter mode, [PRF=CMAC_AES128] [CTRLOCATION=BEFORE_FIXED] [RLEN=32_BITS], COUNT=0 (L=128).
  const base = await desk.secret(CKK_AES, hex('c10b152e8c97b77e18704e0f0bd38305'))
  const fixed = hex(
    '98cd4cbbbebe15d17dc86e6dbad800a2dcbd64f7c7ad0e78e9cf94ffdba89d03e97eadf6c4f7b806caf52aa38f09d0eb71d71f497bcc6906b48d36c4',
  )
  const how = kdf(protocol.CKM_SP800_108_COUNTER_KDF, protocol.CKM_AES_CMAC, [
    { type: 1, value: counter(32) },
    bytes(fixed),
  ])
  assert.equal(await desk.derived(how, base, generic(16)), hex('26faf61908ad9ee881b8305c221db53f'))
})

test('SP 800-108 with HMAC: counters, lengths and bytes in any order, and feedback', async () => {
  const value = fill(70, 6)
  const base = await desk.secret(CKK_GENERIC_SECRET, value)
  for (const { name, hash, length } of HASHES) {
    const prf = hash + 1
    const blocks = Math.ceil(100 / length)
    const counted = Array.from({ length: blocks }, (_, i) => {
      const little = Buffer.from([i + 1, 0])
      return createHmac(name, value).update(fill(5)).update(little).update(fill(9, 2)).update(u32(800)).digest()
    })
    const segments = [
      ...[bytes(fill(5)), { type: 1, value: counter(16, true) }, bytes(fill(9, 2))],
      { type: 3, value: keyLength(32) },
    ]
    const how = kdf(protocol.CKM_SP800_108_COUNTER_KDF, prf, segments)
    assert.equal(await desk.derived(how, base, generic(100)), Buffer.concat(counted).subarray(0, 100), name)

    let last: Buffer = fill(11, 3)
    const chained = Array.from({ length: blocks }, (_, i) => {
      last = createHmac(name, value)
        .update(last)
        .update(Buffer.of(i + 1))
        .update(fill(9, 2))
        .update(u32(8 * blocks * length))
        .digest()
      return last
    })
    const feedback = [
      ...[{ type: 1, value: new Uint8Array(0) }, { type: 2, value: counter(8) }, bytes(fill(9, 2))],
      { type: 3, value: keyLength(32, 2) },
    ]
    const again = kdf(protocol.CKM_SP800_108_FEEDBACK_KDF, prf, feedback, fill(11, 3))
    assert.equal(
      await desk.derived(again, base, generic(100)),
      Buffer.concat(chained).subarray(0, 100),
      `${name} feedback`,
    )
  }
  const wrong = [
    [bytes(fill(3))],
    [{ type: 1, value: counter(12) }],
    [
      { type: 1, value: counter(8) },
      { type: 1, value: counter(8) },
    ],
    [
      { type: 1, value: counter(8) },
      { type: 2, value: counter(8) },
    ],
    [{ type: 1, value: fill(3) }],
    [{ type: 9, value: fill(3) }],
  ]
  for (const segments of wrong) {
    const how = kdf(protocol.CKM_SP800_108_COUNTER_KDF, protocol.CKM_SHA256_HMAC, segments)
    assert.is(await ckrOf(() => desk.derived(how, base, generic(32))), CKR.MECHANISM_PARAM_INVALID)
  }
  const none = kdf(protocol.CKM_SP800_108_COUNTER_KDF, protocol.CKM_SHA256, [{ type: 1, value: counter(8) }])
  assert.is(await ckrOf(() => desk.derived(none, base, generic(32))), CKR.MECHANISM_PARAM_INVALID)
})

test("the vendor's form of SP 800-108, in each of its schemes", async () => {
  const value = fill(32, 6)
  const base = await desk.secret(CKK_GENERIC_SECRET, value)
  const [label, context] = [fill(8, 1), fill(5, 2)]
  const zero = Buffer.of(0)
  const schemes: ((i: number) => Buffer[])[] = [
    (i) => [u32(i), context, zero, label, u32(384)],
    (i) => [u32(i), context, label],
    (i) => [u32(i), label, zero, context, u32(384)],
    (i) => [u32(i), label, context],
    (i) => [label, zero, u32(384).subarray(2), Buffer.of(i), context],
    (i) => [Buffer.of(i), label, zero, context, u32(384).subarray(2)],
  ]
  for (const [scheme, fields] of schemes.entries()) {
    for (const start of [0, 1]) {
      const make = (i: number) =>
        fields(start + i)
          .reduce((mac, field) => mac.update(field), createHmac('sha256', value))
          .digest()
      const how: CkMechanism = {
        type: protocol.CKM_LUNA_NIST_PRF_KDF,
        parameter: { form: 'prf', prf: 7, label, context, counter: start, scheme },
      }
      assert.equal(
        await desk.derived(how, base, generic(48)),
        Buffer.concat([make(0), make(1)]).subarray(0, 48),
        `${scheme}`,
      )
    }
  }
  const aes = await desk.secret(CKK_AES, fill(16))
  const cmac: CkMechanism = {
    type: protocol.CKM_LUNA_NIST_PRF_KDF,
    parameter: { form: 'prf', prf: 2, label, context, counter: 1, scheme: 0 },
  }
  const block = await desk.sign(
    bare(protocol.CKM_AES_CMAC),
    aes,
    Buffer.concat([u32(1), context, zero, label, u32(128)]),
  )
  assert.equal(await desk.derived(cmac, aes, generic(16)), block)
  assert.is(await ckrOf(() => desk.derived(cmac, base, generic(16))), CKR.MECHANISM_PARAM_INVALID)
})

const string = (type: number, value: Uint8Array): CkMechanism => ({ type, parameter: { form: 'string', data: value } })

test('keys joined with keys and with data, and parts of keys', async () => {
  const base = await desk.secret(CKK_GENERIC_SECRET, fill(20, 1))
  const other = await desk.secret(CKK_GENERIC_SECRET, fill(12, 2))
  const more = [flag(protocol.CKA_SENSITIVE, false)]
  const [open1, open2] = [
    await desk.secret(CKK_GENERIC_SECRET, fill(20, 1), more),
    await desk.secret(CKK_GENERIC_SECRET, fill(12, 2), more),
  ]
  const both = Buffer.concat([fill(20, 1), fill(12, 2)])
  assert.equal(await desk.derived(withNumber(protocol.CKM_CONCATENATE_BASE_AND_KEY, open2), open1, generic(0)), both)
  assert.equal(
    await desk.derived(withNumber(protocol.CKM_CONCATENATE_BASE_AND_KEY, open2), open1, open(CKK_AES, 16)),
    both.subarray(0, 16),
  )
  assert.equal(await desk.derived(string(protocol.CKM_CONCATENATE_BASE_AND_DATA, fill(12, 2)), open1, generic(0)), both)
  assert.equal(
    await desk.derived(string(protocol.CKM_CONCATENATE_DATA_AND_BASE, fill(20, 1)), open2, generic(30)),
    both.subarray(0, 30),
  )
  const xor = fill(20, 1).map((byte, i) => byte ^ (fill(16, 3)[i] ?? 0))
  assert.equal(
    await desk.derived(string(protocol.CKM_XOR_BASE_AND_DATA, fill(16, 3)), open1, generic(0)),
    Buffer.from(xor.subarray(0, 16)),
  )
  const bits = [...fill(20, 1)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const turned = (bits + bits).slice(13, 13 + 160).match(/.{8}/g) ?? []
  assert.equal(
    await desk.derived(withNumber(protocol.CKM_EXTRACT_KEY_FROM_KEY, 13), open1, generic(0)),
    Buffer.from(turned.map((byte) => Number.parseInt(byte, 2))),
  )
  assert.is(
    await ckrOf(() => desk.derived(withNumber(protocol.CKM_EXTRACT_KEY_FROM_KEY, 160), open1, generic(0))),
    CKR.MECHANISM_PARAM_INVALID,
  )
  assert.is(
    await ckrOf(() => desk.derived(withNumber(protocol.CKM_CONCATENATE_BASE_AND_KEY, 0x7fff_0000), open1, generic(0))),
    CKR.KEY_HANDLE_INVALID,
  )
  assert.is(
    await ckrOf(() => desk.derived(string(protocol.CKM_XOR_BASE_AND_DATA, fill(16, 3)), open1, generic(17))),
    0x62,
  )
  // What is made of a sensitive key stays one.
  for (const [a, b] of [
    [base, open2],
    [open1, other],
  ] as const) {
    assert.is(
      await ckrOf(() => desk.derived(withNumber(protocol.CKM_CONCATENATE_BASE_AND_KEY, b), a, generic(0))),
      CKR.TEMPLATE_INCONSISTENT,
    )
  }
})

test('keys that are digests of keys', async () => {
  const base = await desk.secret(CKK_GENERIC_SECRET, fill(33, 1), [flag(protocol.CKA_SENSITIVE, false)])
  for (const { name, key, length } of HASHES) {
    const digest = createHash(name).update(fill(33, 1)).digest()
    assert.equal(await desk.derived(bare(key), base, generic(0)), digest, name)
    assert.equal(await desk.derived(bare(key), base, open(CKK_AES, 16)), digest.subarray(0, 16))
    assert.is(await ckrOf(() => desk.derived(bare(key), base, generic(length + 1))), 0x62)
  }
})

test('keys that are ciphertexts, with AES and Triple DES', async () => {
  const aes = await desk.secret(CKK_AES, fill(32, 1))
  const des = await desk.secret(CKK_DES3, fill(24, 1))
  const ecb = createCipheriv('aes-256-ecb', fill(32, 1), null).setAutoPadding(false).update(fill(48))
  assert.equal(
    await desk.derived(string(protocol.CKM_AES_ECB_ENCRYPT_DATA, fill(48)), aes, generic(40)),
    ecb.subarray(0, 40),
  )
  const cbc = createCipheriv('aes-256-cbc', fill(32, 1), fill(16, 7)).setAutoPadding(false).update(fill(48))
  const how: CkMechanism = {
    type: protocol.CKM_AES_CBC_ENCRYPT_DATA,
    parameter: { form: 'chained', iv: fill(16, 7), data: fill(48) },
  }
  assert.equal(await desk.derived(how, aes, generic(0)), cbc)
  const des3 = createCipheriv('des-ede3-cbc', fill(24, 1), fill(8, 7)).setAutoPadding(false).update(fill(48))
  const old: CkMechanism = {
    type: protocol.CKM_DES3_CBC_ENCRYPT_DATA,
    parameter: { form: 'chained', iv: fill(8, 7), data: fill(48) },
  }
  assert.equal(await desk.derived(old, des, generic(48)), des3)
  const parity = await desk.derived(old, des, open(CKK_DES2, 0))
  assert.is(parity.length, 16)
  for (const [i, byte] of parity.entries()) assert.is(byte >>> 1, (des3[i] ?? 0) >>> 1)
  assert.is(
    await ckrOf(() => desk.derived(string(protocol.CKM_AES_ECB_ENCRYPT_DATA, fill(47)), aes, generic(0))),
    CKR.MECHANISM_PARAM_INVALID,
  )
  assert.is(
    await ckrOf(() => desk.derived(string(protocol.CKM_AES_ECB_ENCRYPT_DATA, fill(16)), aes, open(CKK_DES3, 0))),
    0x62,
  )
})

test('what a derived key has of its base, and what a template may not say', async () => {
  const closed = [flag(protocol.CKA_SENSITIVE, true), flag(protocol.CKA_EXTRACTABLE, false)]
  const local = await desk.generate(bare(protocol.CKM_GENERIC_SECRET_KEY_GEN), [
    ...[number(protocol.CKA_VALUE_LEN, 32), flag(protocol.CKA_DERIVE, true), ...closed],
  ])
  const foreign = await desk.secret(CKK_GENERIC_SECRET, fill(32), closed)
  const how = hkdf(protocol.CKM_SHA256, fill(3), fill(9))
  const make = (base: number, more: readonly CkAttribute[]) =>
    desk.derive(how, base, [number(protocol.CKA_KEY_TYPE, CKK_AES), number(protocol.CKA_VALUE_LEN, 32), ...more])
  for (const [base, template, always, never] of [
    [local, closed, true, true],
    [foreign, closed, false, false],
    [local, [flag(protocol.CKA_SENSITIVE, false), flag(protocol.CKA_EXTRACTABLE, true)], false, false],
  ] as const) {
    const key = await make(base, template)
    assert.is(await desk.flag(key, protocol.CKA_ALWAYS_SENSITIVE), always)
    assert.is(await desk.flag(key, protocol.CKA_NEVER_EXTRACTABLE), never)
    assert.is(await desk.flag(key, protocol.CKA_LOCAL), false)
  }
  assert.is(await ckrOf(() => make(local, [data(protocol.CKA_VALUE, fill(32))])), CKR.TEMPLATE_INCONSISTENT)
  assert.is(
    await ckrOf(() => make(local, [number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY)])),
    CKR.TEMPLATE_INCONSISTENT,
  )
  const idle = await desk.secret(CKK_GENERIC_SECRET, fill(32), [flag(protocol.CKA_DERIVE, false)])
  assert.is(await ckrOf(() => make(idle, [])), CKR.KEY_FUNCTION_NOT_PERMITTED)
  assert.is(await ckrOf(() => make(0x7fff_0000, [])), CKR.KEY_HANDLE_INVALID)
  assert.is(await ckrOf(() => desk.derive(bare(protocol.CKM_AES_ECB), local, generic(16))), CKR.MECHANISM_INVALID)
})

test.run()
