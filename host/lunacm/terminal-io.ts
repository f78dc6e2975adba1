import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Writable } from 'node:stream'
import { type Io, MASK } from './io.js'

const CLEAR_TO_END = '\u001b[K'

/** What readline writes while an answer is masked goes nowhere. */
class Screen extends Writable {
  muted = false
  readonly #terminal: NodeJS.WritableStream & { readonly columns?: number }

  constructor(terminal: NodeJS.WritableStream & { readonly columns?: number }) {
    super()
    this.#terminal = terminal
  }

  /** readline breaks long lines by this. */
  get columns(): number | undefined {
    return this.#terminal.columns
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Passed on at once: what the shell prints goes to the terminal itself and must not overtake it.
    if (!this.muted) this.#terminal.write(chunk)
    done()
  }
}

/** A person at a terminal: line editing, history, masked answers with an asterisk per character. */
export class TerminalIo implements Io {
  readonly interactive = true
  readonly #terminal: NodeJS.WritableStream
  readonly #screen: Screen
  readonly #readline: Interface
  readonly #typedAhead: string[] = []
  #waiting: ((line: string | undefined) => void) | undefined
  #masked: string | undefined
  #answering = false
  #ended = false

  /** `keep` decides which command lines go into the history; answers never do. */
  constructor(
    input: Readable,
    output: NodeJS.WritableStream & { readonly columns?: number },
    keep: (line: string) => boolean,
  ) {
    this.#terminal = output
    this.#screen = new Screen(output)
    this.#readline = createInterface({ input, output: this.#screen, terminal: true })
    this.#readline.on('history', (history: string[]) => {
      const latest = history[0]
      if (latest !== undefined && (this.#answering || !keep(latest))) history.shift()
    })
    this.#readline.on('line', (line) => this.#arrived(line))
    this.#readline.on('close', () => {
      this.#ended = true
      this.#arrived(undefined)
    })
    this.#readline.on('SIGINT', () => {
      // At a prompt it ends the shell; during a command the process has to decide what becomes of the devices.
      if (this.#waiting) {
        this.#terminal.write(this.#masked === undefined ? '\n' : `\r${this.#masked}${CLEAR_TO_END}`)
        this.#readline.close()
      } else process.kill(process.pid, 'SIGINT')
    })
    // Registered after readline's own listener, so the line already has the key in it.
    input.on('keypress', () => this.#showMask())
  }

  print(line: string): void {
    this.#terminal.write(`${line}\n`)
  }

  command(prompt: string): Promise<string | undefined> {
    return this.#read(prompt)
  }

  async ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined> {
    this.#answering = true
    if (options.masked) {
      this.#terminal.write(prompt)
      this.#masked = prompt
      this.#screen.muted = true
    }
    try {
      const answer = await this.#read(options.masked ? '' : prompt)
      // What stays on the screen does not tell how long the answer was.
      if (options.masked && answer !== undefined) this.#terminal.write(`\r${prompt}${MASK}${CLEAR_TO_END}`)
      return answer
    } finally {
      this.#answering = false
      if (options.masked) {
        this.#masked = undefined
        this.#terminal.write('\n')
      }
    }
  }

  close(): void {
    this.#readline.close()
  }

  #read(prompt: string): Promise<string | undefined> {
    const early = this.#typedAhead.shift()
    if (early !== undefined) {
      if (this.#masked === undefined) this.print(`${prompt}${early}`)
      return Promise.resolve(early)
    }
    if (this.#ended) return Promise.resolve(undefined)
    if (this.#masked === undefined) this.#screen.muted = false
    this.#readline.setPrompt(prompt)
    this.#readline.prompt()
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  #arrived(line: string | undefined): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    // What is typed while a command runs may be the answer to a question that hides it: it is not shown before it is asked for.
    this.#screen.muted = true
    if (waiting) waiting(line)
    else if (line !== undefined) this.#typedAhead.push(line)
  }

  #showMask(): void {
    if (this.#masked === undefined) return
    this.#terminal.write(`\r${this.#masked}${'*'.repeat(this.#readline.line.length)}${CLEAR_TO_END}`)
  }
}
