// RSA through the command port, held against OpenSSL: OAEP, PKCS#1 v1.5 and PSS, with keys whose bits do not fill their bytes.
import { constants, generateKeyPairSync, sign as opensslSign, privateDecrypt, publicEncrypt, verify } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Trng, VirtualClock } from '../../../host/board/index.js'
import type { Mechanism } from '../../../host/client/index.js'
import {
  cryptOfficer,
  digestOf,
  fill,
  flipped,
  HASHES,
  importAes,
  importPrivate,
  importPublic,
  oaep,
  pss,
  storesNothing,
} from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, prepare } from '../support/officer.js'
import { START, TestToken } from '../support/test-token.js'

const test = suite('crypt: RSA')

const {
  CKM_RSA_PKCS: PKCS,
  CKM_RSA_PKCS_PSS: PSS,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_KEY_SIZE_RANGE,
  RC_MECHANISM_PARAM_INVALID,
  RC_SIGNATURE_INVALID,
  RC_SIGNATURE_LEN_RANGE,
} = protocol

/** 1025 bits: the encoded message of PSS has a byte less than the modulus. */
const KEYS = [1024, 1025, 2048].map((bits) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  return { bits, k: Math.ceil(bits / 8), em: Math.ceil((bits - 1) / 8), publicKey, privateKey }
})

let officer: Officer
const handles = new Map<number, { readonly own: number; readonly open: number }>()

test.before(async () => {
  officer = await cryptOfficer()
  for (const { bits, publicKey, privateKey } of KEYS) {
    handles.set(bits, { own: await importPrivate(officer, privateKey), open: await importPublic(officer, publicKey) })
  }
})

function keyOf(bits: number): { readonly own: number; readonly open: number } {
  const pair = handles.get(bits)
  if (!pair) throw new Error('no such key')
  return pair
}

const encrypt = (mechanism: Mechanism, key: number, data: Uint8Array) =>
  officer.client.crypto.encrypt(officer.session, mechanism, key, data)
const decrypt = (mechanism: Mechanism, key: number, data: Uint8Array) =>
  officer.client.crypto.decrypt(officer.session, mechanism, key, data)
const sign = (mechanism: Mechanism, key: number, data: Uint8Array) =>
  officer.client.crypto.sign(officer.session, mechanism, key, data)
const check = (mechanism: Mechanism, key: number, data: Uint8Array, signature: Uint8Array) =>
  officer.client.crypto.verify(officer.session, mechanism, key, data, signature)

// ---- OAEP -------------------------------------------------------------------------------------------------------------

const padding = constants.RSA_PKCS1_OAEP_PADDING

for (const { name, hash, length } of HASHES) {
  test(`OAEP with ${name}: from the token to OpenSSL and back, up to the longest message`, async () => {
    for (const { bits, k, publicKey, privateKey } of KEYS) {
      const { own, open } = keyOf(bits)
      const most = k - 2 * length - 2
      if (most < 0) {
        await refuses(RC_DATA_LEN_RANGE, encrypt(oaep(hash), open, Buffer.alloc(0)))
        continue
      }
      for (const n of [0, 1, Math.min(32, most), most]) {
        const plain = fill(n, n)
        const sealed = await encrypt(oaep(hash), open, plain)
        assert.equal(privateDecrypt({ key: privateKey, padding, oaepHash: name }, sealed), plain)
        assert.equal(Buffer.from(await decrypt(oaep(hash), own, sealed)), plain)
        const theirs = publicEncrypt({ key: publicKey, padding, oaepHash: name }, plain)
        assert.equal(Buffer.from(await decrypt(oaep(hash), own, theirs)), plain, `${bits} ${n}`)
        assert.not.equal(await encrypt(oaep(hash), open, plain), sealed, 'a seed of its own each time')
      }
      await refuses(RC_DATA_LEN_RANGE, encrypt(oaep(hash), open, fill(most + 1)))
    }
  })
}

test('OAEP: a changed message, another hash, another key, another padding: one answer for all', async () => {
  const { publicKey } = KEYS[2] ?? {}
  if (!publicKey) throw new Error('no key')
  const { own, open } = keyOf(2048)
  const [one, other] = HASHES
  await storesNothing(officer, async () => {
    const sealed = Buffer.from(await encrypt(oaep(one.hash), open, fill(20)))
    for (let bit = 0; bit < 8 * sealed.length; bit += 131) {
      await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(one.hash), own, flipped(sealed, bit)), `bit ${bit}`)
    }
    await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(other.hash), own, sealed))
    await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(one.hash), own, Buffer.alloc(256, 0xff)))
    await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(one.hash), own, Buffer.alloc(256)))
    const pkcs1 = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, fill(20))
    await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(one.hash), own, pkcs1))
    const labelled = publicEncrypt(
      { key: publicKey, padding, oaepHash: 'sha256', oaepLabel: Buffer.from('x') },
      fill(9),
    )
    await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(oaep(one.hash), own, labelled))
    for (const cut of [sealed.subarray(1), Buffer.concat([Buffer.alloc(1), sealed]), Buffer.alloc(0)]) {
      await refuses(RC_ENCRYPTED_DATA_LEN_RANGE, decrypt(oaep(one.hash), own, cut), `${cut.length}`)
    }
  })
})

test('OAEP: the parameter is one hash that the token has', async () => {
  const { own, open } = keyOf(2048)
  const sealed = await encrypt(oaep(protocol.CKM_SHA256), open, fill(20))
  const [hash = Buffer.alloc(0)] = [oaep(protocol.CKM_SHA256).parameter]
  for (const parameter of [
    Buffer.alloc(0),
    hash.slice(1),
    Buffer.concat([hash, Buffer.alloc(1)]),
    oaep(0x0210).parameter,
    oaep(protocol.CKM_SHA256_HMAC).parameter,
    oaep(0).parameter,
    oaep(0xffff_ffff).parameter,
  ]) {
    const mechanism = { mechanism: protocol.CKM_RSA_PKCS_OAEP, parameter: parameter ?? Buffer.alloc(0) }
    const what = Buffer.from(mechanism.parameter).toString('hex')
    await refuses(RC_MECHANISM_PARAM_INVALID, encrypt(mechanism, open, fill(20)), what)
    await refuses(RC_MECHANISM_PARAM_INVALID, decrypt(mechanism, own, sealed), what)
  }
})

// ---- PKCS#1 v1.5 ------------------------------------------------------------------------------------------------------

/** DigestInfo of SHA-256 before the digest, RFC 8017 §9.2. */
const INFO_256 = Buffer.from('3031300d060960864801650304020105000420', 'hex')

test('PKCS#1 v1.5: hashed in the token, or DigestInfo brought along, the signature is that of OpenSSL', async () => {
  const message = fill(777)
  for (const { bits, privateKey } of KEYS) {
    const { own, open } = keyOf(bits)
    for (const { name, pkcs1 } of HASHES) {
      for (const data of [message, Buffer.alloc(0)]) {
        const expected = opensslSign(name, data, privateKey)
        assert.equal(Buffer.from(await sign({ mechanism: pkcs1 }, own, data)), expected, `${bits} ${name}`)
        await check({ mechanism: pkcs1 }, open, data, expected)
      }
    }
    const expected = opensslSign('sha256', message, privateKey)
    const info = Buffer.concat([INFO_256, digestOf('sha256', message)])
    assert.equal(Buffer.from(await sign({ mechanism: PKCS }, own, info)), expected)
    await check({ mechanism: PKCS }, open, info, expected)
  }
})

test('PKCS#1 v1.5: data up to eleven bytes less than the modulus, and none more', async () => {
  for (const { bits, k } of KEYS) {
    const { own, open } = keyOf(bits)
    for (const n of [0, 1, k - 11])
      await check({ mechanism: PKCS }, open, fill(n), await sign({ mechanism: PKCS }, own, fill(n)))
    await refuses(RC_DATA_LEN_RANGE, sign({ mechanism: PKCS }, own, fill(k - 10)))
    await refuses(RC_DATA_LEN_RANGE, check({ mechanism: PKCS }, open, fill(k - 10), Buffer.alloc(k)))
  }
})

test('PKCS#1 v1.5: what is not the signature of this data, by this key and hash', async () => {
  const data = fill(50)
  const { own, open } = keyOf(2048)
  const mechanism = { mechanism: protocol.CKM_SHA256_RSA_PKCS }
  const signature = Buffer.from(await sign(mechanism, own, data))
  for (let bit = 0; bit < 2048; bit += 97) {
    await refuses(RC_SIGNATURE_INVALID, check(mechanism, open, data, flipped(signature, bit)), `bit ${bit}`)
  }
  await refuses(RC_SIGNATURE_INVALID, check(mechanism, open, flipped(data, 3), signature))
  await refuses(RC_SIGNATURE_INVALID, check({ mechanism: protocol.CKM_SHA384_RSA_PKCS }, open, data, signature))
  await refuses(RC_SIGNATURE_INVALID, check(mechanism, open, data, Buffer.alloc(256)))
  await refuses(RC_SIGNATURE_INVALID, check(mechanism, open, data, Buffer.alloc(256, 0xff)))
  await refuses(RC_SIGNATURE_LEN_RANGE, check(mechanism, open, data, signature.subarray(1)))
  await refuses(RC_SIGNATURE_LEN_RANGE, check(mechanism, open, data, Buffer.concat([signature, Buffer.of(0)])))
  await refuses(RC_SIGNATURE_LEN_RANGE, check(mechanism, keyOf(1024).open, data, signature))
  const [, , { privateKey: key } = {}] = KEYS
  if (!key) throw new Error('no key')
  const theirs = opensslSign('sha256', data, { key, padding: pssPadding })
  await refuses(RC_SIGNATURE_INVALID, check(mechanism, open, data, theirs))
})

test('PKCS#1 v1.5 has no parameter', async () => {
  const { own, open } = keyOf(1024)
  for (const mechanism of [PKCS, protocol.CKM_SHA256_RSA_PKCS]) {
    const wrong = { mechanism, parameter: Buffer.alloc(1) }
    await refuses(RC_MECHANISM_PARAM_INVALID, sign(wrong, own, fill(20)))
    await refuses(RC_MECHANISM_PARAM_INVALID, check(wrong, open, fill(20), Buffer.alloc(128)))
  }
})

// ---- PSS --------------------------------------------------------------------------------------------------------------

const pssPadding = constants.RSA_PKCS1_PSS_PADDING

for (const { name, hash, pss: hashing, length } of HASHES) {
  test(`PSS with ${name}: no salt, some, as long as the hash, the longest; both ways, hashed inside or outside`, async () => {
    const data = fill(333)
    for (const { bits, em, publicKey, privateKey } of KEYS) {
      const { own, open } = keyOf(bits)
      const most = em - length - 2
      for (const saltLength of [...new Set([0, 20, length, most])].filter((n) => n <= most)) {
        const what = `${bits} bits, salt ${saltLength}`
        const options = { padding: pssPadding, saltLength }
        for (const [mechanism, message] of [
          [hashing, data],
          [PSS, digestOf(name, data)],
        ] as const) {
          const signature = await sign(pss(mechanism, hash, saltLength), own, message)
          assert.ok(verify(name, data, { key: publicKey, ...options }, signature), what)
          await check(pss(mechanism, hash, saltLength), open, message, signature)
          const theirs = opensslSign(name, data, { key: privateKey, ...options })
          await check(pss(mechanism, hash, saltLength), open, message, theirs)
        }
      }
      // One byte more of salt than there is room for.
      await refuses(RC_KEY_SIZE_RANGE, sign(pss(hashing, hash, most + 1), own, data), `${bits}`)
    }
  })
}

test('PSS: the salt is drawn anew, and its length is part of what is verified', async () => {
  const data = fill(10)
  const { own, open } = keyOf(2048)
  const [{ hash, pss: mechanism }] = HASHES
  const signature = await sign(pss(mechanism, hash, 32), own, data)
  assert.not.equal(await sign(pss(mechanism, hash, 32), own, data), signature)
  assert.equal(await sign(pss(mechanism, hash, 0), own, data), await sign(pss(mechanism, hash, 0), own, data))
  for (const saltLength of [0, 31, 33]) {
    await refuses(RC_SIGNATURE_INVALID, check(pss(mechanism, hash, saltLength), open, data, signature))
  }
  for (let bit = 0; bit < 2048; bit += 97) {
    const changed = flipped(Buffer.from(signature), bit)
    await refuses(RC_SIGNATURE_INVALID, check(pss(mechanism, hash, 32), open, data, changed), `bit ${bit}`)
  }
  await refuses(RC_SIGNATURE_INVALID, check(pss(mechanism, hash, 32), open, flipped(data, 0), signature))
  await refuses(RC_SIGNATURE_LEN_RANGE, check(pss(mechanism, hash, 32), open, data, signature.slice(1)))
})

test('PSS: parameters that do not fit, digests that are none', async () => {
  const { own, open } = keyOf(2048)
  const [{ hash, pss: mechanism, length }, { hash: other }] = HASHES
  const whole = Buffer.from(pss(mechanism, hash, 32).parameter ?? [])
  const parameters = {
    empty: Buffer.alloc(0),
    short: whole.subarray(1),
    long: Buffer.concat([whole, Buffer.alloc(1)]),
    'another hash than the mechanism': Buffer.from(pss(mechanism, other, 32).parameter ?? []),
    'an unknown hash': Buffer.from(pss(mechanism, 0x0220, 32).parameter ?? []),
    'a salt of 2^32 - 1': Buffer.from(pss(mechanism, hash, 0xffff_ffff).parameter ?? []),
  }
  for (const [what, parameter] of Object.entries(parameters)) {
    await refuses(RC_MECHANISM_PARAM_INVALID, sign({ mechanism, parameter }, own, fill(20)), what)
    const checked = check({ mechanism, parameter }, open, fill(20), Buffer.alloc(256))
    await refuses(RC_MECHANISM_PARAM_INVALID, checked, what)
  }
  for (const n of [0, length - 1, length + 1, 65]) {
    await refuses(RC_DATA_LEN_RANGE, sign(pss(PSS, hash, 32), own, fill(n)), `${n}`)
    await refuses(RC_DATA_LEN_RANGE, check(pss(PSS, hash, 32), open, fill(n), Buffer.alloc(256)), `${n}`)
  }
})

// ---- keys and chance --------------------------------------------------------------------------------------------------

test('the other key of the pair, and keys of other kinds', async () => {
  const { own, open } = keyOf(1024)
  const secret = await importAes(officer, fill(16))
  const [{ pkcs1 }] = HASHES
  for (const key of [open, secret]) {
    // Neither has CKA_SIGN unless it is asked for.
    await refuses(protocol.RC_KEY_FUNCTION_NOT_PERMITTED, sign({ mechanism: pkcs1 }, key, fill(3)))
  }
  await refuses(protocol.RC_KEY_FUNCTION_NOT_PERMITTED, check({ mechanism: pkcs1 }, own, fill(3), Buffer.alloc(128)))
  await refuses(protocol.RC_KEY_FUNCTION_NOT_PERMITTED, decrypt(oaep(protocol.CKM_SHA256), open, Buffer.alloc(128)))
  await refuses(protocol.RC_KEY_TYPE_INCONSISTENT, encrypt(oaep(protocol.CKM_SHA256), secret, fill(3)))
  await refuses(protocol.RC_KEY_TYPE_INCONSISTENT, decrypt(oaep(protocol.CKM_SHA256), secret, Buffer.alloc(128)))
  await refuses(protocol.RC_KEY_TYPE_INCONSISTENT, encrypt({ mechanism: protocol.CKM_AES_ECB }, open, fill(16)))
  for (const key of [0, 0x7fff_ffff, 0xffff_ffff]) {
    await refuses(protocol.RC_KEY_HANDLE_INVALID, sign({ mechanism: pkcs1 }, key, fill(3)))
    await refuses(protocol.RC_KEY_HANDLE_INVALID, check({ mechanism: pkcs1 }, key, fill(3), Buffer.alloc(128)))
    await refuses(protocol.RC_KEY_HANDLE_INVALID, encrypt(oaep(protocol.CKM_SHA256), key, fill(3)))
    await refuses(protocol.RC_KEY_HANDLE_INVALID, decrypt(oaep(protocol.CKM_SHA256), key, Buffer.alloc(128)))
  }
})

test('without a random source nothing is signed or encrypted that needs one, and the code says why', async () => {
  let works = true
  const trng = (): Trng => {
    let count = 0
    return {
      fill: (target) => {
        if (!works) throw new Error('the source is dead')
        for (let i = 0; i < target.length; i++) target[i] = digestOf('sha256', Buffer.from(`${count++}`))[0] ?? 0
      },
    }
  }
  const own = await prepare(await TestToken.make({}, { trng, clock: new VirtualClock(START) }))
  const { client, session } = own
  const [, , { publicKey, privateKey } = {}] = KEYS
  if (!publicKey || !privateKey) throw new Error('no key')
  const [open, key] = [await importPublic(own, publicKey), await importPrivate(own, privateKey)]
  const aes = await importAes(own, fill(32))
  works = false
  const [{ hash, pss: mechanism, pkcs1 }] = HASHES
  await refuses(protocol.RC_RANDOM_NO_RNG, client.crypto.sign(session, pss(mechanism, hash, 32), key, fill(3)))
  await refuses(protocol.RC_RANDOM_NO_RNG, client.crypto.encrypt(session, oaep(hash), open, fill(3)))
  await refuses(protocol.RC_RANDOM_NO_RNG, client.crypto.wrap(session, oaep(hash), open, aes))
  assert.is((await client.crypto.sign(session, { mechanism: pkcs1 }, key, fill(3))).length, 256)
  assert.is((await client.crypto.sign(session, pss(mechanism, hash, 0), key, fill(3))).length, 256)
})

test.run()
