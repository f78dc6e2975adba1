// Firmware and oracle on either end: what one gives the other takes, byte for byte.
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  sign,
  verify,
} from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import { type CloneObject, encodeAttributes, OVERHEAD } from '../../oracle/obc1/envelope.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import {
  aesObject,
  attributeOf,
  bytesOf,
  checkValueOf,
  dataObjectOf,
  deliver,
  failures,
  firmwareEnd,
  helloFrom,
  helloTo,
  objectCount,
  objectsOf,
  oracleSource,
  oracleTarget,
  refusals,
  send,
} from './ends.js'

const { ulong, bool, text, bytes } = attribute
const PRIVATE_KEY_BITS =
  protocol.BIT_TOKEN |
  protocol.BIT_PRIVATE |
  protocol.BIT_MODIFIABLE |
  protocol.BIT_SENSITIVE |
  protocol.BIT_ALWAYS_SENSITIVE
const RSA_COMPONENTS = [
  [protocol.CKA_MODULUS, 'n'],
  [protocol.CKA_PUBLIC_EXPONENT, 'e'],
  [protocol.CKA_PRIVATE_EXPONENT, 'd'],
  [protocol.CKA_PRIME_1, 'p'],
  [protocol.CKA_PRIME_2, 'q'],
  [protocol.CKA_EXPONENT_1, 'dp'],
  [protocol.CKA_EXPONENT_2, 'dq'],
  [protocol.CKA_COEFFICIENT, 'qi'],
] as const
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
/** Header, fixed part and MAC of a batch. */
const BATCH_FIXED = 16 + 56 + 32

const yes = (type: number) => ({ type, value: Buffer.of(1) })
const field = (jwk: JsonWebKey, name: keyof JsonWebKey): Buffer => Buffer.from(String(jwk[name]), 'base64url')

/** A private key of the oracle's that was not made in any token. */
function privateObject(i: number, keyType: number, attributes: CloneObject['attributes']): CloneObject {
  const { handle, ouid } = aesObject(i)
  const all = [...attributes, yes(protocol.CKA_SIGN)]
  return { handle, ouid, class: protocol.CKO_PRIVATE_KEY, keyType, bits: PRIVATE_KEY_BITS, attributes: all }
}

/** Every attribute that the token shows of an object. */
async function shown({ client, session }: Officer, handle: number, types: readonly number[]): Promise<Buffer[]> {
  const answers = await client.objects.get(session, handle, types)
  return answers.map(({ code, value }) => {
    assert.is(code, protocol.RC_OK)
    return Buffer.from(value)
  })
}

/** Lets the firmware give everything to the oracle. */
async function giveAll(from: Officer, handles: readonly number[]): Promise<CloneObject[]> {
  const { target, stored } = oracleTarget()
  await helloFrom(from, target)
  const { cloning } = from.client
  let rest = handles
  while (rest.length > 0) {
    const offered = rest.slice(0, 250)
    const { codes, message } = await cloning.sourceBatch(from.session, offered, offered.length === rest.length)
    assert.equal(refusals(codes), {})
    const results = await cloning.sourceResult(from.session, target.batch(Buffer.from(message)))
    assert.equal(failures(results), {})
    assert.equal(
      results.map(({ handle }) => handle),
      rest.slice(0, codes.length),
    )
    rest = rest.slice(codes.length)
  }
  target.closed(Buffer.from(await cloning.sourceClose(from.session)))
  return stored
}

const test = suite('firmware: cloning with the oracle')

test('from the oracle: each kind of object works in the firmware as the original did', async () => {
  const to = await firmwareEnd('interop in')
  const { client, session } = to
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [rsaJwk, ecJwk] = [rsa.privateKey.export({ format: 'jwk' }), ec.privateKey.export({ format: 'jwk' })]
  const secret = bytesOf('hmac', 48)
  const objects: CloneObject[] = [
    aesObject(0),
    dataObjectOf(0, Buffer.from('readable')),
    privateObject(
      1,
      protocol.CKK_RSA,
      RSA_COMPONENTS.map(([type, name]) => ({ type, value: field(rsaJwk, name) })),
    ),
    privateObject(2, protocol.CKK_EC, [
      { type: protocol.CKA_EC_PARAMS, value: P256 },
      { type: protocol.CKA_VALUE, value: field(ecJwk, 'd') },
    ]),
    aesObject(3, {
      keyType: protocol.CKK_GENERIC_SECRET,
      attributes: [{ type: protocol.CKA_VALUE, value: secret }, yes(protocol.CKA_SIGN)],
    }),
  ]
  const source = await helloTo(to)
  const results = await send(to, source, objects, true)
  assert.equal(failures(results), {})
  await client.cloning.targetClose(session, source.close())

  const rows = await objectsOf(to)
  const handles = results.map(({ handle }) => handle)
  assert.equal(
    rows.map(({ handle }) => handle),
    handles,
    'the handles of M4 are those of the list, in order',
  )
  for (const [i, object] of objects.entries()) {
    const row = rows[i]
    assert.equal(Buffer.from(row?.ouid ?? []), object.ouid)
    assert.equal([row?.objectClass, row?.keyType, row?.bits], [object.class, object.keyType, object.bits])
  }
  const [aes = 0, data = 0, rsaKey = 0, ecKey = 0, hmacKey = 0] = handles
  assert.equal(await shown(to, aes, [protocol.CKA_CHECK_VALUE, protocol.CKA_LABEL]), [
    checkValueOf(attributeOf(objects[0], protocol.CKA_VALUE)),
    Buffer.from('key 0'),
  ])
  assert.equal(await shown(to, data, [protocol.CKA_VALUE]), [Buffer.from('readable')])
  const message = Buffer.from('signed by the clone')
  const signature = (mechanism: number, key: number) => client.crypto.sign(session, { mechanism }, key, message)
  assert.ok(verify('sha256', message, rsa.publicKey, await signature(protocol.CKM_SHA256_RSA_PKCS, rsaKey)))
  const point = { key: ec.publicKey, dsaEncoding: 'ieee-p1363' } as const
  assert.ok(verify('sha256', message, point, await signature(protocol.CKM_ECDSA_SHA256, ecKey)))
  const mac = createHmac('sha384', secret).update(message).digest()
  assert.equal(Buffer.from(await signature(protocol.CKM_SHA384_HMAC, hmacKey)), mac)
})

test('to the oracle: each kind of object arrives whole', async () => {
  const from = await firmwareEnd('interop out')
  const { client, session } = from
  const { objects, crypto } = client
  const token = bool(protocol.CKA_TOKEN, true)
  const aes = await objects.generate(session, protocol.CKM_AES_KEY_GEN, [token, ulong(protocol.CKA_VALUE_LEN, 32)])
  const data = await objects.create(session, dataObject('data', 'value'))
  const certificate = await objects.create(session, [
    ...[token, ulong(protocol.CKA_CLASS, protocol.CKO_CERTIFICATE), text(protocol.CKA_LABEL, 'certificate')],
    ...[bytes(protocol.CKA_VALUE, bytesOf('der', 60)), bytes(protocol.CKA_ID, Buffer.of(1, 2))],
  ])
  const rsa = await objects.generatePair(
    session,
    protocol.CKM_RSA_PKCS_KEY_PAIR_GEN,
    [token, ulong(protocol.CKA_MODULUS_BITS, 2048)],
    [token],
  )
  const ec = await objects.generatePair(
    session,
    protocol.CKM_EC_KEY_PAIR_GEN,
    [token, bytes(protocol.CKA_EC_PARAMS, P256)],
    [token],
  )
  const handles = [aes, data, certificate, rsa.publicKey, rsa.privateKey, ec.publicKey, ec.privateKey]
  const stored = await giveAll(from, handles)
  const rows = await objectsOf(from)
  assert.equal(
    stored.map(({ handle, ouid, class: objectClass, keyType, bits }) => ({ handle, ouid, objectClass, keyType, bits })),
    rows.map(({ size: _size, clone, ouid, ...row }) => {
      assert.is(clone, protocol.RC_OK)
      return { ...row, ouid: Buffer.from(ouid) }
    }),
  )
  const [aesClone, dataClone, certificateClone, , rsaClone, ecPublicClone, ecClone] = stored
  assert.equal(await shown(from, aes, [protocol.CKA_CHECK_VALUE]), [
    checkValueOf(attributeOf(aesClone, protocol.CKA_VALUE)),
  ])
  assert.equal(attributeOf(dataClone, protocol.CKA_VALUE), Buffer.from('value'))
  for (const type of [protocol.CKA_VALUE, protocol.CKA_ID, protocol.CKA_LABEL, protocol.CKA_CERTIFICATE_TYPE]) {
    assert.equal([attributeOf(certificateClone, type)], await shown(from, certificate, [type]))
  }
  const message = Buffer.from('signed with the clone')
  const encoded = (value: Buffer) => value.toString('base64url')
  const parts = RSA_COMPONENTS.map(([type, name]) => [name, encoded(attributeOf(rsaClone, type))])
  const rsaKey = createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(parts) }, format: 'jwk' })
  const bySha = { mechanism: protocol.CKM_SHA256_RSA_PKCS }
  await crypto.verify(session, bySha, rsa.publicKey, message, sign('sha256', message, rsaKey))
  const point = attributeOf(ecPublicClone, protocol.CKA_EC_POINT).subarray(-64)
  const [x, y, d] = [point.subarray(0, 32), point.subarray(32), attributeOf(ecClone, protocol.CKA_VALUE)].map(encoded)
  const ecKey = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x: `${x}`, y: `${y}`, d: `${d}` }, format: 'jwk' })
  const signature = sign('sha256', message, { key: ecKey, dsaEncoding: 'ieee-p1363' })
  await crypto.verify(session, { mechanism: protocol.CKM_ECDSA_SHA256 }, ec.publicKey, message, signature)
  assert.is(createPublicKey(ecKey).asymmetricKeyType, 'ec')
})

test('1,000 objects in and out again', async () => {
  const end = await firmwareEnd('thousand', { size: 400_000n })
  const objects = Array.from({ length: 1000 }, (_, i) => aesObject(i))
  const source = await helloTo(end)
  for (let from = 0; from < objects.length; from += 250) {
    const part = objects.slice(from, from + 250)
    const results = await send(end, source, part, from + 250 === objects.length)
    assert.equal(failures(results), {})
  }
  await end.client.cloning.targetClose(end.session, source.close())
  const rows = await objectsOf(end)
  const stored = await giveAll(
    end,
    rows.map(({ handle }) => handle),
  )
  const content = ({ ouid, attributes }: CloneObject) => Buffer.concat([ouid, encodeAttributes(attributes)])
  assert.is(stored.length, objects.length)
  const different = objects.findIndex((object, i) => !content(object).equals(content(stored[i] ?? aesObject(-1))))
  assert.is(different, -1, 'each object came back as it went in, in order')
})

test('objects as large as one message', async () => {
  // Two attributes of eight bytes and their values, here a label of four.
  const most = protocol.OBC_MAX_MESSAGE - BATCH_FIXED - OVERHEAD - 16 - 4
  const large = (length: number): CloneObject => {
    const object = dataObjectOf(0, bytesOf('x', 64))
    const value = Buffer.alloc(length, 0x5a)
    const attributes = [
      { type: protocol.CKA_LABEL, value: Buffer.from('big ') },
      { type: protocol.CKA_VALUE, value },
    ]
    return { ...object, attributes }
  }
  const to = await firmwareEnd('large in', { size: 400_000n })
  const source = await helloTo(to)
  const m3 = source.batch([large(most)])
  assert.is(m3.length, protocol.OBC_MAX_MESSAGE)
  assert.equal(failures(source.result(await deliver(to, m3))), {})
  const [row] = await objectsOf(to)
  assert.equal(await shown(to, row?.handle ?? 0, [protocol.CKA_VALUE]), [Buffer.alloc(most, 0x5a)])

  // Out again, together with one that fits no message and one small one.
  const create = (label: string, length: number) =>
    to.client.objects.create(to.session, dataObject(label, Buffer.alloc(length, 1)))
  const handles = [await create('tiny', 1), row?.handle ?? 0, await create('huge', most + 4), await create('last', 1)]
  const { target, stored } = oracleTarget()
  await helloFrom(to, target)
  const { cloning } = to.client
  const counts: number[] = []
  const codes: number[] = []
  for (let rest = handles; rest.length > 0; rest = handles.slice(codes.length)) {
    const batch = await cloning.sourceBatch(to.session, rest, true)
    codes.push(...batch.codes)
    const results = await cloning.sourceResult(to.session, target.batch(Buffer.from(batch.message)))
    counts.push(results.length)
  }
  assert.equal(refusals(codes), { 2: 'DEVICE_MEMORY' })
  assert.equal(counts, [1, 1, 1])
  assert.equal(
    stored.map((object) => attributeOf(object, protocol.CKA_VALUE).length),
    [1, most, 1],
  )
})

test('batches without objects confirm, and do not count', async () => {
  const [to, from] = [await firmwareEnd('none in'), await firmwareEnd('none out')]
  const source = await helloTo(to)
  assert.equal(await send(to, source, []), [])
  assert.equal(failures(await send(to, source, [aesObject(1)])), {})
  assert.equal(await send(to, source, [], true), [])
  await to.client.cloning.targetClose(to.session, source.close())
  assert.is(await objectCount(to), 1)

  const { target, stored } = oracleTarget()
  const handle = await from.client.objects.create(from.session, dataObject('data', 'value'))
  await helloFrom(from, target)
  for (const [handles, last] of [
    [[], false],
    [[handle], false],
    [[], true],
  ] as const) {
    const { codes, message } = await from.client.cloning.sourceBatch(from.session, handles, last)
    assert.is(codes.length, handles.length)
    await from.client.cloning.sourceResult(from.session, target.batch(Buffer.from(message)))
  }
  target.closed(Buffer.from(await from.client.cloning.sourceClose(from.session)))
  assert.is(stored.length, 1)
})

test('CLOSE must name the number of objects that were sent, also of those that were refused', async () => {
  const to = await firmwareEnd('close')
  const { client, session } = to
  const source = await helloTo(to)
  const results = await send(to, source, [aesObject(1), aesObject(1), aesObject(2)])
  assert.equal(failures(results), { 1: 'CKR_OBJECT_ALREADY_EXISTS' })
  await client.cloning.targetClose(session, source.close())

  for (const more of [-1, 1]) {
    const other = await helloTo(to, oracleSource())
    await send(to, other, [aesObject(3 + more)])
    other.session.seq += more
    await refuses(protocol.RC_NEGOTIATION_INVALID, client.cloning.targetClose(session, other.close()))
    await refuses(protocol.RC_CLONE_SESSION_INVALID, client.cloning.targetClose(session, Buffer.alloc(68)))
  }
  const early = await helloTo(to)
  await refuses(
    protocol.RC_NEGOTIATION_INVALID,
    client.cloning.targetClose(session, early.close()),
    'nothing confirmed',
  )
})

test.run()
