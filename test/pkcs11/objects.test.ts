// Objects at the door, over a token with the real firmware: attributes, searches, copies, what ends with a session.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { CkAttribute } from '../../host/pkcs11/attribute-codec.js'
import { ulongFrom } from '../../host/pkcs11/attribute-codec.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { AtSlot, plain } from './at-slot.js'
import { ckrOf, data, flag, number, room, whole } from './support.js'

const test = suite('pkcs11 objects')
const at = new AtSlot(test)

const {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_TOKEN,
  CKA_VALUE,
  CKA_VALUE_LEN,
} = protocol

test('attributes: values, lengths, and what is not to be had', async () => {
  const key = await at.aes(fill(32), [data(CKA_LABEL, 'a key'), flag(CKA_TOKEN, false)])
  const ask = (list: readonly (readonly [number, number])[]) =>
    at.program.call(calls.getAttributeValue, [at.session, key, list.map(([type, capacity]) => ({ type, capacity }))])
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
  assert.is(
    await ckrOf(() => at.program.call(calls.getAttributeValue, [at.session, 2 ** 40, []])),
    CKR.OBJECT_HANDLE_INVALID,
  )
})

test('an extractable key that is not sensitive shows its value', async () => {
  const key = await at.aes(fill(16, 4), [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)])
  const [[answer], ckr] = await at.program.call(calls.getAttributeValue, [
    at.session,
    key,
    [{ type: CKA_VALUE, capacity: 16 }],
  ])
  assert.is(ckr, 0)
  assert.equal(answer?.value instanceof Uint8Array && Buffer.from(answer.value), fill(16, 4))
})

test('a template that says the token\u2019s own defaults is taken, another value of them is not', async () => {
  const [copyable, always] = [0x171, 0x202]
  await at.aes(fill(16), [flag(copyable, true)])
  assert.not.equal(await ckrOf(() => at.aes(fill(16), [flag(copyable, false)])), 0)
  assert.not.equal(await ckrOf(() => at.aes(fill(16), [flag(always, true)])), 0)
  assert.is(await ckrOf(() => at.aes(fill(16), [data(CKA_VALUE, 'x')])), CKR.TEMPLATE_INCONSISTENT)
  assert.is(await ckrOf(() => at.aes(fill(16), [{ type: CKA_LABEL, value: undefined }])), CKR.ATTRIBUTE_VALUE_INVALID)
})

test('objects are found as they match, in pieces, and by no attribute that none of them has', async () => {
  for (const label of ['one', 'two', 'two']) await at.aes(fill(16), [data(CKA_LABEL, label)])
  const find = async (list: readonly CkAttribute[], step: number) => {
    await at.program.call(calls.findObjectsInit, [at.session, list])
    const found: number[] = []
    for (;;) {
      const some = await at.program.call(calls.findObjects, [at.session, room(step)])
      if ('missing' in some) throw new Error('handles are wanted')
      if (some.length === 0) break
      found.push(...some)
    }
    await at.program.call(calls.findObjectsFinal, at.session)
    return found.length
  }
  assert.is(await find([data(CKA_LABEL, 'two')], 1), 2)
  assert.is(await find([], 2), 3)
  assert.is(await find([data(0x80001234, 'x')], 9), 0)
  assert.is(await find([flag(0x171, true), data(CKA_LABEL, 'one')], 9), 1)
  assert.is(await find([flag(0x171, false)], 9), 0)
  assert.is(await ckrOf(() => at.program.call(calls.findObjects, [at.session, room(1)])), CKR.OPERATION_NOT_INITIALIZED)
  await at.program.call(calls.findObjectsInit, [at.session, []])
  assert.is(await ckrOf(() => at.program.call(calls.findObjectsInit, [at.session, []])), CKR.OPERATION_ACTIVE)
})

test('session objects end with the at.session that made them, token objects do not', async () => {
  const second = await at.program.call(calls.openSession, [1, 6])
  const old = at.session
  at.session = second
  await at.aes(fill(16), [data(CKA_LABEL, 'passing')])
  const lasting = await at.aes(fill(16), [data(CKA_LABEL, 'lasting'), flag(CKA_TOKEN, true)])
  at.session = old
  await at.program.call(calls.closeSession, second)
  await at.program.call(calls.findObjectsInit, [at.session, []])
  assert.equal(await at.program.call(calls.findObjects, [at.session, room(9)]), [lasting])
  await at.program.call(calls.findObjectsFinal, at.session)
  await at.program.call(calls.destroyObject, [at.session, lasting])
  assert.is(await ckrOf(() => at.program.call(calls.destroyObject, [at.session, lasting])), CKR.OBJECT_HANDLE_INVALID)
})

test('objects and keys are copied, with what the copy changes', async () => {
  const original = await at.program.call(calls.createObject, [
    at.session,
    [number(CKA_CLASS, protocol.CKO_DATA), data(CKA_LABEL, 'first'), data(CKA_VALUE, 'contents')],
  ])
  const copy = await at.program.call(calls.copyObject, [at.session, original, [data(CKA_LABEL, 'second')]])
  const wanted = [CKA_LABEL, CKA_VALUE].map((type) => ({ type, capacity: 20 }))
  const [answers] = await at.program.call(calls.getAttributeValue, [at.session, copy, wanted])
  const texts = answers.map(({ value }) => (value instanceof Uint8Array ? Buffer.from(value).toString() : ''))
  assert.equal(texts, ['second', 'contents'])
  assert.ok((await at.program.call(calls.getObjectSize, [at.session, copy])) > 8)
  const key = await at.aes(fill(16))
  const other = await at.program.call(calls.copyObject, [at.session, key, [data(CKA_LABEL, 'a copy')]])
  assert.is(await ckrOf(() => at.begin(calls.encryptInit, plain(protocol.CKM_AES_ECB), other)), CKR.OK)
  const sealed = whole(await at.program.call(calls.encrypt, [at.session, fill(16), room(16)]))
  await at.begin(calls.decryptInit, plain(protocol.CKM_AES_ECB), key)
  assert.equal(Buffer.from(whole(await at.program.call(calls.decrypt, [at.session, sealed, room(16)]))), fill(16))
  const shown = () => at.program.call(calls.copyObject, [at.session, key, [flag(CKA_SENSITIVE, false)]])
  assert.is(await ckrOf(shown), protocol.RC_ATTRIBUTE_READ_ONLY >>> 16)
})

test.run()
