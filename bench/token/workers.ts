// Two tokens in two threads against both on one: the same backup of the same objects, durable in either case.
import { type Group, perSecond, type RowSpec } from '../harness/bench.js'
import { interleave } from '../harness/rounds.js'
import { openFolders, pairOf, saveTwice, whole } from './pairs.js'
import { openHere, openInWorker } from './tokens.js'

const COUNT = 10_000
const QUICK_COUNT = 2000

/** Rounds until V8 has compiled what runs, in each of three threads: before, a tenth of both cores is its own. */
const WARMUPS = 25

const WORKERS: RowSpec = {
  id: 'workers2',
  unit: 'objects/s',
  baselineName: 'both tokens on one thread',
  ratio: 'speed',
  what: `backup of ${COUNT} AES-256 keys, durable, source and target in a worker thread each, against both on the client's thread`,
  target: 1.6,
  gate: 0.7,
  present: perSecond,
}

export const workers: Group = {
  rows: [WORKERS],
  async measure(_wanted, context) {
    const count = context.quick ? QUICK_COUNT : COUNT
    context.progress(`backup of ${count} AES-256 keys in two threads and in one`)
    const pair = await pairOf('aes256', count, 'backup')
    const [two, one] = saveTwice(pair, context)
    const [inWorkers, here] = [await openFolders(two, openInWorker), await openFolders(one, openHere)]
    const contenders = { two: whole(inWorkers), one: whole(here) }
    const costs = await interleave(contenders, context.quick ? 7 : 25, { warmups: WARMUPS })
    for (const end of [inWorkers.source, inWorkers.target, here.source, here.target]) await end.close()
    const note = count === COUNT ? undefined : `${WORKERS.id}: ${count} objects`
    return new Map([[WORKERS.id, costs.against('two', 'one', note)]])
  },
}
