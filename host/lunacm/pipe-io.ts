import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { type Io, MASK } from './io.js'

/** Commands from a file or a pipe, one per line; a question takes the next line as its answer. */
export class PipeIo implements Io {
  readonly interactive = false
  readonly #reader: Interface
  readonly #lines: AsyncIterator<string>
  readonly #output: Writable

  constructor(input: Readable, output: Writable) {
    this.#reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, terminal: false })
    this.#lines = this.#reader[Symbol.asyncIterator]()
    this.#output = output
  }

  print(line: string): void {
    this.#output.write(`${line}\n`)
  }

  command(): Promise<string | undefined> {
    return this.#next()
  }

  async ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined> {
    const answer = await this.#next()
    this.print(`${prompt}${answer === undefined ? '' : options.masked ? MASK : answer}`)
    return answer
  }

  close(): void {
    this.#reader.close()
  }

  async #next(): Promise<string | undefined> {
    const { done, value } = await this.#lines.next()
    return done ? undefined : value
  }
}
