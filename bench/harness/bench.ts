// What a benchmark is: a group of rows that are measured together, in the same interleaved rounds.
import type { ChildProcess } from 'node:child_process'

/** One row of the table before it is measured. */
export interface RowSpec {
  readonly id: string
  /** Unit of `ours` and `baseline`. */
  readonly unit: string
  readonly baselineName: string
  /**
   * What the ratio says. `speed`: how many times faster ours is than the baseline, more is better. `cost`: how many times
   * what the baseline costs ours costs, less is better.
   */
  readonly ratio: 'speed' | 'cost'
  /** What is compared, for `--list`. */
  readonly what: string
  /** The ratio the project wants to see on a quiet machine: at least (speed), at most (cost). */
  readonly target?: number
  /** The ratio that even a machine with other work has to reach; `--gate` fails where a row misses it. */
  readonly gate?: number
  /** From the cost of one unit of work (nanoseconds, or bytes where the row is about memory) to `unit`. */
  present(cost: number): number
}

/** One row as `--json` writes it; a row that could not be measured says why and has no numbers. */
export interface Row {
  readonly id: string
  readonly unit: string
  readonly ours: number | null
  readonly baseline: number | null
  readonly baselineName: string
  /** Median over the rounds of the ratio within each round, then the smallest and the greatest of them. */
  readonly ratio: number | null
  readonly min: number | null
  readonly max: number | null
  /** Rounds. */
  readonly runs: number
  readonly notMeasured?: string
}

/** Costs per unit of work, one per round; the rounds of both lists are the same ones. */
export interface Samples {
  readonly ours: readonly number[]
  readonly baseline: readonly number[]
  /** A line for below the table: what a reader of the number has to know. */
  readonly note?: string
}

/** What a group works with. */
export interface Context {
  /** Fewer rounds and smaller sizes. */
  readonly quick: boolean
  /** Makes a folder that goes when the program ends. */
  folder(name: string): string
  /** A child process that must not outlive this one. */
  adopt(child: ChildProcess): void
  /** Tells whoever waits what is being done. */
  progress(text: string): void
}

export interface Group {
  readonly rows: readonly RowSpec[]
  /** Measures the rows asked for. @throws Unavailable where what they are compared with is not installed */
  measure(wanted: ReadonlySet<string>, context: Context): Promise<ReadonlyMap<string, Samples>>
}

/** Something that a row is compared with is not on this machine. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly code = 'BASELINE_MISSING'
}

/** What was measured is not what was meant to be: the numbers would lie. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
  readonly code = 'BENCH_FAILED'
}

const NS_PER_SECOND = 1e9

/** Units of work a second. */
export const perSecond = (nanoseconds: number): number => NS_PER_SECOND / nanoseconds
/** Megabytes a second, where the unit of work is one byte. */
export const megabytesPerSecond = (nanoseconds: number): number => 1e3 / nanoseconds
export const inMicroseconds = (nanoseconds: number): number => nanoseconds / 1e3
export const inMilliseconds = (nanoseconds: number): number => nanoseconds / 1e6
export const asItIs = (cost: number): number => cost
