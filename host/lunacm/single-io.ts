import type { Io } from './io.js'
import type { Source } from './literals.js'

/** One command that stands in the program's own line, and is not shown once more; its questions go where they would go otherwise. */
export class SingleIo implements Io {
  readonly interactive = true
  #line: string | undefined

  constructor(
    line: string,
    private readonly inner: Io,
  ) {
    this.#line = line
  }

  print(line: string, source?: Source): void {
    this.inner.print(line, source)
  }

  async command(): Promise<string | undefined> {
    const line = this.#line
    this.#line = undefined
    return line
  }

  ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined> {
    return this.inner.ask(prompt, options)
  }

  close(): void {
    this.inner.close()
  }
}

/** The line that is made of these words, each of which stays one; undefined where a word cannot stand in a line. */
export function lineOf(words: readonly string[]): string | undefined {
  const quoted = words.map((word) => (/^$|\s/.test(word) ? `"${word}"` : word))
  const hasQuote = (word: string): boolean => word.startsWith('"') || (/\s/.test(word) && word.includes('"'))
  return words.some(hasQuote) ? undefined : quoted.join(' ')
}
