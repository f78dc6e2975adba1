// A PED with a box of its own, a person who does as the test says, and a clock that the test moves.
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as protocol from '../../assembly/protocol.js'
import { frameCable } from '../../host/board/frame-link.js'
import {
  blankPedKey,
  type Operator,
  Ped,
  type PedAction,
  type PedClock,
  type PedEvent,
  PedKeyBox,
  type PedPrompt,
  promptText,
} from '../../host/ped/index.js'
import { type HsmOptions, HsmSide } from './hsm-side.js'

/** A secret that is the same in every run. */
export const secretOf = (name: string) => createHash('sha384').update(`ped test ${name}`).digest()

export class ManualClock implements PedClock {
  #now = 0
  readonly #sleepers = new Set<{ until: number; wake: () => void }>()
  readonly #watchers: { count: number; notice: () => void }[] = []

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.#now + milliseconds, wake: resolve }
      this.#sleepers.add(sleeper)
      for (const { count, notice } of this.#watchers) if (this.#sleepers.size >= count) notice()
      signal.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Resolves once so many sleep at a time. */
  sleeping(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.push({ count, notice: resolve })
      if (this.#sleepers.size >= count) resolve()
    })
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds
    for (const sleeper of this.#sleepers) {
      if (sleeper.until > this.#now) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
}

/** A person who answers one question after the other from a list, and then does nothing. */
export class Script implements Operator {
  readonly prompts: PedPrompt[] = []
  readonly #actions: PedAction[]
  #idle: () => void = () => undefined

  constructor(...actions: PedAction[]) {
    this.#actions = actions
  }

  /** Resolves when a question is asked that the list has no answer for. */
  readonly waiting = new Promise<void>((resolve) => {
    this.#idle = resolve
  })

  /** The screens so far, each as one line. */
  get screens(): string[] {
    return this.prompts.map(promptText)
  }

  more(...actions: PedAction[]): this {
    this.#actions.push(...actions)
    return this
  }

  async answer(prompt: PedPrompt): Promise<PedAction> {
    const { question } = prompt
    const next = this.#actions[0]
    // Nobody splits a secret unless the list says so: M and N are left as shown.
    const splits = next?.action === 'enter' && next.value !== undefined
    if ((question === 'm-value' || question === 'n-value') && !splits) return { action: 'enter' }
    this.prompts.push(prompt)
    const action = this.#actions.shift()
    if (!action) this.#idle()
    return action ?? { action: 'no-key' }
  }
}

export const insert = (key: string): PedAction => ({ action: 'key', key })
export const press = (action: 'yes' | 'no' | 'cancel' | 'no-key' | 'enter'): PedAction => ({ action })
export const type = (pin: string): PedAction => ({ action: 'enter', pin })
export const count = (value: number): PedAction => ({ action: 'enter', value })

export interface Desk {
  ped: Ped
  box: PedKeyBox
  clock: ManualClock
  events: PedEvent[]
  /** Plugs the cable of an HSM in. */
  plug(options?: HsmOptions): HsmSide
}

/** Keys in the box: one of each common colour with the secret of its name, and two blank ones. */
const KEYS = [
  ['blue', protocol.PED_KIND_SO],
  ['black', protocol.PED_KIND_USER],
  ['red', protocol.PED_KIND_DOMAIN],
  ['orange', protocol.PED_KIND_REMOTE],
] as const

/** Lays a desk, runs the test on it and clears it away. */
export async function withDesk(operator: Operator, test: (desk: Desk) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-ped-'))
  const box = new PedKeyBox(folder)
  const clock = new ManualClock()
  const events: PedEvent[] = []
  const ped = new Ped({ box, operator, clock, onEvent: (event) => events.push(event) })
  try {
    for (const [colour, kind] of KEYS) {
      await box.add(colour, { colour, label: colour, content: { kind, secret: secretOf(colour), pin: false } })
    }
    await box.add('pinned', {
      colour: 'black',
      label: '',
      content: { kind: protocol.PED_KIND_USER, secret: secretOf('pinned'), pin: true },
    })
    await box.add('blank-1', blankPedKey('none'))
    await box.add('blank-2', blankPedKey('none'))
    const plug = (options?: HsmOptions) => {
      const [hsmEnd, pedEnd] = frameCable()
      ped.connect(pedEnd)
      return new HsmSide(hsmEnd, options)
    }
    await test({ ped, box, clock, events, plug })
  } finally {
    ped.disconnect()
    await rm(folder, { recursive: true })
  }
}
