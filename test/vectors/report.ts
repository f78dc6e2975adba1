// What was counted, per file and per primitive, and how it is printed.
import { PRIMITIVES, type Primitive, type Result } from './result.js'

/** Failures of one file that are printed in full. */
const SHOWN = 10

export class Tally {
  passed = 0
  failed = 0
  readonly #reasons = new Map<string, number>()
  readonly #failures: string[] = []

  add({ where, outcome }: Result): void {
    if (outcome.kind === 'passed') this.passed++
    else if (outcome.kind === 'not applicable')
      this.#reasons.set(outcome.why, (this.#reasons.get(outcome.why) ?? 0) + 1)
    else {
      this.failed++
      if (this.failed <= SHOWN) this.#failures.push(`${where}: ${outcome.why}`)
    }
  }

  get notApplicable(): number {
    return [...this.#reasons.values()].reduce((sum, n) => sum + n, 0)
  }

  get count(): number {
    return this.passed + this.failed + this.notApplicable
  }

  /** `3 passed, 0 failed, 2 not applicable (why)`, with a number before each reason where there are more. */
  toString(): string {
    const all = [...this.#reasons].sort(([, a], [, b]) => b - a)
    const why = all.map(([reason, n]) => (all.length > 1 ? `${n}: ${reason}` : reason)).join('; ')
    const counts = `${this.passed} passed, ${this.failed} failed, ${this.notApplicable} not applicable`
    return why === '' ? counts : `${counts} (${why})`
  }

  /** The first failures, each with its place in the file. */
  get failures(): readonly string[] {
    const more = this.failed - this.#failures.length
    return more > 0 ? [...this.#failures, `and ${more} more`] : this.#failures
  }
}

/** Counts per primitive over all files. */
export class Totals {
  readonly #tallies = new Map<Primitive, Tally>()

  add(result: Result): void {
    const tally = this.#tallies.get(result.primitive) ?? new Tally()
    this.#tallies.set(result.primitive, tally)
    tally.add(result)
  }

  /** Vectors of a primitive that were run. */
  ran(primitive: Primitive): number {
    const tally = this.#tallies.get(primitive)
    return tally ? tally.passed + tally.failed : 0
  }

  /** A line for each primitive that was met, and one for all of them. */
  lines(): string[] {
    const rows = PRIMITIVES.flatMap((primitive) => {
      const tally = this.#tallies.get(primitive)
      return tally ? [{ primitive, tally }] : []
    })
    const sum = (of: (tally: Tally) => number) => rows.reduce((total, { tally }) => total + of(tally), 0)
    const line = (name: string, passed: number, failed: number, other: number) =>
      `${name.padEnd(10)}  ${count(passed)} passed  ${count(failed)} failed  ${count(other)} not applicable`
    return [
      ...rows.map(({ primitive, tally }) => line(primitive, tally.passed, tally.failed, tally.notApplicable)),
      line(
        'all',
        sum((t) => t.passed),
        sum((t) => t.failed),
        sum((t) => t.notApplicable),
      ),
    ]
  }
}

const count = (n: number): string => String(n).padStart(6)
