import { BenchError, type Context, type Group, type Row, type RowSpec, Unavailable } from './bench.js'
import { measuredRow, missingRow } from './statistics.js'

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
