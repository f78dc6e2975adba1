// PEDs for test tokens: a box of keys, people who work by the book or by a script, and time that only the test moves.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { frameCable, type PedConnectorName, VirtualClock } from '../../../host/board/index.js'
import {
  blankPedKey,
  defaultRules,
  type Operator,
  type OperatorRule,
  Ped,
  type PedAction,
  type PedClock,
  PedKeyBox,
  type PedPrompt,
  promptText,
  RuleOperator,
} from '../../../host/ped/index.js'
import { START, type TestToken } from './test-token.js'

/** One clock for a board and the PEDs on its table. */
export class TableClock extends VirtualClock implements PedClock {
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>()

  constructor(start = START) {
    super(start)
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.now() + milliseconds, wake: resolve }
      this.#sleepers.add(sleeper)
      signal.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  override advance(milliseconds: number): void {
    super.advance(milliseconds)
    for (const sleeper of this.#sleepers) {
      if (sleeper.until > this.now()) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
}

/** A question for M or N that the next action does not answer with a number. */
export function isUnsplit({ question }: PedPrompt, next: PedAction | undefined): boolean {
  return (question === 'm-value' || question === 'n-value') && !(next?.action === 'enter' && next.value !== undefined)
}

/** A person who answers from a list, one question after the other, and then leaves what comes to the next in line. */
export class ScriptedOperator implements Operator {
  readonly prompts: PedPrompt[] = []
  readonly #actions: PedAction[] = []
  #asked: (() => void) | undefined

  constructor(private readonly otherwise?: Operator) {}

  /** The screens so far, each as one line. */
  get screens(): string[] {
    return this.prompts.map(promptText)
  }

  /** What the person does at the next questions. */
  next(...actions: PedAction[]): this {
    this.#actions.push(...actions)
    return this
  }

  /** Resolves at the next question. */
  asked(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked = resolve
    })
  }

  async answer(prompt: PedPrompt, signal: AbortSignal): Promise<PedAction> {
    // Nobody splits a secret unless the list says so: M and N are left as shown.
    if (isUnsplit(prompt, this.#actions[0])) return { action: 'enter' }
    this.prompts.push(prompt)
    const action = this.#actions.shift()
    this.#asked?.()
    this.#asked = undefined
    return action ?? (await this.otherwise?.answer(prompt, signal)) ?? { action: 'no-key' }
  }
}

export const insert = (key: string): PedAction => ({ action: 'key', key })
export const press = (action: 'yes' | 'no' | 'cancel' | 'no-key' | 'enter'): PedAction => ({ action })
export const type = (pin: string): PedAction => ({ action: 'enter', pin })

/** Names of the keys in a new box, blank; each has the colour of its name, `other-…` as well. */
export const KEYS = [
  'blue',
  'black',
  'gray',
  'red',
  'orange',
  'purple',
  'white',
  'other-blue',
  'other-black',
  'other-orange',
] as const

/** A table with a box of keys. `clear` removes the box. */
export class PedDesk {
  readonly #folder = mkdtempSync(join(tmpdir(), 'moonlet-peds-'))
  readonly box = new PedKeyBox(this.#folder)

  private constructor(readonly clock: TableClock) {}

  static async lay(clock = new TableClock()): Promise<PedDesk> {
    const desk = new PedDesk(clock)
    for (const name of KEYS) await desk.box.add(name, blankPedKey('none'))
    return desk
  }

  /** A person who works by the book (`defaultRules`), after these rules of the test. */
  byTheBook(...rules: OperatorRule[]): Operator {
    return new RuleOperator({ rules: [...rules, ...defaultRules()], box: this.box, clock: this.clock })
  }

  /** Plugs a PED of its own into a connector of the token; whoever was there is unplugged. */
  plug(token: TestToken, operator: Operator = this.byTheBook(), connector: PedConnectorName = 'local'): Ped {
    const [near, far] = frameCable()
    const ped = new Ped({ box: this.box, operator, clock: this.clock })
    token.board.detachPed(connector)
    token.board.attachPed(connector, near)
    ped.connect(far)
    return ped
  }

  clear(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
