import type { SoakReport } from './run.js'

/**
 * Bytes that the heap may grow by for each command: nothing that a command could leave behind, such as a row of a table with what it
 * is about, is smaller. What the samples of a minute scatter by is a quarter of it.
 */
const PER_COMMAND = 64
/** Bytes that the process may grow by: what the engine keeps for young objects (three spaces of 16 MiB) comes and goes. */
const RESIDENT = 48 * 1024 * 1024

export interface Verdict {
  /** Bytes per command, by the line that fits the samples best. */
  readonly growth: number
  readonly resident: number
  readonly flat: boolean
}

/** Whether memory was flat while the clients worked. */
export function verdictOf({ samples, measured }: SoakReport): Verdict {
  const slope = slopeOf(samples.map(({ heap }) => heap))
  const growth = measured > 0 ? (slope * (samples.length - 1)) / measured : 0
  const third = Math.ceil(samples.length / 3)
  const mean = (some: readonly { readonly resident: number }[]): number =>
    some.reduce((sum, one) => sum + one.resident, 0) / Math.max(some.length, 1)
  const resident = mean(samples.slice(-third)) - mean(samples.slice(0, third))
  return { growth, resident, flat: growth < PER_COMMAND && resident < RESIDENT }
}

/** Least squares, per sample. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  let [above, below] = [0, 0]
  for (const [x, y] of values.entries()) {
    above += (x - middle) * y
    below += (x - middle) ** 2
  }
  return below === 0 ? 0 : above / below
}
