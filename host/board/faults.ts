import { FLASH_SECTOR } from '../../assembly/protocol.js'
import type { Change } from './changes.js'
import { BoardError } from './errors.js'
import { ERASED } from './flash.js'
import type { NonVolatile, State } from './non-volatile.js'

/** Thrown by a peripheral when the power goes: the board drops its firmware instance and stays off. */
export class PowerCut extends BoardError {
  constructor(operation: number) {
    super('POWER_CUT', `the power was cut at operation ${operation}`)
  }
}

export interface CutPlan {
  /** Which operation is cut, from 1: programs, erases, counter steps, battery and split writes, and syncs all count. */
  readonly at: number
  /**
   * The cut program still clears, the cut erase still sets the bits that this mask keeps, per byte: bit 1 = that bit gets
   * programmed or erased. Without it the cut operation does not happen at all.
   */
  readonly torn?: (index: number) => number
}

/** A cut that leaves half of the bits of a program or erase undone, other ones each time. */
export function tornAt(at: number): CutPlan {
  const torn = (index: number): number => {
    // Mixed as in MurmurHash3's finalizer: neighbours differ.
    let bits = Math.imul(index + 1, 0x85ebca6b) ^ Math.imul(at, 0xc2b2ae35)
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
    return (bits >>> 13) & ERASED
  }
  return { at, torn }
}

/** Counts what changes the state and cuts the power where the plan says so. */
export class FaultyMemory implements NonVolatile {
  #operations = 0
  #plan: CutPlan | undefined

  constructor(private readonly inner: NonVolatile) {}

  get state(): State {
    return this.inner.state
  }

  get dirty(): boolean {
    return this.inner.dirty
  }

  /** Operations since construction or the last `cut`. */
  get operations(): number {
    return this.#operations
  }

  /** Plans a cut, or none, and counts from zero again. */
  cut(plan?: CutPlan): void {
    this.#operations = 0
    this.#plan = plan
  }

  apply(change: Change): void {
    // Neither is an operation of the firmware's: the board keeps them itself.
    if (change.kind === 'random' || change.kind === 'alive') this.inner.apply(change)
    else if (!this.#isCut()) this.inner.apply(change)
    else {
      const torn = this.#plan?.torn
      if (change.kind === 'program' && torn) {
        const data = change.data.map((byte, i) => byte | (ERASED & ~torn(i)))
        this.inner.apply({ ...change, data })
      } else if (change.kind === 'erase' && torn) {
        const offset = change.sector * FLASH_SECTOR
        const data = this.state.flash.read(offset, FLASH_SECTOR).map((byte, i) => byte | (ERASED & torn(i)))
        this.inner.apply(change)
        this.inner.apply({ kind: 'program', offset, data })
      }
      throw new PowerCut(this.#operations)
    }
  }

  sync(): void {
    if (this.#isCut()) throw new PowerCut(this.#operations)
    this.inner.sync()
  }

  #isCut(): boolean {
    this.#operations += 1
    return this.#operations === this.#plan?.at
  }
}
