// What is left for old programs, through the door: published values, OpenSSL where it still has it, and what FIPS mode leaves of it.
import { createCipheriv, createHash, createHmac } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { type CkMechanism, formOf, passes } from '../../host/pkcs11/mechanism-codec.js'
import { bytes, readVectors, text } from '../crypto/core.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { prepare } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { bare, Desk, generic, hex, mechanismNamed, open, secret, withIv, withNumber } from './mechanism-desk.js'
import { ckrOf, flag, number, Program, room, slotOf } from './support.js'

const test = suite('pkcs11 mechanisms: what is old')
const { CKK_ARIA, CKK_CAST128, CKK_CAST3, CKK_LUNA_SEED, CKK_RC2, CKK_RC4, CKK_SEED, CKK_GENERIC_SECRET } = protocol
const { CKM_MD2, CKM_MD5 } = protocol

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const vectors = readVectors('old.txt')
const named = (name: string): number => mechanismNamed(name)

const rc2 = (type: number, bits: number, iv?: Uint8Array): CkMechanism =>
  iv ? { type, parameter: { form: 'effective', bits, iv } } : withNumber(type, bits)

interface Cipher {
  readonly prefix: string
  readonly keyType: number
  readonly lengths: readonly number[]
  readonly block: number
}

const CIPHERS: readonly Cipher[] = [
  { prefix: 'CAST128', keyType: CKK_CAST128, lengths: [1, 10, 16], block: 8 },
  { prefix: 'RC2', keyType: CKK_RC2, lengths: [8, 64, 128], block: 8 },
  { prefix: 'SEED', keyType: CKK_SEED, lengths: [16], block: 16 },
  { prefix: 'LUNA_SEED', keyType: CKK_LUNA_SEED, lengths: [16], block: 16 },
  { prefix: 'ARIA', keyType: CKK_ARIA, lengths: [16, 24, 32], block: 16 },
]

/** A mechanism of a cipher, with the parameter that it has to have. */
function mode({ prefix }: Cipher, name: string, iv?: Uint8Array): CkMechanism {
  const type = named(`${prefix}_${name}`)
  if (prefix === 'RC2') return rc2(type, 128, iv)
  return iv ? withIv(type, iv) : bare(type)
}

test('the published values of every cipher, in ECB', async () => {
  const types: Readonly<Record<string, number>> = {
    ...{ cast128: CKK_CAST128, rc2: CKK_RC2, seed: CKK_SEED, aria: CKK_ARIA },
  }
  let held = 0
  for (const vector of vectors.filter((one) => text(one, 'kind') in types)) {
    const kind = text(vector, 'kind')
    const bits = vector.has('bits') ? Number(text(vector, 'bits')) : undefined
    const key = await desk.secret(types[kind] ?? 0, bytes(vector, 'key'))
    const type = named(`${kind.toUpperCase()}_ECB`)
    const how = bits === undefined ? bare(type) : rc2(type, bits)
    const [plaintext, ciphertext] = [bytes(vector, 'plaintext'), bytes(vector, 'ciphertext')]
    assert.equal(await desk.encrypt(how, key, plaintext), Buffer.from(ciphertext), `${kind} ${text(vector, 'source')}`)
    assert.equal(await desk.decrypt(how, key, ciphertext), Buffer.from(plaintext))
    held++
  }
  assert.is(held, 18)
})

test('ECB, CBC, padding and MAC of every cipher, at once and in parts', async () => {
  for (const cipher of CIPHERS) {
    const { prefix, keyType, lengths, block } = cipher
    for (const length of lengths) {
      const what = `${prefix} ${length}`
      const key = await desk.secret(keyType, fill(length, 3))
      const [iv, zero] = [fill(block, 9), Buffer.alloc(block)]
      const input = fill(20 * block, 5)
      const ecb = mode(cipher, 'ECB')
      // CBC by hand, of single blocks in ECB.
      let chain: Uint8Array = iv
      const chained: Uint8Array[] = []
      for (let at = 0; at < input.length; at += block) {
        const sum = Buffer.from(input.subarray(at, at + block).map((byte, i) => byte ^ (chain[i] ?? 0)))
        chain = await desk.encrypt(ecb, key, sum)
        chained.push(chain)
      }
      const cbc = mode(cipher, 'CBC', iv)
      const expected = Buffer.concat(chained)
      assert.equal(await desk.encrypt(cbc, key, input), expected, what)
      assert.equal(await desk.encryptParts(cbc, key, input, 3 * block + 1), expected, `${what} in parts`)
      assert.equal(await desk.decrypt(cbc, key, expected), input, what)
      assert.equal(await desk.decryptParts(cbc, key, expected, block - 1), input, `${what} in parts`)
      const pad = mode(cipher, 'CBC_PAD', iv)
      const short = input.subarray(0, 5 * block - 3)
      const padded = Buffer.concat([short, Buffer.alloc(3, 3)])
      assert.equal(await desk.encryptParts(pad, key, short, 7), await desk.encrypt(cbc, key, padded), `${what} padded`)
      assert.equal(await desk.decryptParts(pad, key, await desk.encrypt(pad, key, short), 11), short)
      const filled = Buffer.concat([short, Buffer.alloc(3)])
      const whole = (await desk.encrypt(mode(cipher, 'CBC', zero), key, filled)).subarray(-block)
      const mac = mode(cipher, 'MAC')
      assert.equal(await desk.sign(mac, key, short), whole.subarray(0, block / 2), `${what} MAC`)
      await desk.verifyParts(mac, key, short, whole.subarray(0, block / 2), 9)
      if (prefix !== 'RC2') {
        assert.equal(
          await desk.signParts(withNumber(named(`${prefix}_MAC_GENERAL`), 5), key, short, 9),
          whole.subarray(0, 5),
        )
      }
      assert.is(await ckrOf(() => desk.encrypt(ecb, key, fill(block + 1))), CKR.DATA_LEN_RANGE)
      assert.is(
        await ckrOf(() => desk.encrypt(mode(cipher, 'CBC', fill(block - 1)), key, input)),
        CKR.MECHANISM_PARAM_INVALID,
      )
    }
  }
})

test('ARIA as OpenSSL has it; SEED by its own number and by the standard one', async () => {
  for (const length of [16, 24, 32]) {
    const key = await desk.secret(CKK_ARIA, fill(length, 7))
    const cipher = createCipheriv(`aria-${length * 8}-cbc`, fill(length, 7), fill(16))
    const expected = Buffer.concat([cipher.update(fill(70_001)), cipher.final()])
    assert.equal(await desk.encrypt(withIv(protocol.CKM_ARIA_CBC_PAD, fill(16)), key, fill(70_001)), expected)
    const check = createCipheriv(`aria-${length * 8}-ecb`, fill(length, 7), null).setAutoPadding(false)
    const value = await desk.value(key, protocol.CKA_CHECK_VALUE)
    assert.equal(value, check.update(Buffer.alloc(16)).subarray(0, 3))
  }
  const [ours, theirs] = [await desk.secret(CKK_SEED, fill(16)), await desk.secret(CKK_LUNA_SEED, fill(16))]
  const types = [protocol.CKM_SEED_ECB, protocol.CKM_LUNA_SEED_ECB]
  const results = new Set<string>()
  for (const key of [ours, theirs]) {
    for (const type of types) results.add((await desk.encrypt(bare(type), key, fill(32))).toString('hex'))
  }
  assert.is(results.size, 1)
  // CMAC of a message of one block: a subkey is added to it before it is enciphered.
  const ecb = async (block: Uint8Array) => desk.encrypt(bare(protocol.CKM_SEED_ECB), ours, block)
  const zero = BigInt(`0x${(await ecb(Buffer.alloc(16))).toString('hex')}`)
  const doubled = BigInt.asUintN(128, zero << 1n) ^ (zero >> 127n === 1n ? 0x87n : 0n)
  const sum = BigInt(`0x${Buffer.from(fill(16, 4)).toString('hex')}`) ^ doubled
  const expected = await ecb(Buffer.from(sum.toString(16).padStart(32, '0'), 'hex'))
  assert.equal(await desk.sign(bare(protocol.CKM_LUNA_SEED_CMAC), theirs, fill(16, 4)), expected)
  assert.equal(
    await desk.sign(withNumber(protocol.CKM_LUNA_SEED_CMAC_GENERAL, 6), ours, fill(16, 4)),
    expected.subarray(0, 6),
  )
})

test('RC2: how many bits of a key count is between 40 and 1,024, and in every parameter', async () => {
  const key = await desk.secret(CKK_RC2, fill(64))
  for (const bits of [0, 8, 39, 1025]) {
    assert.is(await ckrOf(() => desk.encrypt(rc2(protocol.CKM_RC2_ECB, bits), key, fill(8))), 0x62, `${bits}`)
    assert.is(await ckrOf(() => desk.decrypt(rc2(protocol.CKM_RC2_CBC, bits, fill(8)), key, fill(8))), 0x62)
    assert.is(await ckrOf(() => desk.sign(rc2(protocol.CKM_RC2_MAC, bits), key, fill(8))), CKR.MECHANISM_PARAM_INVALID)
  }
  const results = new Set<string>()
  for (const bits of [40, 64, 65, 128, 512, 1024]) {
    results.add((await desk.encrypt(rc2(protocol.CKM_RC2_ECB, bits), key, fill(8))).toString('hex'))
  }
  assert.is(results.size, 6)
  assert.is(formOf(protocol.CKM_RC2_MAC), 'number')
  // The key says nothing of it, so it has no check value.
  const check = desk.value(key, protocol.CKA_CHECK_VALUE)
  assert.ok(
    await check.then(
      () => false,
      () => true,
    ),
  )
})

test('RC4: published keystreams; parts are worked on at the end, and every operation begins the keystream', async () => {
  for (const vector of vectors.filter((one) => text(one, 'kind') === 'rc4')) {
    const [at, expected] = [Number(text(vector, 'at')), bytes(vector, 'keystream')]
    const key = await desk.secret(CKK_RC4, bytes(vector, 'key'))
    const stream = await desk.encrypt(bare(protocol.CKM_RC4), key, Buffer.alloc(at + expected.length))
    assert.equal(stream.subarray(at), Buffer.from(expected), text(vector, 'source'))
    const input = fill(500, 3)
    const sealed = await desk.encryptParts(bare(protocol.CKM_RC4), key, input, 77)
    const again = await desk.encrypt(bare(protocol.CKM_RC4), key, Buffer.alloc(500))
    assert.equal(sealed, Buffer.from(input.map((byte, i) => byte ^ (again[i] ?? 0))))
    assert.equal(await desk.decrypt(bare(protocol.CKM_RC4), key, sealed), input)
  }
  const key = await desk.secret(CKK_RC4, fill(256))
  assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_RC4), key, fill(70_000))), CKR.DATA_LEN_RANGE)
})

test('MD5 and MD2 as digests and in keys, HMAC with MD5; no parameter names them', async () => {
  for (const vector of vectors.filter((one) => one.has('digest'))) {
    const [kind, message, expected] = [
      text(vector, 'kind'),
      bytes(vector, 'message'),
      Buffer.from(bytes(vector, 'digest')),
    ]
    if (kind === 'hmac-md5') {
      const key = await desk.secret(CKK_GENERIC_SECRET, bytes(vector, 'key'))
      assert.equal(await desk.sign(bare(protocol.CKM_MD5_HMAC), key, message), expected)
      assert.equal(
        await desk.sign(withNumber(protocol.CKM_MD5_HMAC_GENERAL, 12), key, message),
        expected.subarray(0, 12),
      )
      continue
    }
    const [hash, derivation] =
      kind === 'md5' ? [CKM_MD5, protocol.CKM_MD5_KEY_DERIVATION] : [CKM_MD2, protocol.CKM_MD2_KEY_DERIVATION]
    assert.equal(await desk.digest(hash, message), expected, `${kind} of ${message.length} bytes`)
    if (message.length === 0) continue
    assert.equal(await desk.digestParts(hash, message, 7), expected)
    const readable = [flag(protocol.CKA_SENSITIVE, false), flag(protocol.CKA_EXTRACTABLE, true)]
    const base = await desk.secret(CKK_GENERIC_SECRET, message, readable)
    assert.equal(await desk.derived(bare(derivation), base, generic(0)), expected)
    assert.equal(await desk.derived(bare(derivation), base, open(CKK_LUNA_SEED, 0)), expected)
    assert.is(await ckrOf(() => desk.derive(bare(derivation), base, open(protocol.CKK_DES3, 0))), 0x62)
  }
  const long = fill(150_000, 8)
  assert.equal(await desk.digestParts(CKM_MD5, long, 33_333), createHash('md5').update(long).digest())
  const key = await desk.secret(CKK_CAST3, fill(8))
  assert.equal(
    await desk.signParts(bare(protocol.CKM_MD5_HMAC), key, long, 44_444),
    createHmac('md5', fill(8)).update(long).digest(),
  )
  const base = await desk.secret(CKK_GENERIC_SECRET, fill(32))
  const hkdf = (hash: number): CkMechanism => ({
    type: protocol.CKM_HKDF_DERIVE,
    parameter: {
      ...{ form: 'hkdf', extracts: true, expands: true, hash, saltType: 1 },
      ...{ salt: new Uint8Array(0), saltKey: 0, info: new Uint8Array(0) },
    },
  })
  await desk.derive(hkdf(protocol.CKM_SHA_1), base, generic(16))
  assert.is(await ckrOf(() => desk.derive(hkdf(CKM_MD5), base, generic(16))), CKR.MECHANISM_PARAM_INVALID)
})

test('keys of every type: generated, of lengths that they can have, wrapped by every cipher and used when they are back', async () => {
  const kinds: [string, number, readonly number[], readonly number[]][] = [
    ['CAST3', CKK_CAST3, [1, 8], [9]],
    ['CAST128', CKK_CAST128, [1, 16], [17]],
    ['RC2', CKK_RC2, [1, 128], [129]],
    ['RC4', CKK_RC4, [1, 256], [257]],
    ['ARIA', CKK_ARIA, [16, 24, 32], [8, 20, 33]],
  ]
  for (const [name, type, good, bad] of kinds) {
    const how = bare(named(`${name}_KEY_GEN`))
    for (const length of good) {
      const key = await desk.generate(how, open(type, length))
      assert.is((await desk.value(key)).length, length, name)
    }
    for (const length of bad)
      assert.is(await ckrOf(() => desk.generate(how, open(type, length))), 0x62, `${name} ${length}`)
    for (const length of bad) assert.is(await ckrOf(() => desk.secret(type, fill(length))), CKR.ATTRIBUTE_VALUE_INVALID)
    assert.is(await ckrOf(() => desk.generate(how, open(type, 0))), 0xd0, name)
    assert.is(await ckrOf(() => desk.generate(how, open(CKK_GENERIC_SECRET, good[0] ?? 0))), 0xd1, name)
  }
  for (const [how, type] of [
    [protocol.CKM_SEED_KEY_GEN, CKK_SEED],
    [protocol.CKM_LUNA_SEED_KEY_GEN, CKK_LUNA_SEED],
  ] as const) {
    assert.is((await desk.value(await desk.generate(bare(how), open(type, 0)))).length, 16)
  }
  const target = await desk.secret(CKK_GENERIC_SECRET, fill(41, 8), [flag(protocol.CKA_EXTRACTABLE, true)])
  for (const cipher of CIPHERS) {
    const by = await desk.secret(cipher.keyType, fill(16, 3))
    const iv = fill(cipher.block, 2)
    for (const how of [mode(cipher, 'ECB'), mode(cipher, 'CBC', iv), mode(cipher, 'CBC_PAD', iv)]) {
      const wrapped = await desk.wrap(how, by, target)
      assert.is(wrapped.length, 48)
      const back = await desk.unwrap(how, by, wrapped, open(CKK_GENERIC_SECRET, 41))
      assert.equal(await desk.value(back), fill(41, 8), `${cipher.prefix} ${how.type.toString(16)}`)
    }
  }
  // What has one length alone needs no CKA_VALUE_LEN where the block was longer.
  const aes = await desk.secret(protocol.CKK_AES, fill(16))
  const des = await desk.secret(protocol.CKK_DES3, fill(24), [flag(protocol.CKA_EXTRACTABLE, true)])
  const wrapped = await desk.wrap(bare(protocol.CKM_AES_ECB), aes, des)
  const back = await desk.unwrap(bare(protocol.CKM_AES_ECB), aes, wrapped, open(protocol.CKK_DES3, 0))
  assert.equal(await desk.value(back), fill(24))
})

test('a key that is the ciphertext of data; keys of one cipher do not do the work of another', async () => {
  for (const cipher of CIPHERS.filter(({ prefix }) => prefix === 'SEED' || prefix === 'ARIA')) {
    const base = await desk.secret(cipher.keyType, fill(16, 5))
    const [input, iv] = [fill(32, 1), fill(16, 2)]
    const ecb: CkMechanism = {
      type: named(`${cipher.prefix}_ECB_ENCRYPT_DATA`),
      parameter: { form: 'string', data: input },
    }
    assert.equal(await desk.derived(ecb, base, generic(0)), await desk.encrypt(mode(cipher, 'ECB'), base, input))
    const cbc: CkMechanism = {
      type: named(`${cipher.prefix}_CBC_ENCRYPT_DATA`),
      parameter: { form: 'chained', iv, data: input },
    }
    assert.equal(await desk.derived(cbc, base, generic(0)), await desk.encrypt(mode(cipher, 'CBC', iv), base, input))
  }
  for (const cipher of CIPHERS) {
    const aes = await desk.secret(protocol.CKK_AES, fill(16))
    assert.is(await ckrOf(() => desk.encrypt(mode(cipher, 'ECB'), aes, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
    const own = await desk.secret(cipher.keyType, fill(16))
    assert.is(await ckrOf(() => desk.encrypt(bare(protocol.CKM_AES_ECB), own, fill(16))), CKR.KEY_TYPE_INCONSISTENT)
  }
})

test('the initial key of a device of DUKPT (ANSI X9.24-1:2009, A.4), but for parity', async () => {
  const base = await desk.secret(protocol.CKK_DES2, hex('0123456789abcdeffedcba9876543210'))
  const ipek = (serial: string): CkMechanism => ({
    ...{ type: protocol.CKM_LUNA_DES2_DUKPT_IPEK, parameter: { form: 'string', data: hex(serial) } },
  })
  const bits = (value: Uint8Array): string => Buffer.from(value.map((byte) => byte & 0xfe)).toString('hex')
  const expected = bits(hex('6ac292faa1315b4d858ab3a3d7d5933a'))
  // The counter of 21 bits is not part of it.
  for (const serial of ['ffff9876543210e00000', 'ffff9876543210ffffff']) {
    assert.is(bits(await desk.derived(ipek(serial), base, open(protocol.CKK_DES2, 0))), expected)
  }
  assert.is.not(bits(await desk.derived(ipek('ffff9876543211e00000'), base, open(protocol.CKK_DES2, 0))), expected)
  assert.is(await ckrOf(() => desk.derive(ipek('ff'.repeat(9)), base, generic(0))), CKR.MECHANISM_PARAM_INVALID)
  assert.is(await ckrOf(() => desk.derive(ipek('ff'.repeat(10)), base, generic(17))), 0x62)
})

test('C_GetMechanismInfo, and what other clients pass on', async () => {
  const info = (type: number) => desk.program.call(calls.getMechanismInfo, [1, type])
  const rows: [number, number, number, number][] = [
    [CKM_MD2, 0, 0, 0x401],
    [protocol.CKM_MD5_HMAC_GENERAL, 1, 512, 0x2801],
    [protocol.CKM_MD2_KEY_DERIVATION, 1, 512, 0x80001],
    [protocol.CKM_RC2_KEY_GEN, 8, 1024, 0x8001],
    [protocol.CKM_RC2_CBC_PAD, 40, 1024, 0x60301],
    [protocol.CKM_RC4, 8, 2048, 0x301],
    [protocol.CKM_CAST3_KEY_GEN, 1, 8, 0x8001],
    [protocol.CKM_CAST128_MAC, 1, 16, 0x2801],
    [protocol.CKM_LUNA_SEED_CBC, 16, 16, 0x60301],
    [protocol.CKM_ARIA_ECB, 16, 32, 0x60301],
  ]
  for (const [type, min, max, flags] of rows) assert.equal(await info(type), { min, max, flags }, type.toString(16))
  for (const type of [CKM_MD5, protocol.CKM_RC4, protocol.CKM_CAST128_ECB])
    assert.ok(passes(type, 0), type.toString(16))
  for (const type of [
    protocol.CKM_RC2_ECB,
    protocol.CKM_CAST128_CBC,
    protocol.CKM_ARIA_ECB,
    protocol.CKM_LUNA_SEED_ECB,
  ]) {
    assert.ok(!passes(type, 2), type.toString(16))
  }
})

/** Numbers of all that is here. */
const OLD = Object.entries(protocol).flatMap(([name, value]) =>
  /^CKM_(MD2|MD5|RC2|RC4|CAST|SEED|ARIA|LUNA_SEED|LUNA_ARIA|LUNA_DES2)/.test(name) && typeof value === 'number'
    ? [value]
    : [],
)

test('FIPS mode: nothing of all that is listed, and the token refuses it', async () => {
  const all = await desk.program.call(calls.getMechanismList, [1, room(999)])
  const here = new Set('length' in all ? all : [])
  // What the newest client of p11-kit passes on.
  for (const type of OLD) assert.is(here.has(type), passes(type, 2), type.toString(16))

  const officer = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  await officer.client.hsm.setPolicy(officer.admin, protocol.HSM_POLICY_NON_FIPS, 0)
  const { id } = await officer.client.partitions.create(officer.admin, {
    ...{ legacy: true, label: 'fips', password: 'officer-password' },
  })
  const client = officer.token.newClient()
  const { program } = Program.at({ slots: async () => [slotOf(client, id)] }, 2)
  await program.initialize()
  const session = await program.officer()
  const listed = await program.call(calls.getMechanismList, [1, room(999)])
  const list = new Set('length' in listed ? listed : [])
  assert.ok(list.size > 20)
  for (const type of OLD) assert.not.ok(list.has(type), type.toString(16))
  const refused = CKR.MECHANISM_INVALID
  const key = await program.call(calls.createObject, [session, secret(CKK_CAST128, fill(16))])
  const ecb = [session, bare(protocol.CKM_CAST128_ECB), key] as const
  assert.is(await ckrOf(() => program.call(calls.decryptInit, [...ecb])), refused)
  assert.is(await ckrOf(() => program.call(calls.digestInit, [session, bare(CKM_MD5)])), refused)
  const rc4 = [session, bare(protocol.CKM_RC4_KEY_GEN), [number(protocol.CKA_VALUE_LEN, 16)]] as const
  assert.is(await ckrOf(() => program.call(calls.generateKey, [...rc4])), refused)
  const md5 = [session, bare(protocol.CKM_MD5_KEY_DERIVATION), key, generic(0)] as const
  assert.is(await ckrOf(() => program.call(calls.deriveKey, [...md5])), refused)
  const token = await client.openSession(id)
  const asked = client.crypto.decrypt(token, { mechanism: protocol.CKM_CAST128_ECB }, key, hex('00'.repeat(8)))
  const code = await asked.then(
    () => 0,
    (error: unknown) => (error instanceof Error && 'ckr' in error ? error.ckr : -1),
  )
  assert.is(code, refused)
})

test.run()
