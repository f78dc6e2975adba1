// The public-key accelerator, asked once for each question: the self-tests of every boot ask the same, and most of a boot's time is the
// accelerator's. test/board holds the accelerator itself against its answers.
import { PKA_DSA_GENERATE, PKA_DSA_PARAMETERS, PKA_EC_GENERATE, PKA_RSA_GENERATE } from '../../../assembly/protocol.js'
import { Pka } from '../../../host/board/index.js'

/** Their answers are random numbers, and taking them is a change of the board's state. */
const RANDOM = new Set([PKA_DSA_GENERATE, PKA_DSA_PARAMETERS, PKA_EC_GENERATE, PKA_RSA_GENERATE])
/** Answers that are kept; a test with keys of its own asks for many that never come again. */
const ROOM = 500

interface Answer {
  readonly code: number
  readonly output: Uint8Array
}

const answers = new Map<string, Answer>()

export class RememberingPka extends Pka {
  override run(op: number, input: Uint8Array, output: Uint8Array): number {
    if (RANDOM.has(op)) return super.run(op, input, output)
    const question = `${op} ${output.length} ${Buffer.from(input).toString('latin1')}`
    let answer = answers.get(question)
    if (!answer) {
      const code = super.run(op, input, output)
      answer = { code, output: Uint8Array.from(output.subarray(0, Math.max(code, 0))) }
      if (answers.size === ROOM) answers.clear()
      answers.set(question, answer)
    }
    output.set(answer.output)
    return answer.code
  }
}
