import type { Random } from '../../fuzz/engine/random.js'

/** An AES key or a data object as its maker knows it. */
export interface Thing {
  readonly handle: number
  readonly label: string
  readonly value: Buffer
  readonly isKey: boolean
  readonly isPrivate: boolean
  /** Outlives its session. */
  readonly isToken: boolean
}

/** What one session of a client has made and not destroyed; nobody else touches it. */
export class SessionModel {
  readonly things = new Map<number, Thing>()
  made = 0

  constructor(
    /** Handle at the HSM; another one once it was closed and opened again. */
    public session: number,
    /** CKA_ID of all that it makes. */
    readonly id: Buffer,
    readonly random: Random,
  ) {}

  pick(fits: (thing: Thing) => boolean): Thing | undefined {
    const fitting = [...this.things.values()].filter(fits)
    return fitting.length > 0 ? this.random.pick(fitting) : undefined
  }
}
