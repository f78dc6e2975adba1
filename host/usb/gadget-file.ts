import { Worker } from 'node:worker_threads'
import type { FileAnswer, FileOrder } from './gadget-thread.js'

const THREAD = new URL('./gadget-thread.js', import.meta.url)

/** What a gadget asks of a file of FunctionFS. */
export type FunctionFile = Pick<GadgetFile, 'fd' | 'begun' | 'isReading' | 'next' | 'took' | 'read' | 'write' | 'stop'>

/**
 * A file of FunctionFS: one call at a time, which may take for ever and does not keep anybody else. A call that the thread makes late
 * may meet another configuration of the host's than it was made for.
 */
export class GadgetFile {
  /** Resolves when the thread has begun: calls wait for that. */
  readonly begun: Promise<void>
  readonly #worker: Worker
  readonly #waiting: ((answer: FileAnswer) => void)[] = []
  #next: Promise<FileAnswer> | undefined
  readonly #ended: Promise<void>

  /** @param fd the file, or -1 until there is one */
  constructor(public fd = -1) {
    this.#worker = new Worker(THREAD)
    this.begun = new Promise((resolve) => this.#worker.once('online', resolve))
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        for (const answer of this.#waiting.splice(0)) answer({ errno: -1 })
        resolve()
      })
    })
    this.#worker.on('message', (answer: FileAnswer) => this.#waiting.shift()?.(answer))
    // The thread's exit follows.
    this.#worker.on('error', () => undefined)
  }

  /** Whether there is a read that nobody has taken the answer of. */
  get isReading(): boolean {
    return this.#next !== undefined
  }

  /** What the host sends next: the same read for everybody who asks, until its answer is taken. */
  next(length: number): Promise<FileAnswer> {
    this.#next ??= this.read(length)
    return this.#next
  }

  took(): void {
    this.#next = undefined
  }

  read(length: number): Promise<FileAnswer> {
    return this.#order({ order: 'read', fd: this.fd, length })
  }

  write(data: Uint8Array): Promise<FileAnswer> {
    return this.#order({ order: 'write', fd: this.fd, data })
  }

  /** Resolves once the call that is under way has ended, and the thread with it. */
  async stop(): Promise<void> {
    this.#worker.postMessage({ order: 'stop' } satisfies FileOrder)
    await this.#ended
  }

  #order(order: FileOrder): Promise<FileAnswer> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#worker.postMessage(order)
    })
  }
}
