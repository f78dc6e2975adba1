import { setImmediate as otherWork } from 'node:timers/promises'
import type { PedKeyBox } from './box.js'
import { PedError } from './errors.js'
import type { PedEvent } from './events.js'
import { pedKind } from './kinds.js'
import type { Operator, PedAction, PedQuestion } from './operator.js'
import { PED_LABEL_MAX, type PedKey, type PedKeyContent } from './ped-key.js'
import { isPedPin, mixPin } from './pin.js'
import * as screen from './screen.js'

/** What a conversation needs around it. */
export interface Desk {
  readonly box: PedKeyBox
  readonly operator: Operator
  display(lines: readonly string[]): void
  report(event: PedEvent): void
}

/**
 * The questions of one request of the HSM. Every method rejects with the signal's reason once it is aborted, and with
 * PedError PED_CANCELLED where the person gives up. Nothing is written to a key after that.
 */
export class Conversation {
  readonly #desk: Desk
  readonly #request: number
  readonly #signal: AbortSignal
  readonly #over: Promise<never>

  /** @param request a number of its own for every conversation */
  constructor(desk: Desk, request: number, signal: AbortSignal) {
    this.#desk = desk
    this.#request = request
    this.#signal = signal
    this.#over = new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    // It may end while no question stands.
    this.#over.catch(() => undefined)
  }

  /** Asks for the key of the topic's kind until it comes; resolves to its secret, PED PIN mixed in. */
  async present(topic: screen.Topic): Promise<Buffer> {
    const { content, pin } = await this.#existing(topic)
    return this.#counting(content, pin)
  }

  /** Writes `secret` to one or more keys, or reads a key that the person wants to use again; resolves to what now counts. */
  async make(topic: screen.Topic, secret: Uint8Array): Promise<{ secret: Buffer; reused: boolean }> {
    const reused = await this.#yesNo('reuse', screen.reuse(topic), topic)
    const { content, pin } = reused ? await this.#existing(topic) : await this.#fresh(topic, secret)
    for (let copies = 0; await this.#yesNo('duplicate', screen.duplicate(topic), topic, copies); copies++) {
      await this.#insert(topic, async (name, key) => {
        if (!(await this.#mayOverwrite(topic, name, key))) return undefined
        await this.#write(topic, name, key, content)
        return content
      })
    }
    return { secret: this.#counting(content, pin), reused }
  }

  /** Resolves once the person has confirmed. */
  async show(lines: readonly string[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const { action } = await this.#answer('show', lines, 0, attempt)
      if (action === 'enter' || action === 'yes') return
    }
  }

  /** A key of the right kind, with its PIN where it has one. */
  #existing(topic: screen.Topic): Promise<{ content: PedKeyContent; pin: string | undefined }> {
    return this.#insert(topic, async (name, { content }) => {
      const refused = !content ? 'blank' : content.kind !== topic.kind.kind ? 'wrong kind' : undefined
      this.#desk.report({ event: 'key', key: name, refused })
      if (!content || refused) return undefined
      return { content, pin: content.pin ? await this.#enterPin(topic) : undefined }
    })
  }

  /** A key with a new secret on it. */
  #fresh(topic: screen.Topic, secret: Uint8Array): Promise<{ content: PedKeyContent; pin: string | undefined }> {
    return this.#insert(topic, async (name, key) => {
      if (!(await this.#mayOverwrite(topic, name, key))) return undefined
      const pin = await this.#choosePin(topic)
      const content = { kind: topic.kind.kind, secret: Buffer.from(secret), pin: pin !== undefined }
      await this.#write(topic, name, key, content)
      return { content, pin }
    })
  }

  async #insert<Result>(
    topic: screen.Topic,
    use: (name: string, key: PedKey) => Promise<Result | undefined>,
  ): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      const action = await this.#answer('key', screen.insertKey(topic), topic.kind.kind, attempt)
      const key = action.action === 'key' ? await this.#read(action.key) : undefined
      const result = action.action === 'key' && key ? await use(action.key, key) : undefined
      if (result !== undefined) return result
    }
  }

  async #read(name: string): Promise<PedKey | undefined> {
    try {
      return await this.#desk.box.read(name)
    } catch (error) {
      if (!(error instanceof PedError)) throw error
      this.#desk.report({ event: 'fault', reason: error.message })
      this.#desk.report({ event: 'key', key: name, refused: 'not readable' })
      return undefined
    }
  }

  async #mayOverwrite(topic: screen.Topic, name: string, { content }: PedKey): Promise<boolean> {
    const found = content && pedKind(content.kind)
    const yes = !found || (await this.#yesNo('overwrite', screen.overwrite(topic, found), topic))
    this.#desk.report({ event: 'key', key: name, refused: yes ? undefined : 'kept' })
    return yes
  }

  async #write(topic: screen.Topic, name: string, { colour, label }: PedKey, content: PedKeyContent): Promise<void> {
    this.#signal.throwIfAborted()
    const written = screen.displayable(topic.subject).slice(0, PED_LABEL_MAX) || label
    await this.#desk.box.write(name, { colour, label: written, content })
    this.#desk.report({ event: 'key-written', key: name })
  }

  /** The PIN of a key; what cannot be a PIN does not reach the HSM, where it would count as a wrong log-in. */
  async #enterPin(topic: screen.Topic): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const pin = await this.#typed('pin', screen.enterPin(topic), topic, attempt)
      if (isPedPin(pin)) return pin
    }
  }

  /** A new PIN, typed twice; undefined = none. */
  async #choosePin(topic: screen.Topic): Promise<string | undefined> {
    for (let attempt = 0; ; attempt++) {
      const pin = await this.#typed('new-pin', screen.newPin(topic), topic, attempt)
      if (pin === '') return undefined
      if (isPedPin(pin) && pin === (await this.#typed('confirm-pin', screen.confirmPin(topic), topic, attempt)))
        return pin
    }
  }

  /** The digits before Enter. */
  async #typed(question: PedQuestion, lines: readonly string[], topic: screen.Topic, attempt: number): Promise<string> {
    for (let again = attempt; ; again++) {
      const action = await this.#answer(question, lines, topic.kind.kind, again)
      if (action.action === 'enter') return action.pin ?? ''
    }
  }

  async #yesNo(question: PedQuestion, lines: readonly string[], topic: screen.Topic, attempt = 0): Promise<boolean> {
    for (let again = attempt; ; again++) {
      const { action } = await this.#answer(question, lines, topic.kind.kind, again)
      if (action === 'yes' || action === 'no') return action === 'yes'
    }
  }

  /** Puts a question; keys of the keypad that mean nothing here are left to the caller, who asks again. */
  async #answer(question: PedQuestion, lines: readonly string[], kind: number, attempt: number): Promise<PedAction> {
    // An operator that answers at once and always wrongly must not keep the time-out from being noticed.
    if (attempt > 0) await otherWork()
    this.#signal.throwIfAborted()
    this.#desk.display(lines)
    this.#desk.report({ event: 'question', question, kind, attempt })
    const shown = screen.lcd(lines).filter((line) => line !== '')
    const prompt = { question, lines: shown, kind, request: this.#request, attempt }
    const action = await Promise.race([this.#desk.operator.answer(prompt, this.#signal), this.#over])
    if (action.action === 'cancel') throw new PedError('PED_CANCELLED', 'the person at the PED gave up')
    return action.action === 'no-key' ? this.#over : action
  }

  #counting(content: PedKeyContent, pin: string | undefined): Buffer {
    const secret = mixPin(content.secret, pin)
    content.secret.fill(0)
    return secret
  }
}
