import type { TokenClient } from '../client/index.js'
import type { Session } from './sessions.js'

/** Milliseconds that an answer of the token about a log-in holds. */
const HOLDS = 100

interface Known {
  role: number | undefined
  /** Milliseconds of `performance.now()`; 0 = nothing is known. */
  until: number
  /** Counts log-ins and log-outs: an answer from before one says nothing. */
  changes: number
}

const states = new WeakMap<TokenClient, Map<number, Known>>()

function stateOf({ client, slot }: Session): Known {
  const all = states.get(client) ?? new Map<number, Known>()
  states.set(client, all)
  const known = all.get(slot.partition) ?? { role: undefined, until: 0, changes: 0 }
  all.set(slot.partition, known)
  return known
}

/**
 * The role that C_GetSessionInfo tells of; undefined = none. The token has said so, at most a tenth of a second ago: a log-in of the
 * program's own ends by its own calls, and otherwise only where somebody changes the token itself. Programs ask this in loops.
 */
export function shownRole(session: Session): number | undefined | Promise<number | undefined> {
  const known = stateOf(session)
  return performance.now() < known.until ? known.role : ask(session, known)
}

async function ask({ client, token }: Session, known: Known): Promise<number | undefined> {
  const before = known.changes
  const { role } = await client.sessionInfo(token)
  if (known.changes === before) {
    known.role = role
    known.until = performance.now() + HOLDS
  }
  return role
}

/** The program logs in or out there, or ends a session. */
export function loginChanges(session: Session): void {
  const known = stateOf(session)
  known.until = 0
  known.changes++
}
