// Attributes between a program's C bytes and the token's form (SPEC.md §4).

import * as protocol from '../../assembly/protocol.js'
import { type Attribute, attribute, boolValue, ulongValue } from '../client/index.js'
import { type CkAttribute, kindOf, ulongBytes, ulongFrom } from './attribute-codec.js'
import { UNAVAILABLE } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'

const { CKO_CERTIFICATE, CKO_DATA, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY } = protocol
const ANY = [CKO_DATA, CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY, CKO_SECRET_KEY]
const KEYS = [CKO_PUBLIC_KEY, CKO_PRIVATE_KEY, CKO_SECRET_KEY]

/** Numbers that the vendor has added: on p11-kit's wire they are bytes, as all that it does not know. */
const VENDOR_NUMBERS: ReadonlySet<number> = new Set([protocol.CKA_USAGE_COUNT, protocol.CKA_USAGE_LIMIT])
const valueKind = (type: number) => (VENDOR_NUMBERS.has(type) ? 'ulong' : kindOf(type))

const CKA_COPYABLE = 0x171
const CKA_DESTROYABLE = 0x172
const CKA_ALWAYS_AUTHENTICATE = 0x202
const CKA_WRAP_WITH_TRUSTED = 0x210

interface Default {
  readonly value: Uint8Array
  readonly classes: readonly number[]
  /** The token knows no other value: it is never sent one. */
  readonly fixed: boolean
}

const [no, yes, none] = [Uint8Array.of(0), Uint8Array.of(1), new Uint8Array(0)]
const fixed = (value: Uint8Array, classes: readonly number[]): Default => ({ value, classes, fixed: true })
const empty = (classes: readonly number[]): Default => ({ value: none, classes, fixed: false })

/** Attributes that objects have although the token does not store them: those that are the same on all, and those that are empty until they are set. */
const DEFAULTS: ReadonlyMap<number, Default> = new Map([
  [CKA_COPYABLE, fixed(yes, ANY)],
  [CKA_DESTROYABLE, fixed(yes, ANY)],
  [CKA_ALWAYS_AUTHENTICATE, fixed(no, [CKO_PRIVATE_KEY])],
  [CKA_WRAP_WITH_TRUSTED, fixed(no, [CKO_PRIVATE_KEY, CKO_SECRET_KEY])],
  [protocol.CKA_TRUSTED, fixed(no, [CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_SECRET_KEY])],
  [protocol.CKA_SIGN_RECOVER, fixed(no, [CKO_PRIVATE_KEY])],
  [protocol.CKA_VERIFY_RECOVER, fixed(no, [CKO_PUBLIC_KEY])],
  [protocol.CKA_LABEL, empty(ANY)],
  [protocol.CKA_APPLICATION, empty([CKO_DATA])],
  [protocol.CKA_OBJECT_ID, empty([CKO_DATA])],
  [protocol.CKA_ISSUER, empty([CKO_CERTIFICATE])],
  [protocol.CKA_SERIAL_NUMBER, empty([CKO_CERTIFICATE])],
  [protocol.CKA_SUBJECT, empty([CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY])],
  [protocol.CKA_ID, empty([CKO_CERTIFICATE, ...KEYS])],
  [protocol.CKA_START_DATE, empty([CKO_CERTIFICATE, ...KEYS])],
  [protocol.CKA_END_DATE, empty([CKO_CERTIFICATE, ...KEYS])],
])

export function hasDefault(type: number): boolean {
  return DEFAULTS.has(type)
}

/** The value of an attribute that the token does not store; undefined = objects of this class have none. */
export function defaultOf(type: number, objectClass: number): Uint8Array | undefined {
  const known = DEFAULTS.get(type)
  return known?.classes.includes(objectClass) ? known.value : undefined
}

/** @throws Pkcs11Error ATTRIBUTE_VALUE_INVALID */
function tokenValue({ type, value }: CkAttribute): Uint8Array {
  const kind = valueKind(type)
  if (value === undefined) throw new Pkcs11Error(CKR.ATTRIBUTE_VALUE_INVALID)
  if (kind === 'byte' || type === CKA_DESTROYABLE) {
    const [byte] = value
    if (value.length !== 1 || byte === undefined) throw new Pkcs11Error(CKR.ATTRIBUTE_VALUE_INVALID)
    // Any other number than 0 is true in C.
    return byte === 0 ? no : yes
  }
  if (kind !== 'ulong') return value
  const number = ulongFrom(value)
  if (number === undefined) throw new Pkcs11Error(CKR.ATTRIBUTE_VALUE_INVALID)
  if (number >= UNAVAILABLE) return attribute.ulong(type, protocol.UNAVAILABLE).value
  if (number > 0xffffffff) throw new Pkcs11Error(CKR.ATTRIBUTE_VALUE_INVALID)
  return attribute.ulong(type, number).value
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

function isTwice(list: readonly CkAttribute[]): boolean {
  return new Set(list.map(({ type }) => type)).size !== list.length
}

/**
 * A template for an object that is made or changed. What the token takes for granted is left out where the program says the same.
 * @throws Pkcs11Error ATTRIBUTE_VALUE_INVALID; TEMPLATE_INCONSISTENT: an attribute stands there twice
 */
export function tokenTemplate(list: readonly CkAttribute[]): Attribute[] {
  if (isTwice(list)) throw new Pkcs11Error(CKR.TEMPLATE_INCONSISTENT)
  return list.flatMap((one): Attribute[] => {
    const value = tokenValue(one)
    const known = DEFAULTS.get(one.type)
    if (known && isSame(known.value, value)) return []
    return [{ type: one.type, value }]
  })
}

/** A template to search with; undefined = nothing can match. */
export function searchTemplate(list: readonly CkAttribute[]): Attribute[] | undefined {
  if (isTwice(list)) return undefined
  const wanted: Attribute[] = []
  for (const one of list) {
    const value = tokenValue(one)
    const known = DEFAULTS.get(one.type)
    if (!known?.fixed) wanted.push({ type: one.type, value })
    else if (!isSame(known.value, value)) return undefined
  }
  return wanted
}

/** A value of the token in the bytes of a C program. */
export function callerValue(type: number, value: Uint8Array): Uint8Array {
  const kind = valueKind(type)
  if (kind === 'byte') return boolValue(value) ? yes : no
  if (kind !== 'ulong') return value
  const number = ulongValue(value)
  return ulongBytes(number === protocol.UNAVAILABLE ? UNAVAILABLE : number)
}

/** Whether a template asks for a token object. */
export function isTokenObject(list: readonly Attribute[]): boolean {
  return list.some(({ type, value }) => type === protocol.CKA_TOKEN && value[0] === 1)
}
