// What our own C library says on the wire and p11-kit's client never does: parameters field by field, values as bytes, the vendor's calls.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrOf as ckrOfCode, type SlotSource, Writer } from '../../host/client/index.js'
import { ulongBytes } from '../../host/pkcs11/attribute-codec.js'
import { caCalls } from '../../host/pkcs11/ca-calls.js'
import { calls } from '../../host/pkcs11/calls.js'
import { LIBRARY } from '../../host/pkcs11/codec.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { mechanism, PARAMETER_LAYOUTS } from '../../host/pkcs11/mechanism-codec.js'
import { encodeRequest, HEAD, openBody, readRequest } from '../../host/pkcs11/rpc.js'
import { ownPartition, prepare, SECRETS } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { ckrOf, data, flag, needed, number, Program, QUERY, room, slotOf, utf8, whole } from './support.js'

const test = suite('pkcs11 library')

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const CKU_USER = 1
const ELEMENT = 0
const OBJECT_TYPE_INVALID = 0x80000112

let partition: number
let second: number
let slots: SlotSource

/** Two partitions of an HSM in slots 1 and 2, the HSM itself in slot 3. */
test.before(async () => {
  const officer = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  partition = officer.partition
  second = await ownPartition(officer.client, officer.admin, { label: 'second' })
  const client = officer.token.newClient()
  const all = [slotOf(client, partition), slotOf(client, second, 2), slotOf(client, protocol.ADMIN_PARTITION, 3)]
  slots = { slots: async () => all }
})

async function library(): Promise<Program> {
  const { program } = Program.at(slots, LIBRARY)
  await program.initialize()
  return program
}

const aes = (extra: readonly ReturnType<typeof flag>[] = []) => [
  number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
  number(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
  flag(protocol.CKA_TOKEN, false),
  flag(protocol.CKA_ENCRYPT, true),
  ...extra,
]

// ---- the wire -----------------------------------------------------------------------------------------------------------

const ulong = (value: number): Uint8Array => new Writer().u64(BigInt(value)).finish()

/** A mechanism as the library writes it. */
function read(type: number, how: number, parameter: Uint8Array | undefined) {
  const writer = new Writer().u32(type).u8(how)
  if (parameter) writer.bytes(parameter)
  const body = new Writer()
    .u32(1)
    .text('M')
    .fixed(writer.finish(), 5 + (parameter ? 4 + parameter.length : 0))
    .finish()
  const { reader } = openBody(body, LIBRARY)
  const value = mechanism.read(reader)
  reader.end()
  return value
}

test('a parameter comes field by field, as bytes, or not at all', () => {
  const iv = Uint8Array.from({ length: 12 }, (_, i) => i)
  const fields = Buffer.concat([
    new Writer().bytes(iv).finish(),
    ulong(96),
    new Writer().bytes(utf8('aad')).finish(),
    ulong(128),
  ])
  const gcm = read(protocol.CKM_AES_GCM, 2, fields)
  assert.equal(gcm.parameter && { ...gcm.parameter }, { form: 'gcm', iv, ivBits: 96, aad: utf8('aad'), tagBits: 128 })
  const cbc = read(protocol.CKM_AES_CBC, 1, iv)
  assert.equal(cbc.parameter && { ...cbc.parameter }, { form: 'iv', iv })
  assert.is(read(protocol.CKM_AES_GCM, 0, undefined).parameter, undefined)
  assert.equal(read(protocol.CKM_AES_ECB, 0, undefined).parameter, { form: 'none' })
})

test('a parameter of another form, or with more than its fields, is refused', () => {
  const fields = Buffer.concat([ulong(1), ulong(2), ulong(3)])
  assert.ok(read(protocol.CKM_RSA_PKCS_PSS, 2, fields).parameter)
  assert.throws(() => read(protocol.CKM_RSA_PKCS_PSS, 1, fields), /MECHANISM_PARAM_INVALID/)
  assert.throws(() => read(protocol.CKM_RSA_PKCS_PSS, 3, fields), /MECHANISM_PARAM_INVALID/)
  assert.throws(() => read(protocol.CKM_AES_ECB, 2, fields), /MECHANISM_PARAM_INVALID/)
  assert.throws(() => read(protocol.CKM_RSA_PKCS_PSS, 2, Buffer.concat([fields, Uint8Array.of(0)])))
  assert.throws(() => read(protocol.CKM_RSA_PKCS_PSS, 2, fields.subarray(1)))
})

test('attributes are the bytes of the program whatever their kind', () => {
  const value = fc.uint8Array({ maxLength: 40 })
  // Three types hold attributes themselves.
  const type = fc.integer({ min: 0, max: 0xffffffff }).filter((one) => one < 0x40000211 || one > 0x40000213)
  fc.assert(
    fc.property(fc.array(fc.tuple(type, value), { maxLength: 8 }), (list) => {
      const template = list.map(([of, bytes]) => ({ type: of, value: bytes }))
      const message = encodeRequest(17, calls.createObject, [1, template], LIBRARY)
      const { reader } = openBody(message.subarray(HEAD), LIBRARY)
      const [, back] = readRequest(calls.createObject, reader)
      assert.equal(
        back.map((one) => [one.type, one.value && [...one.value]]),
        list.map(([of, bytes]) => [of, [...bytes]]),
      )
    }),
  )
})

test('every call has a C function whose parameters are its values, and every form a layout', async () => {
  const generator = await import(pathToFileURL(join(ROOT, 'scripts/pkcs11-tables.mjs')).href)
  const folder = join(ROOT, 'host/pkcs11/library')
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const made: Record<string, string> = await generator.generate({
    load: (path: string) => import(pathToFileURL(join(ROOT, 'dist', path)).href),
    headers: ['functions.h', 'vendor.h'].map(text),
    sources: readdirSync(folder)
      .filter((name) => name.endsWith('.c'))
      .map(text),
  })
  for (const { name } of [...Object.values(calls), ...Object.values(caCalls)]) {
    assert.match(made['tables.h'] ?? '', new RegExp(`^  CALL_${name},$`, 'm'))
  }
  assert.match(made['calls.c'] ?? '', /\{0x1087, "pupu"\}, \/\/ CKM_AES_GCM/)
  const known: readonly string[] = text('mechanisms.c').match(/case '(\w)'/g) ?? []
  for (const layout of Object.values(PARAMETER_LAYOUTS)) {
    for (const letter of layout) assert.ok(known.includes(`case '${letter}'`) || 'd'.includes(letter), letter)
  }
})

test('no two calls have one number, and the vendor’s begin at 0x1000', () => {
  const numbers = [...Object.values(calls), ...Object.values(caCalls)].map(({ id }) => id)
  assert.is(new Set(numbers).size, numbers.length)
  assert.ok(Object.values(caCalls).every(({ id }) => id >= 0x1000))
})

test('the library is shown every mechanism; what p11-kit’s client refuses works', async () => {
  const [ours, theirs] = [await library(), Program.at(slots, 2).program]
  await theirs.initialize()
  const [all, some] = [
    await ours.call(calls.getMechanismList, [1, room(500)]),
    await theirs.call(calls.getMechanismList, [1, room(500)]),
  ]
  if ('missing' in all || 'missing' in some) throw new Error('no list came')
  assert.ok(all.includes(protocol.CKM_AES_KEY_WRAP) && !some.includes(protocol.CKM_AES_KEY_WRAP))
})

// ---- the vendor's calls -------------------------------------------------------------------------------------------------

test('versions, sessions, time', async () => {
  const program = await library()
  const session = await program.officer()
  const [major, minor] = await program.call(caCalls.getFirmwareVersion, 1)
  const { firmwareVersion } = await program.call(calls.getTokenInfo, 1)
  assert.equal({ major, minor }, { major: firmwareVersion.major, minor: firmwareVersion.minor })
  const [, , container, level] = await program.call(caCalls.getSessionInfo, session)
  assert.equal([container, level], [partition, 1])
  assert.type(await program.call(caCalls.getTime, session), 'number')
  const denied = ckrOfCode(protocol.RC_USER_NOT_AUTHORIZED)
  assert.is(await ckrOf(() => program.call(caCalls.timeSync, [session, 0])), denied)
  assert.is(await ckrOf(() => program.call(caCalls.duplicateMofN, session)), denied)
  assert.is(await ckrOf(() => program.call(caCalls.cloneMofN, [session, 0])), CKR.SESSION_HANDLE_INVALID)
  assert.is(await ckrOf(() => program.call(caCalls.getSessionInfo, 999)), CKR.SESSION_HANDLE_INVALID)
})

test('an object is found by its unique id, and several are destroyed at once', async () => {
  const program = await library()
  const session = await program.officer()
  const made = []
  for (const label of ['one', 'two', 'three']) {
    const list = [number(protocol.CKA_CLASS, protocol.CKO_DATA), flag(protocol.CKA_TOKEN, true)]
    made.push(await program.call(calls.createObject, [session, [...list, data(protocol.CKA_LABEL, label)]]))
  }
  const [first = 0, next = 0, last = 0] = made
  const ouid = await program.call(caCalls.getObjectUid, [1, partition, ELEMENT, first])
  assert.is(ouid.length, 12)
  assert.equal(await program.call(caCalls.getObjectHandle, [1, partition, ouid]), [ELEMENT, first])
  assert.is(
    await ckrOf(() => program.call(caCalls.getObjectHandle, [1, second, ouid])),
    CKR.ARGUMENTS_BAD,
    'of another container',
  )
  assert.is(
    await ckrOf(() => program.call(caCalls.getObjectUid, [1, partition, 3, first])),
    OBJECT_TYPE_INVALID,
    'of another type',
  )
  assert.equal(await program.call(caCalls.destroyMultipleObjects, [session, [first, 0xfffff0, next]]), [
    1,
    CKR.OBJECT_HANDLE_INVALID,
  ])
  assert.equal(await program.call(caCalls.destroyMultipleObjects, [session, [next, last]]), [0, CKR.OK])
  assert.is(await ckrOf(() => program.call(caCalls.getObjectHandle, [1, partition, ouid])), CKR.OBJECT_HANDLE_INVALID)
})

test('keys are cloned to another partition of the domain and encrypt the same there', async () => {
  const program = await library()
  const [source, target] = [await program.officer(1), await program.officer(2)]
  const value = Uint8Array.from({ length: 32 }, (_, i) => i)
  const template = aes().map((one) => (one.type === protocol.CKA_TOKEN ? flag(protocol.CKA_TOKEN, true) : one))
  const key = await program.call(calls.createObject, [source, [...template, data(protocol.CKA_VALUE, value)]])
  const copy = await program.call(caCalls.cloneObject, [source, target, ELEMENT, key])
  const ecb = { type: protocol.CKM_AES_ECB, parameter: { form: 'none' as const } }
  await program.call(calls.encryptInit, [target, ecb, copy])
  const sealed = whole(await program.call(calls.encrypt, [target, value, room(32)]))
  assert.equal(Buffer.from(sealed), createCipheriv('aes-256-ecb', value, null).update(value))
  await program.call(caCalls.destroyMultipleObjects, [target, [copy]])

  const types = [ELEMENT, 4, ELEMENT]
  const [codes, handles] = await program.call(caCalls.migrateKeys, [
    [source, target, 1],
    types,
    [key, key, 0xfffff0],
    room(3),
    room(3),
  ])
  assert.equal(codes, [CKR.OK, OBJECT_TYPE_INVALID, CKR.OBJECT_HANDLE_INVALID])
  if ('missing' in handles) throw new Error('no handles came')
  const [migrated = 0] = handles
  const [mine] = await program.call(calls.getAttributeValue, [source, key, [{ type: protocol.CKA_OUID, capacity: 12 }]])
  const [theirs] = await program.call(calls.getAttributeValue, [
    target,
    migrated,
    [{ type: protocol.CKA_OUID, capacity: 12 }],
  ])
  assert.equal(theirs, mine)
  assert.is(
    await ckrOf(() => program.call(caCalls.cloneObject, [source, 999, ELEMENT, key])),
    CKR.SESSION_HANDLE_INVALID,
  )
  assert.is(await ckrOf(() => program.call(caCalls.cloneObject, [source, target, 4, key])), OBJECT_TYPE_INVALID)
  await program.call(caCalls.destroyMultipleObjects, [target, [migrated]])
  await program.call(caCalls.destroyMultipleObjects, [source, [key]])
})

test('a key is derived and wrapped, and leaves nothing behind', async () => {
  const program = await library()
  const session = await program.officer()
  const value = Uint8Array.from({ length: 32 }, (_, i) => 255 - i)
  const usage = [flag(protocol.CKA_DERIVE, true), flag(protocol.CKA_WRAP, true), data(protocol.CKA_VALUE, value)]
  const key = await program.call(calls.createObject, [session, aes(usage)])
  const count = async (): Promise<number> => {
    await program.call(calls.findObjectsInit, [session, []])
    const found = await program.call(calls.findObjects, [session, room(1000)])
    await program.call(calls.findObjectsFinal, session)
    return 'missing' in found ? -1 : found.length
  }
  const before = await count()
  const wrapped = whole(
    await program.call(caCalls.deriveKeyAndWrap, [
      session,
      { type: protocol.CKM_SHA256_KEY_DERIVATION, parameter: { form: 'none' } },
      key,
      [...aes([flag(protocol.CKA_EXTRACTABLE, true)]), number(protocol.CKA_VALUE_LEN, 32)],
      [{ type: protocol.CKM_AES_KEY_WRAP, parameter: undefined }, key, room(64)],
    ]),
  )
  const open = createDecipheriv('id-aes256-wrap', value, Buffer.alloc(8, 0xa6))
  assert.equal(Buffer.concat([open.update(wrapped), open.final()]), createHash('sha256').update(value).digest())
  assert.is(await count(), before)
})

test('policies, partitions and storage are those that the token tells', async () => {
  const program = await library()
  const [ids, values] = await program.call(caCalls.getHsmPolicySet, [1, room(200), room(200)])
  if ('missing' in ids || 'missing' in values) throw new Error('no policies came')
  assert.is(ids.length, values.length)
  const [id = 0] = ids
  assert.is(await program.call(caCalls.getHsmPolicySetting, [1, id]), values[0])
  const [few] = await program.call(caCalls.getContainerPolicySet, [1, partition, QUERY, QUERY])
  assert.ok('missing' in few && few.missing > 10)
  assert.is(await ckrOf(() => program.call(caCalls.getContainerPolicySetting, [1, partition, 9999])), CKR.ARGUMENTS_BAD)
  assert.equal(await program.call(caCalls.getContainerList, [3, 0, 0, room(10)]), [partition, second])
  assert.equal(await program.call(caCalls.getContainerList, [1, 0, 0, room(10)]), [partition])
  assert.is(await program.call(caCalls.getUserContainerNumber, 2), second)
  const name = whole(await program.call(caCalls.getContainerName, [3, second, room(64)]))
  assert.is(new TextDecoder().decode(name), 'second')
  assert.is(needed(await program.call(caCalls.getContainerName, [3, second, QUERY])), 6)
  const [, total, used, free] = await program.call(caCalls.getContainerStorageInformation, [1, partition])
  assert.is(total - used, free)
  assert.is(await ckrOf(() => program.call(caCalls.getContainerStorageInformation, [1, second])), CKR.ARGUMENTS_BAD)
})

test('roles and what the HSM itself is asked', async () => {
  const program = await library()
  const [flags, attempts] = await program.call(caCalls.roleStateGet, [1, CKU_USER])
  assert.is(flags & 3, 1, 'initialized, not locked')
  assert.ok(attempts > 0)
  assert.is(await ckrOf(() => program.call(caCalls.roleStateGet, [1, 77])), CKR.USER_TYPE_INVALID)
  assert.equal(whole(await program.call(caCalls.performSelfTest, [1, 1, utf8('x'), room(10)])), new Uint8Array(0))
  assert.is(await program.call(caCalls.stmGetState, 1), 0)
  assert.is(await program.call(caCalls.mtkGetState, 1), 0)
  assert.is(await program.call(caCalls.getPedId, 1), protocol.PED_ID_LOCAL)
  const session = await program.officer()
  assert.is(
    await ckrOf(() => program.call(caCalls.setTokenCertificateSignature, [session, 1, 1, aes(), utf8('x')])),
    CKR.ATTRIBUTE_VALUE_INVALID,
  )
  assert.is.not(await ckrOf(() => program.call(caCalls.initializeRemotePedVector, session)), CKR.OK)
  assert.is.not(await ckrOf(() => program.call(caCalls.resetPin, [session, utf8(SECRETS.officer)])), CKR.OK)
})

test('a key that is made in a session that ends is not the next one’s', async () => {
  const program = await library()
  const session = await program.officer()
  const value = ulongBytes(1)
  const list = [...aes(), data(protocol.CKA_VALUE, Buffer.concat([value, value]))]
  const key = await program.call(calls.createObject, [session, list])
  await program.call(caCalls.destroyMultipleObjects, [session, [key]])
  const begin = () =>
    program.call(calls.encryptInit, [session, { type: protocol.CKM_AES_ECB, parameter: { form: 'none' } }, key])
  assert.is.not(await ckrOf(begin), CKR.OK)
})

test.run()
