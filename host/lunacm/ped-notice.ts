// Whether a command will come as far as asking the PED. The token decides; here it is foreseen from what the token says of
// itself, so that nobody is sent to the PED for a command that is refused at once. Where it cannot be foreseen it is said.

import {
  ADMIN_PARTITION,
  HSM_POLICY_SINGLE_DOMAIN,
  HSM_POLICY_SO_RESET_PIN,
  ROLE_AUDITOR,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_SO,
} from '../../assembly/protocol.js'
import { type RoleInfo, type Slot, TokenError } from '../client/index.js'
import type { Context, OpenSession } from './context.js'

/** Who makes a role and its challenge; the Auditor nobody. */
const MAKERS: ReadonlyMap<number, number> = new Map([
  [ROLE_CRYPTO_OFFICER, ROLE_PARTITION_SO],
  [ROLE_CRYPTO_USER, ROLE_CRYPTO_OFFICER],
])

/** `role init` */
export async function asksToMakeRole(context: Context, slot: Slot, session: OpenSession, role: number) {
  const info = await roleOf(slot, session, role)
  if (!info || info.initialized) return false
  if (role === ROLE_AUDITOR) return (await context.session(slot, ADMIN_PARTITION)).role !== ROLE_SO
  return session.role === MAKERS.get(role) && !(await slot.client.status()).backup
}

/** `role changepw` */
export async function asksToChange(slot: Slot, session: OpenSession, role: number): Promise<boolean> {
  return session.role === role && (await roleOf(slot, session, role)) !== undefined
}

/** `role resetpw` */
export async function asksToReset(slot: Slot, session: OpenSession, role: number): Promise<boolean> {
  if (session.role !== ROLE_PARTITION_SO || !MAKERS.has(role)) return false
  if (!(await roleOf(slot, session, role))?.initialized) return false
  return hsmPolicyIsOn(slot, HSM_POLICY_SO_RESET_PIN)
}

/** `role createchallenge` without a challenge that is given */
export async function asksToShowChallenge(slot: Slot, session: OpenSession, role: number): Promise<boolean> {
  if (session.role === undefined || session.role !== MAKERS.get(role)) return false
  return (await roleOf(slot, session, role))?.initialized ?? false
}

/** `role setdomain` */
export async function asksForAuditDomain(slot: Slot, session: OpenSession): Promise<boolean> {
  return session.role === ROLE_AUDITOR && !(await slot.client.audit.status()).domain
}

/** `partition init` */
export async function asksToInitPartition(slot: Slot, session: OpenSession): Promise<boolean> {
  if (slot.partition === ADMIN_PARTITION || (await slot.client.status()).backup) return false
  const { initialized, legacy } = await slot.client.partitions.info(slot.partition)
  return !legacy && (!initialized || session.role === ROLE_PARTITION_SO)
}

/** `partition create -label` */
export async function asksToMakeContainer(slot: Slot, admin: OpenSession, label: string): Promise<boolean> {
  if (admin.role !== ROLE_SO) return false
  return (await slot.client.partitions.list()).every((one) => one.label !== label)
}

/** A domain of its own is asked for, unless the HSM gives all partitions its own. */
export async function asksForDomain(slot: Slot): Promise<boolean> {
  return !(await hsmPolicyIsOn(slot, HSM_POLICY_SINGLE_DOMAIN))
}

/** `partition domainadd -domainped` */
export async function asksForAnotherDomain(slot: Slot, session: OpenSession): Promise<boolean> {
  const { extendedDomains } = await slot.client.status()
  if (!extendedDomains || slot.partition === ADMIN_PARTITION) return false
  const { legacy } = await slot.client.partitions.info(slot.partition)
  return session.role === (legacy ? ROLE_CRYPTO_OFFICER : ROLE_PARTITION_SO)
}

/** Undefined where the partition has no such role. */
async function roleOf(slot: Slot, { handle }: OpenSession, role: number): Promise<RoleInfo | undefined> {
  try {
    return await slot.client.roles.info(handle, role)
  } catch (error) {
    if (error instanceof TokenError) return undefined
    throw error
  }
}

async function hsmPolicyIsOn(slot: Slot, id: number): Promise<boolean> {
  const policies = await slot.client.hsm.policies()
  return policies.some((policy) => policy.id === id && policy.value !== 0)
}
