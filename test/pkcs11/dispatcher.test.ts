// The dispatcher over a token with the real firmware: what a program may rely on, call by call.
import { createCipheriv, createHmac, createPublicKey, createVerify, verify as verifyData } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { SlotSource } from '../../host/client/index.js'
import { type CkAttribute, ulongFrom } from '../../host/pkcs11/attribute-codec.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { SECRETS } from '../firmware/support/officer.js'
import { ckrOf, data, flag, needed, number, Program, partitionInSlot, QUERY, room, utf8, whole } from './support.js'

const test = suite('pkcs11 dispatcher')

const {
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS_BITS,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKA_VALUE,
  CKA_VALUE_LEN,
  CKA_VERIFY,
} = protocol
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

let slots: SlotSource
let partition: number
let program: Program
let session: number

test.before(async () => {
  const made = await partitionInSlot()
  ;({ slots, partition } = made)
})

test.before.each(async () => {
  // The newest client: every mechanism that the token has.
  program = Program.at(slots, 2).program
  await program.initialize()
  session = await program.officer()
})

test.after.each(() => program.call(calls.finalize, undefined))

const plain = (type: number): CkMechanism => ({ type, parameter: { form: 'none' } })
const withIv = (type: number): CkMechanism => ({ type, parameter: { form: 'iv', iv: fill(16, 9) } })

function aes(value: Uint8Array, more: readonly CkAttribute[] = []): Promise<number> {
  const own = [
    number(CKA_CLASS, protocol.CKO_SECRET_KEY),
    number(CKA_KEY_TYPE, protocol.CKK_AES),
    flag(CKA_ENCRYPT, true),
    flag(CKA_DECRYPT, true),
    data(CKA_VALUE, value),
  ]
  return program.call(calls.createObject, [session, [...own, ...more]])
}

function ecPair(): Promise<[number, number]> {
  return program.call(calls.generateKeyPair, [
    session,
    plain(protocol.CKM_EC_KEY_PAIR_GEN),
    [data(protocol.CKA_EC_PARAMS, P256), flag(CKA_VERIFY, true)],
    [flag(CKA_SIGN, true), flag(CKA_SENSITIVE, true)],
  ])
}

const begin = (call: typeof calls.signInit, mechanism: CkMechanism, key: number) =>
  program.call(call, [session, mechanism, key])

test('a call before C_Initialize, and a second C_Initialize, are refused', async () => {
  const other = Program.at(slots).program
  assert.is(await ckrOf(() => other.call(calls.getInfo, undefined)), CKR.CRYPTOKI_NOT_INITIALIZED)
  await other.initialize()
  assert.is(await ckrOf(() => other.initialize()), CKR.CRYPTOKI_ALREADY_INITIALIZED)
  assert.is(
    await ckrOf(() => Program.at(slots).program.call(calls.initialize, [utf8('hello'), 0, { missing: 0 }])),
    CKR.ARGUMENTS_BAD,
  )
})

test('slots, token and mechanisms', async () => {
  assert.equal(await program.call(calls.getSlotList, [1, room(8)]), [1])
  assert.equal(await program.call(calls.getSlotList, [1, QUERY]), { missing: 1 })
  const info = await program.call(calls.getTokenInfo, 1)
  assert.is(info.label, 'partition')
  assert.equal(info.firmwareVersion, { major: 6, minor: 27 })
  // RNG, log-in required, PIN initialized, token initialized.
  assert.is(info.flags, 0x40d)
  assert.is(info.sessions, 1)
  const list = await program.call(calls.getMechanismList, [1, room(99)])
  assert.ok(Array.isArray(list) && list.includes(protocol.CKM_AES_GCM))
  const ecdsa = await program.call(calls.getMechanismInfo, [1, protocol.CKM_ECDSA])
  assert.equal(ecdsa, { min: 256, max: 521, flags: 0x1902801 })
  assert.is(await ckrOf(() => program.call(calls.getMechanismInfo, [1, 0x9999])), CKR.MECHANISM_INVALID)
  assert.is(await ckrOf(() => program.call(calls.getTokenInfo, 5)), CKR.SLOT_ID_INVALID)
})

test('what a client refuses by itself is not in its list', async () => {
  const listed = async (offered: number) => {
    const { program: other } = Program.at(slots, offered)
    await other.initialize()
    const list = await other.call(calls.getMechanismList, [1, room(99)])
    const short = await other.call(calls.getMechanismList, [1, QUERY])
    assert.ok('length' in list)
    assert.equal(short, { missing: list.length })
    return new Set(list)
  }
  const [old, recent] = [await listed(0), await listed(1)]
  assert.not.ok(old.has(protocol.CKM_AES_CBC))
  assert.ok(old.has(protocol.CKM_SHA256_RSA_PKCS) && recent.has(protocol.CKM_AES_CBC))
  assert.not.ok(recent.has(protocol.CKM_AES_KEY_WRAP))
})

test('sessions: their states, and what may not be opened', async () => {
  const state = async (handle: number) => (await program.call(calls.getSessionInfo, handle)).state
  assert.is(await state(session), 3)
  const reader = await program.call(calls.openSession, [1, 4])
  assert.is(await state(reader), 1)
  await program.call(calls.logout, reader)
  assert.is(await state(session), 2)
  assert.is(await state(reader), 0)
  assert.is(await ckrOf(() => program.call(calls.openSession, [1, 2])), CKR.SESSION_PARALLEL_NOT_SUPPORTED)
  const so = () => program.call(calls.login, [session, 0, utf8(SECRETS.so)])
  assert.is(await ckrOf(so), CKR.SESSION_READ_ONLY_EXISTS)
  const pin = (text: string) => () => program.call(calls.login, [session, 1, utf8(text)])
  assert.is(await ckrOf(pin('wrong-password')), protocol.RC_PIN_INCORRECT >>> 16)
  await pin(SECRETS.officer)()
  assert.is(await ckrOf(pin(SECRETS.officer)), protocol.RC_USER_ALREADY_LOGGED_IN >>> 16)
  await program.call(calls.closeAllSessions, 1)
  assert.is(await ckrOf(() => state(session)), CKR.SESSION_HANDLE_INVALID)
})

test('a PIN may be changed by its owner, and is what it was for others until then', async () => {
  await program.call(calls.setPin, [session, utf8(SECRETS.officer), utf8('another-password')])
  await program.call(calls.logout, session)
  assert.not.equal(await ckrOf(() => program.call(calls.login, [session, 1, utf8(SECRETS.officer)])), 0)
  await program.call(calls.login, [session, 1, utf8('another-password')])
  await program.call(calls.setPin, [session, utf8('another-password'), utf8(SECRETS.officer)])
  assert.is(
    await ckrOf(() => program.call(calls.setPin, [session, Uint8Array.of(0xff, 0xfe), utf8('x')])),
    CKR.PIN_INVALID,
  )
})

test('attributes: values, lengths, and what is not to be had', async () => {
  const key = await aes(fill(32), [data(CKA_LABEL, 'a key'), flag(CKA_TOKEN, false)])
  const ask = (list: readonly (readonly [number, number])[]) =>
    program.call(calls.getAttributeValue, [session, key, list.map(([type, capacity]) => ({ type, capacity }))])
  const [answers, ckr] = await ask([
    [CKA_LABEL, 0],
    [CKA_LABEL, 4],
    [CKA_LABEL, 64],
    [CKA_VALUE_LEN, 8],
    [CKA_PRIVATE, 1],
    [CKA_ID, 10],
    [protocol.CKA_MODULUS, 10],
    [CKA_VALUE, 64],
  ])
  assert.is(ckr, CKR.ATTRIBUTE_SENSITIVE)
  const [length, short, label, bits, hidden, id, modulus, value] = answers
  assert.equal(length?.value, { missing: 5 })
  assert.is(short?.value, undefined)
  assert.equal(Buffer.from(label?.value instanceof Uint8Array ? label.value : []).toString(), 'a key')
  assert.is(bits?.value instanceof Uint8Array && ulongFrom(bits.value), 32)
  assert.equal(hidden?.value instanceof Uint8Array && [...hidden.value], [1])
  assert.equal(id?.value instanceof Uint8Array && id.value.length, 0)
  assert.is(modulus?.value, undefined)
  assert.is(value?.value, undefined)
  const [, shortOnly] = await ask([[CKA_LABEL, 4]])
  assert.is(shortOnly, CKR.BUFFER_TOO_SMALL)
  const [, unknown] = await ask([
    [CKA_LABEL, 4],
    [0x80001234, 4],
  ])
  assert.is(unknown, CKR.ATTRIBUTE_TYPE_INVALID)
  assert.is(await ckrOf(() => program.call(calls.getAttributeValue, [session, 2 ** 40, []])), CKR.OBJECT_HANDLE_INVALID)
})

test('an extractable key that is not sensitive shows its value', async () => {
  const key = await aes(fill(16, 4), [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)])
  const [[answer], ckr] = await program.call(calls.getAttributeValue, [
    session,
    key,
    [{ type: CKA_VALUE, capacity: 16 }],
  ])
  assert.is(ckr, 0)
  assert.equal(answer?.value instanceof Uint8Array && Buffer.from(answer.value), fill(16, 4))
})

test('a template that says the token\u2019s own defaults is taken, another value of them is not', async () => {
  const [copyable, always] = [0x171, 0x202]
  await aes(fill(16), [flag(copyable, true)])
  assert.not.equal(await ckrOf(() => aes(fill(16), [flag(copyable, false)])), 0)
  assert.not.equal(await ckrOf(() => aes(fill(16), [flag(always, true)])), 0)
  assert.is(await ckrOf(() => aes(fill(16), [data(CKA_VALUE, 'x')])), CKR.TEMPLATE_INCONSISTENT)
  assert.is(await ckrOf(() => aes(fill(16), [{ type: CKA_LABEL, value: undefined }])), CKR.ATTRIBUTE_VALUE_INVALID)
})

test('objects are found as they match, in pieces, and by no attribute that none of them has', async () => {
  for (const label of ['one', 'two', 'two']) await aes(fill(16), [data(CKA_LABEL, label)])
  const find = async (list: readonly CkAttribute[], step: number) => {
    await program.call(calls.findObjectsInit, [session, list])
    const found: number[] = []
    for (;;) {
      const some = await program.call(calls.findObjects, [session, room(step)])
      if ('missing' in some) throw new Error('handles are wanted')
      if (some.length === 0) break
      found.push(...some)
    }
    await program.call(calls.findObjectsFinal, session)
    return found.length
  }
  assert.is(await find([data(CKA_LABEL, 'two')], 1), 2)
  assert.is(await find([], 2), 3)
  assert.is(await find([data(0x80001234, 'x')], 9), 0)
  assert.is(await find([flag(0x171, true), data(CKA_LABEL, 'one')], 9), 1)
  assert.is(await find([flag(0x171, false)], 9), 0)
  assert.is(await ckrOf(() => program.call(calls.findObjects, [session, room(1)])), CKR.OPERATION_NOT_INITIALIZED)
  await program.call(calls.findObjectsInit, [session, []])
  assert.is(await ckrOf(() => program.call(calls.findObjectsInit, [session, []])), CKR.OPERATION_ACTIVE)
})

test('session objects end with the session that made them, token objects do not', async () => {
  const second = await program.call(calls.openSession, [1, 6])
  const old = session
  session = second
  await aes(fill(16), [data(CKA_LABEL, 'passing')])
  const lasting = await aes(fill(16), [data(CKA_LABEL, 'lasting'), flag(CKA_TOKEN, true)])
  session = old
  await program.call(calls.closeSession, second)
  await program.call(calls.findObjectsInit, [session, []])
  assert.equal(await program.call(calls.findObjects, [session, room(9)]), [lasting])
  await program.call(calls.findObjectsFinal, session)
  await program.call(calls.destroyObject, [session, lasting])
  assert.is(await ckrOf(() => program.call(calls.destroyObject, [session, lasting])), CKR.OBJECT_HANDLE_INVALID)
})

test('objects and keys are copied, with what the copy changes', async () => {
  const original = await program.call(calls.createObject, [
    session,
    [number(CKA_CLASS, protocol.CKO_DATA), data(CKA_LABEL, 'first'), data(CKA_VALUE, 'contents')],
  ])
  const copy = await program.call(calls.copyObject, [session, original, [data(CKA_LABEL, 'second')]])
  const wanted = [CKA_LABEL, CKA_VALUE].map((type) => ({ type, capacity: 20 }))
  const [answers] = await program.call(calls.getAttributeValue, [session, copy, wanted])
  const texts = answers.map(({ value }) => (value instanceof Uint8Array ? Buffer.from(value).toString() : ''))
  assert.equal(texts, ['second', 'contents'])
  assert.ok((await program.call(calls.getObjectSize, [session, copy])) > 8)
  const key = await aes(fill(16))
  const other = await program.call(calls.copyObject, [session, key, [data(CKA_LABEL, 'a copy')]])
  assert.is(await ckrOf(() => begin(calls.encryptInit, plain(protocol.CKM_AES_ECB), other)), CKR.OK)
  const sealed = whole(await program.call(calls.encrypt, [session, fill(16), room(16)]))
  await begin(calls.decryptInit, plain(protocol.CKM_AES_ECB), key)
  assert.equal(Buffer.from(whole(await program.call(calls.decrypt, [session, sealed, room(16)]))), fill(16))
  const shown = () => program.call(calls.copyObject, [session, key, [flag(CKA_SENSITIVE, false)]])
  assert.is(await ckrOf(shown), protocol.RC_ATTRIBUTE_READ_ONLY >>> 16)
})

test('a signature: its length, too little room, then itself, once', async () => {
  const [publicKey, privateKey] = await ecPair()
  const digest = fill(32)
  await begin(calls.signInit, plain(protocol.CKM_ECDSA), privateKey)
  assert.is(await ckrOf(() => begin(calls.signInit, plain(protocol.CKM_ECDSA), privateKey)), CKR.OPERATION_ACTIVE)
  assert.is(needed(await program.call(calls.sign, [session, digest, QUERY])), 64)
  assert.is(needed(await program.call(calls.sign, [session, digest, room(63)])), 64)
  const signature = whole(await program.call(calls.sign, [session, digest, room(64)]))
  assert.is(await ckrOf(() => program.call(calls.sign, [session, digest, room(64)])), CKR.OPERATION_NOT_INITIALIZED)
  await begin(calls.verifyInit, plain(protocol.CKM_ECDSA), publicKey)
  await program.call(calls.verify, [session, digest, signature])
  await begin(calls.verifyInit, plain(protocol.CKM_ECDSA), publicKey)
  const other = () => program.call(calls.verify, [session, fill(32, 2), signature])
  assert.is(await ckrOf(other), protocol.RC_SIGNATURE_INVALID >>> 16)
  assert.is(await ckrOf(other), CKR.OPERATION_NOT_INITIALIZED)
})

async function publicKeyOf(handle: number) {
  const types = [protocol.CKA_MODULUS, protocol.CKA_PUBLIC_EXPONENT]
  const [[n, e]] = await program.call(calls.getAttributeValue, [
    session,
    handle,
    types.map((type) => ({ type, capacity: 512 })),
  ])
  if (!(n?.value instanceof Uint8Array && e?.value instanceof Uint8Array)) throw new Error('a public key shows itself')
  const url = (value: Uint8Array) => Buffer.from(value).toString('base64url')
  return createPublicKey({ key: { kty: 'RSA', n: url(n.value), e: url(e.value) }, format: 'jwk' })
}

test('RSA: data in parts and at once, short and longer than a command, held against OpenSSL', async () => {
  const [publicKey, privateKey] = await program.call(calls.generateKeyPair, [
    session,
    plain(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
    [number(CKA_MODULUS_BITS, 2048), flag(CKA_VERIFY, true)],
    [flag(CKA_SIGN, true)],
  ])
  const key = await publicKeyOf(publicKey)
  const pss = {
    type: protocol.CKM_SHA384_RSA_PKCS_PSS,
    parameter: { form: 'pss' as const, hash: protocol.CKM_SHA384, mgf: 3, salt: 48 },
  }
  for (const length of [0, 1000, 60 * 1024, 60 * 1024 + 1, 200_000]) {
    const message = fill(length, 7)
    await begin(calls.signInit, plain(protocol.CKM_SHA256_RSA_PKCS), privateKey)
    for (let at = 0; at < length; at += 50_000) {
      await program.call(calls.signUpdate, [session, message.subarray(at, at + 50_000)])
    }
    if (length === 0) await program.call(calls.signUpdate, [session, message])
    const signature = whole(await program.call(calls.signFinal, [session, room(256)]))
    assert.ok(createVerify('sha256').update(message).verify(key, signature), `${length} bytes`)
    await begin(calls.signInit, pss, privateKey)
    const other = whole(await program.call(calls.sign, [session, message, room(512)]))
    assert.ok(verifyData('sha384', message, { key, padding: 6, saltLength: 48 }, other), `PSS of ${length} bytes`)
    await begin(calls.verifyInit, pss, publicKey)
    await program.call(calls.verify, [session, message, other])
  }
  await begin(calls.signInit, plain(protocol.CKM_RSA_PKCS), privateKey)
  assert.is(await ckrOf(() => program.call(calls.signUpdate, [session, fill(5)])), CKR.FUNCTION_NOT_SUPPORTED)
  assert.is(await ckrOf(() => program.call(calls.sign, [session, fill(5), room(256)])), CKR.OPERATION_NOT_INITIALIZED)
})

test('HMAC in parts', async () => {
  const secret = fill(40, 3)
  const key = await program.call(calls.createObject, [
    session,
    [
      number(CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
      flag(CKA_SIGN, true),
      data(CKA_VALUE, secret),
    ],
  ])
  await begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  for (const part of ['one ', 'two ', 'three']) await program.call(calls.signUpdate, [session, utf8(part)])
  assert.is(await ckrOf(() => program.call(calls.sign, [session, utf8('x'), room(32)])), CKR.OPERATION_ACTIVE)
  await begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  for (const part of ['one ', 'two ', 'three']) await program.call(calls.signUpdate, [session, utf8(part)])
  assert.is(needed(await program.call(calls.signFinal, [session, QUERY])), 32)
  const mac = whole(await program.call(calls.signFinal, [session, room(32)]))
  assert.equal(Buffer.from(mac), createHmac('sha256', secret).update('one two three').digest())
  await begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  assert.is(await ckrOf(() => program.call(calls.sign, [session, fill(100_000), room(32)])), CKR.DATA_LEN_RANGE)
})

const CIPHERS = [
  { name: 'aes-256-ecb', how: plain(protocol.CKM_AES_ECB), iv: null, padded: false, ragged: false },
  { name: 'aes-256-cbc', how: withIv(protocol.CKM_AES_CBC), iv: fill(16, 9), padded: false, ragged: false },
  { name: 'aes-256-cbc', how: withIv(protocol.CKM_AES_CBC_PAD), iv: fill(16, 9), padded: true, ragged: true },
  {
    name: 'aes-256-ctr',
    how: {
      type: protocol.CKM_AES_CTR,
      parameter: { form: 'counter' as const, bits: 128, block: Buffer.alloc(16, 0xff) },
    },
    iv: Buffer.alloc(16, 0xff),
    padded: false,
    ragged: true,
  },
]

async function through(
  direction: 'encrypt' | 'decrypt',
  input: Uint8Array,
  { how, key, step }: { how: CkMechanism; key: number; step: number },
): Promise<Buffer> {
  const [init, update, final] =
    direction === 'encrypt'
      ? [calls.encryptInit, calls.encryptUpdate, calls.encryptFinal]
      : [calls.decryptInit, calls.decryptUpdate, calls.decryptFinal]
  await program.call(init, [session, how, key])
  const parts: Uint8Array[] = []
  for (let at = 0; at < input.length; at += step) {
    const part = input.subarray(at, at + step)
    const asked = await program.call(update, [session, part, QUERY])
    const length = asked instanceof Uint8Array ? asked.length : asked.missing
    if (length === 0 && asked instanceof Uint8Array) continue
    parts.push(whole(await program.call(update, [session, part, room(length)])))
  }
  parts.push(whole(await program.call(final, [session, room(64)])))
  return Buffer.concat(parts)
}

test('AES in parts of any length, and at once, held against OpenSSL', async () => {
  const key = await aes(fill(32, 5))
  for (const { name, how, iv, padded, ragged } of CIPHERS) {
    for (const [length, step] of [
      [0, 1],
      [16, 16],
      [96, 7],
      [96, 32],
      [ragged ? 101 : 112, 33],
      [ragged ? 130_001 : 130_000, 65_000],
    ] as const) {
      const input = fill(length, 6)
      const cipher = createCipheriv(name, fill(32, 5), iv).setAutoPadding(padded)
      const expected = Buffer.concat([cipher.update(input), cipher.final()])
      const label = `${name} ${padded}, ${length} by ${step}`
      assert.equal(await through('encrypt', input, { how, key, step }), expected, label)
      assert.equal(await through('decrypt', expected, { how, key, step }), input, label)
      await program.call(calls.encryptInit, [session, how, key])
      const once = await program.call(calls.encrypt, [session, input, room(length + 16)])
      assert.equal(Buffer.from(whole(once)), expected, `${label} at once`)
    }
  }
})

test('decryption: too little room loses nothing, a wrong tag ends it', async () => {
  const key = await aes(fill(16, 5))
  const how: CkMechanism = {
    type: protocol.CKM_AES_GCM,
    parameter: { form: 'gcm', iv: fill(12), ivBits: 96, aad: utf8('aad'), tagBits: 128 },
  }
  await program.call(calls.encryptInit, [session, how, key])
  const sealed = whole(await program.call(calls.encrypt, [session, utf8('a secret'), room(99)]))
  assert.is(sealed.length, 24)
  await program.call(calls.decryptInit, [session, how, key])
  assert.is(needed(await program.call(calls.decrypt, [session, sealed, QUERY])), 8)
  assert.is(needed(await program.call(calls.decrypt, [session, sealed, room(7)])), 8)
  assert.equal(whole(await program.call(calls.decrypt, [session, sealed, room(8)])), utf8('a secret'))
  await program.call(calls.decryptInit, [session, how, key])
  const bad = sealed.slice()
  bad[0] = (bad[0] ?? 0) ^ 1
  const open = () => program.call(calls.decrypt, [session, bad, room(8)])
  assert.is(await ckrOf(open), protocol.RC_ENCRYPTED_DATA_INVALID >>> 16)
  assert.is(await ckrOf(open), CKR.OPERATION_NOT_INITIALIZED)
})

test('an old client that asks for the last part\u2019s length may ask for the part again', async () => {
  const old = Program.at(slots, 0).program
  await old.initialize()
  const [before, keep] = [session, program]
  program = old
  session = await old.officer()
  const key = await aes(fill(16))
  await old.call(calls.encryptInit, [session, plain(protocol.CKM_AES_ECB), key])
  await old.call(calls.encryptUpdate, [session, fill(16), room(16)])
  const final = () => old.call(calls.encryptFinal, [session, QUERY])
  assert.is(whole(await final()).length, 0)
  assert.is(whole(await final()).length, 0)
  assert.is(await ckrOf(final), CKR.OPERATION_NOT_INITIALIZED)
  await old.call(calls.finalize, undefined)
  ;[session, program] = [before, keep]
})

test('keys and mechanisms that do not fit are refused where the operation begins', async () => {
  const [publicKey, privateKey] = await ecPair()
  const secret = await aes(fill(16), [flag(CKA_SIGN, false)])
  const signed = (type: number, key: number) => ckrOf(() => begin(calls.signInit, plain(type), key))
  assert.is(await signed(0x9999, privateKey), CKR.MECHANISM_INVALID)
  assert.is(await signed(protocol.CKM_AES_ECB, secret), CKR.MECHANISM_INVALID)
  assert.is(await signed(protocol.CKM_RSA_PKCS, privateKey), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await signed(protocol.CKM_ECDSA, publicKey), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await signed(protocol.CKM_SHA256_HMAC, secret), CKR.KEY_FUNCTION_NOT_PERMITTED)
  assert.is(await signed(protocol.CKM_ECDSA, 77), CKR.KEY_HANDLE_INVALID)
  const bare = { type: protocol.CKM_SHA256_RSA_PKCS_PSS, parameter: undefined }
  assert.is(await ckrOf(() => begin(calls.signInit, bare, privateKey)), CKR.MECHANISM_PARAM_INVALID)
  // Nothing is under way after any of them.
  assert.is(await signed(protocol.CKM_ECDSA, privateKey), 0)
})

test('keys are wrapped and unwrapped, with a question for the length first', async () => {
  const oaep: CkMechanism = {
    type: protocol.CKM_RSA_PKCS_OAEP,
    parameter: { form: 'oaep', hash: protocol.CKM_SHA256, mgf: 2, source: 1, label: new Uint8Array(0) },
  }
  const [publicKey, privateKey] = await program.call(calls.generateKeyPair, [
    session,
    plain(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
    [number(CKA_MODULUS_BITS, 2048), flag(protocol.CKA_WRAP, true)],
    [flag(protocol.CKA_UNWRAP, true)],
  ])
  const key = await aes(fill(16, 2), [flag(CKA_EXTRACTABLE, true)])
  const wrap = (space: typeof QUERY) => program.call(calls.wrapKey, [session, oaep, publicKey, key, space])
  assert.is(needed(await wrap(QUERY)), 256)
  assert.is(needed(await wrap(room(255))), 256)
  const wrapped = whole(await wrap(room(256)))
  const again = await program.call(calls.unwrapKey, [
    session,
    oaep,
    privateKey,
    wrapped,
    [number(CKA_CLASS, protocol.CKO_SECRET_KEY), number(CKA_KEY_TYPE, protocol.CKK_AES), flag(CKA_ENCRYPT, true)],
  ])
  await program.call(calls.encryptInit, [session, plain(protocol.CKM_AES_ECB), again])
  const sealed = whole(await program.call(calls.encrypt, [session, fill(16), room(16)]))
  const cipher = createCipheriv('aes-128-ecb', fill(16, 2), null).setAutoPadding(false)
  assert.equal(Buffer.from(sealed), cipher.update(fill(16)))
})

test('two programs share neither log-ins nor session objects', async () => {
  const other = Program.at(slots).program
  await other.initialize()
  const theirs = await other.call(calls.openSession, [1, 6])
  assert.is((await other.call(calls.getSessionInfo, theirs)).state, 2)
  const key = await aes(fill(16))
  await other.call(calls.login, [theirs, 1, utf8(SECRETS.officer)])
  assert.is(await ckrOf(() => other.call(calls.destroyObject, [theirs, key])), CKR.OBJECT_HANDLE_INVALID)
  assert.is(await ckrOf(() => other.call(calls.getSessionInfo, theirs + 1)), CKR.SESSION_HANDLE_INVALID)
  await program.call(calls.logout, session)
  assert.is((await other.call(calls.getSessionInfo, theirs)).state, 3)
  await other.call(calls.finalize, undefined)
})

test('what this token has not is said, and not faked', async () => {
  const digest = () => program.call(calls.digestInit, [session, plain(protocol.CKM_SHA256)])
  assert.is(await ckrOf(digest), CKR.MECHANISM_INVALID)
  assert.is(await ckrOf(() => program.call(calls.seedRandom, [session, fill(8)])), CKR.RANDOM_SEED_NOT_SUPPORTED)
  assert.is(whole(await program.call(calls.generateRandom, [session, room(10_000)])).length, 10_000)
  assert.is(await ckrOf(() => program.call(calls.waitForSlotEvent, 1)), CKR.NO_EVENT)
  assert.is(await ckrOf(() => program.call(calls.initToken, [1, { missing: 0 }, ''])), CKR.FUNCTION_NOT_SUPPORTED)
  assert.ok(partition > 0)
})

test.run()
