// OBJECT_COPY and OBJECT_SET: what may change, what never does, and what goes with a copy; how many session objects there are.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute } from '../../../host/client/index.js'
import { cryptOfficer, fill } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, officerOn } from '../support/officer.js'
import { aesKey, dataObject } from '../support/templates.js'

const test = suite('objects: copy and change')

const { bool, text, ulong } = attribute
const { CKA_DECRYPT, CKA_EXTRACTABLE, CKA_LABEL, CKA_MODIFIABLE, CKA_PRIVATE, CKA_SENSITIVE, CKA_TOKEN } = protocol
const { CKA_ENCRYPT, CKA_UNWRAP, CKA_WRAP } = protocol
const ECB = { mechanism: protocol.CKM_AES_ECB }

let officer: Officer

test.before(async () => {
  officer = await cryptOfficer()
})

const objects = () => officer.client.objects
/** A session object that everybody sees. */
const passing = (label: string) => dataObject(label, 'x').filter(({ type }) => type !== CKA_TOKEN)
const copy = (handle: number, list: readonly Attribute[] = []) => objects().copy(officer.session, handle, list)
const set = (handle: number, list: readonly Attribute[]) => objects().set(officer.session, handle, list)

/** An AES key of the token's own making. */
const made = (list: readonly Attribute[]) =>
  objects().generate(officer.session, protocol.CKM_AES_KEY_GEN, [ulong(protocol.CKA_VALUE_LEN, 32), ...list])

async function flags(handle: number, types: readonly number[]): Promise<(number | undefined)[]> {
  const rows = await objects().get(officer.session, handle, types)
  return rows.map(({ code, value }) => (code === protocol.RC_OK ? value[0] : undefined))
}

const HISTORY = [
  protocol.CKA_LOCAL,
  protocol.CKA_ALWAYS_SENSITIVE,
  protocol.CKA_NEVER_EXTRACTABLE,
  CKA_SENSITIVE,
  CKA_EXTRACTABLE,
]

test('a copy is the same key, with a handle and a name of its own', async () => {
  const key = await made([text(CKA_LABEL, 'first'), bool(CKA_TOKEN, true)])
  const other = await copy(key, [text(CKA_LABEL, 'second'), bool(CKA_TOKEN, false)])
  const { crypto } = officer.client
  const sealed = await crypto.encrypt(officer.session, ECB, key, fill(32))
  assert.equal(Buffer.from(await crypto.decrypt(officer.session, ECB, other, sealed)), fill(32))
  const rows = await objects().list(officer.session, [text(CKA_LABEL, 'second')])
  assert.equal(
    rows.map(({ handle }) => handle),
    [other],
  )
  const [mine, its] = await Promise.all([key, other].map((one) => flags(one, [CKA_TOKEN])))
  assert.equal([mine, its], [[1], [0]])
  const uid = async (one: number) => (await objects().get(officer.session, one, [protocol.CKA_OUID]))[0]?.value
  assert.not.equal(await uid(key), await uid(other))
  await objects().destroy(officer.session, [key])
  assert.equal(Buffer.from(await crypto.decrypt(officer.session, ECB, other, sealed)), fill(32))
})

test('what a key was goes with its copy, whatever the copy becomes', async () => {
  const born = await made([bool(CKA_EXTRACTABLE, false)])
  assert.equal(await flags(await copy(born), HISTORY), [1, 1, 1, 1, 0])
  const open = await made([bool(CKA_SENSITIVE, false), bool(CKA_EXTRACTABLE, true)])
  const shut = await copy(open, [bool(CKA_SENSITIVE, true), bool(CKA_EXTRACTABLE, false)])
  assert.equal(await flags(shut, HISTORY), [1, 0, 0, 1, 0])
  const brought = await objects().create(officer.session, aesKey('brought', fill(16)))
  assert.equal((await flags(await copy(brought), HISTORY)).slice(0, 3), [0, 0, 0])
})

test('neither a change nor a copy opens what was shut', async () => {
  const key = await made([bool(CKA_EXTRACTABLE, false), bool(CKA_TOKEN, true)])
  for (const change of [copy, set]) {
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(CKA_SENSITIVE, false)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(CKA_EXTRACTABLE, true)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(protocol.CKA_LOCAL, false)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(protocol.CKA_ALWAYS_SENSITIVE, true)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(protocol.CKA_NEVER_EXTRACTABLE, false)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [bool(protocol.CKA_TRUSTED, true)]))
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, change(key, [ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES)]))
  }
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(key, [bool(CKA_TOKEN, false)]))
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(key, [bool(CKA_PRIVATE, true)]))
  await refuses(protocol.RC_TEMPLATE_INCONSISTENT, copy(key, [bool(CKA_PRIVATE, false)]))
})

test('what is not modifiable stays, and so does its copy', async () => {
  const key = await made([bool(CKA_MODIFIABLE, false)])
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(key, [text(CKA_LABEL, 'new')]))
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, copy(key, [text(CKA_LABEL, 'new')]))
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, copy(key, [bool(CKA_MODIFIABLE, true)]))
  assert.equal(await flags(await copy(key, [bool(CKA_TOKEN, true)]), [CKA_MODIFIABLE, CKA_TOKEN]), [0, 1])
  const data = await objects().create(officer.session, dataObject('data', 'value'))
  assert.equal(await flags(await copy(data, [bool(CKA_MODIFIABLE, false)]), [CKA_MODIFIABLE]), [0])
})

test('a key that wraps does not learn to decrypt, nor one that unwraps to encrypt, nor the other way round', async () => {
  for (const [has, gets] of [
    [CKA_WRAP, CKA_DECRYPT],
    [CKA_DECRYPT, CKA_WRAP],
    [CKA_UNWRAP, CKA_ENCRYPT],
    [CKA_ENCRYPT, CKA_UNWRAP],
  ] as const) {
    const usages = [CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP].map((type) => bool(type, type === has))
    const key = await made(usages)
    await refuses(protocol.RC_TEMPLATE_INCONSISTENT, set(key, [bool(gets, true)]))
    await refuses(protocol.RC_TEMPLATE_INCONSISTENT, copy(key, [bool(gets, true)]))
    await set(key, [bool(has, false), bool(gets, true)])
    assert.equal(await flags(key, [has, gets]), [0, 1])
  }
})

test('a read-only session works on session objects alone', async () => {
  const reader = await officer.client.openSession(officer.partition, { readWrite: false })
  const lasting = await made([bool(CKA_TOKEN, true)])
  const key = await objects().generate(reader, protocol.CKM_AES_KEY_GEN, [ulong(protocol.CKA_VALUE_LEN, 16)])
  await objects().set(reader, key, [text(CKA_LABEL, 'a longer label than before')])
  const other = await objects().copy(reader, lasting, [bool(CKA_TOKEN, false)])
  const pair = await objects().generatePair(
    ...([reader, protocol.CKM_EC_KEY_PAIR_GEN] as const),
    ...([[attribute.bytes(protocol.CKA_EC_PARAMS, Buffer.from('06082a8648ce3d030107', 'hex'))], []] as const),
  )
  const no = protocol.RC_SESSION_READ_ONLY
  await refuses(no, objects().copy(reader, key, [bool(CKA_TOKEN, true)]))
  await refuses(no, objects().set(reader, lasting, [text(CKA_LABEL, 'no')]))
  await refuses(no, objects().destroy(reader, [other, lasting]))
  const length = ulong(protocol.CKA_VALUE_LEN, 16)
  await refuses(no, objects().generate(reader, protocol.CKM_AES_KEY_GEN, [bool(CKA_TOKEN, true), length]))
  assert.equal(await objects().destroy(reader, [key, other, pair.publicKey, pair.privateKey]), [0, 0, 0, 0])
  await officer.client.closeSession(reader)
})

test('thousands of session objects, and all gone with their client', async () => {
  const { token, partition } = await cryptOfficer()
  const own = token.newClient()
  const session = await officerOn(own, partition)
  const handles = new Set<number>()
  for (let i = 0; i < 4352; i++) handles.add(await own.objects.create(session, passing(`${i}`)))
  assert.is(handles.size, 4352)
  await refuses(protocol.RC_DEVICE_MEMORY, own.objects.create(session, passing('one more')))
  assert.is((await own.objects.list(session, [ulong(protocol.CKA_CLASS, protocol.CKO_DATA)])).length, 4352)
  const [some] = handles
  assert.equal(await own.objects.destroy(session, [some ?? 0]), [0])
  const again = await own.objects.create(session, passing('again'))
  assert.not.ok(handles.has(again))
  await own.closeSession(session)
  const next = await officerOn(own, partition)
  assert.equal(await own.objects.get(next, again, [CKA_LABEL]).catch(() => 'gone'), 'gone')
  await own.closeSession(next)
})

test.run()
