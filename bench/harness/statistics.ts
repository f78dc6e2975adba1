import { BenchError, type Row, type RowSpec, type Samples } from './bench.js'

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (upper === undefined || lower === undefined) throw new BenchError('no value to take the median of')
  return (upper + lower) / 2
}

/** The ratio of every round: ours and the baseline of one round saw the same machine. */
export function ratios(kind: RowSpec['ratio'], { ours, baseline }: Samples): number[] {
  if (ours.length === 0 || ours.length !== baseline.length) {
    throw new BenchError(`${ours.length} rounds of ours against ${baseline.length} of the baseline`)
  }
  return ours.map((own, round) => {
    const other = baseline[round] ?? Number.NaN
    if (!(own > 0 && other > 0)) throw new BenchError('a cost is not above zero')
    return kind === 'speed' ? other / own : own / other
  })
}

export function measuredRow(spec: RowSpec, samples: Samples): Row {
  const all = ratios(spec.ratio, samples)
  return {
    id: spec.id,
    unit: spec.unit,
    ours: spec.present(median(samples.ours)),
    baseline: spec.present(median(samples.baseline)),
    baselineName: spec.baselineName,
    ratio: median(all),
    min: Math.min(...all),
    max: Math.max(...all),
    runs: all.length,
  }
}

export function missingRow({ id, unit, baselineName }: RowSpec, why: string): Row {
  return {
    id,
    unit,
    ours: null,
    baseline: null,
    baselineName,
    ratio: null,
    min: null,
    max: null,
    runs: 0,
    notMeasured: why,
  }
}

/** Whether a row misses its gate; rows without one, or not measured, do not. */
export function missesGate({ ratio: kind, gate }: RowSpec, { ratio }: Row): boolean {
  if (gate === undefined || ratio === null) return false
  return kind === 'speed' ? ratio < gate : ratio > gate
}
