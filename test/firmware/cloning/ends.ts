// The two ends of a cloning session: a partition of the firmware, and the oracle with certificates of its own under the test root.
import { createCipheriv, createHash } from 'node:crypto'
import * as protocol from '../../../assembly/protocol.js'
import { ckrName, type ObjectRow, reasonOf } from '../../../host/client/index.js'
import { TEXT, textDomain } from '../../oracle/obc1/crypto.js'
import type { CloneObject } from '../../oracle/obc1/envelope.js'
import { sourceToken, targetToken } from '../../oracle/obc1/known-answers.js'
import type { Result } from '../../oracle/obc1/messages.js'
import { Source } from '../../oracle/obc1/source.js'
import { type Store, Target } from '../../oracle/obc1/target.js'
import type { Domain, Token } from '../../oracle/obc1/token.js'
import { type Officer, prepare, SECRETS } from '../support/officer.js'
import { TestToken, type TokenOptions } from '../support/test-token.js'

/** The text domain of `prepare`, as the oracle has it. */
export const DOMAIN: Domain = { vector: textDomain(SECRETS.domain), type: TEXT }

/** Crypto Officer on a new password HSM; tokens of different names share no key. */
export async function firmwareEnd(
  name: string,
  options: TokenOptions & { readonly size?: bigint } = {},
): Promise<Officer> {
  const { size, ...token } = options
  return prepare(await TestToken.make(token, { seed: name }), size === undefined ? {} : { size })
}

/** The oracle as a password HSM in the common domain, unless told otherwise. */
export const oracleSource = (more: Partial<Token> = {}): Source =>
  new Source(sourceToken({ flags: 0, domains: [DOMAIN], ...more }))

/** The oracle with a store that refuses what it has already; handles count from 1. */
export function oracleTarget(more: Partial<Token> = {}): { target: Target; stored: CloneObject[] } {
  const stored: CloneObject[] = []
  const store: Store = (object) => {
    if (stored.some(({ ouid }) => ouid.equals(object.ouid))) return { code: protocol.RC_OBJECT_ALREADY_EXISTS }
    return { code: protocol.RC_OK, handle: stored.push(object) }
  }
  return { target: new Target(targetToken({ flags: 0, domains: [DOMAIN], ...more }), store), stored }
}

/** Hellos from the oracle to the firmware: the source may send now. */
export async function helloTo(to: Officer, source = oracleSource()): Promise<Source> {
  const m2 = await to.client.cloning.targetInit(to.session, source.init())
  source.targetHello(Buffer.from(m2))
  return source
}

/** Hellos from the firmware to the oracle: the firmware may send now. */
export async function helloFrom(from: Officer, target: Target): Promise<void> {
  const m1 = await from.client.cloning.sourceInit(from.session)
  await from.client.cloning.sourceHello(from.session, target.init(Buffer.from(m1)))
}

/** M3 in, M4 out. */
export async function deliver(to: Officer, m3: Uint8Array, continueOnError = true): Promise<Buffer> {
  return Buffer.from(await to.client.cloning.targetBatch(to.session, m3, continueOnError))
}

/** One batch from the oracle to the firmware. */
export async function send(
  to: Officer,
  source: Source,
  objects: readonly CloneObject[],
  last = false,
): Promise<Result[]> {
  return source.result(await deliver(to, source.batch(objects, { last })))
}

/** What failed of what an M4 says: index → name of its CKR value. */
export const failures = (results: readonly { readonly code: number }[]): Record<number, string> =>
  Object.fromEntries(results.flatMap(({ code }, i) => (code === protocol.RC_OK ? [] : [[i, ckrName(code)]])))

/** What a source held back: index → row of the return code table. */
export const refusals = (codes: readonly number[]): Record<number, string> =>
  Object.fromEntries(codes.flatMap((code, i) => (code === protocol.RC_OK ? [] : [[i, reasonOf(code)]])))

/** All objects that the officer sees, by handle: the token lists them in an order of its own. */
export async function objectsOf({ client, session }: Officer): Promise<ObjectRow[]> {
  return (await client.objects.list(session)).sort((a, b) => a.handle - b.handle)
}

export async function objectCount({ client, partition }: Officer): Promise<number> {
  return (await client.partitions.info(partition)).objects
}

/** The message with bits of one byte changed. */
export function flip(message: Uint8Array, at: number, mask = 0x40): Buffer {
  const changed = Buffer.from(message)
  changed.writeUInt8(changed.readUInt8(at) ^ mask, at)
  return changed
}

/** First bytes of a hash of the name. */
export const bytesOf = (name: string, length: number): Buffer =>
  createHash('sha512').update(name).digest().subarray(0, length)

const PRIVATE_TOKEN_OBJECT = protocol.BIT_TOKEN | protocol.BIT_PRIVATE | protocol.BIT_MODIFIABLE

/** An AES-256 key of the oracle's: private, sensitive, extractable; OUID and value follow from the number. */
export const aesObject = (i: number, more: Partial<CloneObject> = {}): CloneObject => ({
  handle: 1000 + i,
  ouid: bytesOf(`ouid ${i}`, 12),
  class: protocol.CKO_SECRET_KEY,
  keyType: protocol.CKK_AES,
  bits: PRIVATE_TOKEN_OBJECT | protocol.BIT_SENSITIVE | protocol.BIT_EXTRACTABLE,
  attributes: [
    { type: protocol.CKA_LABEL, value: Buffer.from(`key ${i}`) },
    { type: protocol.CKA_VALUE, value: bytesOf(`value ${i}`, 32) },
    { type: protocol.CKA_VALUE_LEN, value: Buffer.of(0, 0, 0, 32) },
    { type: protocol.CKA_ENCRYPT, value: Buffer.of(1) },
  ],
  ...more,
})

/** A data object of the oracle's that anybody may read. */
export const dataObjectOf = (i: number, value: Buffer): CloneObject => ({
  handle: 5000 + i,
  ouid: bytesOf(`data ouid ${i}`, 12),
  class: protocol.CKO_DATA,
  keyType: protocol.UNAVAILABLE,
  bits: protocol.BIT_TOKEN | protocol.BIT_MODIFIABLE,
  attributes: [
    { type: protocol.CKA_LABEL, value: Buffer.from(`data ${i}`) },
    { type: protocol.CKA_VALUE, value },
  ],
})

/** Value of an attribute of the oracle's object; fails where it has none. */
export function attributeOf(object: CloneObject | undefined, type: number): Buffer {
  const found = object?.attributes.find((attribute) => attribute.type === type)
  if (!found) throw new Error(`the object has no attribute 0x${type.toString(16)}`)
  return found.value
}

/** CKA_CHECK_VALUE of an AES key: a block of zeros encrypted, its first three bytes. */
export function checkValueOf(key: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-ecb`, key, null)
  return cipher.update(Buffer.alloc(16)).subarray(0, 3)
}
