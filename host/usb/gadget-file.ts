import { Worker } from 'node:worker_threads'
import type { FileAnswer, FileOrder } from './gadget-thread.js'

const THREAD = new URL('./gadget-thread.js', import.meta.url)

/** A file of FunctionFS: one call at a time, which may take for ever and does not keep anybody else. */
export class GadgetFile {
  /** Resolves when the thread has begun: calls wait for that. */
  readonly begun: Promise<void>
  readonly #worker: Worker
  #waiting: ((answer: FileAnswer) => void) | undefined
  readonly #ended: Promise<void>

  /** @param fd the file, or -1 until there is one */
  constructor(public fd = -1) {
    this.#worker = new Worker(THREAD)
    this.begun = new Promise((resolve) => this.#worker.once('online', resolve))
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#answer({ errno: -1 })
        resolve()
      })
    })
    this.#worker.on('message', (answer: FileAnswer) => this.#answer(answer))
    this.#worker.on('error', () => this.#answer({ errno: -1 }))
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
      this.#waiting = resolve
      this.#worker.postMessage(order)
    })
  }

  #answer(answer: FileAnswer): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(answer)
  }
}
