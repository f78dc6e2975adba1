// What the two threads of a campaign say to each other.
import type { Tally } from './engine/campaign.js'
import type { FindingRecord } from './engine/finding-file.js'
import type { writeInput } from './engine/input.js'

/** What the main thread gives. */
export interface Orders {
  readonly targets: readonly string[]
  readonly seed: number
  readonly fault: string | undefined
  /** Int32: see FLAG. */
  readonly flags: SharedArrayBuffer
  /** The input that runs now, as JSON. */
  readonly input: SharedArrayBuffer
}

/** Places in `flags`. */
export const FLAG = { stop: 0, running: 1, runs: 2, inputLength: 3 } as const
export const INPUT_SIZE = 4 * 1024 * 1024

export type Message =
  | { readonly kind: 'firmware'; readonly digest: string; readonly compiledIn: number | undefined }
  | { readonly kind: 'tally'; readonly tally: Tally }
  | {
      readonly kind: 'found'
      readonly record: Omit<FindingRecord, 'steps'> & { readonly steps: ReturnType<typeof writeInput> }
    }
  | { readonly kind: 'done' }
