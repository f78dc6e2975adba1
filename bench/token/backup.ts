// Whole backups and restores between two boards, each in a worker thread, both with their files: durable, as a user gets them.
import { BenchError, type Context, type Group, perSecond, type RowSpec, type Samples } from '../harness/bench.js'
import { type Contender, interleave } from '../harness/rounds.js'
import { SoftHsmMigration } from '../softhsm/softhsm.js'
import { backup, clear } from './cloning.js'
import { cryptoAlone } from './crypto-alone.js'
import { fill, handlesOf, type ObjectKind, RECORD_BYTES } from './objects.js'
import { type Officer, openInWorker, Prepared } from './tokens.js'

interface Job {
  readonly spec: RowSpec
  readonly kind: ObjectKind
  readonly count: number
  readonly quickCount?: number
  readonly direction: 'backup' | 'restore'
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
  direction: Job['direction'],
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

/** What a record has beside the attribute list of its object: head, tag, commit word, half of the padding. */
const RECORD_OVERHEAD = 104 + 16 + 4 + 8

interface Pair {
  readonly source: Officer
  readonly target: Officer
  readonly handles: readonly number[]
  /** Bytes of an object's attribute list. */
  readonly bytes: number
}

/** A source that holds the objects and an empty target, on real folders. */
export async function openPair(
  context: Context,
  kind: ObjectKind,
  count: number,
  direction: Job['direction'],
): Promise<Pair> {
  const room = RECORD_BYTES[kind] * count
  const hsm = await Prepared.make('hsm', room)
  const device = await Prepared.make('backup', room)
  await fill(hsm.officer, kind, count)
  let [source, target] = [hsm, device]
  if (direction === 'restore') {
    await backup(hsm.officer, device.officer, await handlesOf(hsm.officer))
    await clear(hsm.officer)
    ;[source, target] = [device, hsm]
  }
  const rows = await source.officer.client.objects.list(source.officer.session)
  const [first] = rows
  if (rows.length !== count || !first) throw new BenchError(`${rows.length} of ${count} objects are there`)
  const folders = [context.folder('source'), context.folder('target')] as const
  source.save(folders[0])
  target.save(folders[1])
  await hsm.officer.close()
  await device.officer.close()
  return {
    source: await openInWorker(folders[0]),
    target: await openInWorker(folders[1]),
    handles: rows.map(({ handle }) => handle),
    bytes: first.size - RECORD_OVERHEAD,
  }
}

/** Empties the target, then moves everything; the emptying is not measured. */
const whole =
  ({ source, target, handles }: Pair): Contender =>
  async () => {
    await clear(target)
    return backup(source, target, handles)
  }

export const backups: Group = {
  rows: JOBS.map(({ spec }) => spec),
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    for (const { spec, kind, count, quickCount, direction } of JOBS) {
      if (!wanted.has(spec.id)) continue
      const actual = context.quick ? (quickCount ?? count) : count
      context.progress(`${direction} of ${actual} ${NAMES[kind]}`)
      const pair = await openPair(context, kind, actual, direction)
      const contenders = { whole: whole(pair), alone: cryptoAlone(pair.bytes, context.quick ? 20 : 100) }
      const costs = await interleave(contenders, context.quick ? 3 : 9, { warmups: 2 })
      results.set(
        spec.id,
        costs.against('whole', 'alone', actual === count ? undefined : `${spec.id}: ${actual} objects`),
      )
      await pair.source.close()
      await pair.target.close()
    }
    return results
  },
}

const KEYS = 1000
/** Keys that SoftHSM2 moves in a quick round: what one costs does not depend on how many there are. */
const QUICK_KEYS = 40

const AGAINST_SOFTHSM: RowSpec = {
  id: 'backup1000-vs-softhsm2',
  unit: 'objects/s',
  baselineName: 'SoftHSM2, wrap and unwrap',
  ratio: 'speed',
  what: `backup of ${KEYS} AES-256 keys, durable, against C_WrapKey and C_UnwrapKey between two SoftHSM2 tokens, token objects`,
  target: 100,
  present: perSecond,
}

export const softHsm: Group = {
  rows: [AGAINST_SOFTHSM],
  async measure(_wanted, context) {
    context.progress(`${AGAINST_SOFTHSM.what}; SoftHSM2 takes its time`)
    const keys = context.quick ? QUICK_KEYS : KEYS
    const migration = await SoftHsmMigration.start(keys, context)
    const pair = await openPair(context, 'aes256', KEYS, 'backup')
    const once = whole(pair)
    // SoftHSM2 has nothing to warm up, and a round of it is long.
    await once()
    const costs = await interleave({ once, softhsm: () => migration.run() }, 3, { warmups: 0 })
    migration.end()
    await pair.source.close()
    await pair.target.close()
    const note = `${AGAINST_SOFTHSM.id}: SoftHSM2 moves ${keys} keys a round; its file store writes without fsync, ours syncs every batch`
    return new Map([[AGAINST_SOFTHSM.id, costs.against('once', 'softhsm', note)]])
  },
}
