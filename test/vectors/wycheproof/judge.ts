import { compare, failed, notApplicable, type Outcome, PASSED } from '../result.js'
import type { Reader } from './reader.js'

/** What the firmware makes of a test: its answer, true for a check that came out right, undefined or false for a refusal. */
export type Answer = Uint8Array | boolean | undefined

/** Flags of `acceptable` tests that this firmware has a rule for: they must be refused. */
const REFUSED = [
  // A key of 8 bytes: KW starts at two semiblocks (SP 800-38F §5.3.1).
  'ShortKey',
  // A DigestInfo without its NULL: the block is made anew and compared as a whole.
  'MissingNull',
]

/**
 * `valid`: the answer must be the expected one. `invalid`: refused. `acceptable`: refused, or the expected answer, never another one;
 * and refused for sure where the firmware has a rule.
 */
export function judge(test: Reader, what: string, answer: Answer, expected?: Uint8Array): Outcome {
  const refused = answer === undefined || answer === false
  const result = test.text('result')
  const mustRefuse =
    result === 'invalid' || (result === 'acceptable' && test.words('flags').some((flag) => REFUSED.includes(flag)))
  if (refused) return mustRefuse || result === 'acceptable' ? PASSED : failed(`${what}: refused (${comment(test)})`)
  if (mustRefuse) return failed(`${what}: accepted what must be refused (${comment(test)})`)
  return typeof answer === 'boolean' || expected === undefined ? PASSED : compare(what, answer, expected)
}

/** What never reaches the firmware is not for it to judge, unless it should have been valid: then nothing was to stop it. */
export function outside(test: Reader, why: string): Outcome {
  return test.text('result') === 'valid' ? failed(`${why}, though valid`) : notApplicable(why)
}

const comment = (test: Reader): string =>
  (test.has('comment') && test.text('comment')) || test.words('flags').join(', ')
