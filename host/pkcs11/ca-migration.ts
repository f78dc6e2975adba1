// The vendor's single steps of a migration (its CPv4): a session between two tokens, objects out of one, objects into the other. What
// travels inside is the token's cloning protocol, M1 to M5 (SPEC.md §8); the door cuts a batch into a piece for each object and puts it
// together again.

import { createHash } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { ckrOf, cloneResults, concat, Writer } from '../client/index.js'
import type { Application } from './application.js'
import { caCalls } from './ca-calls.js'
import type { Bytes } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { numbers } from './general.js'
import { fitted, given, type Handler, on, onSession, tokenHandle } from './handlers.js'
import type { Session } from './sessions.js'

/** What the target begins with: it asks for a session. */
const INVITATION = new TextEncoder().encode('MIG1')
/** The steps: the target invites, the source answers with M1, the target with M2, the source is done. */
const [ANSWER, REPLY, CONFIRM, DONE] = [2, 3, 4, 5]
const [OPEN, ESTABLISHED] = [0, 1]
const OUID = 16
/** CK_CRYPTOKI_ELEMENT. */
const ELEMENT = 0
const CKR_OBJECT_TYPE_INVALID = 0x80000112
const CONTINUE = 1
/** Batches that a source gives before it hears of them. */
const AHEAD = 2
/** Migrations of one program. */
const MOST = 16

/** What the door knows of a migration whose one or two ends are this program's sessions. */
interface Migration {
  source?: Session
  target?: Session
  /** The target's last word, which the vendor's programs do not take to the source themselves. */
  m2?: Uint8Array
  established: boolean
}

const migrations = new WeakMap<Application, Map<string, Migration>>()

const nameOf = (ouid: Uint8Array): string => Buffer.from(ouid).toString('hex')
/** Both ends know M1. */
const ouidOf = (m1: Uint8Array): Uint8Array => createHash('sha256').update(m1).digest().subarray(0, OUID)

function known(app: Application): Map<string, Migration> {
  const all = migrations.get(app) ?? new Map<string, Migration>()
  migrations.set(app, all)
  return all
}

function note(app: Application, ouid: Uint8Array, more: Partial<Migration>): void {
  const all = known(app)
  const [oldest] = all.keys()
  if (!all.has(nameOf(ouid)) && all.size >= MOST && oldest !== undefined) all.delete(oldest)
  all.set(nameOf(ouid), { established: false, ...all.get(nameOf(ouid)), ...more })
}

/** @throws Pkcs11Error ARGUMENTS_BAD: there is no such migration */
function find(app: Application, ouid: Uint8Array): Migration {
  const one = known(app).get(nameOf(ouid))
  if (!one) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return one
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

interface Answer {
  readonly step: number
  readonly output: Uint8Array
  readonly status: number
  readonly ouid: Uint8Array
}

async function goOn(
  app: Application,
  session: Session,
  step: number,
  input: Uint8Array,
  ouid: Uint8Array,
): Promise<Answer> {
  const { client, token } = session
  if (step === ANSWER) {
    if (!isSame(input, INVITATION)) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    const m1 = Uint8Array.from(await client.cloning.sourceInit(token))
    note(app, ouidOf(m1), { source: session })
    return { step: REPLY, output: m1, status: OPEN, ouid: ouidOf(m1) }
  }
  if (step === REPLY) {
    const m2 = Uint8Array.from(await client.cloning.targetInit(token, input))
    note(app, ouidOf(input), { target: session, m2 })
    return { step: CONFIRM, output: m2, status: ESTABLISHED, ouid: ouidOf(input) }
  }
  if (step !== CONFIRM) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  const migration = find(app, ouid)
  await client.cloning.sourceHello(token, input)
  migration.established = true
  return { step: DONE, output: new Uint8Array(0), status: ESTABLISHED, ouid }
}

// ---- out ----------------------------------------------------------------------------------------------------------------

/** Magic, place of the piece in its batch, pieces of the batch. */
const PIECE = 8
const MAGIC = 'MIGB'

function pieces(message: Uint8Array, count: number): Uint8Array[] {
  const size = Math.ceil(message.length / count)
  return Array.from({ length: count }, (_, i) =>
    concat(
      new TextEncoder().encode(MAGIC),
      new Writer().u16(i).u16(count).finish(),
      message.subarray(i * size, (i + 1) * size),
    ),
  )
}

interface Extracted {
  readonly code: number
  readonly blob: Uint8Array
}

const NONE = new Uint8Array(0)
const failure = (code: number): Extracted => ({ code, blob: NONE })

/** Why an object cannot travel, before the token is asked for it: a batch of none would have to travel too. */
async function looked({ client, token }: Session, type: number, handle: number): Promise<number> {
  if (type !== ELEMENT) return CKR_OBJECT_TYPE_INVALID
  if (!(handle >= 1 && handle <= 0xffffffff)) return CKR.OBJECT_HANDLE_INVALID
  const [ouid] = await client.objects.get(token, tokenHandle(handle), [protocol.CKA_OUID]).catch(() => [])
  return ouid?.code === protocol.RC_OK ? CKR.OK : CKR.OBJECT_HANDLE_INVALID
}

async function batches(session: Session, handles: readonly number[]): Promise<Map<number, Extracted>> {
  const found = new Map<number, Extracted>()
  let rest = handles
  for (let sent = 0; rest.length > 0 && sent < AHEAD; sent++) {
    const { codes, message } = await session.client.cloning.sourceBatch(
      session.token,
      rest.slice(0, protocol.OBC_MAX_BATCH),
      false,
    )
    const blobs = pieces(message, Math.max(1, codes.filter((code) => code === protocol.RC_OK).length))
    for (const [i, code] of codes.entries()) {
      const [handle, good] = [rest[i] ?? 0, code === protocol.RC_OK]
      found.set(handle, good ? { code: CKR.OK, blob: blobs.shift() ?? NONE } : failure(ckrOf(code)))
    }
    rest = rest.slice(codes.length)
  }
  return found
}

async function extract(
  app: Application,
  session: Session,
  [input, ouid]: readonly [Uint8Array, Uint8Array],
  flags: number,
  objects: readonly (readonly [type: number, handle: number])[],
): Promise<Extracted[]> {
  const migration = find(app, ouid)
  if (!migration.established) {
    // The vendor's own programs give the source's last word here; the target's is then the door's to carry.
    await session.client.cloning.sourceHello(session.token, migration.m2 ?? input)
    migration.established = true
  }
  const rows: { readonly handle: number; code: number }[] = []
  for (const [type, handle] of objects) rows.push({ handle, code: await looked(session, type, handle) })
  const bad = rows.findIndex(({ code }) => code !== CKR.OK)
  const end = flags === CONTINUE || bad < 0 ? rows.length : bad
  const good = rows.slice(0, end).filter(({ code }) => code === CKR.OK)
  const found = await batches(session, [...new Set(good.map(({ handle }) => handle))])
  return rows.map(({ handle, code }) =>
    code === CKR.OK ? (found.get(handle) ?? failure(NOT_ATTEMPTED)) : failure(code),
  )
}

const NOT_ATTEMPTED = ckrOf(protocol.RC_CLONE_NOT_ATTEMPTED)

// ---- in -----------------------------------------------------------------------------------------------------------------

/** Batches put together from their pieces, which stand in order. @throws Pkcs11Error ENCRYPTED_DATA_INVALID */
function joined(blobs: readonly Uint8Array[]): { readonly message: Uint8Array; readonly count: number }[] {
  const found: { message: Uint8Array; count: number }[] = []
  for (let at = 0; at < blobs.length; ) {
    const count = piece(blobs[at], 0)
    const parts = blobs.slice(at, at + count)
    if (parts.length < count || parts.some((part, i) => piece(part, i) !== count)) throw broken()
    found.push({ message: concat(...parts.map((part) => part.subarray(PIECE))), count })
    at += count
  }
  return found
}

const broken = (): Pkcs11Error => new Pkcs11Error(protocol.RC_ENCRYPTED_DATA_INVALID >>> 16)

/** Pieces of the batch that this is the i-th of. */
function piece(blob: Uint8Array | undefined, i: number): number {
  if (!blob || blob.length <= PIECE) throw broken()
  const view = Buffer.from(blob.buffer, blob.byteOffset, blob.length)
  const count = view.readUInt16BE(6)
  if (view.toString('latin1', 0, 4) !== MAGIC || view.readUInt16BE(4) !== i || count === 0) throw broken()
  return count
}

async function insert(
  app: Application,
  { client, token }: Session,
  ouid: Uint8Array,
  flags: number,
  blobs: readonly Uint8Array[],
): Promise<[codes: number[], handles: number[]]> {
  const source = known(app).get(nameOf(ouid))?.source
  const [codes, handles]: [number[], number[]] = [[], []]
  for (const { message, count } of joined(blobs)) {
    const m4 = Uint8Array.from(await client.cloning.targetBatch(token, message, flags === CONTINUE))
    const rows = cloneResults(m4)
    if (rows.length !== count) throw broken()
    for (const { code, newHandle } of rows) {
      codes.push(code)
      handles.push(code === CKR.OK ? newHandle : 0)
    }
    // A source of this program hears of it, and gives more; for another's that is its own to tell.
    await source?.client.cloning.sourceResult(source.token, m4).catch(() => undefined)
  }
  return [codes, handles]
}

/** Where the two ends are this program's they close with each other; else each ends its own. */
async function close(app: Application, session: Session, ouid: Uint8Array): Promise<void> {
  const { source, target } = find(app, ouid)
  known(app).delete(nameOf(ouid))
  const m5 = await (source ?? session).client.cloning.sourceClose((source ?? session).token).catch(() => NONE)
  // A close that does not fit ends the session as well.
  if (target) await target.client.cloning.targetClose(target.token, m5).catch(() => undefined)
}

function listed(list: readonly number[] | { readonly missing: number }): readonly number[] {
  if ('missing' in list) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return list
}

function cutInto(blob: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0
  const parts = lengths.map((length) => {
    at += length
    return blob.subarray(at - length, at)
  })
  if (at !== blob.length) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return parts
}

export const caMigrationHandlers: readonly Handler[] = [
  onSession(caCalls.migrationStart, (_, [, , room]): [number, Bytes] => [ANSWER, fitted(INVITATION, room)]),
  on(caCalls.migrationContinue, async (app, [handle, step, input, ouid, [output, id]]) => {
    const answer = await goOn(app, app.session(handle), step, given(input), given(ouid))
    return [answer.step, fitted(answer.output, output), answer.status, fitted(answer.ouid, id)]
  }),
  on(caCalls.migrationClose, (app, [handle, ouid]) => close(app, app.session(handle), given(ouid))),
  on(caCalls.extract, async (app, [handle, flags, [input, ouid], [types, handles], [codeRoom, lengthRoom, room]]) => {
    const [kinds, objects] = [listed(types), listed(handles)]
    if (kinds.length !== objects.length) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    const pairs = objects.map((one, i) => [kinds[i] ?? -1, one] as const)
    const rows = await extract(app, app.session(handle), [given(input), given(ouid)], flags, pairs)
    return [
      numbers(
        rows.map(({ code }) => code),
        codeRoom,
      ),
      numbers(
        rows.map(({ blob }) => blob.length),
        lengthRoom,
      ),
      fitted(concat(...rows.map(({ blob }) => blob)), room),
    ]
  }),
  on(caCalls.insert, async (app, [handle, flags, ouid, [lengths, blobs], [codeRoom, handleRoom]]) => {
    const parts = cutInto(given(blobs), listed(lengths))
    const [codes, handles] = await insert(app, app.session(handle), given(ouid), flags, parts)
    return [numbers(codes, codeRoom), numbers(handles, handleRoom)]
  }),
]
