import {
  RC_USER_NOT_AUTHORIZED,
  RC_USER_NOT_LOGGED_IN,
  ROLE_AUTH_PASSWORD,
  ROLE_CRYPTO_OFFICER,
} from '../../assembly/protocol.js'
import { DEFAULT_DOMAIN, type Slot } from '../client/index.js'
import type { Context, OpenSession } from './context.js'
import { refusal } from './errors.js'
import { literals, rendered, textOf } from './literals.js'

/** What a role needs to log in. */
export interface Credentials {
  /** The PED will be asked. */
  readonly ped: boolean
  /** A password, or on PED-authenticated HSMs the challenge, is needed. */
  readonly password: boolean
  readonly activated: boolean
}

/**
 * What `role` needs on this session (DESIGN.md "Behaviour"): the PED unless the role is activated, the challenge where it
 * has one; on password-authenticated HSMs the password.
 */
export async function credentials(
  context: Context,
  slot: Slot,
  session: OpenSession,
  role: number,
): Promise<Credentials> {
  if (!(await context.isPedAuthenticated(slot))) return { ped: false, password: true, activated: false }
  const { activated, initialized, lockedOut, hasChallenge, secondary } = await slot.client.roles.info(
    session.handle,
    role,
  )
  const password = hasChallenge || secondary === ROLE_AUTH_PASSWORD
  // Nobody is sent to the PED for a log-in that is refused before it is asked.
  const ped = !activated && initialized && !lockedOut && session.role === undefined
  return { ped, password, activated }
}

/** The current slot with its Crypto Officer logged in. @throws CommandError CKR_USER_NOT_LOGGED_IN */
export async function loggedInOfficer(context: Context): Promise<{ slot: Slot; session: OpenSession }> {
  const slot = await context.current()
  const session = await context.session(slot)
  if (session.role === undefined) throw refusal(RC_USER_NOT_LOGGED_IN, literals.officerMissing, slot.id)
  if (session.role !== ROLE_CRYPTO_OFFICER) throw refusal(RC_USER_NOT_AUTHORIZED, literals.officerMissing, slot.id)
  return { slot, session }
}

/** The value of a secret option, asked for where it was left out. */
export async function secretOption(context: Context, name: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given
  return context.output.secret(rendered(literals.notSupplied, name), textOf(literals.enterPassword))
}

/** The value of an option that sets a new password, asked for twice where it was left out. */
export async function newSecretOption(context: Context, name: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given
  const announcement = rendered(literals.notSupplied, name)
  return context.output.newSecret(announcement, textOf(literals.enterNewPassword), textOf(literals.reenterNewPassword))
}

/** The domain of a new partition on a password-authenticated HSM. */
export async function domainOption(context: Context, given: string | undefined, useDefault: boolean): Promise<string> {
  if (given !== undefined || useDefault) return given || DEFAULT_DOMAIN
  const announcement = rendered(literals.notSpecified, 'domain')
  const [question, again] = [textOf(literals.enterDomain), textOf(literals.reenterDomain)]
  return (await context.output.newSecret(announcement, question, again)) || DEFAULT_DOMAIN
}
