// What the store should hold, in plain TypeScript: partitions with a size and objects. Knows nothing of flash.

/** One object as its user sees it. */
export interface ModelObject {
  readonly label: string
  /** Class and bits. */
  readonly kind: string
  /** Value or check value in hex; undefined where the token made it and nobody has read it yet. */
  readonly content: string | undefined
}

export interface ModelPartition {
  readonly label: string
  /** Bytes. */
  readonly size: bigint
  readonly objects: ReadonlyMap<number, ModelObject>
  /** Made by the command under way: their handles are not known yet. */
  readonly fresh: readonly ModelObject[]
  /** Every handle that it ever gave out. */
  readonly given: ReadonlySet<number>
}

export type Contents = ReadonlyMap<number, ModelPartition>

const NONE: readonly ModelObject[] = []

export const emptyPartition = (label: string, size: bigint): ModelPartition => ({
  label,
  size,
  objects: new Map(),
  fresh: NONE,
  given: new Set(),
})

/** The contents with one partition changed, or gone. */
export function withPartition(contents: Contents, id: number, partition: ModelPartition | undefined): Contents {
  const copy = new Map(contents)
  if (partition) copy.set(id, partition)
  else copy.delete(id)
  return copy
}

const same = (expected: ModelObject, seen: ModelObject): boolean =>
  expected.label === seen.label &&
  expected.kind === seen.kind &&
  (expected.content === undefined || expected.content === seen.content)

/** The partition as it is seen, where that is what was expected; the handles of what is fresh are learned. */
function adoptPartition(expected: ModelPartition, seen: ModelPartition): ModelPartition | string {
  if (expected.label !== seen.label || expected.size !== seen.size) return `size ${seen.size}, label ${seen.label}`
  const waiting = [...expected.fresh]
  for (const [handle, object] of seen.objects) {
    const known = expected.objects.get(handle)
    const at = known ? -1 : waiting.findIndex((one) => same(one, object))
    if (known ? !same(known, object) : at < 0) return `object ${handle}: ${JSON.stringify(object)}`
    if (!known && expected.given.has(handle)) return `handle ${handle} is given out again`
    if (at >= 0) waiting.splice(at, 1)
  }
  for (const handle of expected.objects.keys()) if (!seen.objects.has(handle)) return `object ${handle} is missing`
  if (waiting.length > 0) return `${waiting.length} objects are missing`
  return { ...seen, fresh: NONE, given: new Set([...expected.given, ...seen.objects.keys()]) }
}

/** What is seen, where that is what was expected; else why it is not. */
export function adopt(expected: Contents, seen: Contents): Contents | string {
  const adopted = new Map<number, ModelPartition>()
  for (const [id, partition] of expected) {
    const real = seen.get(id)
    if (!real) return `partition ${id} is missing`
    const one = adoptPartition(partition, real)
    if (typeof one === 'string') return `partition ${id}: ${one}`
    adopted.set(id, one)
  }
  for (const id of seen.keys()) if (!expected.has(id)) return `partition ${id} should not be`
  return adopted
}
