import {
  ROLE_AUDITOR,
  ROLE_AUTH_PASSWORD,
  ROLE_AUTH_PED,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_SO,
} from '../../assembly/protocol.js'
import { badLine } from './errors.js'
import { MASK } from './io.js'
import { literals } from './literals.js'
import { type Phrase, phrases } from './phrases.js'

export interface RoleName {
  readonly role: number
  readonly name: string
  readonly short: string
}

/** The names that `-name` takes, in any case. */
export const ROLE_NAMES: readonly RoleName[] = [
  { role: ROLE_SO, name: 'SO', short: 'so' },
  { role: ROLE_PARTITION_SO, name: 'Partition SO', short: 'po' },
  { role: ROLE_CRYPTO_OFFICER, name: 'Crypto Officer', short: 'co' },
  { role: ROLE_CRYPTO_USER, name: 'Crypto User', short: 'cu' },
  { role: ROLE_AUDITOR, name: 'Auditor', short: 'au' },
]

const AUTHENTICATION_TYPES: ReadonlyMap<number, Phrase> = new Map([
  [ROLE_AUTH_PASSWORD, phrases.authPin],
  [ROLE_AUTH_PED, phrases.authPed],
])

/** @throws CommandError where there is no such role */
export function findRole(text: string): RoleName {
  const wanted = text.trim().replace(/\s+/g, ' ').toLowerCase()
  const found = ROLE_NAMES.find(({ name, short }) => name.toLowerCase() === wanted || short === wanted)
  // A password typed without its option comes along with the name.
  const [first = '', ...more] = text.trim().split(/\s+/)
  if (!found) throw badLine(literals.unknownRole, more.length > 0 ? `${first} ${MASK}` : first)
  return found
}

export function roleName(role: number): string {
  return ROLE_NAMES.find((one) => one.role === role)?.name ?? `role ${role}`
}

/** How `role show` calls a ROLE_AUTH_… value. */
export function authenticationType(type: number): string {
  return (AUTHENTICATION_TYPES.get(type) ?? phrases.authNone).text()
}
