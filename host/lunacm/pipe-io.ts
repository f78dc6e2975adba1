import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { type Io, MASK } from './io.js'

/** Commands from a file or a pipe, one per line; a question takes the next line as its answer. */
export class PipeIo implements Io {
  readonly interactive = false
  readonly #input: Readable
  readonly #output: Writable
  #reader: Interface | undefined
  #lines: AsyncIterator<string> | undefined

  constructor(input: Readable, output: Writable) {
    this.#input = input
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
    this.#reader?.close()
  }

  async #next(): Promise<string | undefined> {
    // Nothing of the input is taken before it is wanted: it may be somebody else's.
    this.#reader ??= createInterface({ input: this.#input, crlfDelay: Number.POSITIVE_INFINITY, terminal: false })
    this.#lines ??= this.#reader[Symbol.asyncIterator]()
    const { done, value } = await this.#lines.next()
    return done ? undefined : value
  }
}
