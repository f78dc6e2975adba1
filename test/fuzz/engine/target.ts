// What a target of the fuzzer is.
import type { GuardedFirmware } from '../firmware/guarded-build.js'
import type { Input } from './input.js'
import { Random } from './random.js'

/** Something that must not be: which rule was broken, and how it shows. */
export class Finding extends Error {
  override readonly name = 'Finding'

  /** @param oracle name of the rule, stable; two findings of one rule and one `where` are the same */
  constructor(
    readonly oracle: string,
    readonly where: string,
    what: string,
  ) {
    super(what)
  }

  get key(): string {
    return `${this.oracle} ${this.where}`
  }
}

export interface Trial {
  /** Inputs that the subject got: frames, messages, images, files. */
  readonly tried: number
  readonly finding?: Finding
}

/** A target made ready. A run begins from the same state every time, so that an input alone says what happens. */
export interface Fuzzer {
  generate(random: Random): Input
  run(input: Input): Trial | Promise<Trial>
}

export interface Context {
  /** The firmware under test, compiled at the first call. */
  firmware(): Promise<GuardedFirmware>
}

export interface Target {
  readonly name: string
  readonly summary: string
  /** It needs the guarded build, which takes a while where the sources have changed. */
  readonly usesFirmware: boolean
  prepare(context: Context): Promise<Fuzzer>
}

/** Runs one trial's steps and makes a finding of whatever is thrown; `count` is told after each input. */
export async function trial(body: (count: () => void) => void | Promise<void>): Promise<Trial> {
  let tried = 0
  try {
    await body(() => {
      tried++
    })
    return { tried }
  } catch (error) {
    if (error instanceof Finding) return { tried, finding: error }
    const where = error instanceof Error ? error.name : typeof error
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { tried, finding: new Finding('unexpected error', where, what) }
  }
}

/** The trial of a target whose steps are bytes, each with the seed of the chance in its check. */
export function trialOfBytes(input: Input, check: (bytes: Buffer, random: Random) => void): Promise<Trial> {
  return trial((count) => {
    for (const { numbers, bytes } of input) {
      count()
      check(bytes, new Random(numbers[0] ?? 0))
    }
  })
}
