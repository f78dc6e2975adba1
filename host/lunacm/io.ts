import type { Source } from './literals.js'

/** Where the shell's lines come from and go to. */
export interface Io {
  /** A person types: command lines show themselves as they are typed. Otherwise the shell prints them. */
  readonly interactive: boolean
  /** Prints one line; `source` says where its wording comes from (undefined: an echo of the user's own input). */
  print(line: string, source?: Source): void
  /** The next command line, undefined at the end of the input. Prints the prompt if a person is there. */
  command(prompt: string): Promise<string | undefined>
  /**
   * Asks a question and shows the answer after it, a masked one as asterisks.
   * Undefined at the end of the input: nobody can answer any more.
   */
  ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined>
  close(): void
}

/** What a masked answer looks like where nobody saw it being typed: never its length. */
export const MASK = '*'.repeat(7)
