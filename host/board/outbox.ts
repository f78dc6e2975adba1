import type { BoardError } from './errors.js'
import { beginAlive, type Peripherals, syncAlive } from './imports.js'

/** Hands something to whoever is outside. */
export type Output = () => void

/** A write under way, and what leaves the board when it is done. */
interface Write {
  readonly outputs: Output[]
}

/** What leaves a board, in order: each output once all it rests on is durable. */
export class Outbox {
  readonly #ready: Output[] = []
  #write: Write | undefined
  /** They rest on changes that were made after that write had begun. */
  #held: Output[] = []

  /**
   * @param isBusy whether the board has other work while the disk has some
   * @param attempt does what may fail with an error of the disk, once a write is over
   */
  constructor(
    private readonly chips: Peripherals,
    private readonly isBusy: () => boolean,
    private readonly attempt: (work: () => void) => void,
  ) {}

  /** Whether the disk has to answer before something can leave. */
  get isWriting(): boolean {
    return this.#write !== undefined
  }

  /** Rests on nothing. */
  put(output: Output): void {
    this.#ready.push(output)
  }

  /**
   * Lets outputs go once all that was done so far is durable: now, or where more work waits when the disk is through. What comes
   * meanwhile becomes durable together. Throws STATE_IO, POWER_CUT.
   */
  release(outputs: readonly Output[]): void {
    const { memory } = this.chips
    if (this.#write) {
      const rests = memory.dirty || this.#held.length > 0
      ;(rests ? this.#held : this.#write.outputs).push(...outputs)
      return
    }
    if (memory.dirty) {
      if (this.isBusy() && this.#begin(outputs)) return
      syncAlive(this.chips)
    }
    this.#ready.push(...outputs)
  }

  /** Waits for the disk. Throws STATE_IO. */
  settle(): void {
    const write = this.#write
    if (!write) return
    this.chips.memory.sync()
    this.#write = undefined
    this.#ready.push(...write.outputs, ...this.#held.splice(0))
  }

  /** Forgets what is not durable, and hears no more of the write under way. */
  drop(): void {
    this.#write = undefined
    this.#held = []
  }

  /** Callers' code runs only here, outside of everything that can be a fault of the firmware. */
  emit(): void {
    for (let output = this.#ready.shift(); output; output = this.#ready.shift()) output()
  }

  /** False = this cannot wait. */
  #begin(outputs: readonly Output[]): boolean {
    const write = { outputs: [...outputs] }
    if (!beginAlive(this.chips, (failure) => this.#written(write, failure))) return false
    this.#write = write
    return true
  }

  #written(write: Write, failure: BoardError | undefined): void {
    // Settled or dropped since.
    if (this.#write !== write) return
    this.#write = undefined
    this.attempt(() => {
      if (failure) throw failure
      this.#ready.push(...write.outputs)
      this.release(this.#held.splice(0))
    })
  }
}
