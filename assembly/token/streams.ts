// Encryption in parts goes on from the newest state of its session alone: a state that came back twice would put one key stream on two
// texts (SP 800-38D §8). What a state holds is the client's to carry; here stands which one is next.

import { sessionRow } from './sessions'

@unmanaged
class Stream {
  session: u32
  unused: u32
  /** Number of the state that may come back, 0 = none. */
  next: u64
}

const ROW: usize = 16
/** A row for each of 2,048 sessions. */
const TABLE: usize = memory.data(32768, 16)

let given: u64 = 0

function row(session: u32): Stream {
  return changetype<Stream>(TABLE + <usize>sessionRow(session) * ROW)
}

/** A number for the next state of the session's stream, which makes all others of it worthless. */
export function streamNext(session: u32): u64 {
  const s = row(session)
  given += 1
  s.session = session
  s.next = given
  return given
}

/** Takes a state back, once; false where it is not the newest. */
export function streamTake(session: u32, number: u64): bool {
  const s = row(session)
  if (s.session !== session || s.next === 0 || s.next !== number) return false
  s.next = 0
  return true
}
