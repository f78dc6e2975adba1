import { TokenError } from '../client/index.js'
import {
  asksForSecrets,
  badLine,
  CommandError,
  commandName,
  hasSecret,
  type Io,
  MASK,
  Output,
  parse,
  redact,
  rendered,
  sayHelp,
  literals as shared,
} from '../lunacm/index.js'
import type { Command } from './command.js'
import { COMMANDS, saysSuccessful } from './commands/index.js'
import { Context } from './context.js'
import type { ApplianceDoor } from './door.js'
import { Cancelled, Refusal } from './errors.js'
import { literals } from './literals.js'

export interface LunashOptions {
  readonly door: ApplianceDoor
  readonly io: Io
  /** Aborting it ends the shell: what is left of the input is not run. */
  readonly signal?: AbortSignal | undefined
}

/** Whether a typed line may be kept in a history: it holds no password. */
export function mayRemember(line: string): boolean {
  return !hasSecret(line, COMMANDS)
}

/** The appliance's shell: commands until `exit` or the end of the input. */
export class Lunash {
  readonly #io: Io
  readonly #output: Output
  readonly #context: Context
  readonly #signal: AbortSignal | undefined
  readonly #prompt: string
  #failed = false
  /** The next line may be the answer to a question that the last command did not come to. */
  #answerIsDue = false

  constructor({ door, io, signal }: LunashOptions) {
    this.#io = io
    this.#output = new Output(io)
    this.#signal = signal
    this.#prompt = literals.prompt(door.name)
    this.#context = new Context(door, this.#output, io, COMMANDS)
  }

  /** Runs to the end and answers the exit code: 0, or 1 where a command failed. Closes the appliance's door. */
  async run(): Promise<0 | 1> {
    try {
      while (!this.#context.leaving && !this.#signal?.aborted) {
        const line = await this.#io.command(this.#prompt)
        if (line === undefined || this.#signal?.aborted) break
        if (line.trim() !== '') await this.#execute(line)
      }
    } finally {
      await this.#context.close()
      this.#io.close()
    }
    return this.#failed ? 1 : 0
  }

  async #execute(line: string): Promise<void> {
    const output = this.#output
    const shown = redact(line, COMMANDS, this.#answerIsDue)
    output.commandLine(this.#io.interactive ? undefined : `${this.#prompt}${shown}`)
    this.#answerIsDue = !this.#io.interactive && asksForSecrets(line, COMMANDS)
    let command: Command | undefined
    try {
      if (shown === MASK) throw badLine(shared.unknownCommand, MASK)
      const parsed = parse(line, COMMANDS)
      command = parsed.command
      const { help, args } = parsed
      if (help) sayHelp(output, command)
      else await command.run(this.#context, args)
      if (this.#context.leaving) return
      if (!help && saysSuccessful(command)) output.paragraph(literals.successful, commandName(command))
      output.paragraph(literals.success)
      this.#answerIsDue = false
    } catch (error) {
      this.#sayFailure(error, command && commandName(command))
    }
    output.gap()
  }

  /** @throws what is no failure of a command but a fault of the program */
  #sayFailure(error: unknown, command = ''): void {
    const output = this.#output
    output.gap()
    if (error instanceof Cancelled) output.say(literals.cancelled, command)
    else if (error instanceof Refusal) output.lines(error.lines)
    else if (error instanceof CommandError) output.lines(error.lines)
    else if (error instanceof TokenError) {
      output.say(literals.failed, command, `0x${error.ckr.toString(16)}`, error.code)
      const reason = shared.reason(error.reason)
      if (reason) output.lines(rendered(reason))
    } else if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
      output.say(literals.failed, command, error.code, error.message)
    } else throw error
    this.#failed = true
    output.paragraph(literals.failure)
  }
}
