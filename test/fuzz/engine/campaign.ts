// A campaign: targets take turns until the time is over. Runs in a thread of its own, watched from another.

import type { Input } from './input.js'
import { minimize } from './minimize.js'
import { Random } from './random.js'
import type { Context, Finding, Fuzzer, Target } from './target.js'

/** Milliseconds of one turn. */
const TURN = 500
/** Milliseconds and tries for making a finding small. */
const MINIMIZE_TIME = 20_000
const MINIMIZE_TRIES = 5_000

export interface Tally {
  readonly target: string
  readonly tried: number
  readonly runs: number
  readonly milliseconds: number
  readonly findings: number
}

/** What a campaign tells those who watch. */
export interface Watcher {
  /** False = it shall end. */
  goOn(): boolean
  /** This input is about to run. */
  begins(target: string, run: number, input: Input): void
  ended(): void
  tally(tally: Tally): void
  found(target: string, run: number, finding: Finding, input: Input): void
}

/** Seed of one run: the campaign's seed, the target and the number of the run decide it. */
function seedOf(seed: number, target: string, run: number): number {
  let mixed = seed >>> 0
  for (const letter of target) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193) >>> 0
  return Math.imul(mixed ^ run, 0x9e3779b1) >>> 0
}

class Course {
  #fuzzer: Fuzzer | undefined
  #tried = 0
  #run = 0
  #milliseconds = 0
  #findings = 0

  constructor(
    private readonly target: Target,
    private readonly seed: number,
    private readonly watcher: Watcher,
  ) {}

  /** A target ends with its first finding: what follows would mostly be the same one. */
  get over(): boolean {
    return this.#findings > 0
  }

  get tally(): Tally {
    const { name: target } = this.target
    return { target, tried: this.#tried, runs: this.#run, milliseconds: this.#milliseconds, findings: this.#findings }
  }

  async turn(context: Context): Promise<void> {
    this.#fuzzer ??= await this.target.prepare(context)
    const started = performance.now()
    const fuzzer = this.#fuzzer
    while (!this.over && this.watcher.goOn() && performance.now() - started < TURN) await this.#one(fuzzer)
    this.#milliseconds += performance.now() - started
    this.watcher.tally(this.tally)
  }

  async #one(fuzzer: Fuzzer): Promise<void> {
    const run = this.#run++
    const input = fuzzer.generate(new Random(seedOf(this.seed, this.target.name, run)))
    const { name } = this.target
    const watched = async (steps: Input) => {
      this.watcher.begins(name, run, steps)
      const result = await fuzzer.run(steps)
      this.watcher.ended()
      return result
    }
    const { tried, finding } = await watched(input)
    this.#tried += tried
    if (!finding) return
    this.#findings++
    const until = performance.now() + MINIMIZE_TIME
    const more = (tries: number) => this.watcher.goOn() && tries < MINIMIZE_TRIES && performance.now() < until
    const small = await minimize(input, finding, { run: watched, more })
    this.watcher.found(name, run, small.finding, small.input)
  }
}

/** Runs targets in turns until the watcher says so, or each of them has a finding. */
export async function campaign(
  targets: readonly Target[],
  seed: number,
  context: Context,
  watcher: Watcher,
): Promise<void> {
  const courses = targets.map((target) => new Course(target, seed, watcher))
  for (const course of courses) watcher.tally(course.tally)
  while (watcher.goOn() && courses.some(({ over }) => !over)) {
    for (const course of courses) if (!course.over && watcher.goOn()) await course.turn(context)
  }
}
