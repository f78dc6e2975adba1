import { RC_ERROR_STATE, STATE_ERROR } from '../../assembly/protocol.js'
import { reasonOf, type Slot, type TokenClient, TokenError, type TokenStatus } from '../client/index.js'
import type { Context } from './context.js'
import { CommandError } from './errors.js'
import { literals, type RenderedLine, rendered } from './literals.js'

/**
 * A command that met an HSM in its error state is told only that: which HSM it is, and why, its status says. Every other
 * error stays as it is.
 */
export async function explainErrorState(context: Context, error: unknown): Promise<unknown> {
  if (!(error instanceof TokenError && error.rc === RC_ERROR_STATE)) return error
  const lines = (await failedSlots(context)).flatMap(({ slot, status }) => explain(slot, status))
  return lines.length === 0 ? error : new CommandError({ value: error.ckr, name: error.code }, lines, { cause: error })
}

/** @throws TokenError CKR_DEVICE_ERROR where the HSM answers for its status only, and what it says of itself is not to be trusted */
export function refuseErrorState(status: TokenStatus): void {
  if (status.state === STATE_ERROR) throw new TokenError(RC_ERROR_STATE, 0)
}

/** The first slot of every HSM that is in its error state. */
async function failedSlots(context: Context): Promise<{ slot: Slot; status: TokenStatus }[]> {
  const seen = new Set<TokenClient>()
  const failed: { slot: Slot; status: TokenStatus }[] = []
  for (const slot of await context.slots()) {
    if (seen.has(slot.client)) continue
    seen.add(slot.client)
    const status = await slot.client.status().catch(() => undefined)
    if (status?.state === STATE_ERROR) failed.push({ slot, status })
  }
  return failed
}

function explain(slot: Slot, status: TokenStatus): RenderedLine[] {
  const reason = reasonOf(status.error)
  const explained = literals.reason(reason)
  return [...rendered(literals.errorState, slot.id, reason), ...(explained ? rendered(explained) : [])]
}
