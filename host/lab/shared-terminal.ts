import type { Io } from '../lunacm/index.js'
import { PedError, type PersonTerminal } from '../ped/index.js'

/**
 * One terminal for a shell and for the person at the PED: the PED's questions come while a command of the shell waits
 * for them. A question that the HSM gives up still stands on the screen; the next line typed answers it, and only then
 * the shell asks again.
 */
export class SharedTerminal implements Io {
  readonly interactive = true
  /** For the PED. */
  readonly person: PersonTerminal
  #pending: Promise<unknown> = Promise.resolve()

  constructor(private readonly io: Io) {
    this.person = {
      print: (line) => io.print(line),
      ask: (question, options) => this.#askPerson(question, options),
    }
  }

  print(...line: Parameters<Io['print']>): void {
    this.io.print(...line)
  }

  async command(prompt: string): Promise<string | undefined> {
    await this.#pending
    return this.io.command(prompt)
  }

  async ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined> {
    await this.#pending
    return this.io.ask(prompt, options)
  }

  close(): void {
    this.io.close()
  }

  async #askPerson(question: string, options: Parameters<PersonTerminal['ask']>[1]): Promise<string> {
    const { masked, signal } = options
    await this.#pending
    signal.throwIfAborted()
    const answer = this.io.ask(question, { masked })
    this.#pending = answer.catch(() => undefined)
    const given = await new Promise<string | undefined>((resolve, reject) => {
      const givenUp = () => {
        this.io.print('The PED no longer asks: press Enter.')
        reject(signal.reason)
      }
      signal.addEventListener('abort', givenUp, { once: true })
      answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', givenUp))
    })
    // The terminal was closed, by Ctrl-C or Ctrl-D: nobody will ever answer.
    if (given === undefined) throw new PedError('PED_TERMINAL_INTERRUPTED', 'interrupted at the terminal')
    return given
  }
}
