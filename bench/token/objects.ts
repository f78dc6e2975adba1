// Objects to measure with, and the ways they get into a token.
import { createCipheriv, createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as protocol from '../../assembly/protocol.js'
import { type Attribute, attribute, concat } from '../../host/client/index.js'
import type { Officer } from './tokens.js'

const { ulong, bool, text, bytes } = attribute

export type ObjectKind = 'aes256' | 'rsa2048' | 'ec-p256' | 'data'

/** Bytes that a record of each kind takes in flash, rounded up; room is planned with them. */
export const RECORD_BYTES: Readonly<Record<ObjectKind, number>> = {
  aes256: 320,
  rsa2048: 1600,
  'ec-p256': 512,
  data: 320,
}

const label = (kind: ObjectKind, index: number): string => `${kind} ${String(index).padStart(6, '0')}`

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

/** Puts so many objects into the officer's partition. */
export async function fill(end: Officer, kind: ObjectKind, count: number): Promise<void> {
  const { client, session } = end
  switch (kind) {
    case 'aes256':
      for (let i = 0; i < count; i++) await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, aesKey(i))
      return
    case 'rsa2048':
      return unwrapMany(end, kind, protocol.CKK_RSA, fixture('signer-rsa-2048.key.pem'), count)
    case 'ec-p256':
      return unwrapMany(end, kind, protocol.CKK_EC, fixture('tls-p256.key.pem'), count)
    case 'data':
      for (let i = 0; i < count; i++) {
        const template = [...own(kind, i, protocol.CKO_DATA), bytes(protocol.CKA_VALUE, Buffer.alloc(64, i))]
        await client.objects.create(session, template)
      }
  }
}

export async function handlesOf({ client, session }: Officer): Promise<number[]> {
  return (await client.objects.list(session)).map(({ handle }) => handle)
}
