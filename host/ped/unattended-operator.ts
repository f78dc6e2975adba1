import type { Operator, PedAction, PedPrompt } from './operator.js'

/**
 * Nobody is at the PED, but its screen can be seen: what it shows to be read is printed and confirmed. Every other question waits until
 * its time is over.
 */
export class UnattendedOperator implements Operator {
  readonly #print: (line: string) => void

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  async answer({ question, lines }: PedPrompt): Promise<PedAction> {
    if (question !== 'show') return { action: 'no-key' }
    for (const line of lines) this.#print(`PED: ${line}`)
    return { action: 'enter' }
  }
}
