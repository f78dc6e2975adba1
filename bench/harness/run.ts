import { type Context, type Group, type Row, type RowSpec, Unavailable } from './bench.js'
import { measuredRow, missingRow } from './statistics.js'

export interface Measured {
  readonly spec: RowSpec
  readonly row: Row
  readonly note: string | undefined
}

/** Measures one group; a baseline that is missing leaves its rows without numbers. */
export async function measure(group: Group, only: readonly string[], context: Context): Promise<Measured[]> {
  const wanted = group.rows.filter(({ id }) => only.includes(id))
  if (wanted.length === 0) return []
  try {
    const results = await group.measure(new Set(wanted.map(({ id }) => id)), context)
    return wanted.map((spec) => {
      const samples = results.get(spec.id)
      const row = samples ? measuredRow(spec, samples) : missingRow(spec, 'the benchmark gave no number')
      return { spec, row, note: samples?.note }
    })
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    return wanted.map((spec) => ({ spec, row: missingRow(spec, error.message), note: undefined }))
  }
}
