import { badLine, cancelled } from './errors.js'
import type { Io } from './io.js'
import { type Literal, literals, type RenderedLine, rendered, textOf } from './literals.js'

const YES = 'proceed'

/** Prints literals, keeps paragraphs one blank line apart, and asks questions. */
export class Output {
  readonly #io: Io
  #blank = true

  constructor(io: Io) {
    this.#io = io
  }

  /** The next lines of the same paragraph. */
  say<Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args): void {
    this.lines(rendered(literal, ...args))
  }

  /** A new paragraph. */
  paragraph<Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args): void {
    this.gap()
    this.say(literal, ...args)
  }

  lines(lines: readonly RenderedLine[]): void {
    for (const { text, source } of lines) {
      this.#io.print(text, source)
      this.#blank = text.trim() === ''
    }
  }

  /** A blank line, unless there is one already. */
  gap(): void {
    if (this.#blank) return
    this.#io.print('')
    this.#blank = true
  }

  /** A command line stands on the screen; `echo` = nobody has typed it there. */
  commandLine(echo: string | undefined): void {
    if (echo !== undefined) this.#io.print(echo)
    this.#blank = false
  }

  /** Asks for a secret that a required option did not give: the fixed announcement, if any, then the question. */
  async secret(announcement: RenderedLine[], question: string): Promise<string> {
    if (announcement.length > 0) {
      this.gap()
      this.lines(announcement)
      this.gap()
    }
    return this.#ask(question, true)
  }

  /** A new secret, asked for twice. @throws CommandError where the two are not the same, or at the end of the input */
  async newSecret(announcement: RenderedLine[], question: string, again: string): Promise<string> {
    const first = await this.secret(announcement, question)
    const second = await this.#ask(again, true)
    if (first !== second) throw badLine(literals.entriesDiffer)
    return first
  }

  /** The fixed question before something is destroyed. @throws CommandError unless the answer is `proceed` */
  async confirm<Args extends readonly unknown[]>(force: boolean, literal: Literal<Args>, ...args: Args): Promise<void> {
    if (force) return
    this.paragraph(literal, ...args)
    this.paragraph(literals.sure)
    this.gap()
    const answer = await this.#ask(textOf(literals.proceed), false)
    if (answer.trim().toLowerCase() !== YES) throw cancelled()
  }

  async #ask(question: string, masked: boolean): Promise<string> {
    const answer = await this.#io.ask(question, { masked })
    this.#blank = false
    if (answer === undefined) throw cancelled()
    return answer
  }
}
