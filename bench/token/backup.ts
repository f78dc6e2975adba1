// Whole backups and restores between two boards, each in a worker thread, both with their files: durable, as a user gets them.
import { type Group, perSecond, type RowSpec, type Samples } from '../harness/bench.js'
import { Costs, interleave } from '../harness/rounds.js'
import { median } from '../harness/statistics.js'
import { SoftHsmMigration } from '../softhsm/softhsm.js'
import { cryptoAlone } from './crypto-alone.js'
import type { ObjectKind } from './objects.js'
import { type Direction, moveAll, openFolders, pairOf, save, whole } from './pairs.js'
import { openInWorker } from './tokens.js'

interface Job {
  readonly spec: RowSpec
  readonly kind: ObjectKind
  readonly count: number
  readonly quickCount?: number
  readonly direction: Direction
}

const ALONE = 'its crypto alone, one thread'
const NAMES: Readonly<Record<ObjectKind, string>> = {
  aes256: 'AES-256 keys',
  rsa2048: 'RSA-2048 private keys',
  'ec-p256': 'P-256 private keys',
  data: 'data objects of 64 bytes',
}

function job(
  id: string,
  direction: Direction,
  kind: ObjectKind,
  count: number,
  more: { target?: number; quickCount?: number } = {},
): Job {
  const { target, ...rest } = more
  const spec: RowSpec = {
    id,
    unit: 'objects/s',
    baselineName: ALONE,
    ratio: 'speed',
    what: `${direction} of ${count} ${NAMES[kind]}, durable, a thread for each token, against the cost of its crypto in one`,
    ...(target === undefined ? {} : { target }),
    present: perSecond,
  }
  return { spec, direction, kind, count, ...rest }
}

/** Half the speed of the crypto alone is what the project aims at. */
const AIM = 0.5

const JOBS: readonly Job[] = [
  job('backup10-aes256', 'backup', 'aes256', 10),
  job('backup1000-aes256', 'backup', 'aes256', 1000, { target: AIM }),
  job('backup10000-aes256', 'backup', 'aes256', 10_000, { quickCount: 2000 }),
  job('restore1000-aes256', 'restore', 'aes256', 1000),
  job('backup-rsa2048', 'backup', 'rsa2048', 500, { target: AIM, quickCount: 100 }),
  job('restore-rsa2048', 'restore', 'rsa2048', 500, { quickCount: 100 }),
  job('backup-ec-p256', 'backup', 'ec-p256', 500, { quickCount: 100 }),
  job('backup-data', 'backup', 'data', 1000, { quickCount: 500 }),
]

/** Rounds until V8 has compiled most of what runs in the threads of the tokens: the crypto alone has no such threads. */
const WARMUPS = 10

/** The same backup in processor time: what a busy machine does not change. */
const work = ({ id, what, ...spec }: RowSpec): RowSpec => ({
  ...spec,
  id: `${id}-cpu`,
  what: `${what}, in processor time of everything that takes part`,
})

/** A group for each: what fails in one leaves the others alone. */
export const backups: readonly Group[] = JOBS.map(({ spec, kind, count, quickCount, direction }) => {
  const cpu = work(spec)
  return {
    rows: [spec, cpu],
    async measure(wanted, context) {
      const actual = context.quick ? (quickCount ?? count) : count
      context.progress(`${direction} of ${actual} ${NAMES[kind]}`)
      const prepared = await pairOf(kind, actual, direction)
      const pair = await openFolders(save(prepared, context), openInWorker)
      const worked = new Costs()
      const contenders = {
        whole: async () => {
          const { cost, processor } = await moveAll(pair)
          worked.add('processor', processor)
          return cost
        },
        alone: cryptoAlone(prepared.bytes, context.quick ? 20 : 100),
      }
      const [rounds, warmups] = context.quick ? [3, 2] : [15, WARMUPS]
      const costs = await interleave(contenders, rounds, { warmups })
      await pair.source.close()
      await pair.target.close()
      const note = actual === count ? undefined : `${spec.id}: ${actual} objects`
      const real = costs.against('whole', 'alone', note)
      const processor = worked.against('processor', 'processor').ours.slice(warmups)
      const results = new Map<string, Samples>()
      if (wanted.has(spec.id)) results.set(spec.id, real)
      if (wanted.has(cpu.id)) results.set(cpu.id, { ours: processor, baseline: real.baseline })
      return results
    },
  }
})

const KEYS = 1000
/** Keys that SoftHSM2 moves in a quick round: what one costs does not depend on how many there are. */
const QUICK_KEYS = 40

const against = (id: string, baselineName: string, how: string): RowSpec => ({
  id,
  unit: 'objects/s',
  baselineName,
  ratio: 'speed',
  what: `backup of ${KEYS} AES-256 keys, durable, against C_WrapKey and C_UnwrapKey between two SoftHSM2 tokens, ${how}`,
  present: perSecond,
})

const DURABLE: RowSpec = {
  ...against('backup1000-vs-softhsm2', 'SoftHSM2, synced', 'token objects, every file synced once at the end'),
  target: 100,
  gate: 60,
}
const UNSYNCED = against(
  'backup1000-vs-softhsm2-unsynced',
  'SoftHSM2, unsynced',
  'token objects, as it writes them: it never syncs',
)

export const softHsm: Group = {
  rows: [DURABLE, UNSYNCED],
  async measure(wanted, context) {
    context.progress(`${DURABLE.what}; SoftHSM2 takes its time`)
    const keys = context.quick ? QUICK_KEYS : KEYS
    const migration = await SoftHsmMigration.start(keys, context)
    const pair = await openFolders(save(await pairOf('aes256', KEYS, 'backup'), context), openInWorker)
    const once = whole(pair)
    // SoftHSM2 has nothing to warm up, and a round of it is long.
    await once()
    await once()
    const costs = new Costs()
    for (let round = 0; round < 3; round++) {
      // Ours is short: a few in a row say more than one.
      const ours = [await once(), await once(), await once()]
      costs.add('ours', median(ours))
      const theirs = await migration.run()
      costs.add('durable', theirs.durable)
      costs.add('unsynced', theirs.written)
    }
    migration.end()
    await pair.source.close()
    await pair.target.close()
    const note = keys === KEYS ? undefined : `${DURABLE.id}: SoftHSM2 moves ${keys} keys a round`
    const results = new Map<string, Samples>()
    if (wanted.has(DURABLE.id)) results.set(DURABLE.id, costs.against('ours', 'durable', note))
    if (wanted.has(UNSYNCED.id)) results.set(UNSYNCED.id, costs.against('ours', 'unsynced'))
    return results
  },
}
