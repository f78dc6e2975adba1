// Rounds: every contender once, then every contender again, so that all of them see the same minute of the machine.
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import type { Samples } from './bench.js'

/** Does its work once and answers what one unit of it cost: nanoseconds, or bytes. */
export type Contender = () => number | Promise<number>

/** What the rounds cost, by contender. */
export class Costs {
  readonly #costs = new Map<string, number[]>()

  add(name: string, cost: number): void {
    const costs = this.#costs.get(name)
    if (costs) costs.push(cost)
    else this.#costs.set(name, [cost])
  }

  /** One contender held against another, round by round. */
  against(ours: string, baseline: string, note?: string): Samples {
    const samples = { ours: this.#costs.get(ours) ?? [], baseline: this.#costs.get(baseline) ?? [] }
    return note === undefined ? samples : { ...samples, note }
  }
}

/** Runs the contenders `rounds` times in turn; each round starts with another one. Warm-up rounds are not counted. */
export async function interleave(
  contenders: Readonly<Record<string, Contender>>,
  rounds: number,
  { warmups = 1 }: { readonly warmups?: number } = {},
): Promise<Costs> {
  const entries = Object.entries(contenders)
  const costs = new Costs()
  for (let round = -warmups; round < rounds; round++) {
    const first = Math.max(round, 0) % entries.length
    for (const [name, contender] of [...entries.slice(first), ...entries.slice(0, first)]) {
      const cost = await contender()
      if (round >= 0) costs.add(name, cost)
      // A signal has to get through between two samples.
      await setImmediate()
    }
  }
  return costs
}

/** `cpu`: processor time of this process, for work that never waits. `wall`: for everything else. */
export type ClockName = 'cpu' | 'wall'

/** Nanoseconds since some moment. */
export function clockNow(clock: ClockName): number {
  if (clock === 'wall') return performance.now() * 1e6
  const { user, system } = process.cpuUsage()
  return (user + system) * 1e3
}

export interface LoopOptions {
  /** Units of work that one call does. */
  readonly units: number
  /** A sample repeats the work for at least so many milliseconds. */
  readonly milliseconds: number
  readonly clock?: ClockName
}

/** A contender that repeats synchronous work; how often is found out the first time, after the engine has optimized it. */
export function loop(work: () => void, { units, milliseconds, clock = 'cpu' }: LoopOptions): Contender {
  let repeats = 0
  const time = (times: number): number => {
    const [started, begun] = [clockNow(clock), clockNow('wall')]
    for (let i = 0; i < times; i++) work()
    // The process's other threads, which compile and collect garbage, are not the work: it cannot have taken longer than this.
    return Math.min(clockNow(clock) - started, clockNow('wall') - begun)
  }
  return () => {
    if (repeats === 0) {
      let done = 0
      const until = performance.now() + Math.max(100, 3 * milliseconds)
      while (performance.now() < until || done < 3) {
        work()
        done++
      }
      repeats = 1
      while (time(repeats) < milliseconds * 1e6) repeats *= 2
    }
    return time(repeats) / (repeats * units)
  }
}
