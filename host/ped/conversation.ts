import { setImmediate as otherWork } from 'node:timers/promises'
import { PED_KIND_MTK } from '../../assembly/protocol.js'
import type { PedKeyBox } from './box.js'
import { PedError } from './errors.js'
import type { KeyRefusal, PedEvent } from './events.js'
import { pedKind } from './kinds.js'
import type { Operator, PedAction, PedQuestion } from './operator.js'
import { PED_LABEL_MAX, type PedKey, type PedKeyContent } from './ped-key.js'
import { isPedPin, maskShare, mixPin } from './pin.js'
import * as screen from './screen.js'
import { joinShares, SHARES_MAX, splitSecret } from './secret-sharing.js'

/** What a conversation needs around it. */
export interface Desk {
  readonly box: PedKeyBox
  readonly operator: Operator
  display(lines: readonly string[]): void
  report(event: PedEvent): void
}

/** Keys that hold a secret between them, and what it is with their PINs. */
interface Keyset {
  readonly secret: Buffer
  /** In the order in which they were presented or written. */
  readonly contents: readonly PedKeyContent[]
}

interface Presented {
  readonly content: PedKeyContent
  readonly pin: string | undefined
}

type Refusal = KeyRefusal | undefined

/** Which of several keys, for the screen. */
const placeOf = (number: number, of: number) => (of > 1 ? { number, of } : undefined)

/** Why a key does not go on with the shares that are there already. */
function refusalOfShare({ share }: PedKeyContent, found: readonly Presented[]): Refusal {
  const first = found[0]?.content.share
  if (!share || !first || !share.set.equals(first.set)) return 'other keyset'
  return found.some(({ content }) => content.share?.index === share.index) ? 'same share' : undefined
}

/** A share without its PIN's mask. */
function shareOf({ content: { secret, share }, pin }: Presented): Buffer {
  return share && pin !== undefined ? maskShare(secret, share.set, share.index, pin) : Buffer.from(secret)
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

  /** Asks for the keys of the topic's kind until the secret is whole; resolves to it, PED PINs mixed in. */
  async present(topic: screen.Topic): Promise<Buffer> {
    const { secret, contents } = await this.#existing(topic)
    for (const content of contents) content.secret.fill(0)
    return secret
  }

  /** Writes `secret` to one or more keys, or reads keys that the person wants to use again; resolves to what now counts. */
  async make(topic: screen.Topic, secret: Uint8Array): Promise<{ secret: Buffer; reused: boolean }> {
    // A recovery vector is of one HSM and its moment: none is ever read from a key that has one.
    const mayReuse = topic.kind.kind !== PED_KIND_MTK
    const reused = mayReuse && (await this.#yesNo('reuse', screen.reuse(topic), topic))
    const made = reused ? await this.#existing(topic) : await this.#fresh(topic, secret)
    try {
      for (let copies = 0; await this.#yesNo('duplicate', screen.duplicate(topic), topic, copies); copies++) {
        await this.#writeSet(topic, made.contents)
      }
      return { secret: made.secret, reused }
    } finally {
      for (const content of made.contents) content.secret.fill(0)
    }
  }

  /** Resolves once the person has confirmed. */
  async show(lines: readonly string[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const { action } = await this.#answer('show', lines, 0, attempt)
      if (action === 'enter' || action === 'yes') return
    }
  }

  /** The secret from one key, or from as many shares of one keyset as it takes; each key's PIN is asked for with it. */
  async #existing(topic: screen.Topic): Promise<Keyset> {
    const first = await this.#presented(topic, () => undefined)
    const { share } = first.content
    if (!share) return { secret: mixPin(first.content.secret, first.pin), contents: [first.content] }
    const found = [first]
    while (found.length < share.threshold) {
      const place = { number: found.length + 1, of: share.threshold }
      found.push(await this.#presented(topic, (content) => refusalOfShare(content, found), place))
    }
    return { secret: await joinShares(found.map(shareOf)), contents: found.map(({ content }) => content) }
  }

  /** A key of the right kind that `refuse` has nothing against, with its PIN where it has one. */
  #presented(
    topic: screen.Topic,
    refuse: (content: PedKeyContent) => Refusal,
    place?: { number: number; of: number },
  ): Promise<Presented> {
    return this.#insert(
      topic,
      async (name, { content }) => {
        const wrong = !content ? 'blank' : content.kind !== topic.kind.kind ? 'wrong kind' : undefined
        const refused = wrong ?? (content ? refuse(content) : undefined)
        this.#desk.report({ event: 'key', key: name, refused })
        if (!content || refused) return undefined
        return { content, pin: content.pin ? await this.#enterPin(topic) : undefined }
      },
      place,
    )
  }

  /** Keys with a new secret on them: M of N, 1 of 1 where it is not split. */
  async #fresh(topic: screen.Topic, secret: Uint8Array): Promise<Keyset> {
    const m = await this.#count('m-value', screen.mValue(topic), topic, 1)
    const n = await this.#count('n-value', screen.nValue(topic, m), topic, m)
    const kind = topic.kind.kind
    if (m === 1) {
      // One of them is enough, so each has all of it, under one PIN.
      let pin: string | undefined
      const first = await this.#writeOne(topic, { used: new Set(), place: placeOf(1, n) }, async () => {
        pin = await this.#choosePin(topic)
        return { kind, secret: Buffer.from(secret), pin: pin !== undefined }
      })
      const used = new Set([first.name])
      for (let i = 2; i <= n; i++) {
        used.add((await this.#writeOne(topic, { used, place: placeOf(i, n) }, async () => first.content)).name)
      }
      return { secret: mixPin(secret, pin), contents: Array.from({ length: n }, () => first.content) }
    }
    const contents: PedKeyContent[] = []
    const used = new Set<string>()
    const shares = await splitSecret(secret, m, n)
    try {
      for (const [i, { share, data }] of shares.entries()) {
        const { name, content } = await this.#writeOne(topic, { used, place: placeOf(i + 1, n) }, async () => {
          const pin = await this.#choosePin(topic)
          const stored = pin === undefined ? Buffer.from(data) : maskShare(data, share.set, share.index, pin)
          return { kind, secret: stored, pin: pin !== undefined, share }
        })
        used.add(name)
        contents.push(content)
      }
    } finally {
      for (const { data } of shares) data.fill(0)
    }
    return { secret: Buffer.from(secret), contents }
  }

  /** One more set of keys with the same contents. */
  async #writeSet(topic: screen.Topic, contents: readonly PedKeyContent[]): Promise<void> {
    const used = new Set<string>()
    for (const [i, content] of contents.entries()) {
      const place = placeOf(i + 1, contents.length)
      used.add((await this.#writeOne(topic, { used, place }, async () => content)).name)
    }
  }

  /** One key gets what `content` makes; no key that was written for this set already. */
  #writeOne(
    topic: screen.Topic,
    round: { readonly used: ReadonlySet<string>; readonly place: { number: number; of: number } | undefined },
    content: () => Promise<PedKeyContent>,
  ): Promise<{ name: string; content: PedKeyContent }> {
    return this.#insert(
      topic,
      async (name, key) => {
        if (round.used.has(name)) {
          this.#desk.report({ event: 'key', key: name, refused: 'same share' })
          return undefined
        }
        if (key.writesLeft === 0) {
          this.#desk.report({ event: 'key', key: name, refused: 'worn out' })
          return undefined
        }
        if (!(await this.#mayOverwrite(topic, name, key))) return undefined
        const made = await content()
        return (await this.#write(topic, name, key, made)) ? { name, content: made } : undefined
      },
      round.place,
    )
  }

  /** M or N: what is typed, or where nothing is, the number shown. */
  async #count(question: PedQuestion, lines: readonly string[], topic: screen.Topic, least: number): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const action = await this.#answer(question, lines, topic.kind.kind, attempt)
      const value = action.action === 'enter' ? (action.value ?? least) : 0
      if (Number.isInteger(value) && value >= least && value <= SHARES_MAX) return value
    }
  }

  async #insert<Result>(
    topic: screen.Topic,
    use: (name: string, key: PedKey) => Promise<Result | undefined>,
    place?: { number: number; of: number },
  ): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      const action = await this.#answer('key', screen.insertKey(topic, place), topic.kind.kind, attempt)
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

  /** Whether the key took it; where not, what was on it is still there. */
  async #write(topic: screen.Topic, name: string, key: PedKey, content: PedKeyContent): Promise<boolean> {
    this.#signal.throwIfAborted()
    const { colour, label, writesLeft } = key
    const written = screen.displayable(topic.subject).slice(0, PED_LABEL_MAX) || label
    const wear = writesLeft === undefined ? {} : { writesLeft: writesLeft - 1 }
    try {
      await this.#desk.box.write(name, { colour, label: written, content, ...wear })
    } catch (error) {
      this.#desk.report({ event: 'fault', reason: error instanceof Error ? error.message : String(error) })
      this.#desk.report({ event: 'key', key: name, refused: 'worn out' })
      return false
    }
    this.#desk.report({ event: 'key-written', key: name })
    return true
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
}
