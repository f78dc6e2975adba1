// The npm package pkcs11js at our library: pkcs11js.mjs FOLDER LIBRARY PIN. What the token makes is compared with what node:crypto makes.
import assert from 'node:assert/strict'
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPublicKey,
  publicEncrypt,
} from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [folder = '.', library, pin] = process.argv.slice(2)
const pkcs11js = createRequire(join(folder, 'package.json'))('pkcs11js')
const module = new pkcs11js.PKCS11()
module.load(library)
// As it comes, without a flag: p11-kit's client refuses this.
module.C_Initialize()

const [slot] = module.C_GetSlotList(true)
const session = module.C_OpenSession(slot, 6)
module.C_Login(session, 1, pin)
const entry = (type, value) => ({ type, value })
const A = pkcs11js
const ok = (what) => console.log(`ok     pkcs11js: ${what}`)
const room = () => Buffer.alloc(4096)

/** A secret key that can be read, so that node:crypto can check what is done with it. */
function aes(value, extractable = true) {
  return module.C_CreateObject(session, [
    entry(A.CKA_CLASS, A.CKO_SECRET_KEY),
    entry(A.CKA_KEY_TYPE, A.CKK_AES),
    entry(A.CKA_TOKEN, false),
    entry(A.CKA_VALUE, value),
    entry(A.CKA_EXTRACTABLE, extractable),
    ...[A.CKA_ENCRYPT, A.CKA_DECRYPT, A.CKA_WRAP, A.CKA_UNWRAP].map((type) => entry(type, true)),
  ])
}

const kek = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')

function keyWrap() {
  const [by, secret] = [aes(kek), Buffer.from('00112233445566778899aabbccddeeff', 'hex')]
  const wrapped = module.C_WrapKey(session, { mechanism: 0x2109 }, by, aes(secret), room())
  // RFC 3394 §4.3.
  assert.equal(Buffer.from(wrapped).toString('hex'), '64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7')
  ok('AES-KEY-WRAP, RFC 3394 4.3')
  const padded = module.C_WrapKey(session, { mechanism: 0x210b }, by, aes(secret), room())
  const open = createDecipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'))
  assert.deepEqual(Buffer.concat([open.update(padded), open.final()]), secret)
  ok('AES-KEY-WRAP-KWP, unwrapped by node:crypto')
}

function gcm() {
  const [key, iv, aad] = [aes(kek), Buffer.alloc(12, 7), Buffer.from('beside')]
  const parameter = { type: A.CK_PARAMS_AES_GCM_v240, iv, aad, ivBits: 96, tagBits: 128 }
  module.C_EncryptInit(session, { mechanism: A.CKM_AES_GCM, parameter }, key)
  const message = Buffer.from('a message of some length')
  const sealed = Buffer.from(module.C_Encrypt(session, message, room()))
  const open = createDecipheriv('aes-256-gcm', kek, iv).setAAD(aad).setAuthTag(sealed.subarray(-16))
  assert.deepEqual(Buffer.concat([open.update(sealed.subarray(0, -16)), open.final()]), message)
  ok('AES-GCM with associated data, opened by node:crypto')
}

function longGcm() {
  const [key, iv, aad] = [aes(kek), Buffer.alloc(12, 8), Buffer.from('beside')]
  const parameter = { type: A.CK_PARAMS_AES_GCM_v240, iv, aad, ivBits: 96, tagBits: 128 }
  const mechanism = { mechanism: A.CKM_AES_GCM, parameter }
  const message = Buffer.alloc(5_000_003, 'a message of many commands')
  const cipher = createCipheriv('aes-256-gcm', kek, iv).setAAD(aad)
  const expected = Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()])
  const big = () => Buffer.alloc(message.length + 32)
  const inParts = (update, final, data) => {
    const out = []
    for (let at = 0; at < data.length; at += 1_000_001) {
      const part = data.subarray(at, at + 1_000_001)
      out.push(Buffer.from(update.call(module, session, part, Buffer.alloc(part.length))))
    }
    return [...out, Buffer.from(final.call(module, session, big()))]
  }
  module.C_EncryptInit(session, mechanism, key)
  const sealed = inParts(module.C_EncryptUpdate, module.C_EncryptFinal, message)
  assert.deepEqual(
    sealed.map((part) => part.length),
    [1_000_001, 1_000_001, 1_000_001, 1_000_001, 999_999, 16],
  )
  assert.ok(Buffer.concat(sealed).equals(expected))
  module.C_DecryptInit(session, mechanism, key)
  const opened = inParts(module.C_DecryptUpdate, module.C_DecryptFinal, expected)
  assert.ok(opened.slice(0, -1).every((part) => part.length === 0))
  assert.ok(Buffer.concat(opened).equals(message))
  const [short, once] = [message.subarray(0, 1_000_000), big()]
  module.C_EncryptInit(session, mechanism, key)
  const whole = Buffer.from(module.C_Encrypt(session, short, once))
  module.C_DecryptInit(session, mechanism, key)
  assert.ok(Buffer.from(module.C_Decrypt(session, whole, big())).equals(short))
  ok('AES-GCM of five megabytes in parts and of one at once, the same as node:crypto')
}

function oaep() {
  const pair = module.C_GenerateKeyPair(
    session,
    { mechanism: A.CKM_RSA_PKCS_KEY_PAIR_GEN },
    [
      entry(A.CKA_TOKEN, false),
      entry(A.CKA_MODULUS_BITS, 2048),
      entry(A.CKA_PUBLIC_EXPONENT, Buffer.from([1, 0, 1])),
      entry(A.CKA_ENCRYPT, true),
    ],
    [entry(A.CKA_TOKEN, false), entry(A.CKA_DECRYPT, true)],
  )
  const [{ value: n }] = module.C_GetAttributeValue(session, pair.publicKey, [{ type: A.CKA_MODULUS }])
  const jwk = { kty: 'RSA', n: Buffer.from(n).toString('base64url'), e: 'AQAB' }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const sealed = publicEncrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    Buffer.from('short'),
  )
  const parameter = { type: A.CK_PARAMS_RSA_OAEP, hashAlg: A.CKM_SHA256, mgf: A.CKG_MGF1_SHA256, source: 0 }
  module.C_DecryptInit(session, { mechanism: A.CKM_RSA_PKCS_OAEP, parameter }, pair.privateKey)
  assert.equal(Buffer.from(module.C_Decrypt(session, sealed, room())).toString(), 'short')
  ok('RSA OAEP with SHA-256, encrypted by node:crypto')
}

function ecdh() {
  const listed = module.C_GetMechanismList(slot)
  if (!listed.includes(A.CKM_ECDH1_DERIVE)) {
    console.log('left out: pkcs11js: ECDH1_DERIVE, which the token does not list')
    return
  }
  const curve = Buffer.from('06082a8648ce3d030107', 'hex')
  const pair = module.C_GenerateKeyPair(
    session,
    { mechanism: A.CKM_EC_KEY_PAIR_GEN },
    [entry(A.CKA_TOKEN, false), entry(A.CKA_EC_PARAMS, curve)],
    [entry(A.CKA_TOKEN, false), entry(A.CKA_DERIVE, true)],
  )
  const other = createECDH('prime256v1')
  other.generateKeys()
  const parameter = { type: A.CK_PARAMS_EC_DH, kdf: A.CKD_NULL, publicData: other.getPublicKey() }
  const derived = module.C_DeriveKey(session, { mechanism: A.CKM_ECDH1_DERIVE, parameter }, pair.privateKey, [
    entry(A.CKA_CLASS, A.CKO_SECRET_KEY),
    entry(A.CKA_KEY_TYPE, A.CKK_GENERIC_SECRET),
    entry(A.CKA_TOKEN, false),
    entry(A.CKA_SENSITIVE, false),
    entry(A.CKA_EXTRACTABLE, true),
    entry(A.CKA_VALUE_LEN, 32),
  ])
  const [{ value: point }] = module.C_GetAttributeValue(session, pair.publicKey, [{ type: A.CKA_EC_POINT }])
  const [{ value: secret }] = module.C_GetAttributeValue(session, derived, [{ type: A.CKA_VALUE }])
  // The point is in an OCTET STRING.
  const agreed = other.computeSecret(Buffer.from(point).subarray(2))
  assert.deepEqual(Buffer.from(secret), agreed)
  ok(`ECDH P-256, the same secret as node:crypto's (${createHash('sha256').update(agreed).digest('hex').slice(0, 8)}…)`)
}

keyWrap()
gcm()
longGcm()
oaep()
ecdh()
module.C_Logout(session)
module.C_CloseSession(session)
module.C_Finalize()
