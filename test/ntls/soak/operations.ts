// What a session does: each is one or more commands whose answers the model tells beforehand.
import { createCipheriv } from 'node:crypto'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, type TokenClient } from '../../../host/client/index.js'
import { codeOf } from '../support/site.js'
import type { SessionModel, Thing } from './model.js'

const { ulong, bool, text, bytes } = attribute

export interface Room {
  left: number
}

/** A session at work, and what there is around it. */
export interface Turn {
  readonly client: TokenClient
  readonly own: SessionModel
  readonly partition: number
  /** A session of a client of another partition, and one of its objects. */
  readonly foreign: { readonly session: number; readonly thing: Thing | undefined } | undefined
  /** Session objects that the HSM has room for yet. */
  readonly room: Room
  /** A partition that is not the client's. */
  readonly forbidden: number
}

type Operation = (turn: Turn) => Promise<void>

/** Things that one session has at a time. */
const THINGS = 3
const KEY = 32
const BLOCK = 16

function template({ label, value, isKey, isPrivate, isToken }: Omit<Thing, 'handle'>, id: Buffer): Attribute[] {
  return [
    ulong(protocol.CKA_CLASS, isKey ? protocol.CKO_SECRET_KEY : protocol.CKO_DATA),
    bool(protocol.CKA_TOKEN, isToken),
    bool(protocol.CKA_PRIVATE, isPrivate),
    text(protocol.CKA_LABEL, label),
    bytes(protocol.CKA_VALUE, value),
    ...(isKey
      ? [
          bytes(protocol.CKA_ID, id),
          ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
          bool(protocol.CKA_SENSITIVE, true),
          bool(protocol.CKA_EXTRACTABLE, true),
          bool(protocol.CKA_ENCRYPT, true),
          bool(protocol.CKA_DECRYPT, true),
          bool(protocol.CKA_WRAP, true),
        ]
      : [bytes(protocol.CKA_APPLICATION, id)]),
  ]
}

const create: Operation = async ({ client, own, room }) => {
  const { random } = own
  const isToken = room.left === 0 || random.oneIn(2)
  if (!isToken) room.left--
  const isKey = random.oneIn(2)
  const thing = {
    label: `${own.id.toString('hex')} ${own.made++}`,
    // Of its own memory: a slice of a pool would keep all of the pool, and look like growth for as long as objects get more.
    value: random.bytes(isKey ? KEY : 1 + random.below(200)),
    isKey,
    isPrivate: isKey || random.oneIn(2),
    isToken,
  }
  const handle = await client.objects.create(own.session, template(thing, own.id))
  assert.not.ok(own.things.has(handle), 'a handle that is in use')
  own.things.set(handle, { handle, ...thing })
}

const destroy: Operation = async ({ client, own, room }) => {
  const thing = own.pick(() => true)
  if (!thing) return
  assert.equal(await client.objects.destroy(own.session, [thing.handle]), [protocol.RC_OK])
  own.things.delete(thing.handle)
  if (!thing.isToken) room.left++
  const gone = client.objects.get(own.session, thing.handle, [protocol.CKA_LABEL])
  assert.match(await codeOf(gone), /CKR_OBJECT_HANDLE_INVALID/)
}

const read: Operation = async ({ client, own }) => {
  const thing = own.pick(() => true)
  if (!thing) return
  const [label, value] = await client.objects.get(own.session, thing.handle, [protocol.CKA_LABEL, protocol.CKA_VALUE])
  assert.is(Buffer.from(label?.value ?? '').toString(), thing.label)
  if (thing.isKey) assert.is.not(value?.code, protocol.RC_OK)
  else assert.equal(Buffer.from(value?.value ?? ''), thing.value)
}

const find: Operation = async ({ client, own }) => {
  for (const [objectClass, type] of [
    [protocol.CKO_SECRET_KEY, protocol.CKA_ID],
    [protocol.CKO_DATA, protocol.CKA_APPLICATION],
  ] as const) {
    const rows = await client.objects.list(own.session, [ulong(protocol.CKA_CLASS, objectClass), bytes(type, own.id)])
    const expected = [...own.things.values()].filter(({ isKey }) => isKey === (objectClass === protocol.CKO_SECRET_KEY))
    assert.equal(
      rows.map(({ handle }) => handle).sort((a, b) => a - b),
      expected.map(({ handle }) => handle).sort((a, b) => a - b),
    )
  }
}

const encrypt: Operation = async ({ client, own }) => {
  const key = own.pick(({ isKey }) => isKey)
  if (!key) return
  const [iv, data] = [own.random.bytes(BLOCK), own.random.bytes(BLOCK * (1 + own.random.below(64)))]
  const mechanism = { mechanism: protocol.CKM_AES_CBC, parameter: iv }
  const cipher = createCipheriv('aes-256-cbc', key.value, iv).setAutoPadding(false)
  const expected = Buffer.concat([cipher.update(data), cipher.final()])
  const sealed = await client.crypto.encrypt(own.session, mechanism, key.handle, data)
  assert.ok(expected.equals(sealed))
  assert.ok(Buffer.from(data).equals(await client.crypto.decrypt(own.session, mechanism, key.handle, sealed)))
}

const wrap: Operation = async ({ client, own }) => {
  const [kek, key] = [own.pick(({ isKey }) => isKey), own.pick(({ isKey }) => isKey)]
  if (!kek || !key) return
  const cipher = createCipheriv('id-aes256-wrap', kek.value, Buffer.alloc(8, 0xa6))
  const expected = Buffer.concat([cipher.update(key.value), cipher.final()])
  const mechanism = { mechanism: protocol.CKM_AES_KEY_WRAP }
  assert.ok(expected.equals(await client.crypto.wrap(own.session, mechanism, kek.handle, key.handle)))
}

async function looksLike({ client, own, partition }: Turn, role: number | undefined): Promise<void> {
  const info = await client.sessionInfo(own.session)
  assert.equal([info.partition, info.readWrite, info.role], [partition, true, role])
}

const look: Operation = (turn) => looksLike(turn, protocol.ROLE_CRYPTO_OFFICER)

const random: Operation = async ({ client, own }) => {
  const count = 1 + own.random.below(64)
  assert.is((await client.random(count)).length, count)
}

/** What another client has is not there for this one. */
const trespass: Operation = async ({ client, own, foreign, forbidden }) => {
  assert.match(await codeOf(client.openSession(forbidden)), /CKR_SLOT_ID_INVALID/)
  if (!foreign) return
  assert.match(await codeOf(client.sessionInfo(foreign.session)), /CKR_SESSION_HANDLE_INVALID/)
  assert.match(await codeOf(client.objects.list(foreign.session)), /CKR_SESSION_HANDLE_INVALID/)
  assert.match(await codeOf(client.closeSession(foreign.session)), /CKR_SESSION_HANDLE_INVALID/)
  const { thing } = foreign
  if (!thing) return
  const seen = client.objects
    .get(own.session, thing.handle, [protocol.CKA_LABEL])
    .then(([label]) => Buffer.from(label?.value ?? '').toString())
    .catch(() => 'nothing')
  assert.is.not(await seen, thing.label)
}

/** While the client is not logged in: nothing private is there, although others of its partition are logged in. */
export async function loggedOut(turn: Turn): Promise<void> {
  const { client, own } = turn
  await looksLike(turn, undefined)
  const secret = own.pick(({ isPrivate }) => isPrivate)
  if (secret) {
    const shown = client.objects.get(own.session, secret.handle, [protocol.CKA_LABEL])
    assert.match(await codeOf(shown), /CKR_(OBJECT_HANDLE_INVALID|USER_NOT_LOGGED_IN)/)
  }
  const thing = { label: 'x', value: own.random.bytes(KEY), isKey: true, isPrivate: true, isToken: false }
  const made = client.objects.create(own.session, template(thing, own.id))
  assert.match(await codeOf(made), /CKR_USER_NOT_LOGGED_IN/)
}

/** Which operation how often. */
const MIX: readonly Operation[] = [
  ...Array<Operation>(4).fill(encrypt),
  ...Array<Operation>(3).fill(read),
  find,
  find,
  wrap,
  wrap,
  look,
  random,
  trespass,
]

/** One of the operations that makes sense now. */
export async function operate(turn: Turn): Promise<void> {
  const { own } = turn
  const count = own.things.size
  if (count < THINGS && own.random.oneIn(count === 0 ? 2 : 6)) return create(turn)
  if (own.random.oneIn(8)) return destroy(turn)
  return own.random.pick(MIX)(turn)
}
