// Whether a full partition is as fast as an almost empty one: the next objects are moved into, made in, found in and taken from
// partitions that hold many objects and few.
import { setImmediate } from 'node:timers/promises'
import * as protocol from '../../assembly/protocol.js'
import { attribute } from '../../host/client/index.js'
import {
  BenchError,
  type Context,
  type Group,
  inMicroseconds,
  perSecond,
  type RowSpec,
  type Samples,
} from '../harness/bench.js'
import { type Contender, Costs, clockNow, interleave } from '../harness/rounds.js'
import { type Backup, backup, clear } from './cloning.js'
import { aesKey, fill, handlesOf, label, RECORD_BYTES } from './objects.js'
import { type Officer, openInWorker, Prepared } from './tokens.js'

const FEW = 1000
const MANY = 100_000
const QUICK_MANY = 10_000
/** Objects that are moved in a round. */
const NEXT = 1000

const LIMIT = 1.3

const grows = (id: string, what: string, gate?: number): RowSpec => ({
  id,
  unit: 'µs/object',
  baselineName: `with ${FEW} objects there`,
  ratio: 'cost',
  what: `${what} a partition of ${MANY} objects against one of ${FEW}`,
  target: LIMIT,
  ...(gate === undefined ? {} : { gate }),
  present: inMicroseconds,
})

const BACKUP = grows('growth-100k', `backup of the next ${NEXT} AES-256 keys, durable, into`)
const BACKUP_WORK = grows(
  'growth-100k-cpu',
  `the processor time of a backup of the next ${NEXT} AES-256 keys into`,
  2.1,
)
const CREATE = grows('growth-create', 'making an AES key, without a disk, in')
const FIND = grows('growth-find', 'finding a key by its label in')
const DESTROY = grows('growth-destroy', 'destroying a key, without a disk, in')

const WHOLE: RowSpec = {
  id: 'backup100000-aes256',
  unit: 'objects/s',
  baselineName: `the same of ${FEW}`,
  ratio: 'speed',
  what: `backup of ${MANY} AES-256 keys, durable, a thread for each token, against one of ${FEW}`,
  present: perSecond,
}

/** The source of a backup, which holds `held` objects and NEXT more, and a target that holds the `held` ones. */
interface Stage {
  readonly held: number
  readonly source: Prepared
  readonly target: Prepared
  readonly handles: readonly number[]
}

async function stage(held: number, room: number): Promise<Stage> {
  const source = await Prepared.make('hsm', room)
  const target = await Prepared.make('backup', room)
  await fill(source, 'aes256', held + NEXT)
  const handles = await handlesOf(source.officer)
  await backup(source.officer, target.officer, handles.slice(0, held))
  return { held, source, target, handles }
}

/** Moves the next objects and takes them away again; only the moving is measured. */
async function moveNext(source: Officer, target: Officer, next: readonly number[]): Promise<Backup> {
  const moved = await backup(source, target, next)
  await target.client.objects.destroy(target.session, moved.handles)
  return moved
}

/** Costs by size, `many` and `few`, in real time; with `-cpu` behind it in processor time. */
async function measureBackups(stages: readonly [Stage, Stage], context: Context, rounds: number): Promise<Costs> {
  const open: Officer[] = []
  const turns: (() => Promise<Backup>)[] = []
  for (const { source, target, handles, held } of stages) {
    const folders = [context.folder('source'), context.folder('target')] as const
    source.save(folders[0])
    target.save(folders[1])
    const [from, to] = [await openInWorker(folders[0]), await openInWorker(folders[1])]
    open.push(from, to)
    turns.push(() => moveNext(from, to, handles.slice(held)))
  }
  const costs = new Costs()
  for (let round = -2; round < rounds; round++) {
    for (const [index, turn] of turns.entries()) {
      const { cost, processor } = await turn()
      if (round < 0) continue
      costs.add(SIZES[index] ?? '', cost)
      costs.add(`${SIZES[index]}-cpu`, processor)
    }
  }
  for (const end of open) await end.close()
  return costs
}

/** In the order of the stages. */
const SIZES = ['many', 'few'] as const

/** The whole of the source into an empty target, and the first few of it. */
async function measureWhole(
  { source, target, handles, held }: Stage,
  context: Context,
  rounds: number,
  note?: string,
): Promise<Samples> {
  const folders = [context.folder('source'), context.folder('target')] as const
  await clear(target.officer)
  source.save(folders[0])
  target.save(folders[1])
  const [from, to] = [await openInWorker(folders[0]), await openInWorker(folders[1])]
  const contend =
    (count: number): Contender =>
    async () => {
      await clear(to)
      return (await backup(from, to, handles.slice(0, count))).cost
    }
  const costs = await interleave({ all: contend(held), few: contend(FEW) }, rounds, { warmups: 0 })
  await from.close()
  await to.close()
  return costs.against('all', 'few', note)
}

/** Keys that a sample of the single commands makes, looks for and destroys. */
const SINGLE = 50

/** Makes, finds and destroys some keys, each by a command of its own; what each command costs goes to `costs`. */
async function single({ client, session }: Officer, size: string, costs: Costs): Promise<void> {
  const made: number[] = []
  const started = clockNow('cpu')
  for (let i = 0; i < SINGLE; i++) {
    made.push(await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, aesKey(OUT_OF_THE_WAY + i)))
  }
  const created = clockNow('cpu')
  for (let i = 0; i < SINGLE; i++) {
    const template = [attribute.text(protocol.CKA_LABEL, label('aes256', OUT_OF_THE_WAY + i))]
    const found = await client.objects.list(session, template)
    if (found.length !== 1 || found[0]?.handle !== made[i]) throw new BenchError('a key was not found by its label')
  }
  const searched = clockNow('cpu')
  for (const handle of made) await client.objects.destroy(session, [handle])
  costs.add(`create ${size}`, (created - started) / SINGLE)
  costs.add(`find ${size}`, (searched - created) / SINGLE)
  costs.add(`destroy ${size}`, (clockNow('cpu') - searched) / SINGLE)
}

/** Numbers for labels that no other key has. */
const OUT_OF_THE_WAY = 900_000

async function measureSingle([many, few]: readonly [Stage, Stage], rounds: number): Promise<Costs> {
  const warmUp = new Costs()
  for (let i = 0; i < 3; i++) {
    await single(many.source.officer, 'many', warmUp)
    await single(few.source.officer, 'few', warmUp)
  }
  const costs = new Costs()
  for (let round = 0; round < rounds; round++) {
    await single(many.source.officer, 'many', costs)
    await single(few.source.officer, 'few', costs)
    await setImmediate()
  }
  return costs
}

const SINGLE_ROWS = { create: CREATE, find: FIND, destroy: DESTROY } as const

export const growth: Group = {
  rows: [BACKUP, BACKUP_WORK, CREATE, FIND, DESTROY, WHOLE],
  async measure(wanted, context) {
    const held = context.quick ? QUICK_MANY : MANY
    const note = (id: string): string | undefined => (held === MANY ? undefined : `${id}: ${held} objects`)
    context.progress(`preparing tokens with ${held} objects`)
    const room = RECORD_BYTES.aes256 * (held + NEXT)
    const stages = [await stage(held, room), await stage(FEW, room)] as const
    const results = new Map<string, Samples>()
    if (wanted.has(BACKUP.id) || wanted.has(BACKUP_WORK.id)) {
      context.progress(BACKUP.what)
      const costs = await measureBackups(stages, context, context.quick ? 5 : 15)
      if (wanted.has(BACKUP.id)) results.set(BACKUP.id, costs.against('many', 'few', note(BACKUP.id)))
      if (wanted.has(BACKUP_WORK.id)) results.set(BACKUP_WORK.id, costs.against('many-cpu', 'few-cpu'))
    }
    if (Object.values(SINGLE_ROWS).some(({ id }) => wanted.has(id))) {
      context.progress('single commands in full and in almost empty partitions')
      const costs = await measureSingle(stages, context.quick ? 5 : 11)
      for (const [name, { id }] of Object.entries(SINGLE_ROWS)) {
        if (wanted.has(id)) results.set(id, costs.against(`${name} many`, `${name} few`, note(id)))
      }
    }
    if (wanted.has(WHOLE.id)) {
      context.progress(WHOLE.what)
      results.set(WHOLE.id, await measureWhole(stages[0], context, context.quick ? 2 : 3, note(WHOLE.id)))
    }
    return results
  },
}
