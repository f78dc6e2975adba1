/** How an option's value is read. `words` runs on to the next word that starts with a dash. */
export type OptionKind = 'flag' | 'number' | 'numbers' | 'text' | 'words'

export interface OptionSpec {
  readonly name: string
  /** Other spellings, the documented short name first. */
  readonly short?: readonly string[]
  readonly kind: OptionKind
  readonly required?: boolean
  /** Its value is never printed. */
  readonly secret?: boolean
  /** Of `words`: all that it can be, in lower case. What follows one of them belongs to no option, and may be a secret. */
  readonly known?: readonly string[]
  /** Placeholder of the value in the syntax help. */
  readonly value?: string
  readonly help: string
}

/** A word of a command and its one short name. */
export interface Word {
  readonly long: string
  readonly short?: string
}

/** What the parser and the help know of a command. */
export interface CommandSpec {
  readonly words: readonly Word[]
  readonly options: readonly OptionSpec[]
  /** Who must be logged in, for the help. */
  readonly login?: string
  readonly help: string
  /** Words after the command belong to it, not to an option: `help role login`. */
  readonly takesWords?: boolean
}

/** `word('partition', 'par')`. */
export function word(long: string, short?: string): Word {
  return short === undefined ? { long } : { long, short }
}

/** The long names: `partition archive backup`. */
export function commandName(command: CommandSpec): string {
  return command.words.map((one) => one.long).join(' ')
}
