// A backup as it is measured: the whole clone job between two log-ins, hellos and close included.

import { clone } from '../../host/client/index.js'
import { BenchError } from '../harness/bench.js'
import { clockNow } from '../harness/rounds.js'
import { type Officer, PROFILE } from './tokens.js'

export interface Backup {
  /** Nanoseconds per object, of real time and of processor time: both tokens, client and disk. */
  readonly cost: number
  readonly processor: number
  /** Handles on the target, in the order of the source's. */
  readonly handles: readonly number[]
}

/** Clones all of them. @throws BenchError where one was not stored */
export async function backup(source: Officer, target: Officer, handles: readonly number[]): Promise<Backup> {
  const [started, worked] = [clockNow('wall'), clockNow('cpu')]
  const stored: number[] = []
  let refusal = ''
  for await (const { code, newHandle } of clone(source, target, { handles, profile: PROFILE })) {
    if (newHandle !== undefined) stored.push(newHandle)
    else refusal = code
  }
  const [taken, work] = [clockNow('wall') - started, clockNow('cpu') - worked]
  if (stored.length !== handles.length) {
    throw new BenchError(`${stored.length} of ${handles.length} objects were stored: ${refusal}`)
  }
  return { cost: taken / stored.length, processor: work / stored.length, handles: stored }
}

/** Empties the partition. */
export async function clear({ client, session }: Officer): Promise<void> {
  await client.partitions.clear(session)
}
