import type { BoxEntry, PedKeyBox } from './box.js'
import { PedError } from './errors.js'
import { pedKind } from './kinds.js'
import type { Operator, PedAction, PedPrompt } from './operator.js'
import { drawn } from './screen.js'
import { SHARES_MAX } from './secret-sharing.js'

/** The terminal that the person sits at. */
export interface PersonTerminal {
  print(line: string): void
  /**
   * Asks one question; a masked answer is never echoed.
   * @throws PedError PED_TERMINAL_INTERRUPTED (Ctrl-C), PED_TERMINAL_CLOSED; the signal's reason once it is aborted
   */
  ask(question: string, options: { readonly masked: boolean; readonly signal: AbortSignal }): Promise<string>
}

const WALK_AWAY = 'w'
const GIVE_UP = 'c'
const KEYPAD = [
  ['yes', 'y'],
  ['no', 'n'],
  ['enter', ''],
  ['clear', GIVE_UP],
] as const
const OTHERS = `${GIVE_UP} = cancel, ${WALK_AWAY} = do nothing`

/** A person at a terminal: sees the PED's display and the keys of the box, chooses a key, types a PIN without echo. */
export class TerminalOperator implements Operator {
  readonly #terminal: PersonTerminal
  readonly #box: PedKeyBox

  constructor({ terminal, box }: { terminal: PersonTerminal; box: PedKeyBox }) {
    this.#terminal = terminal
    this.#box = box
  }

  async answer(prompt: PedPrompt, signal: AbortSignal): Promise<PedAction> {
    this.#showDisplay(prompt.lines)
    try {
      return await this.#answer(prompt, signal)
    } catch (error) {
      if (error instanceof PedError && error.code === 'PED_TERMINAL_INTERRUPTED') return { action: 'cancel' }
      if (error instanceof PedError && error.code === 'PED_TERMINAL_CLOSED') return { action: 'no-key' }
      throw error
    }
  }

  #answer({ question, attempt }: PedPrompt, signal: AbortSignal): Promise<PedAction> {
    switch (question) {
      case 'reuse':
      case 'overwrite':
      case 'duplicate':
        return this.#choose(`y = yes, n = no, ${OTHERS}`, { y: { action: 'yes' }, n: { action: 'no' } }, signal)
      case 'm-value':
      case 'n-value':
        return this.#typeNumber(question === 'm-value' ? 'M, 1 to 16' : 'N, M to 16', signal)
      case 'show':
        return this.#choose(`Enter = done, ${OTHERS}`, { '': { action: 'enter' } }, signal)
      case 'key':
        return this.#chooseKey(attempt, signal)
      default:
        return this.#typePin(signal)
    }
  }

  #showDisplay(lines: readonly string[]): void {
    for (const line of drawn(lines)) this.#terminal.print(line)
  }

  async #choose(
    hint: string,
    choices: Readonly<Record<string, PedAction>>,
    signal: AbortSignal,
    otherwise = 'That is none of the answers.',
  ): Promise<PedAction> {
    const all = new Map<string, PedAction>(Object.entries(choices))
    all.set(GIVE_UP, { action: 'cancel' }).set(WALK_AWAY, { action: 'no-key' })
    // The keys of the keypad by their whole names.
    for (const [word, short] of KEYPAD) {
      const action = all.get(short)
      if (action && !all.has(word)) all.set(word, action)
    }
    for (;;) {
      const typed = await this.#terminal.ask(`PED (${hint}): `, { masked: false, signal })
      const action = all.get(typed.trim().toLowerCase())
      if (action) return action
      this.#terminal.print(otherwise)
    }
  }

  async #chooseKey(attempt: number, signal: AbortSignal): Promise<PedAction> {
    if (attempt > 0) this.#terminal.print('That key does not do.')
    const keys = await this.#box.list()
    for (const [i, key] of keys.entries()) this.#terminal.print(`  ${i + 1}  ${describe(key)}`)
    const numbered = keys.map(({ name }, i): [string, PedAction] => [String(i + 1), { action: 'key', key: name }])
    const named = keys.map(({ name }): [string, PedAction] => [name.toLowerCase(), { action: 'key', key: name }])
    const all = Object.fromEntries([...numbered, ...named])
    return this.#choose(`number or name of a key, ${OTHERS}`, all, signal, 'No key has that number or name.')
  }

  async #typeNumber(hint: string, signal: AbortSignal): Promise<PedAction> {
    const numbers = Array.from({ length: SHARES_MAX }, (_, i): [string, PedAction] => [
      String(i + 1),
      { action: 'enter', value: i + 1 },
    ])
    const all = Object.fromEntries<PedAction>([['', { action: 'enter' }], ...numbers])
    return this.#choose(`${hint}, Enter = as shown, ${OTHERS}`, all, signal)
  }

  async #typePin(signal: AbortSignal): Promise<PedAction> {
    const pin = await this.#terminal.ask('PED PIN (Enter alone = none): ', { masked: true, signal })
    return pin === '' ? { action: 'enter' } : { action: 'enter', pin }
  }
}

function describe({ name, colour, label, kind, pin, share, worn, fault }: BoxEntry): string {
  if (fault) return `${name}: not readable (${fault})`
  const content = kind === undefined ? 'blank' : (pedKind(kind)?.title ?? 'unknown')
  return `${name}: ${colour}, ${content}${share ? `, share ${share.index} of ${share.total} (${share.threshold} needed)` : ''}${pin ? ', with a PIN' : ''}${worn ? ', worn out' : ''}${label ? `, "${label}"` : ''}`
}
