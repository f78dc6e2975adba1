import { type SlotSource, TransportError } from '../client/index.js'
import { sayHelp } from './commands/general.js'
import { COMMANDS } from './commands/index.js'
import { printSlots } from './commands/slot.js'
import { Context } from './context.js'
import { explainErrorState } from './error-state.js'
import { asCommandError, type CommandError, cancelled, HOST_RESULTS, unknownCommand } from './errors.js'
import { type Io, MASK } from './io.js'
import { literals } from './literals.js'
import { Output } from './output.js'
import { asksForSecrets, hasSecret, parse, redact } from './parser.js'
import type { Persona } from './slot-record.js'

export interface ShellOptions {
  readonly slots: SlotSource
  readonly persona: Persona
  readonly io: Io
  /** The slot to start with; the lowest one unless given. */
  readonly firstSlot?: number
  /** Nothing is said of the program and its slots first. */
  readonly quiet?: boolean
  /** Aborting it ends the shell: what is left of the input is not run. */
  readonly signal?: AbortSignal
}

/** Whether a typed line may be kept in a history: it holds no password. */
export function mayRemember(line: string): boolean {
  return !hasSecret(line, COMMANDS)
}

/** The lunacm shell: banner, slots, then commands until `exit` or the end of the input. */
export class Shell {
  readonly #io: Io
  readonly #output: Output
  readonly #context: Context
  readonly #signal: AbortSignal | undefined
  readonly #quiet: boolean
  #failed = false
  /** The next line may be the answer to a question that the last command did not come to. */
  #answerIsDue = false

  constructor(options: ShellOptions) {
    const { slots, persona, firstSlot } = options
    this.#io = options.io
    this.#signal = options.signal
    this.#quiet = options.quiet ?? false
    this.#output = new Output(options.io)
    this.#context = new Context({ slots, persona, output: this.#output, commands: COMMANDS, firstSlot })
  }

  /**
   * Runs to the end and answers the exit code: 0, or 1 where a command failed. Closes the shell's sessions, not the
   * slots' cables.
   */
  async run(): Promise<0 | 1> {
    try {
      if (!this.#quiet) await this.#greet()
      while (!this.#context.leaving && !this.#signal?.aborted) {
        const line = await this.#io.command(literals.prompt)
        if (line === undefined || this.#signal?.aborted) break
        if (line.trim() !== '') await this.#execute(line)
      }
    } finally {
      await this.#context.close()
      this.#io.close()
    }
    return this.#failed ? 1 : 0
  }

  async #greet(): Promise<void> {
    const output = this.#output
    output.say(this.#context.persona === 'A' ? literals.bannerA : literals.bannerB)
    try {
      await printSlots(this.#context)
    } catch (error) {
      this.#sayFailure(await this.#failureOf(error))
    }
    output.gap()
  }

  async #execute(line: string): Promise<void> {
    const output = this.#output
    const shown = redact(line, COMMANDS, this.#answerIsDue)
    output.commandLine(this.#io.interactive ? undefined : `${literals.prompt}${shown}`)
    this.#answerIsDue = !this.#io.interactive && asksForSecrets(line, COMMANDS)
    try {
      if (shown === MASK) throw unknownCommand(MASK)
      const { command, help, args } = parse(line, COMMANDS)
      if (help) sayHelp(output, command)
      else await command.run(this.#context, args)
      if (this.#context.leaving) return
      output.paragraph(literals.success)
      this.#answerIsDue = false
    } catch (error) {
      this.#sayFailure(await this.#failureOf(error))
    }
    output.gap()
  }

  /** @throws what is no failure of a command but a fault of the program */
  async #failureOf(error: unknown): Promise<CommandError> {
    // Ctrl-C: that its cables are gone then is not what went wrong.
    if (this.#signal?.aborted && error instanceof TransportError) {
      this.#failed = true
      return cancelled()
    }
    const failure = asCommandError(await explainErrorState(this.#context, error))
    if (!failure) throw error
    this.#failed = true
    return failure
  }

  #sayFailure({ lines, result }: CommandError): void {
    const output = this.#output
    if (lines.length > 0) output.gap()
    output.lines(lines)
    const isCancelled = result === HOST_RESULTS.cancelled
    if (isCancelled) output.paragraph(literals.commandCancelled)
    else output.paragraph(literals.errorInExecution, result.name)
    output.paragraph(isCancelled ? literals.cancelledResult : literals.errorResult, result.value, result.name)
  }
}
