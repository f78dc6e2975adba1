import type { BoardOptions } from '../board/index.js'
import { type RandomBytes, seededRandom, systemRandom } from '../client/index.js'

/** Board settings that a lab passes on: a seed and a virtual clock make it deterministic. */
export interface BoardSettings extends Pick<BoardOptions, 'clock'> {
  /** Each board draws from a stream of its own: two with one stream would have the same keys. */
  readonly trng?: { readonly seed: string }
}

/** Where the virtual clocks of a seeded lab stand, unless its boards are told otherwise. */
const SEEDED_TIME = Date.UTC(2026, 0, 1)

/**
 * Where a lab gets its random bytes. With a seed everything in it that draws any has a stream named after itself, so that
 * the same work gives the same frames and images whatever runs beside it; without one they are the system's.
 */
export class Chance {
  /** @param use names what the lab is opened for: the same seed gives other clients, but the same boards */
  constructor(
    private readonly seed: string | undefined,
    private readonly use: string,
  ) {}

  source(name: string): RandomBytes {
    return this.seed === undefined ? systemRandom : seededRandom(JSON.stringify([this.seed, this.use, name]))
  }

  board(name: string, given: BoardSettings = {}): BoardSettings {
    const seed = given.trng?.seed ?? this.seed
    if (seed === undefined) return given
    const clock = given.clock ?? (this.seed === undefined ? undefined : { virtualFrom: SEEDED_TIME })
    return { trng: { seed: JSON.stringify([seed, 'board', name]) }, ...(clock ? { clock } : {}) }
  }
}
