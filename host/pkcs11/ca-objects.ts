// The vendor's calls on objects: unique ids, several at once, cloning.

import * as protocol from '../../assembly/protocol.js'
import { attribute, type CloneResult, ckrOf, clone } from '../client/index.js'
import type { Application } from './application.js'
import type { CkAttribute } from './attribute-codec.js'
import { caCalls } from './ca-calls.js'
import { inSession, type TokenSession } from './ca-sessions.js'
import type { Bytes, Missing, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, on, onSession, tokenHandle } from './handlers.js'
import { forgetKey } from './key-info.js'
import type { CkMechanism } from './mechanism-codec.js'
import { tokenMechanism } from './mechanisms.js'
import type { Session } from './sessions.js'
import { tokenTemplate } from './templates.js'

const OUID = 12
/** CK_CRYPTOKI_ELEMENT: what has a handle in PKCS#11. Of the vendor's other types this token has none. */
const ELEMENT = 0
const CKR_OBJECT_TYPE_INVALID = 0x80000112
/** CA_MigrateKeys goes on after an object that fails. */
const CONTINUE = 1

/** A slot whose partition is the one that is named. */
async function named(app: Application, id: number, container: number) {
  const slot = await app.presentSlot(id)
  if (slot.partition !== container) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return slot
}

async function byOuid({ client, session }: TokenSession, ouid: Uint8Array): Promise<[number, number]> {
  if (ouid.length !== OUID) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  const [row] = await client.objects.list(session, [attribute.bytes(protocol.CKA_OUID, ouid)])
  if (!row) throw new Pkcs11Error(CKR.OBJECT_HANDLE_INVALID)
  return [ELEMENT, row.handle]
}

async function ouidOf({ client, session }: TokenSession, type: number, handle: number): Promise<Uint8Array> {
  if (type !== ELEMENT) throw new Pkcs11Error(CKR_OBJECT_TYPE_INVALID)
  const [ouid] = await client.objects.get(session, tokenHandle(handle), [protocol.CKA_OUID])
  if (!ouid || ouid.code !== protocol.RC_OK) throw new Pkcs11Error(CKR.OBJECT_HANDLE_INVALID)
  return ouid.value
}

/** @throws Pkcs11Error ARGUMENTS_BAD: a null pointer */
function listed(list: readonly number[] | Missing): readonly number[] {
  if ('missing' in list) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return list
}

/** Destroys one after the other; where one cannot be, its place in the list and the CK_RV. */
async function destroyAll(session: Session, handles: readonly number[]): Promise<[number, number]> {
  for (const [place, handle] of handles.entries()) {
    const [code = protocol.RC_OBJECT_HANDLE_INVALID] = await session.client.objects.destroy(session.token, [
      tokenHandle(handle),
    ])
    if (code !== protocol.RC_OK) return [place, ckrOf(code)]
    session.objects.delete(handle)
    forgetKey(session, handle)
  }
  return [0, CKR.OK]
}

async function cloned(app: Application, from: number, to: number, handles: readonly number[]): Promise<CloneResult[]> {
  const [source, target] = [app.session(from), app.session(to)]
  const { profile } = await source.client.status()
  const ends = [source, target].map(({ client, token }) => ({ client, session: token }))
  const [sourceEnd, targetEnd] = ends
  const results: CloneResult[] = []
  if (!sourceEnd || !targetEnd) return results
  for await (const one of clone(sourceEnd, targetEnd, { handles, profile })) results.push(one)
  return results
}

async function cloneOne(app: Application, from: number, to: number, handle: number): Promise<number> {
  const [one] = await cloned(app, from, to, [tokenHandle(handle)])
  if (one?.newHandle === undefined) throw new Pkcs11Error(one?.ckr ?? CKR.GENERAL_ERROR)
  return one.newHandle
}

interface Migration {
  readonly from: number
  readonly to: number
  readonly flags: number
}

/** A CK_RV and a new handle for every object, 0 where there is none. */
async function migrate(
  app: Application,
  { from, to, flags }: Migration,
  types: readonly number[],
  handles: readonly number[],
): Promise<[number[], number[]]> {
  if (types.length !== handles.length) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  const codes = types.map((type, i) => (type === ELEMENT ? checkedHandle(handles[i]) : CKR_OBJECT_TYPE_INVALID))
  const good = handles.filter((_, i) => codes[i] === CKR.OK)
  const results =
    good.length > 0 && (flags === CONTINUE || good.length === handles.length) ? await cloned(app, from, to, good) : []
  const byHandle = new Map(results.map((one) => [one.handle, one]))
  const rows = handles.map((handle, i) => ({ code: codes[i] ?? CKR.OK, result: byHandle.get(handle) }))
  return [
    rows.map(({ code, result }) => (code === CKR.OK ? (result?.ckr ?? NOT_ATTEMPTED) : code)),
    rows.map(({ code, result }) => (code === CKR.OK ? (result?.newHandle ?? 0) : 0)),
  ]
}

interface DeriveAndWrap {
  readonly derivation: CkMechanism
  readonly base: number
  readonly list: readonly CkAttribute[]
  readonly wrapping: CkMechanism
  readonly by: number
}

/** Derives a key that is there only until it is wrapped. */
async function deriveAndWrap({ client, token }: Session, what: DeriveAndWrap, room: Room): Promise<Bytes> {
  const base = tokenHandle(what.base, CKR.KEY_HANDLE_INVALID)
  const by = tokenHandle(what.by, protocol.RC_WRAPPING_KEY_HANDLE_INVALID >>> 16)
  const [derivation, wrapping] = [tokenMechanism(what.derivation), tokenMechanism(what.wrapping)]
  const template = tokenTemplate(what.list).filter(({ type }) => type !== protocol.CKA_TOKEN)
  const handle = await client.crypto.derive(token, derivation, base, template)
  try {
    return fitted(await client.crypto.wrap(token, wrapping, by, handle), room)
  } finally {
    await client.objects.destroy(token, [handle])
  }
}

const NOT_ATTEMPTED = ckrOf(protocol.RC_CLONE_NOT_ATTEMPTED)

function checkedHandle(handle: number | undefined): number {
  return handle !== undefined && handle >= 1 && handle <= 0xffffffff ? CKR.OK : CKR.OBJECT_HANDLE_INVALID
}

export const caObjectHandlers: readonly Handler[] = [
  onSession(caCalls.modifyUsageCount, ({ client, token }, [, handle, how, value]) => {
    if (value > 0xffffffff || how > 0xff) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    return client.objects.count(token, tokenHandle(handle), how, value)
  }),
  on(caCalls.getObjectHandle, async (app, [id, container, ouid]) =>
    inSession(app, await named(app, id, container), (session) => byOuid(session, given(ouid))),
  ),
  on(caCalls.getObjectUid, async (app, [id, container, type, handle]) =>
    inSession(app, await named(app, id, container), (session) => ouidOf(session, type, handle)),
  ),
  onSession(caCalls.deriveKeyAndWrap, (session, [, derivation, base, list, [wrapping, by, room]]) =>
    deriveAndWrap(session, { derivation, base, list, wrapping, by }, room),
  ),
  onSession(caCalls.destroyMultipleObjects, (session, [, handles]) => destroyAll(session, listed(handles))),
  on(caCalls.cloneObject, (app, [from, to, type, handle]) => {
    if (type !== ELEMENT) throw new Pkcs11Error(CKR_OBJECT_TYPE_INVALID)
    return cloneOne(app, from, to, handle)
  }),
  on(caCalls.clonePrivateKey, (app, [from, to, handle]) => cloneOne(app, from, to, handle)),
  on(caCalls.migrateKeys, (app, [[from, to, flags], types, handles]) =>
    migrate(app, { from, to, flags }, listed(types), listed(handles)),
  ),
]
