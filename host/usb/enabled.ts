import { type Cancel, outcome, type Urb, type UrbPort, type UrbResult } from './urb.js'

/**
 * The time in which a host has a device enabled. What waits for its end is forgotten when it is over by itself: in one such time there
 * may be any number of transfers.
 */
export class Enabled {
  readonly #waiting = new Set<() => void>()
  #isOver = false

  get isOver(): boolean {
    return this.#isOver
  }

  end(): void {
    this.#isOver = true
    for (const over of this.#waiting) over()
    this.#waiting.clear()
  }

  /** What comes of `work`; undefined where the time ends before. */
  until<Result>(work: Promise<Result>): Promise<Result | undefined> {
    if (this.#isOver) return Promise.race([work, undefined])
    return new Promise((resolve, reject) => {
      const over = (): void => resolve(undefined)
      this.#waiting.add(over)
      work.then(resolve, reject).finally(() => this.#waiting.delete(over))
    })
  }

  /**
   * A transfer; where the time ends before, it is given up and `gone`.
   * @param patience milliseconds after which it is given up and a `fault`; undefined = it may take any time
   */
  submit(model: UrbPort, urb: Urb, patience?: number): Promise<UrbResult> {
    return new Promise((resolve) => {
      let cancel: Cancel | undefined
      const settle = (result: UrbResult): void => {
        clearTimeout(timer)
        this.#waiting.delete(gone)
        resolve(result)
      }
      const giveUp = (status: 'fault' | 'gone'): void => {
        cancel?.()
        settle(outcome(status))
      }
      const gone = (): void => giveUp('gone')
      const timer = patience === undefined ? undefined : setTimeout(() => giveUp('fault'), patience)
      this.#waiting.add(gone)
      cancel = model.submit(urb, settle)
      if (this.#isOver) gone()
    })
  }
}
