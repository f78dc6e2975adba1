import { Worker } from 'node:worker_threads'
import type { FileAnswer, FileOrder } from './gadget-thread.js'

const THREAD = new URL('./gadget-thread.js', import.meta.url)

/** A file of FunctionFS: one call at a time, which may take for ever and does not keep anybody else. */
export class GadgetFile {
  readonly #worker: Worker
  #waiting: ((answer: FileAnswer) => void) | undefined
  readonly #ended: Promise<void>

  constructor(fd: number) {
    this.#worker = new Worker(THREAD, { workerData: fd })
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
    return this.#order({ order: 'read', length })
  }

  write(data: Uint8Array): Promise<FileAnswer> {
    return this.#order({ order: 'write', data })
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
