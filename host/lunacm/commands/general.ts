import { type Command, type CommandSpec, commandName, type OptionSpec, type Word, word } from '../command.js'
import { unknownCommand } from '../errors.js'
import { literals } from '../literals.js'
import type { Output } from '../output.js'
import { commandsUnder } from '../parser.js'

const help: Command = {
  words: [word('help', 'h')],
  options: [],
  takesWords: true,
  help: 'List the commands, or show the syntax of one',
  async run(context, args) {
    listHelp(context.output, args.rest, context.commands)
  },
}

const questionMark: Command = { ...help, words: [word('?')] }

const exit: Command = {
  words: [word('exit', 'e')],
  options: [],
  help: 'Leave the shell',
  async run(context) {
    context.leaving = true
  },
}

const quit: Command = { ...exit, words: [word('quit', 'q')] }

/** What `help` says of the words behind it: the syntax of the one command that is meant, or a line for each. */
export function listHelp(output: Output, words: readonly string[], commands: readonly CommandSpec[]): void {
  const found = commandsUnder(words, commands)
  const [only] = found
  if (!only) throw unknownCommand(words.join(' '))
  if (found.length === 1) {
    sayHelp(output, only)
    return
  }
  output.paragraph(literals.helpIntro)
  output.gap()
  for (const command of found) output.say(literals.helpRow, command.words.map(named).join(' '), command.help)
  output.paragraph(literals.helpMore)
}

/** The syntax of one command. */
export function sayHelp(output: Output, command: CommandSpec): void {
  output.paragraph(literals.detail, command.help)
  const options = command.options.map((option) => (option.required ? usage(option) : `[${usage(option)}]`))
  output.paragraph(literals.syntax, [commandName(command), ...options].join(' '))
  if (command.login) output.say(literals.helpLogin, command.login)
  if (command.options.length > 0) output.gap()
  for (const option of command.options) output.say(literals.helpOption, detailed(option), option.help)
}

function named({ long, short }: Word): string {
  return short === undefined ? long : `${long} (${short})`
}

function usage(option: OptionSpec): string {
  return option.value === undefined ? `-${option.name}` : `-${option.name} ${option.value}`
}

function detailed(option: OptionSpec): string {
  const short = option.short?.map((name) => ` (-${name})`).join('') ?? ''
  return `-${option.name}${short}${option.value === undefined ? '' : ` ${option.value}`}`
}

export const generalCommands: readonly Command[] = [help, questionMark, exit, quit]
