import { BenchError, type Context, type Group, type Row, type RowSpec, Unavailable } from './bench.js'
import { measuredRow, missesGate, missingRow } from './statistics.js'

export interface Measured {
  readonly spec: RowSpec
  readonly row: Row
  readonly note: string | undefined
  /** Why the benchmark itself failed; the row has no numbers then. */
  readonly failure: unknown
}

/** Measures one group; a baseline that is missing, or a failure, leaves its rows without numbers. */
export async function measure(group: Group, only: readonly string[], context: Context): Promise<Measured[]> {
  const wanted = group.rows.filter(({ id }) => only.includes(id))
  if (wanted.length === 0) return []
  const missing = (why: string, failure?: unknown): Measured[] =>
    wanted.map((spec) => ({ spec, row: missingRow(spec, why), note: undefined, failure }))
  try {
    const results = await group.measure(new Set(wanted.map(({ id }) => id)), context)
    return wanted.map((spec) => {
      const samples = results.get(spec.id)
      if (!samples) throw new BenchError(`${spec.id}: the benchmark gave no numbers`)
      return { spec, row: measuredRow(spec, samples), note: samples.note, failure: undefined }
    })
  } catch (error) {
    if (error instanceof Unavailable) return missing(error.message)
    return missing(`failed: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

/** Times that a row which misses its gate is measured again before it is believed. */
const AGAIN = 2

/**
 * Measures what misses its gate again: a gate says what the code can do, and something else may have had the machine the first time. The
 * last numbers of a row count.
 */
export async function measureAgain(
  groups: readonly Group[],
  measured: readonly Measured[],
  context: Context,
): Promise<Measured[]> {
  const rows = new Map(measured.map((one) => [one.spec.id, one]))
  for (let times = 0; times < AGAIN; times++) {
    const slow = [...rows.values()].filter(({ spec, row }) => missesGate(spec, row)).map(({ spec }) => spec.id)
    if (slow.length === 0) break
    context.progress(`again, because it misses its gate: ${slow.join(', ')}`)
    for (const group of groups) for (const one of await measure(group, slow, context)) rows.set(one.spec.id, one)
  }
  return [...rows.values()]
}
