import type { BoardError } from './errors.js'
import { setTag, tagOf } from './frames.js'
import type { PendingRequest } from './snapshot.js'

/** Gets the answer to one request, or why there will be none. */
export type Reply = (result: Uint8Array<ArrayBuffer> | BoardError) => void

interface Request {
  /** The tag that its sender gave it. */
  readonly tag: number
  readonly done: Reply
}

/** Requests under way. Senders choose their tags as they like, so inside the board each has another one. */
export class Requests {
  #waiting = new Map<number, Request>()
  #lastTag = 0

  /** @returns the request's tag inside the board */
  add(frame: Uint8Array, done: Reply): number {
    do this.#lastTag = (this.#lastTag + 1) >>> 0
    while (this.#waiting.has(this.#lastTag))
    this.#waiting.set(this.#lastTag, { tag: tagOf(frame), done })
    return this.#lastTag
  }

  isWaiting(inner: number): boolean {
    return this.#waiting.has(inner)
  }

  /** Gives an answer, which is the receiver's from now on, to whoever waits for it. */
  answer(answer: Uint8Array<ArrayBuffer>): void {
    const inner = tagOf(answer)
    const request = this.#waiting.get(inner)
    this.#waiting.delete(inner)
    request?.done(setTag(answer, request.tag))
  }

  /** Forgets all requests. @returns how to tell each sender */
  takeAll(): Reply[] {
    const replies = [...this.#waiting.values()].map(({ done }) => done)
    this.#waiting.clear()
    return replies
  }

  /** For a snapshot: what is under way. */
  save(): { readonly lastTag: number; readonly pending: readonly PendingRequest[] } {
    return { lastTag: this.#lastTag, pending: [...this.#waiting].map(([inner, { tag }]) => ({ inner, tag })) }
  }

  /** From a snapshot: their senders are not here, so their answers go to nobody. */
  load(lastTag: number, pending: readonly PendingRequest[]): void {
    this.#lastTag = lastTag
    for (const { inner, tag } of pending) this.#waiting.set(inner, { tag, done: () => undefined })
  }
}
