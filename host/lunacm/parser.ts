import { Args, type OptionValue } from './args.js'
import { type Command, type CommandSpec, commandName, type OptionSpec } from './command.js'
import { badLine } from './errors.js'
import { MASK } from './io.js'
import { literals } from './literals.js'
import { type Token, tokenize } from './tokens.js'

/** A command line that was understood. */
export interface Parsed {
  readonly command: Command
  /** The syntax help was asked for with `?`. */
  readonly help: boolean
  readonly args: Args
}

const HELP = '?'
const UNSIGNED = /^\d{1,10}$/
const U32_MAX = 0xffffffff

/**
 * Reads a line by the rules of the real shell (DESIGN.md "Behaviour"): exact long or short names, names of commands and options in any
 * case, the dash before a known option name optional, `words` options run on to the next dash.
 * @throws CommandError CKR_ARGUMENTS_BAD with a line that says what is wrong and never repeats a secret
 */
export function parse(line: string, commands: readonly Command[]): Parsed {
  const { tokens, openQuote } = tokenize(line)
  if (openQuote) throw badLine(literals.openQuote)
  const found = findCommand(tokens, commands)
  if (!found) throw badLine(literals.unknownCommand, nameAttempt(tokens, commands))
  const { command, rest } = found
  if (rest.at(-1)?.text === HELP && !rest.at(-1)?.quoted) return { command, help: true, args: new Args(new Map()) }
  return { command, help: false, args: readOptions(rest, command) }
}

/** The line with the value of every secret option masked, for echoes: true to the line in everything else. */
export function redact(line: string, commands: readonly Command[]): string {
  const { tokens } = tokenize(line)
  const found = findCommand(tokens, commands)
  const options = found ? found.command.options : commands.flatMap((command) => command.options)
  let shown = ''
  let copied = 0
  for (const { from, to } of secretSpans(found ? found.rest : tokens, options)) {
    shown += `${line.slice(copied, from)}${MASK}`
    copied = to
  }
  return shown + line.slice(copied)
}

/** Whether a line has a secret in it: such lines do not go into a history. */
export function hasSecret(line: string, commands: readonly Command[]): boolean {
  return redact(line, commands) !== line
}

/** All commands whose words start with these, for the help. */
export function commandsUnder<C extends CommandSpec>(words: readonly string[], commands: readonly C[]): C[] {
  const tokens = words.map((text) => ({ text, quoted: false, start: 0, end: 0 }))
  return commands.filter((command) => matched(tokens, command) === Math.min(tokens.length, command.words.length))
}

function findCommand(tokens: readonly Token[], commands: readonly Command[]) {
  for (const command of commands) {
    if (matched(tokens, command) === command.words.length) return { command, rest: tokens.slice(command.words.length) }
  }
  return undefined
}

/** How many of the command's words the line starts with. */
function matched(tokens: readonly Token[], command: CommandSpec): number {
  const stop = command.words.findIndex(({ long, short }, index) => {
    const token = tokens[index]
    const typed = token && !token.quoted ? token.text.toLowerCase() : ''
    return typed !== long.toLowerCase() && typed !== short
  })
  return stop < 0 ? command.words.length : stop
}

/** What to call a command that does not exist: its known words and the first that is not. */
function nameAttempt(tokens: readonly Token[], commands: readonly Command[]): string {
  const known = Math.max(0, ...commands.map((command) => matched(tokens, command)))
  return tokens
    .slice(0, known + 1)
    .map((token) => token.text)
    .join(' ')
}

function findOption(token: Token | undefined, options: readonly OptionSpec[]): OptionSpec | undefined {
  if (!token || token.quoted) return undefined
  const name = token.text.replace(/^-/, '').toLowerCase()
  return options.find((option) => option.name.toLowerCase() === name || option.short?.includes(name))
}

const dashed = (token: Token) => !token.quoted && token.text.startsWith('-')

/**
 * Where secrets stand: from the word after a secret option to the word before the next dashed known one. What follows
 * an option that is not known may be a secret too, its option misspelt.
 */
function secretSpans(tokens: readonly Token[], options: readonly OptionSpec[]): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = []
  const guarded = options.some((option) => option.secret)
  let index = 0
  while (index < tokens.length) {
    const token = tokens[index++]
    const option = findOption(token, options)
    const secret = option ? option.secret : guarded && token && dashed(token)
    const first = tokens[index]
    if (!secret || !first || isNextOption(first, options)) continue
    let last = first
    // A secret typed with spaces but without quotes: the words after the first are part of it as well.
    for (let next: Token | undefined = first; next && !isNextOption(next, options); next = tokens[++index]) last = next
    spans.push({ from: first.start, to: last.end })
  }
  return spans
}

function isNextOption(token: Token, options: readonly OptionSpec[]): boolean {
  return dashed(token) && findOption(token, options) !== undefined
}

function readOptions(tokens: readonly Token[], command: Command): Args {
  const { options } = command
  const values = new Map<string, OptionValue>()
  const rest: string[] = []
  let index = 0
  let afterSecret = false
  while (index < tokens.length) {
    const token = tokens[index++]
    if (!token) break
    const option = findOption(token, options)
    if (!option) {
      if (command.words[0]?.long === 'help' && !dashed(token)) {
        rest.push(token.text)
        continue
      }
      const shown = afterSecret ? MASK : token.text
      throw badLine(dashed(token) ? literals.unknownOption : literals.unexpectedWord, shown, commandName(command))
    }
    if (values.has(option.name)) throw badLine(literals.repeatedOption, option.name)
    afterSecret = option.secret === true
    const taken = option.kind === 'flag' ? [] : takeValue(tokens.slice(index), option)
    index += taken.length
    values.set(option.name, readValue(option, taken))
  }
  for (const option of options) {
    if (option.required && !values.has(option.name)) throw badLine(literals.notSupplied, option.name)
  }
  return new Args(values, rest)
}

/** The words that make up an option's value. */
function takeValue(tokens: readonly Token[], option: OptionSpec): readonly Token[] {
  const first = tokens[0]
  if (!first || dashed(first)) throw badLine(literals.missingValue, option.name)
  if (option.kind !== 'words' || first.quoted) return [first]
  const stop = tokens.findIndex((token) => dashed(token) || token.quoted)
  return stop < 0 ? tokens : tokens.slice(0, stop)
}

function readValue(option: OptionSpec, taken: readonly Token[]): OptionValue {
  const text = taken.map((token) => token.text).join(' ')
  switch (option.kind) {
    case 'flag':
      return true
    case 'number': {
      const value = readNumber(text)
      if (value === undefined) throw badLine(literals.badNumber, option.name)
      return value
    }
    case 'numbers': {
      const values = text.split(',').map((part) => readNumber(part.trim()))
      const known = values.filter((value) => value !== undefined)
      if (known.length !== values.length) throw badLine(literals.badNumbers, option.name)
      return known
    }
    default:
      return text
  }
}

function readNumber(text: string): number | undefined {
  if (!UNSIGNED.test(text)) return undefined
  const value = Number(text)
  return value <= U32_MAX ? value : undefined
}
