import { createInterface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { PedError } from './errors.js'
import type { PersonTerminal } from './operator-terminal.js'
import { drawn } from './screen.js'

/** A terminal on two streams, such as standard input and output. Reads nothing while no question stands. */
export class StreamTerminal implements PersonTerminal {
  readonly #input: Readable
  readonly #output: Writable
  readonly #interactive: boolean

  /** @param interactive whether a terminal is at the other end: then lines can be edited, and masked ones are not echoed */
  constructor(input: Readable, output: Writable, interactive: boolean) {
    this.#input = input
    this.#output = output
    this.#interactive = interactive
  }

  print(line: string): void {
    this.#output.write(`${line}\n`)
  }

  ask(
    question: string,
    { masked, signal }: { readonly masked: boolean; readonly signal: AbortSignal },
  ): Promise<string> {
    signal.throwIfAborted()
    // readline echoes what is typed to its own output, so for a masked answer that leads nowhere.
    const echo = new Writable({
      write: (chunk, _encoding, done) => {
        if (!masked) this.#output.write(chunk)
        done()
      },
    })
    const lines = createInterface({ input: this.#input, output: echo, terminal: this.#interactive, historySize: 0 })
    if (masked) {
      this.#output.write(question)
    } else {
      // As its prompt: readline writes it again whenever a line is edited.
      lines.setPrompt(question)
      lines.prompt()
    }
    return new Promise<string>((resolve, reject) => {
      const aborted = () => end(() => reject(signal.reason))
      const gone = () => end(() => reject(new PedError('PED_TERMINAL_CLOSED', 'the terminal is gone')))
      const end = (settle: () => void) => {
        signal.removeEventListener('abort', aborted)
        // Only that one: readline has a listener of its own, which takes it off the input. Left there it would echo what comes next.
        lines.off('close', gone)
        lines.close()
        if (masked || signal.aborted) this.#output.write('\n')
        settle()
      }
      signal.addEventListener('abort', aborted, { once: true })
      lines.once('line', (line) => end(() => resolve(line)))
      lines.once('SIGINT', () =>
        end(() => reject(new PedError('PED_TERMINAL_INTERRUPTED', 'interrupted at the terminal'))),
      )
      lines.once('close', gone)
    })
  }
}

/** Shows the display of a PED on a stream: for its idle screen, while no question draws it. */
export const displayOn = (output: Writable) => (lcd: readonly string[]) => {
  output.write(`${drawn(lcd).join('\n')}\n`)
}
