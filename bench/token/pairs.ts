// A source that holds objects and an empty target: prepared in memory, saved as folders, opened on threads of their own or here.
import { BenchError, type Context } from '../harness/bench.js'
import type { Contender } from '../harness/rounds.js'
import { type Backup, backup, clear } from './cloning.js'
import { fill, handlesOf, type ObjectKind, RECORD_BYTES } from './objects.js'
import { type Officer, Prepared } from './tokens.js'

export type Direction = 'backup' | 'restore'

/** What a record has beside the attribute list of its object: head, tag, commit word, half of the padding. */
const RECORD_OVERHEAD = 104 + 16 + 4 + 8

export interface PreparedPair {
  readonly source: Prepared
  readonly target: Prepared
  readonly handles: readonly number[]
  /** Bytes of an object's attribute list. */
  readonly bytes: number
}

export interface Folders {
  readonly source: string
  readonly target: string
  readonly handles: readonly number[]
}

/** Two tokens at work. */
export interface Pair {
  readonly source: Officer
  readonly target: Officer
  readonly handles: readonly number[]
}

export async function pairOf(kind: ObjectKind, count: number, direction: Direction): Promise<PreparedPair> {
  const room = RECORD_BYTES[kind] * count
  const hsm = await Prepared.make('hsm', room)
  const device = await Prepared.make('backup', room)
  await fill(hsm, kind, count)
  let [source, target] = [hsm, device]
  if (direction === 'restore') {
    await backup(hsm.officer, device.officer, await handlesOf(hsm.officer))
    await clear(hsm.officer)
    ;[source, target] = [device, hsm]
  }
  const handles = await handlesOf(source.officer)
  const { rows } = await source.officer.client.objects.page(source.officer.session)
  const [first] = rows
  if (handles.length !== count || !first) throw new BenchError(`${handles.length} of ${count} objects are there`)
  return { source, target, handles, bytes: first.size - RECORD_OVERHEAD }
}

export function save({ source, target, handles }: PreparedPair, context: Context): Folders {
  const folders = { source: context.folder('source'), target: context.folder('target'), handles }
  source.save(folders.source)
  target.save(folders.target)
  return folders
}

/** The same two tokens twice. */
export function saveTwice(pair: PreparedPair, context: Context): [Folders, Folders] {
  return [save(pair, context), save(pair, context)]
}

export async function openFolders(folders: Folders, open: (folder: string) => Promise<Officer>): Promise<Pair> {
  return { source: await open(folders.source), target: await open(folders.target), handles: folders.handles }
}

/** Empties the target, then moves everything; the emptying is not measured. */
export async function moveAll({ source, target, handles }: Pair): Promise<Backup> {
  await clear(target)
  return backup(source, target, handles)
}

/** The real time of `moveAll`. */
export const whole =
  (pair: Pair): Contender =>
  async () =>
    (await moveAll(pair)).cost
