import { readFile } from 'node:fs/promises'
import { PedError } from './errors.js'
import { isPedPin } from './pin.js'
import { SHARES_MAX } from './secret-sharing.js'

interface RuleBase {
  /** Found anywhere in the screen's text (its lines joined by a space, case does not matter), or a pattern: `/…/`. */
  readonly prompt: string
  /** Milliseconds that the person takes. */
  readonly delayMs?: number
  /** The rule holds so many times, then never again. */
  readonly times?: number
  /** The rule holds only while this key of the box is blank. */
  readonly ifBlank?: string
}

interface KeyRule extends RuleBase {
  readonly action: 'key'
  /** Name of the key to insert. */
  readonly key: string
  /** A key that is inserted first, by mistake. */
  readonly wrongKey?: string
  /** The PED PIN typed at the questions that follow. */
  readonly pin?: string
}

interface EnterRule extends RuleBase {
  readonly action: 'enter'
  /** Typed before Enter: a PED PIN, or the number that M or N is to be. */
  readonly pin?: string
  readonly value?: number
}

interface PressRule extends RuleBase {
  readonly action: 'no-key' | 'yes' | 'no' | 'cancel'
}

/** One line of a scripted operator: where the screen matches `prompt`, do `action`. */
export type OperatorRule = KeyRule | EnterRule | PressRule

const ACTIONS: readonly OperatorRule['action'][] = ['key', 'no-key', 'yes', 'no', 'cancel', 'enter']
const PATTERN = /^\/(.*)\/$/s

/** Matches the text of a screen. @throws SyntaxError where the pattern is not one */
export function promptMatcher(prompt: string): (text: string) => boolean {
  const pattern = PATTERN.exec(prompt)?.[1]
  if (pattern !== undefined) {
    const expression = new RegExp(pattern, 'i')
    return (text) => expression.test(text)
  }
  const wanted = prompt.toLowerCase()
  return (text) => text.toLowerCase().includes(wanted)
}

type Fail = (field: string, reason: string) => never

/** Each optional field: the actions it goes with, and what is wrong with a value. */
const FIELDS: Record<
  string,
  { actions: readonly OperatorRule['action'][]; fault: (value: unknown) => string | undefined }
> = {
  key: { actions: ['key'], fault: (value) => (isText(value) ? undefined : 'must be the name of a key') },
  wrongKey: { actions: ['key'], fault: (value) => (isText(value) ? undefined : 'must be the name of a key') },
  pin: {
    actions: ['key', 'enter'],
    fault: (value) => (typeof value === 'string' && isPedPin(value) ? undefined : 'must be 4 to 48 digits, as text'),
  },
  value: {
    actions: ['enter'],
    fault: (value) =>
      isWhole(value, 1) && value <= SHARES_MAX ? undefined : `must be a number from 1 to ${SHARES_MAX}`,
  },
  delayMs: {
    actions: ACTIONS,
    fault: (value) => (isWhole(value, 0) ? undefined : 'must be a whole number of milliseconds'),
  },
  times: { actions: ACTIONS, fault: (value) => (isWhole(value, 1) ? undefined : 'must be a whole number above zero') },
  ifBlank: { actions: ACTIONS, fault: (value) => (isText(value) ? undefined : 'must be the name of a key') },
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isWhole = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && Number(value) >= least

function isRule(rule: Record<string, unknown>, fail: Fail): rule is Record<string, unknown> & OperatorRule {
  const { prompt, action: wanted } = rule
  if (!isText(prompt)) return fail('prompt', 'must be a text or a /pattern/')
  try {
    promptMatcher(prompt)
  } catch {
    fail('prompt', 'is not a pattern')
  }
  const action = ACTIONS.find((known) => known === wanted)
  if (action === undefined) return fail('action', `must be one of ${ACTIONS.join(', ')}`)
  for (const [name, value] of Object.entries(rule)) {
    if (name === 'prompt' || name === 'action') continue
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined
    if (!field) return fail(name, 'is not a field of a rule')
    if (!field.actions.includes(action)) fail(name, `means nothing with the action "${action}"`)
    const fault = field.fault(value)
    if (fault) fail(name, fault)
  }
  if (action === 'key' && rule.key === undefined) fail('key', 'is missing')
  return true
}

/**
 * Checks rules that were read from somewhere; `source` names it in errors.
 * @throws PedError OPERATOR_RULES_INVALID with the path of what is wrong, such as `rules[2].times`
 */
export function checkOperatorRules(value: unknown, source = 'operator rules'): OperatorRule[] {
  const invalid = (where: string, reason: string): never => {
    throw new PedError('OPERATOR_RULES_INVALID', `${source}: ${where} ${reason}`)
  }
  if (!Array.isArray(value)) return invalid('the file', 'must hold a list of rules')
  return value.map((entry: unknown, i) => {
    const path = `rules[${i}]`
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return invalid(path, 'must be an object')
    const rule: Record<string, unknown> = { ...entry }
    return isRule(rule, (field, reason) => invalid(`${path}.${field}`, reason)) ? rule : invalid(path, 'is not a rule')
  })
}

/** Reads a JSON file of rules. @throws PedError OPERATOR_RULES_INVALID */
export async function readOperatorRules(path: string): Promise<OperatorRule[]> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new PedError('OPERATOR_RULES_INVALID', `${path}: the file ${reason}`, { cause })
  }
  return checkOperatorRules(value, path)
}
