import * as protocol from '../../assembly/protocol.js'
import { type TokenClient, TokenError, ulongValue } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { tokenHandle } from './handlers.js'
import { forgetIvs } from './made-ivs.js'
import { kindOf } from './mechanism-kinds.js'
import type { OperationKind, Session } from './sessions.js'

const { CKA_CLASS, CKA_EC_PARAMS, CKA_KEY_TYPE, CKA_MODULUS, CKA_SUBPRIME } = protocol
const { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY } = protocol

/** Operations with a key. */
export type KeyedKind = Exclude<OperationKind, 'digest'>

const USAGES: Readonly<Record<KeyedKind, { usage: number; keyClass: number }>> = {
  encrypt: { usage: protocol.CKA_ENCRYPT, keyClass: CKO_PUBLIC_KEY },
  decrypt: { usage: protocol.CKA_DECRYPT, keyClass: CKO_PRIVATE_KEY },
  sign: { usage: protocol.CKA_SIGN, keyClass: CKO_PRIVATE_KEY },
  verify: { usage: protocol.CKA_VERIFY, keyClass: CKO_PUBLIC_KEY },
}

/** Bytes of the order of a curve for old programs, by the last byte of its name. */
const older = (prefix: string, orders: readonly (readonly [number, ...number[]])[]): [string, number][] =>
  orders.flatMap(([bytes, ...last]) =>
    last.map((one): [string, number] => [prefix + one.toString(16).padStart(2, '0'), bytes]),
  )

const OLDER: ReadonlyMap<string, number> = new Map([
  ...older('06052b810400', [
    [14, 6, 7],
    [16, 28, 29],
    [21, 8, 9, 30],
    [24, 31],
    [28, 33],
    [29, 32],
  ]),
  ...older('06082a8648ce3d0301', [
    [24, 1, 2, 3],
    [30, 4, 5, 6],
  ]),
  ...older('06092b24030302080101', [
    [20, 1, 2],
    [24, 3, 4],
    [28, 5, 6],
    [32, 7, 8],
    [40, 9, 10],
    [48, 11, 12],
    [64, 13, 14],
  ]),
])
/** Of curves that are written out it is no more than this. */
const LARGEST_ORDER = 66

/** Bytes of the order, and but for older curves of a coordinate, by the DER of the curve's name. */
const CURVES: Readonly<Record<string, number>> = {
  '06082a8648ce3d030107': 32,
  '06052b8104000a': 32,
  '06052b81040022': 48,
  '06052b81040023': 66,
  '06032b6570': 32,
  '06032b6571': 57,
  '130c656477617264733235353139': 32,
  '130a65647761726473343438': 57,
}

function orderOf(curve: Uint8Array): number {
  const name = Buffer.from(curve).toString('hex')
  return CURVES[name] ?? OLDER.get(name) ?? LARGEST_ORDER
}

/** What an operation has to know of its key. */
export interface KeyInfo {
  readonly handle: number
  /** Bytes of an RSA modulus, of the order of an EC or DSA group; 0 for secret keys. */
  readonly width: number
}

/** What the token has said of a key. */
interface KeyFacts extends KeyInfo {
  readonly keyClass: number
  readonly keyType: number
  readonly usages: ReadonlySet<number>
}

const KINDS = Object.values(USAGES).map(({ usage }) => usage)
const FACTS = [CKA_CLASS, CKA_KEY_TYPE, CKA_MODULUS, CKA_SUBPRIME, CKA_EC_PARAMS, ...KINDS]
/** Keys of one program at one token that are remembered; the one that was looked at first makes room. */
const REMEMBERED = 1024

const remembered = new WeakMap<TokenClient, Map<string, KeyFacts>>()
const nameOf = ({ slot }: Session, handle: number): string => `${slot.partition} ${handle}`

/** A key was changed or destroyed. */
export function forgetKey(session: Session, handle: number): void {
  remembered.get(session.client)?.delete(nameOf(session, handle))
}

/** The program has logged out there, or the token is gone. */
export function forgetKeys(client: TokenClient): void {
  remembered.delete(client)
  forgetIvs(client)
}

/** Asks the token once per program. The token looks at the key again whenever it uses it: what is remembered decides nothing alone. */
function factsOf(session: Session, handle: number): KeyFacts | Promise<KeyFacts> {
  const name = nameOf(session, handle)
  return remembered.get(session.client)?.get(name) ?? ask(session, handle, name)
}

async function ask(session: Session, handle: number, name: string): Promise<KeyFacts> {
  const rows = await session.client.objects.get(session.token, handle, FACTS).catch((error: unknown) => {
    const unknown = error instanceof TokenError && error.ckr === CKR.OBJECT_HANDLE_INVALID
    throw unknown ? new Pkcs11Error(CKR.KEY_HANDLE_INVALID, undefined, { cause: error }) : error
  })
  const values = new Map(rows.filter(({ code }) => code === protocol.RC_OK).map(({ type, value }) => [type, value]))
  const [is, keyType] = [values.get(CKA_CLASS), values.get(CKA_KEY_TYPE)]
  // Data and certificates are no keys.
  if (!is || !keyType || ulongValue(keyType) === protocol.UNAVAILABLE) throw new Pkcs11Error(CKR.KEY_HANDLE_INVALID)
  const curve = values.get(CKA_EC_PARAMS)
  const facts: KeyFacts = {
    handle,
    width: values.get(CKA_MODULUS)?.length ?? values.get(CKA_SUBPRIME)?.length ?? (curve ? orderOf(curve) : 0),
    keyClass: ulongValue(is),
    keyType: ulongValue(keyType),
    usages: new Set(KINDS.filter((usage) => values.get(usage)?.[0] === 1)),
  }
  const all = remembered.get(session.client) ?? new Map<string, KeyFacts>()
  remembered.set(session.client, all.set(name, facts))
  const [oldest] = all.keys()
  if (all.size > REMEMBERED && oldest !== undefined) all.delete(oldest)
  return facts
}

/**
 * Looks at the key that an operation begins with; the token looks again when it uses it.
 * @throws Pkcs11Error KEY_HANDLE_INVALID, KEY_TYPE_INCONSISTENT, KEY_FUNCTION_NOT_PERMITTED; what the token answers
 */
export function keyFor(session: Session, kind: KeyedKind, type: number, key: number): KeyInfo | Promise<KeyInfo> {
  const facts = factsOf(session, tokenHandle(key, CKR.KEY_HANDLE_INVALID))
  return facts instanceof Promise ? facts.then((told) => usable(told, kind, type)) : usable(facts, kind, type)
}

function usable(facts: KeyFacts, kind: KeyedKind, type: number): KeyInfo {
  const { usage, keyClass } = USAGES[kind]
  const isOfClass = facts.keyClass === keyClass || facts.keyClass === CKO_SECRET_KEY
  if (!isOfClass || !kindOf(type)?.keys.includes(facts.keyType)) throw new Pkcs11Error(CKR.KEY_TYPE_INCONSISTENT)
  if (!facts.usages.has(usage)) throw new Pkcs11Error(CKR.KEY_FUNCTION_NOT_PERMITTED)
  return facts
}
