// Whether a token makes the IVs of GCM itself: where algorithms that FIPS does not approve are off (SPEC.md §2.4). How long a result
// will be hangs on it; the token decides.

import * as protocol from '../../assembly/protocol.js'
import type { TokenClient } from '../client/index.js'
import type { Session } from './sessions.js'

const { HSM_POLICY_NON_FIPS, POLICY_NON_FIPS } = protocol

const known = new WeakMap<TokenClient, Map<number, boolean>>()

/** The program has logged out there, the token is gone, or a result was not as long as expected. */
export function forgetIvs(client: TokenClient): void {
  known.delete(client)
}

/** Asks the token once per program and partition. */
export function makesIvs({ client, slot }: Session): boolean | Promise<boolean> {
  return known.get(client)?.get(slot.partition) ?? ask(client, slot.partition)
}

async function ask(client: TokenClient, partition: number): Promise<boolean> {
  const off = (policies: readonly { id: number; value: number }[], policy: number) =>
    policies.some(({ id, value }) => id === policy && value === 0)
  const makes =
    off(await client.hsm.policies(), HSM_POLICY_NON_FIPS) ||
    off(await client.partitions.policies(partition), POLICY_NON_FIPS)
  known.set(client, (known.get(client) ?? new Map<number, boolean>()).set(partition, makes))
  return makes
}
