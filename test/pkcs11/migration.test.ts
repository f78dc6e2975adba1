// The vendor's single steps of a migration: a session between two tokens, objects out of one and into the other.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { SlotSource } from '../../host/client/index.js'
import { caCalls } from '../../host/pkcs11/ca-calls.js'
import { calls } from '../../host/pkcs11/calls.js'
import type { Bytes, Room } from '../../host/pkcs11/codec.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { prepare } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { ckrOf, data, flag, number, Program, QUERY, room, slotOf, whole } from './support.js'

const test = suite('pkcs11: migration step by step')

const ROOM = room(1 << 20)
const CONTINUE = 1
const BAD_TYPE = 0x80000112

let slots: SlotSource
let program: Program
let [source, target] = [0, 0]

test.before(async () => {
  const ends = [
    await prepare(await TestToken.make({ sectors: 24, storage: 900_000n })),
    await prepare(await TestToken.make({ sectors: 24, storage: 900_000n, serial: 700101n })),
  ]
  for (const { client, session } of ends) await client.closeSession(session)
  const shown = ends.map(({ token, partition }, i) => slotOf(token.newClient(), partition, i + 1))
  slots = { slots: async () => shown }
})

test.before.each(async () => {
  program = Program.at(slots, 2).program
  await program.initialize()
  source = await program.officer(1)
  target = await program.officer(2)
})
test.after.each(() => program.call(calls.finalize, undefined))

const object = (label: string, token = true): Promise<number> =>
  program.call(calls.createObject, [
    source,
    [
      number(protocol.CKA_CLASS, protocol.CKO_DATA),
      flag(protocol.CKA_TOKEN, token),
      data(protocol.CKA_LABEL, label),
      data(protocol.CKA_VALUE, fill(100)),
    ],
  ])

async function label(one: Program, session: number, handle: number): Promise<string> {
  const asked = [{ type: protocol.CKA_LABEL, capacity: 100 }]
  const [[found]] = await one.call(calls.getAttributeValue, [session, handle, asked])
  return found?.value instanceof Uint8Array ? Buffer.from(found.value).toString() : ''
}

async function go(
  session: number,
  step: number,
  input: Uint8Array,
  ouid: Uint8Array = new Uint8Array(0),
  by = program,
) {
  const answer = await by.call(caCalls.migrationContinue, [session, step, input, ouid, [ROOM, ROOM]])
  return { step: answer[0], output: whole(answer[1]), ouid: whole(answer[3]) }
}

async function begin(by = program, session = target): Promise<{ step: number; output: Uint8Array }> {
  const [step, output] = await by.call(caCalls.migrationStart, [session, new Uint8Array(0), ROOM])
  return { step, output: whole(output) }
}

const columns = (list: readonly number[] | { readonly missing: number }): readonly number[] =>
  'missing' in list ? [] : list

async function extract(ouid: Uint8Array, input: Uint8Array, handles: readonly number[], flags = CONTINUE, type = 0) {
  const kinds = handles.map(() => type)
  const places = [room(handles.length), room(handles.length), ROOM] as [typeof ROOM, typeof ROOM, typeof ROOM]
  const answer = await program.call(caCalls.extract, [source, flags, [input, ouid], [kinds, handles], places])
  return { codes: columns(answer[0]), lengths: columns(answer[1]), blobs: whole(answer[2]) }
}

async function insert(ouid: Uint8Array, lengths: readonly number[], blobs: Uint8Array, by = program, session = target) {
  const places = [room(lengths.length), room(lengths.length)] as [typeof ROOM, typeof ROOM]
  const answer = await by.call(caCalls.insert, [session, CONTINUE, ouid, [lengths, blobs], places])
  return { codes: columns(answer[0]), handles: columns(answer[1]) }
}

/** As the vendor's programs go: the target's last word stays with the door. */
async function agreed(): Promise<{ ouid: Uint8Array; m1: Uint8Array }> {
  const invitation = await begin()
  const hello = await go(source, invitation.step, invitation.output)
  await go(target, hello.step, hello.output)
  return { ouid: hello.ouid, m1: hello.output }
}

test('objects travel one by one and in several calls, and those that cannot are named', async () => {
  const { ouid, m1 } = await agreed()
  const handles = [await object('one'), 4711, await object('two'), await object('session', false)]
  const first = await extract(ouid, m1, handles)
  assert.equal(first.codes, [CKR.OK, CKR.OBJECT_HANDLE_INVALID, CKR.OK, CKR.OK])
  assert.is(first.lengths[1], 0)
  const lengths = first.lengths.filter((length) => length > 0)
  const stored = await insert(ouid, lengths, first.blobs)
  assert.equal(stored.codes, [0, 0, 0])
  const labels = await Promise.all(stored.handles.map((handle) => label(program, target, handle)))
  assert.equal(labels, ['one', 'two', 'session'])
  // The source has heard of them, and gives more.
  for (let i = 0; i < 4; i++) {
    const more = await extract(ouid, m1, [await object(`more ${i}`)])
    assert.equal((await insert(ouid, more.lengths, more.blobs)).codes, [0])
  }
  await program.call(caCalls.migrationClose, [source, ouid])
  assert.is(await ckrOf(() => extract(ouid, m1, handles)), CKR.ARGUMENTS_BAD)
})

test('two programs, each at its own end', async () => {
  const { program: other } = Program.at(slots, 2)
  await other.initialize()
  const theirs = await other.officer(2)
  const invitation = await begin(other, theirs)
  const hello = await go(source, invitation.step, invitation.output)
  const reply = await go(theirs, hello.step, hello.output, undefined, other)
  assert.equal(reply.ouid, hello.ouid)
  await go(source, reply.step, reply.output, hello.ouid)
  const { codes, lengths, blobs } = await extract(hello.ouid, new Uint8Array(0), [await object('far')])
  assert.equal(codes, [0])
  const { handles } = await insert(hello.ouid, lengths, blobs, other, theirs)
  assert.is(await label(other, theirs, handles[0] ?? 0), 'far')
  await other.call(calls.finalize, undefined)
})

test('what is damaged, out of order or of another kind is refused', async () => {
  const { ouid, m1 } = await agreed()
  const handles = [await object('a'), await object('b')]
  assert.equal((await extract(ouid, m1, handles, CONTINUE, 1)).codes, [BAD_TYPE, BAD_TYPE])
  assert.equal((await extract(ouid, m1, [9999, ...handles], 0)).codes[0], CKR.OBJECT_HANDLE_INVALID)
  const { lengths, blobs } = await extract(ouid, m1, handles)
  const [first = 0] = lengths
  const swapped = Buffer.concat([blobs.subarray(first), blobs.subarray(0, first)])
  assert.is(await ckrOf(() => insert(ouid, [...lengths].reverse(), swapped)), 0x40)
  assert.is(await ckrOf(() => insert(ouid, [first], blobs.subarray(0, first))), 0x40)
  assert.is(await ckrOf(() => insert(ouid, lengths, blobs.subarray(1))), CKR.ARGUMENTS_BAD)
  const wrong = Uint8Array.from(blobs)
  wrong[200] = (wrong[200] ?? 0) ^ 1
  // An object that was damaged on its way fails alone.
  const { codes, handles: stored } = await insert(ouid, lengths, wrong)
  assert.is.not(codes[0], CKR.OK)
  assert.is(stored[0], 0)
  assert.is(codes[1], CKR.OK)
  assert.is(await ckrOf(() => go(source, 2, fill(4))), CKR.ARGUMENTS_BAD)
  assert.is(await ckrOf(() => go(source, 9, fill(4))), CKR.ARGUMENTS_BAD)
})

// ---- the older steps: one object -----------------------------------------------------------------------------------------

const NOTHING = new Uint8Array(0)

/** M1, M2 and M3 in the order of the vendor's sample, each asked for its length first. */
async function steps(handle: number, kev: Uint8Array = NOTHING, type = 0) {
  const asked = async (call: (room: Room) => Promise<Bytes>): Promise<Uint8Array> => {
    const length = await call(QUERY)
    const most = length instanceof Uint8Array ? length.length : length.missing
    await call(room(most - 1))
    return whole(await call(room(most)))
  }
  const m1 = await asked((place) => program.call(caCalls.cloneAsSourceInit, [source, place]))
  const m2 = await asked((place) => program.call(caCalls.cloneAsTargetInit, [target, m1, kev, place]))
  return asked((place) => program.call(caCalls.cloneAsSource, [source, type, handle, m2, place]))
}
const insertOne = (part: Uint8Array, kev: Uint8Array = NOTHING, type = 0): Promise<number> =>
  program.call(caCalls.cloneAsTarget, [target, kev, part, [type, 0]])

test('one object by the older steps, again and again; a vector of the target’s goes along', async () => {
  for (const name of ['first', 'second']) {
    const kev = whole(await program.call(caCalls.generateCloningKev, [target, ROOM]))
    assert.is(kev.length, 48)
    const part = await steps(await object(name), kev)
    assert.is(await ckrOf(() => insertOne(part)), CKR.ARGUMENTS_BAD, 'another vector')
    assert.is(await label(program, target, await insertOne(part, kev)), name)
    assert.is.not(await ckrOf(() => insertOne(part, kev)), CKR.OK, 'once')
  }
})

test('what cannot be cloned so, and what is damaged', async () => {
  assert.is(await ckrOf(() => steps(4711)), CKR.OBJECT_HANDLE_INVALID)
  assert.is(await ckrOf(() => steps(1, NOTHING, 1)), BAD_TYPE)
  const handle = await object('x')
  const part = await steps(handle)
  assert.is(await ckrOf(() => insertOne(part, NOTHING, 1)), BAD_TYPE)
  const wrong = Uint8Array.from(part)
  wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
  assert.is.not(await ckrOf(() => insertOne(wrong)), CKR.OK)
  assert.is((await ckrOf(() => program.call(caCalls.cloneAsTargetInit, [target, fill(9), NOTHING, ROOM]))) === 0, false)
  assert.is(await label(program, target, await insertOne(await steps(handle))), 'x')
})

test.run()
