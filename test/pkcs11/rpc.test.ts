// p11-kit's RPC as bytes: what is written is read, signatures are the published ones, and no bytes do harm.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { FrameError } from '../../host/client/index.js'
import { kindOf, ulongBytes } from '../../host/pkcs11/attribute-codec.js'
import { type Call, calls } from '../../host/pkcs11/calls.js'
import { UNAVAILABLE } from '../../host/pkcs11/codec.js'
import { Pkcs11Error } from '../../host/pkcs11/errors.js'
import { formOf } from '../../host/pkcs11/mechanism-codec.js'
import {
  BODY_LIMIT,
  encodeFailure,
  encodeReply,
  encodeRequest,
  HEAD,
  openBody,
  readHead,
  readReply,
  readRequest,
} from '../../host/pkcs11/rpc.js'

const test = suite('pkcs11 rpc')

// p11-kit's own table, by call id: request, reply.
const SIGNATURES: readonly (readonly [id: number, request: string, reply: string])[] = [
  [1, 'ayyay', ''],
  [2, '', ''],
  [3, '', 'vsusv'],
  [4, 'yfu', 'au'],
  [5, 'u', 'ssuvv'],
  [6, 'u', 'ssssuuuuuuuuuuuvvs'],
  [7, 'ufu', 'au'],
  [8, 'uu', 'uuu'],
  [9, 'uayz', ''],
  [10, 'uu', 'u'],
  [13, 'u', 'uuuu'],
  [15, 'uayay', ''],
  [17, 'uayuu', ''],
  [18, 'uuay', ''],
  [20, 'uaA', 'u'],
  [21, 'uuaA', 'u'],
  [24, 'uufA', 'aAu'],
  [25, 'uuaA', ''],
  [27, 'ufu', 'au'],
  [29, 'uMu', ''],
  [30, 'uayfy', 'ay'],
  [32, 'ufy', 'ay'],
  [37, 'uM', ''],
  [49, 'uayay', ''],
  [58, 'uMaA', 'u'],
  [59, 'uMaAaA', 'uu'],
  [60, 'uMuufy', 'ay'],
  [61, 'uMuayaA', 'u'],
  [62, 'uMuaA', 'u'],
  [65, 'u', 'u'],
  [88, 'uays', ''],
]

test('the signatures are those of p11-kit', () => {
  for (const [id, request, reply] of SIGNATURES) {
    const call = Object.values(calls).find((one) => one.id === id)
    assert.equal([call?.request.signature, call?.reply.signature], [request, reply], `call ${id}`)
  }
})

const offered = fc.constantFrom(0, 1, 2)
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const ulong = fc.oneof(fc.maxSafeNat(), u32, fc.constant(UNAVAILABLE))
const blob = fc.uint8Array({ maxLength: 70 })
const bytes = fc.oneof(
  blob,
  u32.map((missing) => ({ missing })),
)
const room = fc.integer({ min: 0, max: 0xfffffffe }).map((capacity) => ({ capacity, query: capacity === 0 }))

const attribute = fc.oneof(
  fc.tuple(fc.constantFrom(protocol.CKA_TOKEN, protocol.CKA_SIGN, 0x171), fc.boolean()).map(([type, on]) => ({
    type,
    value: Uint8Array.of(on ? 1 : 0),
  })),
  fc
    .tuple(fc.constantFrom(protocol.CKA_CLASS, protocol.CKA_KEY_TYPE, protocol.CKA_VALUE_LEN), ulong)
    .map(([type, value]) => ({ type, value: ulongBytes(value) })),
  fc
    .tuple(fc.constantFrom(protocol.CKA_START_DATE, protocol.CKA_END_DATE), fc.constantFrom(0, 8))
    .map(([type, length]) => ({ type, value: new Uint8Array(length).fill(0x31) })),
  fc.tuple(fc.constant(0x40000600), fc.array(u32, { maxLength: 4 })).map(([type, list]) => ({
    type,
    value: Uint8Array.from(list.flatMap((one) => [...ulongBytes(one)])),
  })),
  fc
    .tuple(
      u32.filter((type) => kindOf(type) === 'bytes'),
      blob,
    )
    .map(([type, value]) => ({ type, value })),
  u32.map((type) => ({ type, value: undefined })),
)
const template = fc.array(attribute, { maxLength: 6 })

const none = { form: 'none' } as const
const mechanism = fc.oneof(
  fc.constantFrom(protocol.CKM_RSA_PKCS, protocol.CKM_AES_ECB, 0x1234).map((type) => ({ type, parameter: none })),
  blob.map((iv) => ({ type: protocol.CKM_AES_CBC, parameter: { form: 'iv' as const, iv } })),
  fc.tuple(ulong, blob).map(([bits, block]) => ({
    type: protocol.CKM_AES_CTR,
    parameter: { form: 'counter' as const, bits, block },
  })),
  fc.tuple(blob, ulong, blob, ulong).map(([iv, ivBits, aad, tagBits]) => ({
    type: protocol.CKM_AES_GCM,
    parameter: { form: 'gcm' as const, iv, ivBits, aad, tagBits },
  })),
  fc.tuple(ulong, ulong, ulong).map(([hash, mgf, salt]) => ({
    type: protocol.CKM_RSA_PKCS_PSS,
    parameter: { form: 'pss' as const, hash, mgf, salt },
  })),
  fc.tuple(ulong, ulong, ulong, blob).map(([hash, mgf, source, label]) => ({
    type: protocol.CKM_RSA_PKCS_OAEP,
    parameter: { form: 'oaep' as const, hash, mgf, source, label },
  })),
)

function requestSurvives<Request>(call: Call<Request, unknown>, request: Request, version: number): void {
  const message = encodeRequest(77, call, request, version)
  const head = readHead(message)
  assert.equal(head, { code: 77, options: 0, body: message.length - HEAD })
  const { id, signature, reader } = openBody(message.subarray(HEAD), version)
  assert.is(id, call.id)
  assert.is(signature, call.request.signature)
  assert.equal(plain(readRequest(call, reader)), plain(request))
}

/** Byte strings of any class compare by what is in them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}

test('whatever a request holds is read as it was written, by clients of every age', () => {
  fc.assert(
    fc.property(offered, ulong, ulong, bytes, room, (version, a, b, value, space) => {
      requestSurvives(calls.openSession, [a, b], version)
      requestSurvives(calls.login, [a, b, value], version)
      requestSurvives(calls.encrypt, [a, value, space], version)
      requestSurvives(calls.setOperationState, [a, value, a, b], version)
    }),
  )
  fc.assert(
    fc.property(offered, ulong, mechanism, bytes, template, (version, a, how, value, list) => {
      requestSurvives(calls.signInit, [a, how, a], version)
      requestSurvives(calls.unwrapKey, [a, how, a, value, list], version)
      requestSurvives(calls.generateKeyPair, [a, how, list, list], version)
    }),
  )
  const requests = fc.array(fc.record({ type: u32, capacity: u32 }), { maxLength: 6 })
  fc.assert(
    fc.property(offered, ulong, requests, (version, a, wanted) => {
      requestSurvives(calls.getAttributeValue, [a, a, wanted], version)
    }),
  )
})

test('whatever an answer holds is read as it was written', () => {
  const list = fc.oneof(
    fc.array(ulong, { maxLength: 8 }),
    u32.map((missing) => ({ missing })),
  )
  fc.assert(
    fc.property(ulong, bytes, list, template, (a, value, numbers, attributes) => {
      const back = <Request, Reply>(call: Call<Request, Reply>, reply: Reply): void => {
        const answer = readReply(call, encodeReply(3, call, reply, 0).subarray(HEAD), 0)
        assert.equal(plain(answer), plain({ value: reply }))
      }
      back(calls.encrypt, value)
      back(calls.findObjects, numbers)
      back(calls.getAttributeValue, [attributes, a])
    }),
  )
  assert.equal(readReply(calls.encrypt, encodeFailure(9, 0xa0).subarray(HEAD), 0), { ckr: 0xa0 })
})

test('a room of no bytes is no question for a length, where the client can say so', () => {
  requestSurvives(calls.encrypt, [1, new Uint8Array(0), { capacity: 0, query: false }], 1)
  requestSurvives(calls.encrypt, [1, new Uint8Array(0), { capacity: 0, query: true }], 1)
})

test('a parameter that is not there is no parameter, from version 2 on', () => {
  requestSurvives(calls.digestInit, [1, { type: protocol.CKM_AES_CBC, parameter: undefined }], 2)
  assert.is(formOf(protocol.CKM_SHA256), 'none')
})

/** Only errors of these classes may come of bytes from outside. */
function harmless(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof FrameError || error instanceof Pkcs11Error)) throw error
  }
}

test('any bytes at all are read or refused, whatever the call', () => {
  const junk = fc.uint8Array({ maxLength: 200 })
  fc.assert(
    fc.property(offered, junk, (version, body) => {
      harmless(() => openBody(body, version))
      for (const call of Object.values(calls)) {
        const { reader } = openBody(Buffer.concat([Buffer.alloc(8), body]), version)
        harmless(() => call.request.read(reader))
      }
    }),
    { numRuns: 2000 },
  )
})

test('counts that the rest of a message cannot hold are refused before anything is made of them', () => {
  const body = Buffer.alloc(24)
  body.writeUInt32BE(0xfffffff0, 16)
  for (const call of [calls.createObject, calls.findObjectsInit]) {
    const { reader } = openBody(body, 0)
    assert.throws(
      () => call.request.read(reader),
      (error: unknown) => error instanceof FrameError,
    )
  }
})

test('templates in templates end somewhere', () => {
  const level = Buffer.alloc(4 + 9)
  level.writeUInt32BE(1, 0)
  level.writeUInt32BE(0x40000211, 4)
  level[8] = 1
  const body = Buffer.concat([Buffer.alloc(16), ...Array.from({ length: 50_000 }, () => level), Buffer.alloc(4)])
  const { reader } = openBody(body, 0)
  assert.throws(
    () => calls.createObject.request.read(reader),
    (error: unknown) => error instanceof FrameError,
  )
})

test('a head that no client sends is refused', () => {
  const head = (code: number, options: number, body: number): Buffer => {
    const bytes = Buffer.alloc(HEAD)
    for (const [i, value] of [code, options, body].entries()) bytes.writeUInt32BE(value, 4 * i)
    return bytes
  }
  assert.equal(readHead(head(16, 6, 8)), { code: 16, options: 6, body: 8 })
  for (const bad of [
    head(0, 0, 8),
    head(1, 5000, 8),
    head(1, 0, BODY_LIMIT + 1),
    head(1, 0, 7),
    head(1, 0, 0xffffffff),
  ]) {
    assert.throws(
      () => readHead(bad),
      (error: unknown) => error instanceof FrameError,
    )
  }
})

test.run()
