// A finding made small: whatever can be left out of its input is left out, as long as the same rule breaks at the same place.
import { type Input, simpler } from './input.js'
import type { Finding, Trial } from './target.js'

export interface Minimized {
  readonly input: Input
  readonly finding: Finding
  /** Inputs tried on the way. */
  readonly tries: number
}

export interface Search {
  readonly run: (input: Input) => Promise<Trial>
  /** Asked before every try; false ends the search with what there is. */
  readonly more: (tries: number) => boolean
}

export async function minimize(input: Input, finding: Finding, { run, more }: Search): Promise<Minimized> {
  let best = { input, finding }
  let tries = 0
  for (let improved = true; improved; ) {
    improved = false
    for (const candidate of simpler(best.input)) {
      if (!more(tries)) return { ...best, tries }
      tries++
      const { finding: found } = await run(candidate)
      if (found?.key !== finding.key) continue
      best = { input: candidate, finding: found }
      improved = true
      break
    }
  }
  return { ...best, tries }
}
