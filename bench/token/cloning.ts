// A backup as it is measured: the whole clone job between two log-ins, hellos and close included.

import { clone } from '../../host/client/index.js'
import { BenchError } from '../harness/bench.js'
import { clockNow } from '../harness/rounds.js'
import { type Officer, PROFILE } from './tokens.js'

export interface Backup {
  /** Nanoseconds per object. */
  readonly cost: number
  /** Handles on the target, in the order of the source's. */
  readonly handles: readonly number[]
}

/** Clones all of them. @throws BenchError where one was not stored */
export async function backup(source: Officer, target: Officer, handles: readonly number[]): Promise<Backup> {
  const started = clockNow('wall')
  const stored: number[] = []
  let refusal = ''
  for await (const { code, newHandle } of clone(source, target, { handles, profile: PROFILE })) {
    if (newHandle !== undefined) stored.push(newHandle)
    else refusal = code
  }
  const taken = clockNow('wall') - started
  if (stored.length !== handles.length) {
    throw new BenchError(`${stored.length} of ${handles.length} objects were stored: ${refusal}`)
  }
  return { cost: taken / stored.length, handles: stored }
}

/** Empties the partition. */
export async function clear({ client, session }: Officer): Promise<void> {
  await client.partitions.clear(session)
}
