// Objects and keys (PKCS#11 2.40 §5.7, §5.13).

import * as protocol from '../../assembly/protocol.js'
import { type Attribute, type AttributeAnswer, attribute, TokenError, ulongValue } from '../client/index.js'
import type { AttributeRequest, AttributeAnswer as CkAnswer, CkAttribute } from './attribute-codec.js'
import { calls } from './calls.js'
import type { Bytes, Missing, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, onSession, tokenHandle } from './handlers.js'
import { forgetKey } from './key-info.js'
import { tokenMechanism } from './mechanisms.js'
import type { Session } from './sessions.js'
import { callerValue, defaultOf, hasDefault, isTokenObject, searchTemplate, tokenTemplate } from './templates.js'

const { CKA_CLASS, CKA_OUID, CKA_TOKEN } = protocol

/** Notes an object that ends with its session. */
export function made(session: Session, handle: number, template: readonly Attribute[]): number {
  if (!isTokenObject(template)) session.objects.add(handle)
  return handle
}

async function create(session: Session, list: readonly CkAttribute[]): Promise<number> {
  const template = tokenTemplate(list)
  return made(session, await session.client.objects.create(session.token, template), template)
}

async function read(session: Session, handle: number, types: readonly number[]): Promise<AttributeAnswer[]> {
  return session.client.objects.get(session.token, tokenHandle(handle), types)
}

async function copy(session: Session, handle: number, list: readonly CkAttribute[]): Promise<number> {
  const { client, token } = session
  const made = await client.objects.copy(token, tokenHandle(handle), tokenTemplate(list))
  const [lasting] = await read(session, made, [CKA_TOKEN])
  if (lasting?.value[0] !== 1) session.objects.add(made)
  return made
}

async function destroy(session: Session, handle: number): Promise<void> {
  const [code = protocol.RC_OBJECT_HANDLE_INVALID] = await session.client.objects.destroy(session.token, [
    tokenHandle(handle),
  ])
  forgetKey(session, handle)
  if (code !== protocol.RC_OK) throw new TokenError(code, protocol.CMD_OBJECT_DESTROY)
  session.objects.delete(handle)
}

async function change(session: Session, handle: number, list: readonly CkAttribute[]): Promise<void> {
  forgetKey(session, handle)
  await session.client.objects.set(session.token, tokenHandle(handle), tokenTemplate(list))
  // Another session may have looked while the token wrote.
  forgetKey(session, handle)
}

async function size(session: Session, handle: number): Promise<number> {
  const [ouid] = await read(session, handle, [CKA_OUID])
  if (!ouid || ouid.code !== protocol.RC_OK) throw new Pkcs11Error(CKR.OBJECT_HANDLE_INVALID)
  const rows = await session.client.objects.list(session.token, [attribute.bytes(CKA_OUID, ouid.value)])
  const row = rows.find((one) => one.handle === handle)
  if (!row) throw new Pkcs11Error(CKR.OBJECT_HANDLE_INVALID)
  return row.size
}

/** One attribute for the program, and the CK_RV that it adds. */
function answered(
  { type, capacity }: AttributeRequest,
  value: Uint8Array | undefined,
  code: number,
): { answer: CkAnswer; ckr: number } {
  if (value === undefined) {
    const ckr = code === protocol.RC_ATTRIBUTE_SENSITIVE ? CKR.ATTRIBUTE_SENSITIVE : CKR.ATTRIBUTE_TYPE_INVALID
    return { answer: { type, value: undefined }, ckr }
  }
  if (capacity === 0 && value.length > 0) return { answer: { type, value: { missing: value.length } }, ckr: CKR.OK }
  // Room for no byte at all is sent as all ones.
  const room = capacity === 0xffffffff ? 0 : capacity
  if (value.length > room) return { answer: { type, value: undefined }, ckr: CKR.BUFFER_TOO_SMALL }
  return { answer: { type, value }, ckr: CKR.OK }
}

/** Of several that apply the first is what the program gets; each attribute tells for itself. */
const WORST_FIRST = [CKR.ATTRIBUTE_SENSITIVE, CKR.ATTRIBUTE_TYPE_INVALID, CKR.BUFFER_TOO_SMALL]

async function values(
  session: Session,
  handle: number,
  wanted: readonly AttributeRequest[],
): Promise<[readonly CkAnswer[], number]> {
  const types = [...new Set([CKA_CLASS, ...wanted.map(({ type }) => type)])]
  const rows = new Map((await read(session, handle, types)).map((row) => [row.type, row]))
  const kind = rows.get(CKA_CLASS)
  const objectClass = kind && kind.code === protocol.RC_OK ? ulongValue(kind.value) : protocol.UNAVAILABLE
  const found = wanted.map((request) => {
    const { code, value } = rows.get(request.type) ?? { code: protocol.RC_ATTRIBUTE_TYPE_INVALID, value: undefined }
    if (code === protocol.RC_OK && value) return answered(request, callerValue(request.type, value), code)
    const own = hasDefault(request.type) ? defaultOf(request.type, objectClass) : undefined
    return answered(request, own, code)
  })
  const ckr = WORST_FIRST.find((one) => found.some((row) => row.ckr === one)) ?? CKR.OK
  return [found.map(({ answer }) => answer), ckr]
}

async function beginSearch(session: Session, list: readonly CkAttribute[]): Promise<void> {
  if (session.search) throw new Pkcs11Error(CKR.OPERATION_ACTIVE)
  const template = searchTemplate(list)
  const rows = template ? await session.client.objects.list(session.token, template).catch(nothingHasIt) : []
  session.search = { handles: rows.map(({ handle }) => handle), at: 0 }
}

/** An attribute that the token does not know is one that no object has. */
function nothingHasIt(error: unknown): never[] {
  if (error instanceof TokenError && error.ckr === CKR.ATTRIBUTE_TYPE_INVALID) return []
  throw error
}

function search(session: Session, room: Room): readonly number[] | Missing {
  const { search } = session
  if (!search) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  const found = search.handles.slice(search.at, search.at + room.capacity)
  search.at += found.length
  return found
}

async function wrap(
  session: Session,
  mechanism: Parameters<typeof tokenMechanism>[0],
  [wrapping, key, room]: readonly [number, number, Room],
): Promise<Bytes> {
  const by = tokenHandle(wrapping, protocol.RC_WRAPPING_KEY_HANDLE_INVALID >>> 16)
  const what = tokenHandle(key, CKR.KEY_HANDLE_INVALID)
  return fitted(await session.client.crypto.wrap(session.token, tokenMechanism(mechanism), by, what), room)
}

export const objectHandlers: readonly Handler[] = [
  onSession(calls.createObject, (session, [, list]) => create(session, list)),
  onSession(calls.copyObject, (session, [, handle, list]) => copy(session, handle, list)),
  onSession(calls.destroyObject, (session, [, handle]) => destroy(session, handle)),
  onSession(calls.getObjectSize, (session, [, handle]) => size(session, handle)),
  onSession(calls.getAttributeValue, (session, [, handle, wanted]) => values(session, handle, wanted)),
  onSession(calls.setAttributeValue, (session, [, handle, list]) => change(session, handle, list)),
  onSession(calls.findObjectsInit, (session, [, list]) => beginSearch(session, list)),
  onSession(calls.findObjects, (session, [, room]) => search(session, room)),
  onSession(calls.findObjectsFinal, (session) => {
    if (!session.search) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
    session.search = undefined
  }),
  onSession(calls.generateKey, async (session, [, mechanism, list], app) => {
    // What is generated by a mechanism that the token does not list is no question of its template.
    await app.mechanism(session.slot, mechanism.type)
    const how = tokenMechanism(mechanism)
    const template = tokenTemplate(list)
    const { client, token } = session
    if (how.mechanism === protocol.CKM_PKCS5_PBKD2) {
      return made(session, await client.crypto.derive(token, how, 0, template), template)
    }
    return made(session, await client.objects.generate(token, how.mechanism, template), template)
  }),
  onSession(
    calls.generateKeyPair,
    async (session, [, mechanism, publicList, privateList], app): Promise<[number, number]> => {
      await app.mechanism(session.slot, mechanism.type)
      const { mechanism: type } = tokenMechanism(mechanism)
      const [ours, theirs] = [tokenTemplate(publicList), tokenTemplate(privateList)]
      const pair = await session.client.objects.generatePair(session.token, type, ours, theirs)
      return [made(session, pair.publicKey, ours), made(session, pair.privateKey, theirs)]
    },
  ),
  onSession(calls.wrapKey, (session, [, mechanism, wrapping, key, room]) =>
    wrap(session, mechanism, [wrapping, key, room]),
  ),
  onSession(calls.unwrapKey, async (session, [, mechanism, unwrapping, wrapped, list]) => {
    const by = tokenHandle(unwrapping, protocol.RC_UNWRAPPING_KEY_HANDLE_INVALID >>> 16)
    const template = tokenTemplate(list)
    const { crypto } = session.client
    const handle = await crypto.unwrap(session.token, tokenMechanism(mechanism), by, given(wrapped), template)
    return made(session, handle, template)
  }),
]
