import type { PedClock } from './clock.js'

/** Calls once nothing was heard for a while, by the clock. */
export class IdleTimer {
  #abort: AbortController | undefined

  constructor(
    private readonly clock: PedClock,
    private readonly milliseconds: number,
    private readonly over: () => void,
  ) {
    this.restart()
  }

  /** Something was heard: the time begins anew. */
  restart(): void {
    this.stop()
    const abort = new AbortController()
    this.#abort = abort
    this.clock.sleep(this.milliseconds, abort.signal).then(
      () => {
        if (this.#abort === abort) this.over()
      },
      () => undefined,
    )
  }

  stop(): void {
    this.#abort?.abort()
    this.#abort = undefined
  }
}
