// Attributes by the names that the utility's options have.

import * as protocol from '../../assembly/protocol.js'
import { type Attribute, attribute, boolValue, textValue, ulongValue } from '../client/index.js'
import type { CmuArguments } from './arguments.js'
import { CmuError } from './errors.js'

type Kind = 'text' | 'bool' | 'number' | 'hex'

export interface KnownAttribute {
  readonly name: string
  readonly type: number
  readonly kind: Kind
}

const known = (name: string, type: number, kind: Kind): KnownAttribute => ({ name, type, kind })

export const ATTRIBUTES: readonly KnownAttribute[] = [
  known('class', protocol.CKA_CLASS, 'number'),
  known('keyType', protocol.CKA_KEY_TYPE, 'number'),
  known('label', protocol.CKA_LABEL, 'text'),
  known('id', protocol.CKA_ID, 'hex'),
  known('token', protocol.CKA_TOKEN, 'bool'),
  known('private', protocol.CKA_PRIVATE, 'bool'),
  known('modifiable', protocol.CKA_MODIFIABLE, 'bool'),
  known('sensitive', protocol.CKA_SENSITIVE, 'bool'),
  known('alwaysSensitive', protocol.CKA_ALWAYS_SENSITIVE, 'bool'),
  known('extractable', protocol.CKA_EXTRACTABLE, 'bool'),
  known('neverExtractable', protocol.CKA_NEVER_EXTRACTABLE, 'bool'),
  known('local', protocol.CKA_LOCAL, 'bool'),
  known('encrypt', protocol.CKA_ENCRYPT, 'bool'),
  known('decrypt', protocol.CKA_DECRYPT, 'bool'),
  known('sign', protocol.CKA_SIGN, 'bool'),
  known('verify', protocol.CKA_VERIFY, 'bool'),
  known('wrap', protocol.CKA_WRAP, 'bool'),
  known('unwrap', protocol.CKA_UNWRAP, 'bool'),
  known('derive', protocol.CKA_DERIVE, 'bool'),
  known('modulusBits', protocol.CKA_MODULUS_BITS, 'number'),
  known('modulus', protocol.CKA_MODULUS, 'hex'),
  known('publicExponent', protocol.CKA_PUBLIC_EXPONENT, 'hex'),
  known('ecParams', protocol.CKA_EC_PARAMS, 'hex'),
  known('ecPoint', protocol.CKA_EC_POINT, 'hex'),
  known('value', protocol.CKA_VALUE, 'hex'),
  known('valueLen', protocol.CKA_VALUE_LEN, 'number'),
  known('certificateType', protocol.CKA_CERTIFICATE_TYPE, 'number'),
  known('subject', protocol.CKA_SUBJECT, 'hex'),
  known('issuer', protocol.CKA_ISSUER, 'hex'),
  known('serialNumber', protocol.CKA_SERIAL_NUMBER, 'hex'),
  known('startDate', protocol.CKA_START_DATE, 'text'),
  known('endDate', protocol.CKA_END_DATE, 'text'),
  known('keyGenMechanism', protocol.CKA_KEY_GEN_MECHANISM, 'number'),
  known('ouid', protocol.CKA_OUID, 'hex'),
]

/** @throws CmuError CMU_USAGE */
export function attributeNamed(name: string): KnownAttribute {
  const found = ATTRIBUTES.find((one) => one.name.toLowerCase() === name.toLowerCase())
  if (!found) throw new CmuError('CMU_USAGE', `There is no attribute '${name}'`)
  return found
}

export const CLASSES: readonly (readonly [name: string, value: number])[] = [
  ['data', protocol.CKO_DATA],
  ['certificate', protocol.CKO_CERTIFICATE],
  ['public', protocol.CKO_PUBLIC_KEY],
  ['private', protocol.CKO_PRIVATE_KEY],
  ['secret', protocol.CKO_SECRET_KEY],
]

export const KEY_TYPES: readonly (readonly [name: string, value: number])[] = [
  ['rsa', protocol.CKK_RSA],
  ['ecdsa', protocol.CKK_EC],
  ['ec', protocol.CKK_EC],
  ['generic', protocol.CKK_GENERIC_SECRET],
  ['aes', protocol.CKK_AES],
]

export const namedIn = (list: readonly (readonly [string, number])[], value: number): string =>
  list.find(([, one]) => one === value)?.[0] ?? (value === protocol.UNAVAILABLE ? '' : `0x${value.toString(16)}`)

/** @throws CmuError CMU_USAGE */
export function valueIn(list: readonly (readonly [string, number])[], option: string, name: string): number {
  const found = list.find(([one]) => one === name.toLowerCase())
  if (found) return found[1]
  const all = list.map(([one]) => one).join(', ')
  throw new CmuError('CMU_USAGE', `Option '-${option}' is one of ${all}, not '${name}'`)
}

/** A value as the utility shows it. */
export function shown({ type, kind }: KnownAttribute, value: Uint8Array): string {
  if (type === protocol.CKA_CLASS) return namedIn(CLASSES, ulongValue(value))
  if (type === protocol.CKA_KEY_TYPE) return namedIn(KEY_TYPES, ulongValue(value))
  if (kind === 'bool') return boolValue(value) ? 'true' : 'false'
  if (kind === 'text') return textValue(value)
  if (kind === 'number') {
    const number = ulongValue(value)
    return number === protocol.UNAVAILABLE ? 'unavailable' : String(number)
  }
  return Buffer.from(value).toString('hex')
}

/** The attributes of these names that the line gives. @throws CmuError CMU_USAGE */
export function givenAttributes(args: CmuArguments, names: readonly string[]): Attribute[] {
  return names.flatMap((name): Attribute[] => {
    const { type, kind } = attributeNamed(name)
    if (kind === 'bool') {
      const value = args.flag(name)
      return value === undefined ? [] : [attribute.bool(type, value)]
    }
    if (kind === 'hex') {
      const value = args.bytes(name)
      return value === undefined ? [] : [attribute.bytes(type, value)]
    }
    const value = args.text(name)
    return value === undefined ? [] : [attribute.text(type, value)]
  })
}
