import { Args, type OptionValue } from './args.js'
import { type CommandSpec, commandName, type OptionSpec } from './command-spec.js'
import { badLine, unknownCommand } from './errors.js'
import { MASK } from './io.js'
import { literals } from './literals.js'
import { type Token, tokenize } from './tokens.js'

/** A command line that was understood. */
export interface Parsed<C extends CommandSpec> {
  readonly command: C
  /** The syntax help was asked for with `?`, or in the way of other programs. */
  readonly help: boolean
  readonly args: Args
}

/** The last word of a line that wants to know the syntax. */
const HELP = new Set(['?', '-?', '-help', '--help'])
const UNSIGNED = /^\d{1,10}$/
const U32_MAX = 0xffffffff

/**
 * Reads a line by the rules of the real shell (DESIGN.md "Behaviour"): exact long or short names, names of commands and options in any
 * case, the dash before a known option name optional, `words` options run on to the next dash. A group without its command asks for help.
 * @throws CommandError "Unknown command", or CKR_ARGUMENTS_BAD, with a line that says what is wrong and never repeats a secret
 */
export function parse<C extends CommandSpec>(line: string, commands: readonly C[]): Parsed<C> {
  const { tokens, openQuote } = tokenize(line)
  if (openQuote) throw badLine(literals.openQuote)
  const found = findCommand(tokens, commands) ?? findGroup(tokens, commands)
  if (!found) throw unknownCommand(nameAttempt(tokens, commands))
  const { command, rest } = found
  if (isHelp(rest.at(-1))) return { command, help: true, args: new Args(new Map()) }
  return { command, help: false, args: readOptions(rest, command) }
}

/**
 * The line for echoes, with everything masked that is or may be a secret; true to the line in everything else.
 * `answer`: the line may be the answer to a question that a command did not come to, so that what is no command is masked as a whole.
 */
export function redact(line: string, commands: readonly CommandSpec[], answer = false): string {
  const { tokens } = tokenize(line)
  const found = findCommand(tokens, commands)
  if (found && isHelp(found.rest.at(-1))) found.rest.pop()
  if (!found && answer && commandsUnder([tokens[0]?.text ?? ''], commands).length === 0) return MASK
  const options = found ? found.command.options : commands.flatMap((command) => command.options)
  let shown = ''
  let copied = 0
  for (const { from, to } of secretSpans(found ? found.rest : tokens, options, found !== undefined)) {
    shown += `${line.slice(copied, from)}${MASK}`
    copied = to
  }
  return shown + line.slice(copied)
}

/** Whether a line has a secret in it: such lines do not go into a history. */
export function hasSecret(line: string, commands: readonly CommandSpec[]): boolean {
  return redact(line, commands) !== line
}

/** Whether the line's command may ask for a secret; of a line that names none nobody knows. */
export function asksForSecrets(line: string, commands: readonly CommandSpec[]): boolean {
  const found = findCommand(tokenize(line).tokens, commands)
  return !found || found.command.options.some((option) => option.secret)
}

/** All commands whose words start with these, for the help. */
export function commandsUnder<C extends CommandSpec>(words: readonly string[], commands: readonly C[]): C[] {
  const tokens = words.map((text) => ({ text, quoted: false, start: 0, end: 0 }))
  return commands.filter((command) => matched(tokens, command) === Math.min(tokens.length, command.words.length))
}

function findCommand<C extends CommandSpec>(tokens: readonly Token[], commands: readonly C[]) {
  for (const command of commands) {
    if (matched(tokens, command) === command.words.length) return { command, rest: tokens.slice(command.words.length) }
  }
  return undefined
}

/** Words that are the beginning of commands, with or without a question mark: what help shows of them. */
function findGroup<C extends CommandSpec>(tokens: readonly Token[], commands: readonly C[]) {
  const words = isHelp(tokens.at(-1)) ? tokens.slice(0, -1) : tokens
  const known = words.length > 0 && commands.some((command) => matched(words, command) === words.length)
  const help = known ? commands.find((command) => command.takesWords) : undefined
  return help && { command: help, rest: words }
}

const isHelp = (token: Token | undefined): boolean =>
  token !== undefined && HELP.has(token.text.toLowerCase()) && !token.quoted

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
function nameAttempt(tokens: readonly Token[], commands: readonly CommandSpec[]): string {
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

interface Span {
  readonly from: number
  readonly to: number
}

/**
 * Where secrets stand: behind a secret option up to the next known one with its dash, and glued to its name. Where a command has such an
 * option, every word that is no option and no value of another one may be a secret too: typed without its option, or with a misspelt one.
 * Of a command that is not known (`strict` false) only what follows a secret option is told apart.
 */
function secretSpans(tokens: readonly Token[], options: readonly OptionSpec[], strict: boolean): Span[] {
  const secrets = options.filter((option) => option.secret)
  if (secrets.length === 0) return []
  const spans: Span[] = []
  let index = 0
  const hide = (stop: (token: Token) => boolean): void => {
    const first = tokens[index]
    let last: Token | undefined
    for (let next = first; next && !stop(next); next = tokens[++index]) last = next
    if (first && last) spans.push({ from: first.start, to: last.end })
  }
  while (index < tokens.length) {
    const token = tokens[index]
    if (!token) break
    const option = findOption(token, secrets) ?? findOption(token, options)
    if (option) {
      index++
      // A secret typed with spaces but without quotes: the words after the first are part of it as well.
      if (option.secret) hide((next) => isNextOption(next, options))
      else if (option.kind !== 'flag') index += shownWords(tokens.slice(index), option, options)
    } else if (dashed(token)) {
      index++
      const glued = gluedSecret(token, secrets)
      if (glued) spans.push(glued)
      hide((next) => isNextOption(next, options))
    } else if (strict) hide((next) => isNextOption(next, options))
    else index++
  }
  return spans
}

/** How many words of an option's value may be shown. */
function shownWords(tokens: readonly Token[], option: OptionSpec, options: readonly OptionSpec[]): number {
  const [first] = tokens
  if (!first || isNextOption(first, options)) return 0
  const { known } = option
  if (option.kind !== 'words' || !known || first.quoted) return 1
  let text = ''
  const stop = tokens.findIndex((token) => {
    text = `${text} ${token.text.toLowerCase()}`.trimStart()
    return !known.some((name) => name === text || name.startsWith(`${text} `))
  })
  // The first word is always shown: the error names it.
  return stop < 0 ? tokens.length : Math.max(1, stop)
}

/** `-pSECRET`, `-password=SECRET`: what stands behind the name. */
function gluedSecret(token: Token, secrets: readonly OptionSpec[]): Span | undefined {
  const text = token.text.toLowerCase()
  const lengths = secrets
    .flatMap(({ name, short = [] }) => [name.toLowerCase(), ...short])
    .filter((name) => text.startsWith(`-${name}`))
    .map((name) => name.length)
  if (lengths.length === 0) return undefined
  const from = token.start + 1 + Math.max(...lengths)
  return from < token.end ? { from, to: token.end } : undefined
}

function isNextOption(token: Token, options: readonly OptionSpec[]): boolean {
  return dashed(token) && findOption(token, options) !== undefined
}

function readOptions(tokens: readonly Token[], command: CommandSpec): Args {
  const { options } = command
  const values = new Map<string, OptionValue>()
  const rest: string[] = []
  let index = 0
  while (index < tokens.length) {
    const token = tokens[index++]
    if (!token) break
    const option = findOption(token, options)
    if (!option) {
      if (command.takesWords && !dashed(token)) {
        rest.push(token.text)
        continue
      }
      throw badLine(
        dashed(token) ? literals.unknownOption : literals.unexpectedWord,
        speakable(token, options),
        commandName(command),
      )
    }
    if (values.has(option.name)) throw badLine(literals.repeatedOption, option.name)
    const taken = option.kind === 'flag' ? [] : takeValue(tokens.slice(index), option, options)
    index += taken.length
    values.set(option.name, readValue(option, taken))
  }
  for (const option of options) {
    if (option.required && !values.has(option.name)) throw badLine(literals.notSupplied, option.name)
  }
  return new Args(values, rest)
}

/** A word that belongs nowhere, as an error may repeat it: not at all where the command takes a secret, but for the name of an option. */
function speakable(token: Token, options: readonly OptionSpec[]): string {
  const secrets = options.filter((option) => option.secret)
  if (secrets.length === 0) return token.text
  if (!dashed(token)) return MASK
  const glued = gluedSecret(token, secrets)
  return glued ? `${token.text.slice(0, glued.from - token.start)}${MASK}` : token.text
}

/** The words that make up an option's value. */
function takeValue(tokens: readonly Token[], option: OptionSpec, options: readonly OptionSpec[]): readonly Token[] {
  const first = tokens[0]
  if (!first || dashed(first)) throw badLine(literals.missingValue, option.name)
  if (option.kind !== 'words' || first.quoted) return [first]
  const ends = (token: Token, i: number) => dashed(token) || token.quoted || (i > 0 && findOption(token, options))
  const stop = tokens.findIndex(ends)
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
