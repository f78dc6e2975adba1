// Chance from a seed: the same seed gives the same inputs on every machine.

/** A stream of numbers that one 32-bit seed decides (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 to n − 1; 0 where n is 0. */
  below(n: number): number {
    return n > 0 ? this.u32() % n : 0
  }

  /** From low to high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** True once in n times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  /** One of the list. Throws RangeError where it is empty. */
  pick<Value>(list: readonly Value[]): Value {
    const [value] = list.slice(this.below(list.length))
    if (value === undefined) throw new RangeError('nothing to pick from')
    return value
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.u32() & 0xff
    return bytes
  }

  /** A stream of its own. */
  fork(): Random {
    return new Random(this.u32())
  }
}
