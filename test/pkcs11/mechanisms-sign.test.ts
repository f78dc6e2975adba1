// Signatures through the door, held against OpenSSL; mechanism information; what FIPS mode leaves.
import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  publicDecrypt,
  verify,
} from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { type CkMechanism, passes } from '../../host/pkcs11/mechanism-codec.js'
import { fill, opensslUnwrap, opensslWrap } from '../firmware/support/crypt-keys.js'
import { prepare } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { bare, Desk, HASHES, mechanismNamed, secret } from './mechanism-desk.js'
import { ckrOf, data, flag, number, Program, room, slotOf } from './support.js'

const test = suite('pkcs11 mechanisms: signatures')

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const b64 = (value: Uint8Array): string => Buffer.from(value).toString('base64url')

async function rsaPair(): Promise<{ open: number; own: number; key: KeyObject }> {
  const [open, own] = await desk.pair(
    bare(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
    [number(protocol.CKA_MODULUS_BITS, 2048), flag(protocol.CKA_VERIFY, true)],
    [flag(protocol.CKA_SIGN, true)],
  )
  const [n, e] = [await desk.value(open, protocol.CKA_MODULUS), await desk.value(open, protocol.CKA_PUBLIC_EXPONENT)]
  return { open, own, key: createPublicKey({ key: { kty: 'RSA', n: b64(n), e: b64(e) }, format: 'jwk' }) }
}

const pss = (type: number, hash: number, mgf: number, salt: number): CkMechanism => ({
  type,
  parameter: { form: 'pss', hash, mgf, salt },
})

test('RSA with every hash: PKCS#1 v1.5 and PSS, at once and in parts beyond what a command holds', async () => {
  const { open, own, key } = await rsaPair()
  const long = fill(130_000, 4)
  for (const { name, hash, mgf, prefix, length } of HASHES) {
    const pkcs = bare(mechanismNamed(`${prefix}_RSA_PKCS`))
    const salted = pss(mechanismNamed(`${prefix}_RSA_PKCS_PSS`), hash, mgf, length)
    for (const input of [fill(100), long]) {
      const one = await desk.signParts(pkcs, own, input, 50_000)
      assert.ok(verify(name, input, key, one), name)
      assert.equal(await desk.sign(pkcs, own, input), one)
      await desk.verifyParts(pkcs, open, input, one, 40_000)
      const two = await desk.signParts(salted, own, input, 50_000)
      const padding = constants.RSA_PKCS1_PSS_PADDING
      assert.ok(verify(name, input, { key, padding, saltLength: length }, two), `${name} PSS`)
      await desk.verify(salted, open, input, two)
      two[9] = (two[9] ?? 0) ^ 1
      assert.is(await ckrOf(() => desk.verifyParts(salted, open, input, two, 40_000)), 0xc0)
      assert.is(await ckrOf(() => desk.verify(pkcs, open, input, two)), 0xc0)
    }
    const given = pss(protocol.CKM_RSA_PKCS_PSS, hash, mgf, 8)
    const digest = createHash(name).update(fill(9)).digest()
    const third = await desk.sign(given, own, digest)
    assert.ok(verify(name, fill(9), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 8 }, third))
    assert.is(await ckrOf(() => desk.sign(given, own, digest.subarray(1))), CKR.DATA_LEN_RANGE)
  }
  const mixed = pss(protocol.CKM_SHA256_RSA_PKCS_PSS, protocol.CKM_SHA256, 1, 20)
  await desk.verify(mixed, open, fill(9), await desk.sign(mixed, own, fill(9)))
  const other = pss(protocol.CKM_SHA256_RSA_PKCS_PSS, protocol.CKM_SHA384, 3, 20)
  assert.is(await ckrOf(() => desk.sign(other, own, fill(9))), CKR.MECHANISM_PARAM_INVALID)
})

test('an exponent of 0 is the choice of the HSM; 1,024 bits are for what is old', async () => {
  const make = (bits: number, exponent: Uint8Array) =>
    desk.pair(
      bare(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
      [number(protocol.CKA_MODULUS_BITS, bits), data(protocol.CKA_PUBLIC_EXPONENT, exponent)],
      [],
    )
  const [open] = await make(1024, Buffer.of(0))
  assert.equal(await desk.value(open, protocol.CKA_PUBLIC_EXPONENT), Buffer.of(1, 0, 1))
  assert.is(await ckrOf(() => make(768, Buffer.of(3))), 0x62)
  assert.is(await ckrOf(() => make(1024, Buffer.of(4))), CKR.ATTRIBUTE_VALUE_INVALID)
})

test('raw RSA signs a block, or what fills one with zeros before it', async () => {
  const { open, own, key } = await rsaPair()
  const raw = bare(protocol.CKM_RSA_X_509)
  for (const length of [1, 100, 255]) {
    const signature = await desk.sign(raw, own, fill(length))
    const back = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
    assert.equal(back, Buffer.concat([Buffer.alloc(256 - length), fill(length)]))
    await desk.verify(raw, open, fill(length), signature)
    assert.is(await ckrOf(() => desk.verify(raw, open, fill(length, 2), signature)), 0xc0)
  }
  assert.is(await ckrOf(() => desk.sign(raw, own, fill(257))), CKR.DATA_LEN_RANGE)
  assert.is(await ckrOf(() => desk.sign(raw, own, Buffer.alloc(256, 0xff))), 0x20)
})

const CURVES = [
  ['P-256', '06082a8648ce3d030107', 32],
  ['secp256k1', '06052b8104000a', 32],
  ['P-521', '06052b81040023', 66],
] as const

test("ECDSA with every hash, and by the vendor's own numbers", async () => {
  const long = fill(130_000, 4)
  for (const [crv, oid, length] of CURVES) {
    const [open, own] = await desk.pair(
      bare(protocol.CKM_EC_KEY_PAIR_GEN),
      [data(protocol.CKA_EC_PARAMS, hex(oid)), flag(protocol.CKA_VERIFY, true)],
      [flag(protocol.CKA_SIGN, true)],
    )
    const point = (await desk.value(open, protocol.CKA_EC_POINT)).subarray(-2 * length)
    const key = createPublicKey({
      key: { kty: 'EC', crv, x: b64(point.subarray(0, length)), y: b64(point.subarray(length)) },
      format: 'jwk',
    })
    for (const { name, prefix } of HASHES) {
      const types = [mechanismNamed(`ECDSA_${prefix}`)]
      if (/^SHA(224|256|384|512)$/.test(prefix)) types.push(mechanismNamed(`LUNA_ECDSA_${prefix}`))
      for (const type of types) {
        for (const input of [fill(10), long]) {
          const signature = await desk.signParts(bare(type), own, input, 60_000)
          assert.ok(verify(name, input, { key, dsaEncoding: 'ieee-p1363' }, signature), `${crv} ${name}`)
          await desk.verify(bare(type), open, input, signature)
        }
      }
    }
  }
})

const EDWARDS = [
  {
    generate: () => generateKeyPairSync('ed25519'),
    oid: '06032b6570',
    printable: '130c656477617264733235353139',
    length: 32,
  },
  {
    generate: () => generateKeyPairSync('ed448'),
    oid: '06032b6571',
    printable: '130a65647761726473343438',
    length: 57,
  },
] as const

function edwardsKey(oid: string, point: Uint8Array): KeyObject {
  const length = point.length
  const der = Buffer.concat([Buffer.of(0x30, length + 10, 0x30, 5), hex(oid), Buffer.of(3, length + 1, 0), point])
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

test('EdDSA on both curves, keys made by both numbers', async () => {
  for (const { oid, printable, length } of EDWARDS) {
    for (const [type, params] of [
      [protocol.CKM_EC_EDWARDS_KEY_PAIR_GEN, printable],
      [protocol.CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN, oid],
    ] as const) {
      const [open, own] = await desk.pair(
        bare(type),
        [data(protocol.CKA_EC_PARAMS, hex(params)), flag(protocol.CKA_VERIFY, true)],
        [flag(protocol.CKA_SIGN, true)],
      )
      const point = await desk.value(open, protocol.CKA_EC_POINT)
      assert.equal(point.subarray(0, 2), Buffer.of(4, length))
      const key = edwardsKey(oid, point.subarray(2))
      for (const how of [bare(protocol.CKM_EDDSA), bare(protocol.CKM_LUNA_EDDSA)]) {
        for (const input of [fill(0), fill(100), fill(50_000)]) {
          const signature = await desk.sign(how, own, input)
          assert.is(signature.length, 2 * length)
          assert.ok(verify(null, input, key, signature))
          await desk.verify(how, open, input, signature)
          signature[3] = (signature[3] ?? 0) ^ 1
          assert.is(await ckrOf(() => desk.verify(how, open, input, signature)), 0xc0)
        }
      }
      assert.is(await ckrOf(() => desk.sign(bare(protocol.CKM_ECDSA_SHA256), own, fill(3))), CKR.KEY_TYPE_INCONSISTENT)
    }
  }
})

test('EdDSA of RFC 8032 §7.1, test 2', async () => {
  const own = await desk.create([
    number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY),
    number(protocol.CKA_KEY_TYPE, protocol.CKK_EC_EDWARDS),
    data(protocol.CKA_EC_PARAMS, hex('06032b6570')),
    data(protocol.CKA_VALUE, hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')),
    flag(protocol.CKA_SIGN, true),
  ])
  assert.equal(
    await desk.sign(bare(protocol.CKM_EDDSA), own, Buffer.of(0x72)),
    hex(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ),
  )
})

test('an Edwards key comes in and goes out as RFC 8410 writes it', async () => {
  for (const { generate, oid } of EDWARDS) {
    const { privateKey, publicKey } = generate()
    const kek = await desk.secret(protocol.CKK_AES, fill(32, 3))
    const der = privateKey.export({ format: 'der', type: 'pkcs8' })
    const how: CkMechanism = { type: protocol.CKM_AES_KEY_WRAP_KWP, parameter: undefined }
    const own = await desk.unwrap(how, kek, opensslWrap(fill(32, 3), der, true), [
      ...[number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY), flag(protocol.CKA_SIGN, true)],
      flag(protocol.CKA_EXTRACTABLE, true),
    ])
    assert.equal(await desk.value(own, protocol.CKA_EC_PARAMS), hex(oid))
    assert.ok(verify(null, fill(9), publicKey, await desk.sign(bare(protocol.CKM_EDDSA), own, fill(9))))
    // Partitions keep private keys from being wrapped unless policy 1 lets them out, as it does here.
    assert.equal(opensslUnwrap(fill(32, 3), await desk.wrap(how, kek, own), true), der)
    const short = Buffer.concat([der.subarray(0, -1)])
    short[1] = (short[1] ?? 0) - 1
    const bad = desk.unwrap(how, kek, opensslWrap(fill(32, 3), short, true), [
      number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY),
    ])
    assert.is(await ckrOf(() => bad), 0x110)
  }
})

const [ENCRYPT, DECRYPT, DIGEST, SIGN, VERIFY, GENERATE, PAIR, WRAP, UNWRAP, DERIVE] = [
  ...[0x100, 0x200, 0x400, 0x800, 0x2000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000],
]

test('C_GetMechanismInfo: flags and sizes', async () => {
  const info = (type: number) => desk.program.call(calls.getMechanismInfo, [1, type])
  const flags = (...all: (number | undefined)[]) => all.reduce<number>((sum, one) => sum | (one ?? 0), 1)
  const rows: [number, number, number, number][] = [
    [protocol.CKM_SHA_1, 0, 0, flags(DIGEST)],
    [protocol.CKM_SHA3_512_HMAC_GENERAL, 1, 512, flags(SIGN, VERIFY)],
    [protocol.CKM_RSA_PKCS, 1024, 4096, flags(ENCRYPT, DECRYPT, SIGN, VERIFY, WRAP, UNWRAP)],
    [protocol.CKM_RSA_X_509, 1024, 4096, flags(ENCRYPT, DECRYPT, SIGN, VERIFY)],
    [protocol.CKM_ECDH1_DERIVE, 112, 571, flags(DERIVE) | 0x1900000],
    [protocol.CKM_ECDSA_SHA3_384, 112, 521, flags(SIGN, VERIFY) | 0x1900000],
    [protocol.CKM_EC_EDWARDS_KEY_PAIR_GEN, 255, 448, flags(PAIR)],
    [protocol.CKM_AES_CCM, 16, 32, flags(ENCRYPT, DECRYPT)],
    [protocol.CKM_AES_CMAC, 16, 32, flags(SIGN, VERIFY)],
    [protocol.CKM_DES3_KEY_GEN, 24, 24, flags(GENERATE)],
    [protocol.CKM_DES3_CBC_PAD, 16, 24, flags(ENCRYPT, DECRYPT, WRAP, UNWRAP)],
    [protocol.CKM_HKDF_DERIVE, 1, 512, flags(DERIVE)],
    [protocol.CKM_PKCS5_PBKD2, 1, 512, flags(GENERATE)],
    [protocol.CKM_LUNA_AES_KW, 16, 32, flags(ENCRYPT, DECRYPT, WRAP, UNWRAP)],
  ]
  for (const [type, min, max, all] of rows) assert.equal(await info(type), { min, max, flags: all }, type.toString(16))
})

test("what p11-kit's clients refuse by themselves, by their age", () => {
  const old = [
    protocol.CKM_SHA256,
    protocol.CKM_SHA_1_HMAC,
    protocol.CKM_RSA_X_509,
    protocol.CKM_DES3_ECB,
    protocol.CKM_AES_ECB,
  ]
  const recent = [
    protocol.CKM_AES_GCM,
    protocol.CKM_SHA224,
    protocol.CKM_ECDH1_DERIVE,
    protocol.CKM_DES3_CBC_PAD,
    protocol.CKM_AES_CMAC,
  ]
  const never = [
    protocol.CKM_SHA3_256,
    protocol.CKM_EDDSA,
    protocol.CKM_AES_KEY_WRAP,
    protocol.CKM_HKDF_DERIVE,
    protocol.CKM_AES_CCM,
  ]
  for (const type of old) assert.ok(passes(type, 0), type.toString(16))
  for (const type of recent) assert.ok(!passes(type, 0) && passes(type, 1), type.toString(16))
  for (const type of never) assert.ok(!passes(type, 2), type.toString(16))
})

test('FIPS mode: what is old is gone from the list and refused, or no more than undone', async () => {
  const officer = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  await officer.client.hsm.setPolicy(officer.admin, protocol.HSM_POLICY_NON_FIPS, 0)
  const partition = await officer.client.partitions
    .create(officer.admin, { legacy: true, label: 'fips', password: 'officer-password' })
    .then(({ id }) => id)
  const client = officer.token.newClient()
  const { program } = Program.at({ slots: async () => [slotOf(client, partition)] }, 2)
  await program.initialize()
  const session = await program.officer()
  const listed = await program.call(calls.getMechanismList, [1, room(999)])
  const list = new Set('length' in listed ? listed : [])
  for (const type of [
    protocol.CKM_RSA_X_509,
    protocol.CKM_DES3_KEY_GEN,
    protocol.CKM_DES_ECB,
    protocol.CKM_XOR_BASE_AND_DATA,
  ]) {
    assert.not.ok(list.has(type), type.toString(16))
  }
  for (const type of [protocol.CKM_SHA_1, protocol.CKM_SHA1_RSA_PKCS, protocol.CKM_DES3_CBC, protocol.CKM_AES_GCM]) {
    assert.ok(list.has(type), type.toString(16))
  }
  const flags = async (type: number) => (await program.call(calls.getMechanismInfo, [1, type])).flags
  assert.is((await flags(protocol.CKM_SHA1_RSA_PKCS)) & ((SIGN ?? 0) | (VERIFY ?? 0)), VERIFY)
  assert.is((await flags(protocol.CKM_DES3_CBC)) & ((ENCRYPT ?? 0) | (DECRYPT ?? 0)), DECRYPT)
  const key = await program.call(calls.createObject, [session, secret(protocol.CKK_DES3, fill(24))])
  const iv: CkMechanism = { type: protocol.CKM_DES3_CBC, parameter: { form: 'iv', iv: fill(8) } }
  assert.is(await ckrOf(() => program.call(calls.encryptInit, [session, iv, key])), CKR.MECHANISM_INVALID)
  await program.call(calls.decryptInit, [session, iv, key])
  const rsa = (bits: number) =>
    program.call(calls.generateKeyPair, [
      ...([session, bare(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN), [number(protocol.CKA_MODULUS_BITS, bits)], []] as const),
    ])
  assert.is(await ckrOf(() => rsa(1024)), 0x62)
  const old = [data(protocol.CKA_EC_PARAMS, hex('06052b81040006'))]
  const ec = [session, bare(protocol.CKM_EC_KEY_PAIR_GEN), old, []] as const
  assert.is(await ckrOf(() => program.call(calls.generateKeyPair, [...ec])), CKR.ATTRIBUTE_VALUE_INVALID)
  // The token refuses by itself, whatever the door thinks.
  const token = await client.openSession(partition)
  const asked = client.crypto.encrypt(token, { mechanism: protocol.CKM_DES3_ECB }, key, fill(8))
  assert.is(
    await asked.then(
      () => 0,
      (error: unknown) => (error instanceof Error && 'ckr' in error ? error.ckr : -1),
    ),
    CKR.MECHANISM_INVALID,
  )
})

test.run()
