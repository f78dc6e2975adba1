// Objects to measure with, and the ways they get into a token.
import { createCipheriv, createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as protocol from '../../assembly/protocol.js'
import { type Attribute, attribute, concat } from '../../host/client/index.js'
import { backup, clear } from './cloning.js'
import { type Officer, Prepared } from './tokens.js'

const { ulong, bool, text, bytes } = attribute

export type ObjectKind = 'aes256' | 'rsa2048' | 'ec-p256' | 'data'

/** Bytes that a record of each kind takes in flash, rounded up; room is planned with them. */
export const RECORD_BYTES: Readonly<Record<ObjectKind, number>> = {
  aes256: 320,
  rsa2048: 1600,
  'ec-p256': 512,
  data: 320,
}

export const label = (kind: ObjectKind, index: number): string => `${kind} ${String(index).padStart(6, '0')}`

const own = (kind: ObjectKind, index: number, objectClass: number): Attribute[] => [
  ulong(protocol.CKA_CLASS, objectClass),
  bool(protocol.CKA_TOKEN, true),
  bool(protocol.CKA_PRIVATE, true),
  text(protocol.CKA_LABEL, label(kind, index)),
]

const closed: readonly Attribute[] = [bool(protocol.CKA_SENSITIVE, true), bool(protocol.CKA_EXTRACTABLE, true)]

/** The template of an AES-256 key that the token makes. */
export const aesKey = (index: number): Attribute[] => [
  ...own('aes256', index, protocol.CKO_SECRET_KEY),
  ...closed,
  ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
  ulong(protocol.CKA_VALUE_LEN, 32),
  bool(protocol.CKA_ENCRYPT, true),
  bool(protocol.CKA_DECRYPT, true),
]

const fixture = (name: string): Buffer =>
  createPrivateKey(readFileSync(new URL(`../../../fixtures/keys/${name}`, import.meta.url))).export({
    format: 'der',
    type: 'pkcs8',
  })

/** Unwraps one private key over and over: each time it is an object of its own. */
async function unwrapMany(end: Officer, kind: ObjectKind, keyType: number, key: Buffer, count: number): Promise<void> {
  const { client, session } = end
  const kek = randomBytes(32)
  const handle = await client.objects.create(session, [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
    bool(protocol.CKA_TOKEN, false),
    bool(protocol.CKA_PRIVATE, true),
    ...closed,
    bool(protocol.CKA_UNWRAP, true),
    bytes(protocol.CKA_VALUE, kek),
  ])
  const cipher = createCipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'))
  const wrapped = concat(cipher.update(key), cipher.final())
  for (let i = 0; i < count; i++) {
    const template = [...own(kind, i, protocol.CKO_PRIVATE_KEY), ...closed, ulong(protocol.CKA_KEY_TYPE, keyType)]
    await client.crypto.unwrap(session, { mechanism: protocol.CKM_AES_KEY_WRAP_KWP }, handle, wrapped, template)
  }
  await client.objects.destroy(session, [handle])
}

/** Objects that are made one by one before they are moved on. */
const CHUNK = 2000

/**
 * Keys in any number: another token makes them, and they are cloned from there, since a batch costs the growing token one commit
 * where each key made on it would cost one.
 */
async function generateMany({ officer }: Prepared, count: number): Promise<void> {
  const maker = await Prepared.make('maker', RECORD_BYTES.aes256 * CHUNK)
  for (let done = 0; done < count; ) {
    const next = Math.min(done + CHUNK, count)
    await generate(maker.officer, done, next)
    await backup(maker.officer, officer, await handlesOf(maker.officer))
    await clear(maker.officer)
    done = next
  }
  await maker.officer.close()
}

async function generate({ client, session }: Officer, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, aesKey(i))
}

/** Puts so many objects into the token's partition. */
export async function fill(token: Prepared, kind: ObjectKind, count: number): Promise<void> {
  const { officer } = token
  switch (kind) {
    case 'aes256':
      return count > CHUNK ? generateMany(token, count) : generate(officer, 0, count)
    case 'rsa2048':
      return unwrapMany(officer, kind, protocol.CKK_RSA, fixture('signer-rsa-2048.key.pem'), count)
    case 'ec-p256':
      return unwrapMany(officer, kind, protocol.CKK_EC, fixture('tls-p256.key.pem'), count)
    case 'data':
      for (let i = 0; i < count; i++) {
        const template = [...own(kind, i, protocol.CKO_DATA), bytes(protocol.CKA_VALUE, Buffer.alloc(64, i))]
        await officer.client.objects.create(officer.session, template)
      }
  }
}

/** All objects of the partition, oldest first: the order of the token's own list is not that of their making. */
export async function handlesOf({ client, session }: Officer): Promise<number[]> {
  const rows = await client.objects.list(session)
  return rows.map(({ handle }) => handle).sort((a, b) => a - b)
}
