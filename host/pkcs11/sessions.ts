import type { Slot, TokenClient } from '../client/index.js'
import type { MessageProcess } from './message-process.js'
import type { Operation } from './operations.js'

/** What may be under way in a session, one of each kind. */
export type OperationKind = 'encrypt' | 'decrypt' | 'digest' | 'sign' | 'verify'

/** A search: the handles that are still to be given. */
export interface Search {
  readonly handles: readonly number[]
  at: number
}

/** One session of an application. Its calls run one after the other, in the order in which they came. */
export class Session {
  readonly operations = new Map<OperationKind, Operation>()
  /** Messages one after the other; not beside an operation of the same kind. */
  readonly messages = new Map<OperationKind, MessageProcess>()
  search: Search | undefined
  /** Session objects that were made here and end with the session. */
  readonly objects = new Set<number>()
  #last: Promise<unknown> | undefined

  constructor(
    readonly handle: number,
    readonly slot: Slot,
    readonly client: TokenClient,
    /** The token's own handle. */
    readonly token: number,
    readonly readWrite: boolean,
  ) {}

  /** Runs the work at once where nothing is under way, else after what is. */
  run<Result>(work: () => Result | Promise<Result>): Result | Promise<Result> {
    if (this.#last === undefined) {
      const result = work()
      if (result instanceof Promise) this.#follow(result)
      return result
    }
    const next = this.#last.then(work)
    this.#follow(next)
    return next
  }

  #follow(running: Promise<unknown>): void {
    const settled = running.then(
      () => undefined,
      () => undefined,
    )
    this.#last = settled
    settled.then(() => {
      if (this.#last === settled) this.#last = undefined
    })
  }
}
