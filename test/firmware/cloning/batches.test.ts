// What a batch does object by object, and the order of batches (OBC-1 §5.5, §5.8; §14 tests 4 and 5).
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute, ckrName } from '../../../host/client/index.js'
import { splitEnvelopes } from '../../oracle/obc1/envelope.js'
import { NO_HANDLE } from '../../oracle/obc1/messages.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import {
  aesObject,
  dataObjectOf,
  deliver,
  failures,
  firmwareEnd,
  flip,
  helloFrom,
  helloTo,
  objectCount,
  objectsOf,
  oracleTarget,
  refusals,
  send,
} from './ends.js'

const { bool, bytes } = attribute
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const ENVELOPES = 16 + 56
const MAC = 32

/** Place of a ciphertext byte of the n-th envelope. */
function ciphertextOf(m3: Uint8Array, n: number): number {
  const body = Buffer.from(m3).subarray(ENVELOPES, -MAC)
  const envelopes = splitEnvelopes(body, Buffer.from(m3).readUInt16BE(16 + 22)) ?? []
  return ENVELOPES + envelopes.slice(0, n).reduce((sum, { length }) => sum + length, 0) + 80
}

async function privateKey({ client, session }: Officer): Promise<number> {
  const token = bool(protocol.CKA_TOKEN, true)
  const curve = bytes(protocol.CKA_EC_PARAMS, P256)
  const pair = await client.objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, [curve], [token])
  return pair.privateKey
}

/** Hellos between two firmwares. */
async function hello(from: Officer, to: Officer): Promise<void> {
  const m1 = await from.client.cloning.sourceInit(from.session)
  await from.client.cloning.sourceHello(from.session, await to.client.cloning.targetInit(to.session, m1))
}

const test = suite('firmware: cloning batches')

test('of 85 objects one is refused by the source, one damaged on its way, one there already: 82 stored', async () => {
  const from = await firmwareEnd('85 from')
  const to = await firmwareEnd('85 to', { serial: 700101n, model: protocol.MODEL_BACKUP })
  const handles: number[] = []
  for (let i = 0; i < 85; i++) {
    const label = `object ${i}`
    handles.push(
      i === 40 ? await privateKey(from) : await from.client.objects.create(from.session, dataObject(label, label)),
    )
  }
  await from.client.partitions.setPolicy(from.admin, from.partition, protocol.POLICY_PRIVATE_CLONING, 0)
  await hello(from, to)
  const early = await from.client.cloning.sourceBatch(from.session, handles.slice(42, 43), true)
  await deliver(to, early.message)

  await hello(from, to)
  const { codes, message } = await from.client.cloning.sourceBatch(from.session, handles, true)
  assert.is(codes.length, 85)
  assert.equal(refusals(codes), { 40: 'OPERATION_NOT_ALLOWED' })
  const m4 = await deliver(to, flip(message, ciphertextOf(message, 40)))
  const results = await from.client.cloning.sourceResult(from.session, m4)
  assert.equal(
    results.map(({ handle }) => handle),
    handles.filter((_, i) => i !== 40),
  )
  // Numbered as in M3, where the object that was refused is not.
  assert.equal(failures(results), { 40: 'CKR_CERTIFICATE_DATA_INVALID', 41: 'CKR_OBJECT_ALREADY_EXISTS' })
  const stored = results.filter(({ code }) => code === protocol.RC_OK)
  assert.is(stored.length, 82)
  const rows = await objectsOf(to)
  assert.equal(
    rows.slice(1).map(({ handle }) => handle),
    stored.map(({ newHandle }) => newHandle),
    'in order, behind the one that was there',
  )
  const ouids = new Map((await objectsOf(from)).map(({ handle, ouid }) => [handle, ouid]))
  assert.equal(
    rows.slice(1).map(({ ouid }) => ouid),
    stored.map(({ handle }) => ouids.get(handle)),
  )
  const failed = results.filter(({ code }) => code !== protocol.RC_OK)
  assert.equal(
    failed.map(({ newHandle }) => newHandle),
    [NO_HANDLE, NO_HANDLE],
  )
  await to.client.cloning.targetClose(to.session, await from.client.cloning.sourceClose(from.session))
})

test('a lost M4 is had again as often as wanted, and nothing is stored twice', async () => {
  const to = await firmwareEnd('lost')
  const source = await helloTo(to)
  let previous: { readonly m3: Buffer; readonly m4: Uint8Array } | undefined
  for (const last of [false, false, true]) {
    const before = await objectCount(to)
    const m3 = source.batch([aesObject(before), aesObject(before + 1)], { last })
    const m4 = await deliver(to, m3)
    for (const continueOnError of [true, false]) assert.equal(await deliver(to, m3, continueOnError), m4)
    if (previous) assert.equal(await deliver(to, previous.m3), previous.m4, 'the one before was on its way meanwhile')
    assert.equal(await deliver(to, m3), m4)
    previous = { m3, m4 }
    assert.is(await objectCount(to), before + 2)
    assert.equal(failures(source.result(m4)), {})
  }
  await to.client.cloning.targetClose(to.session, source.close())
})

test('what looks like a repeat but is another message ends the session', async () => {
  for (const at of [0, 100, -1]) {
    const to = await firmwareEnd(`repeat ${at}`)
    const source = await helloTo(to)
    const m3 = source.batch([aesObject(1)])
    await deliver(to, m3)
    await refuses(protocol.RC_NEGOTIATION_INVALID, deliver(to, flip(m3, at < 0 ? m3.length + at : at)))
    await refuses(protocol.RC_CLONE_SESSION_INVALID, deliver(to, m3), 'the session is over, repeats too')
    assert.is(await objectCount(to), 1)
  }
})

/** Objects of as many batches as are answered again. */
const LATER = Array.from({ length: protocol.OBC_BATCHES_OUT }, (_, i) => 100 + i)

test('a batch before those that are answered again, one too far ahead, one after the last: each ends the session', async () => {
  const to = await firmwareEnd('order')
  const older = async () => {
    const source = await helloTo(to)
    const first = source.batch([aesObject(1)])
    source.result(await deliver(to, first))
    for (const id of LATER) await deliver(to, source.batch([aesObject(id)]))
    return { bad: first, good: source }
  }
  const ahead = async () => {
    const source = await helloTo(to)
    source.batch([aesObject(3)])
    return { bad: source.batch([aesObject(4)]), good: source }
  }
  const afterLast = async () => {
    const source = await helloTo(to)
    await send(to, source, [aesObject(5)], true)
    source.session.lastSent = false
    return { bad: source.batch([aesObject(6)]), good: source }
  }
  const gap = async () => {
    const source = await helloTo(to)
    await send(to, source, [aesObject(7)])
    source.session.seq += 1
    return { bad: source.batch([aesObject(8)]), good: source }
  }
  for (const [name, wrong] of Object.entries({ older, ahead, afterLast, gap })) {
    const { bad, good } = await wrong()
    await refuses(protocol.RC_NEGOTIATION_INVALID, deliver(to, bad), name)
    await refuses(protocol.RC_CLONE_SESSION_INVALID, to.client.cloning.targetClose(to.session, good.close()), name)
  }
  assert.is(await objectCount(to), 3 + LATER.length, 'objects 1, 5 and 7, and the later ones')
})

/** Batches that a source seals before it has results. */
const AHEAD = protocol.OBC_BATCHES_OUT + 1

test('the source seals one batch more than are under way, not two; its results come in order; nothing follows the last', async () => {
  const from = await firmwareEnd('ahead')
  const { cloning, objects } = from.client
  const handles: number[] = []
  for (let i = 0; i <= AHEAD; i++) handles.push(await objects.create(from.session, dataObject(`${i}`, 'value')))
  const begin = async () => {
    const { target, stored } = oracleTarget()
    await helloFrom(from, target)
    const batch = async (i: number, last = false) =>
      Buffer.from((await cloning.sourceBatch(from.session, handles.slice(i, i + 1), last)).message)
    return { target, stored, batch }
  }
  const one = await begin()
  const [first, second] = [await one.batch(0), await one.batch(1)]
  const [m4, next] = [one.target.batch(first), one.target.batch(second)]
  assert.equal(failures(await cloning.sourceResult(from.session, m4)), {})
  const third = await one.batch(2, true)
  assert.is((await cloning.sourceResult(from.session, next))[0]?.handle, handles[1])
  assert.equal(failures(await cloning.sourceResult(from.session, one.target.batch(third))), {})
  await refuses(protocol.RC_NEGOTIATION_INVALID, one.batch(0), 'after the last')
  assert.is(one.stored.length, 3)

  const two = await begin()
  for (let i = 0; i < AHEAD; i++) await two.batch(i)
  await refuses(protocol.RC_NEGOTIATION_INVALID, two.batch(AHEAD), 'one too many')
  await refuses(protocol.RC_CLONE_SESSION_INVALID, two.batch(AHEAD), 'the session is over')

  const full = await begin()
  const ahead: Buffer[] = []
  for (let i = 0; i < AHEAD; i++) ahead.push(await full.batch(i))
  for (const [i, m3] of ahead.entries()) {
    const results = await cloning.sourceResult(from.session, full.target.batch(m3))
    assert.is(results[0]?.handle, handles[i])
  }
  assert.is(full.stored.length, AHEAD)

  const swapped = await begin()
  swapped.target.batch(await swapped.batch(0))
  const later = swapped.target.batch(await swapped.batch(1))
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceResult(from.session, later), 'the second M4 first')

  const none = await begin()
  const answered = none.target.batch(await none.batch(0))
  await cloning.sourceResult(from.session, answered)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceResult(from.session, answered), 'the same M4 twice')
})

test('handles that are no objects of the partition are named; a session object travels as a token object', async () => {
  const from = await firmwareEnd('handles')
  const { objects, cloning } = from.client
  const good = await objects.create(from.session, dataObject('good', 'value'))
  const volatile = dataObject('session object', 'value').filter(({ type }) => type !== protocol.CKA_TOKEN)
  const session = await objects.create(from.session, volatile)
  const { target, stored } = oracleTarget()
  await helloFrom(from, target)
  const { codes, message } = await cloning.sourceBatch(from.session, [0, good, session, 4711, 0xffff_ffff], true)
  assert.equal(refusals(codes), {
    0: 'OBJECT_HANDLE_INVALID',
    3: 'OBJECT_HANDLE_INVALID',
    4: 'OBJECT_HANDLE_INVALID',
  })
  const results = await cloning.sourceResult(from.session, target.batch(Buffer.from(message)))
  assert.equal(
    results.map(({ handle }) => handle),
    [good, session],
  )
  const [, ouid] = await Promise.all(
    [good, session].map(async (one) => objects.get(from.session, one, [protocol.CKA_OUID])),
  )
  assert.is(stored.length, 2)
  assert.equal(stored[1]?.ouid, Buffer.from(ouid?.[0]?.value ?? ''))
  assert.is((stored[1]?.bits ?? 0) & protocol.BIT_TOKEN, protocol.BIT_TOKEN)
  const values = (stored[1]?.attributes ?? []).map(({ value }) => Buffer.from(value).toString('latin1'))
  assert.ok(values.includes('session object'))
})

test('without CONTINUE the first failure stops the batch', async () => {
  const to = await firmwareEnd('stop')
  const source = await helloTo(to)
  const objects = [1, 2, 2, 3, 4].map((i) => aesObject(i))
  const results = source.result(await deliver(to, source.batch(objects), false))
  const notAttempted = 'CKR_CLONE_NOT_ATTEMPTED'
  assert.equal(failures(results), { 2: 'CKR_OBJECT_ALREADY_EXISTS', 3: notAttempted, 4: notAttempted })
  assert.is(await objectCount(to), 2)
  // The session goes on.
  assert.equal(failures(await send(to, source, [aesObject(3)], true)), {})
  await to.client.cloning.targetClose(to.session, source.close())
})

test('too little room in the partition or the HSM: each object has its code, and those that fit go on', async () => {
  const large = Buffer.alloc(2000, 1)
  const objects = Array.from({ length: 8 }, (_, i) =>
    i === 2 || i === 5 ? dataObjectOf(i, large) : dataObjectOf(i, Buffer.of(i)),
  )
  // Records: 160 bytes for the small ones, 2,144 for the large ones.
  const small = await firmwareEnd('small partition', { size: 1_000n })
  const backup = await firmwareEnd('small hsm', { model: protocol.MODEL_BACKUP, storage: 1_000n })
  for (const [to, code] of [
    [small, protocol.RC_CONTAINER_STORAGE_FULL],
    [backup, protocol.RC_HSM_STORAGE_FULL],
  ] as const) {
    const full = ckrName(code)
    const source = await helloTo(to)
    assert.equal(failures(await send(to, source, objects)), { 2: full, 5: full })
    // Room again, and what did not fit before is not there already.
    const handles = (await objectsOf(to)).map(({ handle }) => handle)
    assert.is(handles.length, 6)
    const again = Array.from({ length: 2 }, (_, i) => dataObjectOf(20 + i, Buffer.of(i)))
    assert.equal(failures(await send(to, source, again)), { 0: full, 1: full })
    await to.client.objects.destroy(to.session, handles.slice(0, 1))
    assert.equal(failures(await send(to, source, again)), { 1: full })
  }
})

test('flash that is full answers for every object, and takes them once there is room', async () => {
  // More storage is promised than the flash has: six sectors of log, four of them kept back.
  const to = await firmwareEnd('flash', { sectors: 11, storage: 1_000_000n, size: 900_000n })
  const source = await helloTo(to)
  const full = ckrName(protocol.RC_HSM_STORAGE_FULL)
  let stored = 0
  let refused = 0
  for (let i = 0; refused === 0; i++) {
    const results = await send(to, source, [dataObjectOf(i, Buffer.alloc(20_000, i))])
    if (results[0]?.code === protocol.RC_OK) stored++
    else {
      assert.equal(failures(results), { 0: full })
      refused++
    }
  }
  assert.is(await objectCount(to), stored)
  const [first] = await objectsOf(to)
  await to.client.objects.destroy(to.session, [first?.handle ?? 0])
  assert.equal(failures(await send(to, source, [dataObjectOf(99, Buffer.alloc(10_000))])), {})
})

test.run()
