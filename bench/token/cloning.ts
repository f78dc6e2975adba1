// A backup as it is measured: the whole clone job between two log-ins, hellos and close included.

import { clone } from '../../host/client/index.js'
import { BenchError } from '../harness/bench.js'
import { clockNow } from '../harness/rounds.js'
import { type Officer, PROFILE } from './tokens.js'

/** Clones all of them; nanoseconds per object. @throws BenchError where one was not stored */
export async function backup(source: Officer, target: Officer, handles: readonly number[]): Promise<number> {
  const started = clockNow('wall')
  let stored = 0
  let refusal = ''
  for await (const { ckr, code } of clone(source, target, { handles, profile: PROFILE })) {
    if (ckr === 0) stored++
    else refusal = code
  }
  const taken = clockNow('wall') - started
  if (stored !== handles.length) throw new BenchError(`${stored} of ${handles.length} objects were stored: ${refusal}`)
  return taken / stored
}

/** Empties the partition. */
export async function clear({ client, session }: Officer): Promise<void> {
  await client.partitions.clear(session)
}
