import { BoardError } from './errors.js'

/** Time as a board sees it. */
export interface Clock {
  /** Milliseconds since 1970; also the source of the battery-backed clock. */
  now(): number
  /** Milliseconds of a clock that never goes backwards, from any start. */
  steady(): number
  /** Lets time pass. Throws CLOCK_NOT_VIRTUAL on a real clock. */
  advance(milliseconds: number): void
}

export class RealClock implements Clock {
  now(): number {
    return Date.now()
  }

  steady(): number {
    return Math.floor(performance.now())
  }

  advance(): void {
    throw new BoardError('CLOCK_NOT_VIRTUAL', 'only a virtual clock can be advanced')
  }
}

/** Stands still until it is told to go on, in powered and unpowered boards alike. */
export class VirtualClock implements Clock {
  #now: number

  /** @param start milliseconds since 1970 */
  constructor(start: number) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  steady(): number {
    return this.#now
  }

  advance(milliseconds: number): void {
    if (!Number.isSafeInteger(milliseconds) || milliseconds < 0) {
      throw new BoardError('OPTION_INVALID', `time cannot advance by ${milliseconds} milliseconds`)
    }
    this.#now += milliseconds
  }
}
