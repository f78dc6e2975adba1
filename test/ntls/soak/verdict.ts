import type { SoakReport } from './run.js'

/**
 * Bytes that the heap may grow by for each command: nothing that a command could leave behind, such as a row of a table with what it
 * is about, is smaller.
 */
const PER_COMMAND = 64
/** Bytes that an object or a session takes which a client of the soak remembers: on a slow machine they get more to the end. */
const REMEMBERED = 1024
/** Bytes that the engine may take more in all: code that it compiles late, and what it learns of it. */
const ENGINE = 1024 * 1024
/** Standard errors of the line that are not taken for growth: a slow machine does few commands in a minute, and samples scatter. */
const DOUBT = 3
/** Bytes that the process may grow by: what the engine keeps for young objects (three spaces of 16 MiB) comes and goes. */
const RESIDENT = 48 * 1024 * 1024

export interface Verdict {
  /** Bytes per command, by the line that fits the samples best. */
  readonly growth: number
  readonly resident: number
  readonly flat: boolean
}

/** Whether memory was flat while the clients worked. */
export function verdictOf({ samples, measured, remembered }: SoakReport): Verdict {
  const { slope, error } = lineOf(samples.map(({ heap }) => heap))
  const intervals = samples.length - 1
  const growth = measured > 0 ? (slope * intervals) / measured : 0
  const allowed = PER_COMMAND * measured + REMEMBERED * Math.max(remembered, 0) + ENGINE
  const third = Math.ceil(samples.length / 3)
  // The least of each third: what is there for a moment, as while the engine compiles, is no growth.
  const least = (some: readonly { readonly resident: number }[]): number =>
    some.length > 0 ? Math.min(...some.map((one) => one.resident)) : 0
  const resident = least(samples.slice(-third)) - least(samples.slice(0, third))
  return { growth, resident, flat: (slope - DOUBT * error) * intervals < allowed && resident < RESIDENT }
}

/** Least squares: what the values grow by from one to the next, and its standard error. */
function lineOf(values: readonly number[]): { readonly slope: number; readonly error: number } {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  let [above, below] = [0, 0]
  for (const [x, y] of values.entries()) {
    above += (x - middle) * (y - mean)
    below += (x - middle) ** 2
  }
  if (values.length < 3) return { slope: 0, error: 0 }
  const slope = above / below
  let rest = 0
  for (const [x, y] of values.entries()) rest += (y - mean - slope * (x - middle)) ** 2
  return { slope, error: Math.sqrt(rest / (values.length - 2) / below) }
}
