// Encryption and key wrapping at the door, over a token with the real firmware.
import { createCipheriv } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { AtSlot, plain, withIv } from './at-slot.js'
import { ckrOf, flag, needed, number, Program, QUERY, room, utf8, whole } from './support.js'

const test = suite('pkcs11 ciphers')
const at = new AtSlot(test)

const { CKA_CLASS, CKA_ENCRYPT, CKA_EXTRACTABLE, CKA_KEY_TYPE, CKA_MODULUS_BITS } = protocol

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
  await at.program.call(init, [at.session, how, key])
  const parts: Uint8Array[] = []
  for (let from = 0; from < input.length; from += step) {
    const part = input.subarray(from, from + step)
    // As often as it is asked, nothing of the part is taken in.
    for (let times = 0; times < 2; times++) needed(await at.program.call(update, [at.session, part, QUERY]))
    const length = needed(await at.program.call(update, [at.session, part, QUERY]))
    parts.push(whole(await at.program.call(update, [at.session, part, room(length)])))
  }
  parts.push(whole(await at.program.call(final, [at.session, room(70_000)])))
  return Buffer.concat(parts)
}

test('AES in parts of any length, and at once, held against OpenSSL', async () => {
  const key = await at.aes(fill(32, 5))
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
      await at.program.call(calls.encryptInit, [at.session, how, key])
      const once = await at.program.call(calls.encrypt, [at.session, input, room(length + 16)])
      assert.equal(Buffer.from(whole(once)), expected, `${label} at once`)
    }
  }
})

test('KWP takes what one command holds, at once or in parts, and says where there is more', async () => {
  const key = await at.aes(fill(32, 5))
  const how: CkMechanism = {
    type: protocol.CKM_AES_KEY_WRAP_KWP,
    parameter: { form: 'iv', iv: Buffer.from('a65959a6', 'hex') },
  }
  // Less 96 bytes and the initial value.
  const most = protocol.MAX_BODY - 96 - 4
  const input = fill(most, 6)
  const sealed = await through('encrypt', input, { how, key, step: 30_000 })
  assert.ok(sealed.length > most)
  assert.equal(await through('decrypt', sealed, { how, key, step: 30_000 }), input)
  const more = fill(most + 17, 6)
  for (const [direction, init, once, code] of [
    ['encrypt', calls.encryptInit, calls.encrypt, CKR.DATA_LEN_RANGE],
    ['decrypt', calls.decryptInit, calls.decrypt, CKR.ENCRYPTED_DATA_LEN_RANGE],
  ] as const) {
    assert.is(await ckrOf(() => through(direction, more, { how, key, step: 30_000 })), code)
    await at.program.call(init, [at.session, how, key])
    assert.is(await ckrOf(() => at.program.call(once, [at.session, more, room(70_000)])), code)
    assert.is(await ckrOf(() => at.program.call(once, [at.session, more, room(1)])), CKR.OPERATION_NOT_INITIALIZED)
  }
})

test('a question for the length of what comes out at the end only takes nothing in', async () => {
  const key = await at.aes(fill(16, 5))
  const how: CkMechanism = {
    type: protocol.CKM_AES_GCM,
    parameter: { form: 'gcm', iv: fill(12), ivBits: 96, aad: utf8('aad'), tagBits: 128 },
  }
  const input = fill(100, 3)
  const sealed = await through('encrypt', input, { how, key, step: 7 })
  assert.is(sealed.length, 116)
  assert.equal(await through('decrypt', sealed, { how, key, step: 9 }), Buffer.from(input))
})

test('decryption: too little room loses nothing, a wrong tag ends it', async () => {
  const key = await at.aes(fill(16, 5))
  const how: CkMechanism = {
    type: protocol.CKM_AES_GCM,
    parameter: { form: 'gcm', iv: fill(12), ivBits: 96, aad: utf8('aad'), tagBits: 128 },
  }
  await at.program.call(calls.encryptInit, [at.session, how, key])
  const sealed = whole(await at.program.call(calls.encrypt, [at.session, utf8('a secret'), room(99)]))
  assert.is(sealed.length, 24)
  await at.program.call(calls.decryptInit, [at.session, how, key])
  assert.is(needed(await at.program.call(calls.decrypt, [at.session, sealed, QUERY])), 8)
  assert.is(needed(await at.program.call(calls.decrypt, [at.session, sealed, room(7)])), 8)
  assert.equal(whole(await at.program.call(calls.decrypt, [at.session, sealed, room(8)])), utf8('a secret'))
  await at.program.call(calls.decryptInit, [at.session, how, key])
  const bad = sealed.slice()
  bad[0] = (bad[0] ?? 0) ^ 1
  const open = () => at.program.call(calls.decrypt, [at.session, bad, room(8)])
  assert.is(await ckrOf(open), protocol.RC_ENCRYPTED_DATA_INVALID >>> 16)
  assert.is(await ckrOf(open), CKR.OPERATION_NOT_INITIALIZED)
})

test('an old client that asks for the last part\u2019s length may ask for the part again', async () => {
  const old = Program.at(at.slots, 0).program
  await old.initialize()
  const [before, keep] = [at.session, at.program]
  at.program = old
  at.session = await old.officer()
  const key = await at.aes(fill(16))
  await old.call(calls.encryptInit, [at.session, plain(protocol.CKM_AES_ECB), key])
  await old.call(calls.encryptUpdate, [at.session, fill(16), room(16)])
  const final = () => old.call(calls.encryptFinal, [at.session, QUERY])
  assert.is(whole(await final()).length, 0)
  assert.is(whole(await final()).length, 0)
  assert.is(await ckrOf(final), CKR.OPERATION_NOT_INITIALIZED)
  await old.call(calls.finalize, undefined)
  ;[at.session, at.program] = [before, keep]
})

test('keys are wrapped and unwrapped, with a question for the length first', async () => {
  const oaep: CkMechanism = {
    type: protocol.CKM_RSA_PKCS_OAEP,
    parameter: { form: 'oaep', hash: protocol.CKM_SHA256, mgf: 2, source: 1, label: new Uint8Array(0) },
  }
  const [publicKey, privateKey] = await at.program.call(calls.generateKeyPair, [
    at.session,
    plain(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
    [number(CKA_MODULUS_BITS, 2048), flag(protocol.CKA_WRAP, true)],
    [flag(protocol.CKA_UNWRAP, true)],
  ])
  const key = await at.aes(fill(16, 2), [flag(CKA_EXTRACTABLE, true)])
  const wrap = (space: typeof QUERY) => at.program.call(calls.wrapKey, [at.session, oaep, publicKey, key, space])
  assert.is(needed(await wrap(QUERY)), 256)
  assert.is(needed(await wrap(room(255))), 256)
  const wrapped = whole(await wrap(room(256)))
  const again = await at.program.call(calls.unwrapKey, [
    at.session,
    oaep,
    privateKey,
    wrapped,
    [number(CKA_CLASS, protocol.CKO_SECRET_KEY), number(CKA_KEY_TYPE, protocol.CKK_AES), flag(CKA_ENCRYPT, true)],
  ])
  await at.program.call(calls.encryptInit, [at.session, plain(protocol.CKM_AES_ECB), again])
  const sealed = whole(await at.program.call(calls.encrypt, [at.session, fill(16), room(16)]))
  const cipher = createCipheriv('aes-128-ecb', fill(16, 2), null).setAutoPadding(false)
  assert.equal(Buffer.from(sealed), cipher.update(fill(16)))
})

test.run()
