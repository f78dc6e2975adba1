import type { Slot, SlotSource, TokenClient } from '../client/index.js'

/** Milliseconds between two looks while somebody waits for a slot that comes or goes. */
const LOOK = 250

/** The slots as a program sees them: which there are now, which there were, and what has changed since it asked last. */
export class SlotWatch {
  /** All slots that there ever were: ids stay valid while a device is away. */
  readonly #known = new Map<number, Slot>()
  #present: ReadonlyMap<number, TokenClient> | undefined
  readonly #events = new Set<number>()
  readonly #waiting = new Set<() => void>()
  #ended = false

  /** @param onGone a slot whose token is gone: pulled out, or another one in its place */
  constructor(
    private readonly source: SlotSource,
    private readonly onGone: (client: TokenClient) => void,
  ) {}

  async slots(): Promise<readonly Slot[]> {
    const slots = await this.source.slots()
    const now = new Map(slots.map(({ id, client }) => [id, client]))
    for (const slot of slots) this.#known.set(slot.id, slot)
    const before = this.#present
    this.#present = now
    if (before) this.#compare(before, now)
    return slots
  }

  /** Ids of all slots that there are or were. */
  async ids(present: boolean): Promise<number[]> {
    const slots = await this.slots()
    const ids = present ? slots.map(({ id }) => id) : [...this.#known.keys()]
    return ids.sort((a, b) => a - b)
  }

  known(id: number): Slot | undefined {
    return this.#known.get(id)
  }

  /** The slot of an event that nobody has been told of yet. */
  async event(): Promise<number | undefined> {
    await this.slots()
    return this.#take()
  }

  /** The slot of the next event; undefined = the program is done and waits no longer. */
  async next(): Promise<number | undefined> {
    for (;;) {
      if (this.#ended) return undefined
      const slot = await this.event()
      if (slot !== undefined) return slot
      await this.#pause()
    }
  }

  /** Nobody waits any more. */
  end(): void {
    this.#ended = true
    for (const wake of this.#waiting) wake()
  }

  begin(): void {
    this.#ended = false
    this.#events.clear()
    this.#present = undefined
  }

  #take(): number | undefined {
    const [slot] = this.#events
    if (slot !== undefined) this.#events.delete(slot)
    return slot
  }

  #compare(before: ReadonlyMap<number, TokenClient>, now: ReadonlyMap<number, TokenClient>): void {
    const there = new Set(now.values())
    for (const [id, client] of before) {
      if (now.get(id) !== client) this.#events.add(id)
      if (!there.has(client)) this.onGone(client)
    }
    for (const id of now.keys()) if (!before.has(id)) this.#events.add(id)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, LOOK)
      this.#waiting.add(wake)
    })
  }
}
