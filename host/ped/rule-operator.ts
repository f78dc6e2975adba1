import type { PedKeyBox } from './box.js'
import { type PedClock, realPedClock } from './clock.js'
import { PedError } from './errors.js'
import { type Operator, type PedAction, type PedPrompt, promptText } from './operator.js'
import { type OperatorRule, promptMatcher } from './operator-rules.js'

export interface RuleOperatorOptions {
  readonly rules: readonly OperatorRule[]
  readonly box: PedKeyBox
  /** Real time unless given; the rules' `delayMs` pass on it. */
  readonly clock?: PedClock
  /** Asked where no rule matches, such as a person at the terminal. Without one nothing is done: the time runs out. */
  readonly fallback?: Operator
}

interface Entry {
  readonly rule: OperatorRule
  readonly matches: (text: string) => boolean
  used: number
}

/** A scripted person: the first rule that matches the screen says what to do. */
export class RuleOperator implements Operator {
  readonly #entries: Entry[]
  readonly #box: PedKeyBox
  readonly #clock: PedClock
  readonly #fallback: Operator | undefined
  #request = 0
  /** Rules that were tried at the question that stands. */
  #tried = new Set<Entry>()
  /** What follows the wrong key of a rule that is in the PED now. */
  #afterMistake: PedAction | undefined
  /** The PIN that goes with the key inserted last; undefined = no rule inserted one in this request. */
  #pin: string | undefined

  constructor({ rules, box, clock = realPedClock, fallback }: RuleOperatorOptions) {
    this.#entries = rules.map((rule) => ({ rule, matches: promptMatcher(rule.prompt), used: 0 }))
    this.#box = box
    this.#clock = clock
    this.#fallback = fallback
  }

  async answer(prompt: PedPrompt, signal: AbortSignal): Promise<PedAction> {
    if (prompt.request !== this.#request) {
      this.#request = prompt.request
      this.#pin = undefined
    }
    if (prompt.attempt === 0) {
      this.#tried.clear()
      this.#afterMistake = undefined
    }
    const after = this.#afterMistake
    this.#afterMistake = undefined
    if (after) return after
    const entry = await this.#find(prompt)
    if (!entry) return this.#byHabit(prompt, signal)
    this.#tried.add(entry)
    entry.used++
    const { rule } = entry
    if (rule.delayMs !== undefined) await this.#clock.sleep(rule.delayMs, signal)
    return this.#act(rule)
  }

  #act(rule: OperatorRule): PedAction {
    if (rule.action === 'key') {
      this.#pin = rule.pin ?? ''
      if (rule.wrongKey === undefined) return { action: 'key', key: rule.key }
      this.#afterMistake = { action: 'key', key: rule.key }
      return { action: 'key', key: rule.wrongKey }
    }
    if (rule.action !== 'enter') return { action: rule.action }
    const { pin, value } = rule
    return { action: 'enter', ...(pin === undefined ? {} : { pin }), ...(value === undefined ? {} : { value }) }
  }

  /**
   * The first rule that matches. Where a question comes again, what that rule answered did not do, and no other rule takes its place: a key
   * that is lost, or not the right one, must not end in some other key being tried. `times` says otherwise.
   */
  async #find(prompt: PedPrompt): Promise<Entry | undefined> {
    const text = promptText(prompt)
    for (const entry of this.#entries) {
      const { times, ifBlank } = entry.rule
      if ((times !== undefined && entry.used >= times) || !entry.matches(text)) continue
      if (ifBlank === undefined || (await this.#isBlank(ifBlank))) return this.#tried.has(entry) ? undefined : entry
    }
    return undefined
  }

  async #isBlank(key: string): Promise<boolean> {
    try {
      return (await this.#box.read(key)).content === undefined
    } catch (error) {
      if (error instanceof PedError) return false
      throw error
    }
  }

  /** No rule: whoever inserted a key knows its PIN; all else is for the person who is there, if any. */
  #byHabit(prompt: PedPrompt, signal: AbortSignal): PedAction | Promise<PedAction> {
    const typing = prompt.question === 'pin' || prompt.question === 'new-pin' || prompt.question === 'confirm-pin'
    if (typing && this.#pin !== undefined && prompt.attempt === 0) {
      return this.#pin === '' ? { action: 'enter' } : { action: 'enter', pin: this.#pin }
    }
    return this.#fallback?.answer(prompt, signal) ?? { action: 'no-key' }
  }
}
