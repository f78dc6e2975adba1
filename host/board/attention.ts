import { availableParallelism } from 'node:os'

/** Milliseconds that a loop stays awake after news: what waking an idle core costs, about. */
const WINDOW = 0.05
/** Milliseconds between two looks from which on something else wants this core. */
const GAP = 0.05
/** Times in a row without news after which it stops; and how many news it then sleeps through before it tries again. */
const TRIES = 4
const REST = 64

export interface AttentionSeams {
  /** Milliseconds. */
  readonly now: () => number
  /** Runs once the loop has looked at everything that has come in. */
  readonly later: (look: () => void) => void
  /** Processors that this process may use. */
  readonly cores: number
}

/**
 * Keeps an event loop from falling asleep for a moment after news, because a question is often followed by the next one, and waking a
 * thread on a core that idles takes several times as long as a short command. It gives up where that does not pay: where news
 * keeps coming later than that, where others want the core, where there is one core only.
 *
 * One for a thread: `attention`.
 */
export class Attention {
  #awake = false
  #news = false
  #until = 0
  #looked = 0
  #failures = 0
  #rest = 0

  constructor(
    private readonly seams: AttentionSeams = {
      now: () => performance.now(),
      later: (look) => setImmediate(look),
      cores: availableParallelism(),
    },
  ) {}

  /** There was news, or a question has been sent whose answer will be news. */
  stay(): void {
    if (this.#awake) {
      this.#news = true
      return
    }
    if (this.seams.cores < 2) return
    if (this.#rest > 0) {
      this.#rest--
      return
    }
    this.#awake = true
    this.#wait(this.seams.now())
  }

  #wait(now: number): void {
    this.#looked = now
    this.#until = now + WINDOW
    this.seams.later(this.#look)
  }

  readonly #look = (): void => {
    const now = this.seams.now()
    if (this.#news) {
      this.#news = false
      this.#failures = 0
      this.#wait(now)
    } else if (now >= this.#until || now - this.#looked >= GAP) this.#sleep()
    else {
      this.#looked = now
      this.seams.later(this.#look)
    }
  }

  #sleep(): void {
    this.#awake = false
    if (++this.#failures < TRIES) return
    this.#failures = TRIES - 1
    this.#rest = REST
  }
}

export const attention = new Attention()
