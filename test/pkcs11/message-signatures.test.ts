// Signatures and MACs message by message (PKCS#11 3.0 §5.13, §5.15).
import { createHmac, createPublicKey, verify as opensslVerify } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { messageCalls } from '../../host/pkcs11/message-calls.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { P256 } from './at-slot.js'
import { bare, withNumber } from './mechanism-desk.js'
import { MessageDesk, NONE, ROOM } from './message-desk.js'
import { ckrOf, data, flag, number, partitionInSlot, QUERY, room, whole } from './support.js'

const test = suite('pkcs11 messages: signatures')
const seed = Number(process.env.MOONLET_SEED ?? Date.now() & 0x7fffffff)

const SIGNATURE_INVALID = 0xc0

let desk: MessageDesk
test.before(async () => {
  console.log(`seed ${seed}`)
  desk = await MessageDesk.open((await partitionInSlot()).slots)
})

const sign = async (message: Uint8Array): Promise<Buffer> =>
  Buffer.from(whole(await desk.program.call(messageCalls.signMessage, [desk.session, 0, message, ROOM])))
const verify = (message: Uint8Array, signature: Uint8Array): Promise<void> =>
  desk.program.call(messageCalls.verifyMessage, [desk.session, 0, message, signature])

async function signParts(message: Uint8Array, size: number): Promise<Buffer> {
  const { program, session } = desk
  await program.call(messageCalls.signMessageBegin, [session, 0])
  for (let at = 0; at < message.length; at += size)
    await program.call(messageCalls.signMessageNext, [session, 0, message.slice(at, at + size)])
  // A question takes nothing of the data in.
  await program.call(messageCalls.signMessageEnd, [session, 0, fill(3), QUERY])
  await program.call(messageCalls.signMessageEnd, [session, 0, fill(3), room(1)])
  return Buffer.from(whole(await program.call(messageCalls.signMessageEnd, [session, 0, NONE, ROOM])))
}

async function verifyParts(message: Uint8Array, size: number, signature: Uint8Array): Promise<void> {
  const { program, session } = desk
  await program.call(messageCalls.verifyMessageBegin, [session, 0])
  for (let at = 0; at < message.length; at += size)
    await program.call(messageCalls.verifyMessageNext, [session, 0, message.slice(at, at + size)])
  await program.call(messageCalls.verifyMessageEnd, [session, 0, NONE, signature])
}

test('HMACs of many messages under one key, at once and in parts', async () => {
  const value = fill(40, 2)
  const key = await desk.key(value, [], protocol.CKK_GENERIC_SECRET)
  for (const { how, hash, length } of [
    { how: bare(protocol.CKM_SHA256_HMAC), hash: 'sha256', length: 32 },
    { how: withNumber(protocol.CKM_SHA384_HMAC_GENERAL, 20), hash: 'sha384', length: 20 },
    { how: bare(protocol.CKM_SHA3_512_HMAC), hash: 'sha3-512', length: 64 },
  ]) {
    await desk.begin('Sign', how, key)
    await desk.begin('Verify', how, key)
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 1, max: 200 }),
      async (message, size) => {
        const expected = createHmac(hash, value).update(message).digest().subarray(0, length)
        assert.equal(await sign(message), expected)
        assert.equal(await signParts(message, size), expected)
        await verify(message, expected)
        await verifyParts(message, size, expected)
        const wrong = Buffer.from(expected)
        wrong[size % length] = (wrong[size % length] ?? 0) ^ 1
        // The process goes on all the same.
        assert.is(await ckrOf(() => verify(message, wrong)), SIGNATURE_INVALID)
        assert.is(await ckrOf(() => verifyParts(message, size, wrong)), SIGNATURE_INVALID)
      },
    )
    await fc.assert(property, { seed, numRuns: 25 })
    await desk.end('Sign')
    await desk.end('Verify')
  }
})

test('ECDSA and RSA-PSS of many messages; OpenSSL verifies them', async () => {
  const { program, session } = desk
  const [point, own] = await program.call(calls.generateKeyPair, [
    session,
    bare(protocol.CKM_EC_KEY_PAIR_GEN),
    [data(protocol.CKA_EC_PARAMS, P256), flag(protocol.CKA_VERIFY, true)],
    [flag(protocol.CKA_SIGN, true)],
  ])
  const value = async (key: number, type: number): Promise<Buffer> => {
    const [[found]] = await program.call(calls.getAttributeValue, [session, key, [{ type, capacity: 1000 }]])
    if (!(found?.value instanceof Uint8Array)) throw new Error('no value')
    return Buffer.from(found.value)
  }
  const ec = await value(point, protocol.CKA_EC_POINT)
  const [x, y] = [ec.subarray(-64, -32), ec.subarray(-32)].map((one) => one.toString('base64url'))
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' })
  const ecdsa = bare(protocol.CKM_ECDSA_SHA256)
  await desk.begin('Sign', ecdsa, own)
  await desk.begin('Verify', ecdsa, point)
  for (const length of [0, 1, 33, 70_000]) {
    const message = fill(length)
    for (const signature of [await sign(message), await signParts(message, 30_000)]) {
      assert.ok(opensslVerify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature))
      await verify(message, signature)
      await verifyParts(message, 30_001, signature)
    }
  }
  await desk.end('Sign')
  await desk.end('Verify')

  const [open, secret] = await program.call(calls.generateKeyPair, [
    session,
    bare(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN),
    [number(protocol.CKA_MODULUS_BITS, 2048), flag(protocol.CKA_VERIFY, true)],
    [flag(protocol.CKA_SIGN, true)],
  ])
  const [n, e] = await Promise.all(
    [protocol.CKA_MODULUS, protocol.CKA_PUBLIC_EXPONENT].map((type) => value(open, type)),
  )
  const rsa = createPublicKey({
    key: { kty: 'RSA', n: n?.toString('base64url') ?? '', e: e?.toString('base64url') ?? '' },
    format: 'jwk',
  })
  const pss: CkMechanism = {
    type: protocol.CKM_SHA256_RSA_PKCS_PSS,
    parameter: { form: 'pss', hash: protocol.CKM_SHA256, mgf: 2, salt: 32 },
  }
  await desk.begin('Sign', pss, secret)
  const padding = { key: rsa, padding: 6, saltLength: 32 }
  for (const length of [5, 6]) assert.ok(opensslVerify('sha256', fill(length), padding, await sign(fill(length))))
  await desk.end('Sign')
})

test('what is no parameter, no part, no order', async () => {
  const { program, session } = desk
  const key = await desk.key(fill(20), [], protocol.CKK_GENERIC_SECRET)
  const how = bare(protocol.CKM_SHA256_HMAC)
  await desk.begin('Sign', how, key)
  await desk.begin('Verify', how, key)
  const bad = CKR.MECHANISM_PARAM_INVALID
  assert.is(await ckrOf(() => program.call(messageCalls.signMessage, [session, 8, NONE, ROOM])), bad)
  assert.is(await ckrOf(() => program.call(messageCalls.signMessageBegin, [session, 8])), bad)
  assert.is(await ckrOf(() => program.call(messageCalls.verifyMessage, [session, 8, NONE, NONE])), bad)
  const ended = CKR.OPERATION_NOT_INITIALIZED
  assert.is(await ckrOf(() => program.call(messageCalls.signMessageNext, [session, 0, NONE])), ended)
  assert.is(await ckrOf(() => program.call(messageCalls.verifyMessageEnd, [session, 0, NONE, NONE])), ended)
  await program.call(messageCalls.signMessageBegin, [session, 0])
  assert.is(await ckrOf(() => sign(NONE)), CKR.OPERATION_ACTIVE)
  assert.is(await ckrOf(() => desk.end('Sign')), CKR.OPERATION_ACTIVE)
  assert.is(await ckrOf(() => program.call(messageCalls.signMessageNext, [session, 8, NONE])), bad)
  assert.is((await sign(NONE)).length, 32, 'the failure has ended the message')
  await desk.end('Sign')
  await desk.end('Verify')
  assert.is(await ckrOf(() => desk.begin('Sign', bare(protocol.CKM_SHA256), key)), CKR.MECHANISM_INVALID)
})

test.run()
