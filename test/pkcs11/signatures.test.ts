// Signatures and MACs at the door, over a token with the real firmware.
import { createHmac, createPublicKey, createVerify, verify as verifyData } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { AtSlot, plain } from './at-slot.js'
import { ckrOf, data, flag, needed, number, QUERY, room, utf8, whole } from './support.js'

const test = suite('pkcs11 signatures')
const at = new AtSlot(test)

const { CKA_CLASS, CKA_KEY_TYPE, CKA_MODULUS_BITS, CKA_SIGN, CKA_VALUE, CKA_VERIFY } = protocol

test('a signature: its length, too little room, then itself, once', async () => {
  const [publicKey, privateKey] = await at.ecPair()
  const digest = fill(32)
  await at.begin(calls.signInit, plain(protocol.CKM_ECDSA), privateKey)
  assert.is(await ckrOf(() => at.begin(calls.signInit, plain(protocol.CKM_ECDSA), privateKey)), CKR.OPERATION_ACTIVE)
  assert.is(needed(await at.program.call(calls.sign, [at.session, digest, QUERY])), 64)
  assert.is(needed(await at.program.call(calls.sign, [at.session, digest, room(63)])), 64)
  const signature = whole(await at.program.call(calls.sign, [at.session, digest, room(64)]))
  assert.is(
    await ckrOf(() => at.program.call(calls.sign, [at.session, digest, room(64)])),
    CKR.OPERATION_NOT_INITIALIZED,
  )
  await at.begin(calls.verifyInit, plain(protocol.CKM_ECDSA), publicKey)
  await at.program.call(calls.verify, [at.session, digest, signature])
  await at.begin(calls.verifyInit, plain(protocol.CKM_ECDSA), publicKey)
  const other = () => at.program.call(calls.verify, [at.session, fill(32, 2), signature])
  assert.is(await ckrOf(other), protocol.RC_SIGNATURE_INVALID >>> 16)
  assert.is(await ckrOf(other), CKR.OPERATION_NOT_INITIALIZED)
})

async function publicKeyOf(handle: number) {
  const types = [protocol.CKA_MODULUS, protocol.CKA_PUBLIC_EXPONENT]
  const [[n, e]] = await at.program.call(calls.getAttributeValue, [
    at.session,
    handle,
    types.map((type) => ({ type, capacity: 512 })),
  ])
  if (!(n?.value instanceof Uint8Array && e?.value instanceof Uint8Array)) throw new Error('a public key shows itself')
  const url = (value: Uint8Array) => Buffer.from(value).toString('base64url')
  return createPublicKey({ key: { kty: 'RSA', n: url(n.value), e: url(e.value) }, format: 'jwk' })
}

test('RSA: data in parts and at once, short and longer than a command, held against OpenSSL', async () => {
  const [publicKey, privateKey] = await at.program.call(calls.generateKeyPair, [
    at.session,
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
    await at.begin(calls.signInit, plain(protocol.CKM_SHA256_RSA_PKCS), privateKey)
    for (let from = 0; from < length; from += 50_000) {
      await at.program.call(calls.signUpdate, [at.session, message.subarray(from, from + 50_000)])
    }
    if (length === 0) await at.program.call(calls.signUpdate, [at.session, message])
    const signature = whole(await at.program.call(calls.signFinal, [at.session, room(256)]))
    assert.ok(createVerify('sha256').update(message).verify(key, signature), `${length} bytes`)
    await at.begin(calls.signInit, pss, privateKey)
    const other = whole(await at.program.call(calls.sign, [at.session, message, room(512)]))
    assert.ok(verifyData('sha384', message, { key, padding: 6, saltLength: 48 }, other), `PSS of ${length} bytes`)
    await at.begin(calls.verifyInit, pss, publicKey)
    await at.program.call(calls.verify, [at.session, message, other])
  }
  await at.begin(calls.signInit, plain(protocol.CKM_RSA_PKCS), privateKey)
  assert.is(await ckrOf(() => at.program.call(calls.signUpdate, [at.session, fill(5)])), CKR.FUNCTION_NOT_SUPPORTED)
  assert.is(
    await ckrOf(() => at.program.call(calls.sign, [at.session, fill(5), room(256)])),
    CKR.OPERATION_NOT_INITIALIZED,
  )
})

test('HMAC in parts', async () => {
  const secret = fill(40, 3)
  const key = await at.program.call(calls.createObject, [
    at.session,
    [
      number(CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
      flag(CKA_SIGN, true),
      data(CKA_VALUE, secret),
    ],
  ])
  await at.begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  for (const part of ['one ', 'two ', 'three']) await at.program.call(calls.signUpdate, [at.session, utf8(part)])
  assert.is(await ckrOf(() => at.program.call(calls.sign, [at.session, utf8('x'), room(32)])), CKR.OPERATION_ACTIVE)
  await at.begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  for (const part of ['one ', 'two ', 'three']) await at.program.call(calls.signUpdate, [at.session, utf8(part)])
  assert.is(needed(await at.program.call(calls.signFinal, [at.session, QUERY])), 32)
  const mac = whole(await at.program.call(calls.signFinal, [at.session, room(32)]))
  assert.equal(Buffer.from(mac), createHmac('sha256', secret).update('one two three').digest())
  await at.begin(calls.signInit, plain(protocol.CKM_SHA256_HMAC), key)
  const long = whole(await at.program.call(calls.sign, [at.session, fill(100_000), room(32)]))
  assert.equal(Buffer.from(long), createHmac('sha256', secret).update(fill(100_000)).digest())
})

test('keys and mechanisms that do not fit are refused where the operation begins', async () => {
  const [publicKey, privateKey] = await at.ecPair()
  const secret = await at.aes(fill(16), [flag(CKA_SIGN, false)])
  const signed = (type: number, key: number) => ckrOf(() => at.begin(calls.signInit, plain(type), key))
  assert.is(await signed(0x9999, privateKey), CKR.MECHANISM_INVALID)
  assert.is(await signed(protocol.CKM_AES_ECB, secret), CKR.MECHANISM_INVALID)
  assert.is(await signed(protocol.CKM_RSA_PKCS, privateKey), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await signed(protocol.CKM_ECDSA, publicKey), CKR.KEY_TYPE_INCONSISTENT)
  assert.is(await signed(protocol.CKM_SHA256_HMAC, secret), CKR.KEY_FUNCTION_NOT_PERMITTED)
  assert.is(await signed(protocol.CKM_ECDSA, 77), CKR.KEY_HANDLE_INVALID)
  const bare = { type: protocol.CKM_SHA256_RSA_PKCS_PSS, parameter: undefined }
  assert.is(await ckrOf(() => at.begin(calls.signInit, bare, privateKey)), CKR.MECHANISM_PARAM_INVALID)
  // Nothing is under way after any of them.
  assert.is(await signed(protocol.CKM_ECDSA, privateKey), 0)
})

test.run()
