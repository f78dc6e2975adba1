// What the watchdog sees of a board in another thread: a few numbers in shared memory. A thread that hangs answers no message.

const STEPS = 0
const PKA = 1
const COMMAND = 2
const CELLS = 3

/** The board's end. */
export class Monitor {
  readonly #cells: Int32Array
  #depth = 0

  /** @param memory of `Watch.memory`; without it nobody watches */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(4 * CELLS)) {
    this.#cells = new Int32Array(memory)
  }

  /** One step of the firmware; it may hold others. */
  step<Result>(work: () => Result): Result {
    if (this.#depth++ === 0) Atomics.add(this.#cells, STEPS, 1)
    try {
      return work()
    } finally {
      if (--this.#depth === 0) Atomics.add(this.#cells, STEPS, 1)
    }
  }

  /** Work of the public-key accelerator: it always ends, but a large RSA key may take minutes. */
  pka<Result>(work: () => Result): Result {
    Atomics.add(this.#cells, PKA, 1)
    try {
      return work()
    } finally {
      Atomics.add(this.#cells, PKA, 1)
    }
  }

  /** Id of the last command frame since power-up, 0 = none. */
  get command(): number {
    return Atomics.load(this.#cells, COMMAND)
  }

  set command(id: number) {
    Atomics.store(this.#cells, COMMAND, id)
  }
}

const isOdd = (value: number): boolean => (value & 1) === 1

/** The watchdog's end: adds up how long one step of the firmware has lasted, the accelerator's time not counted. */
export class Watch {
  readonly memory = new SharedArrayBuffer(4 * CELLS)
  readonly #cells = new Int32Array(this.memory)
  #step = 0
  #since = 0
  #last = 0

  /** @param limit milliseconds */
  constructor(readonly limit: number) {}

  /**
   * Looks once; to be called several times within the limit.
   * @param now milliseconds of a clock that never goes backwards
   * @returns whether the step that runs now has lasted longer than the limit
   */
  isOverdue(now: number): boolean {
    const step = Atomics.load(this.#cells, STEPS)
    if (!isOdd(step) || step !== this.#step) {
      this.#step = step
      this.#since = now
    } else if (isOdd(Atomics.load(this.#cells, PKA))) this.#since += now - this.#last
    this.#last = now
    return isOdd(step) && now - this.#since > this.limit
  }

  /** Id of the last command frame that the board has taken, 0 = none. */
  get command(): number {
    return Atomics.load(this.#cells, COMMAND)
  }
}
