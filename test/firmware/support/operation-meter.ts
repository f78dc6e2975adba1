// Counts what one command does to the flash.
import { FLASH_LOG } from '../../../assembly/protocol.js'
import type { Change, NonVolatile, State } from '../../../host/board/index.js'

/** What a piece of work did. */
export interface Work {
  /** Sectors of the log that were erased. */
  readonly cleaned: number
  /** Erases in all, those of superblocks included. */
  readonly erases: number
  /** Bytes programmed. */
  readonly programmed: number
}

/** Between firmware and peripherals; counts what passes. */
export class OperationMeter implements NonVolatile {
  #cleaned = 0
  #erases = 0
  #programmed = 0

  constructor(private readonly inner: NonVolatile) {}

  get state(): State {
    return this.inner.state
  }

  get dirty(): boolean {
    return this.inner.dirty
  }

  apply(change: Change): void {
    if (change.kind === 'erase') this.#erases++
    if (change.kind === 'erase' && change.sector >= FLASH_LOG) this.#cleaned++
    if (change.kind === 'program') this.#programmed += change.data.length
    this.inner.apply(change)
  }

  sync(): void {
    this.inner.sync()
  }

  async measure(work: () => unknown): Promise<Work> {
    this.#cleaned = this.#erases = this.#programmed = 0
    await work()
    return { cleaned: this.#cleaned, erases: this.#erases, programmed: this.#programmed }
  }
}
