import { Worker } from 'node:worker_threads'
import { attention } from './attention.js'
import type { FromWorker, ToWorker, WorkerStart } from './messages.js'
import { Watch } from './monitor.js'

/** Bytes of a message that is not held for others, nor worth staying awake for: what is done with it takes longer than waking a thread. */
const LONG = 1024
/** Times within the limit that the watchdog looks. */
const LOOKS = 8

function isLong(message: ToWorker | FromWorker): boolean {
  return message instanceof Uint8Array && message.length >= LONG
}

/** What a thread tells its owner. After `hung` or `ended` nothing comes any more. */
export interface ThreadEvents {
  message(message: FromWorker): void
  /** The firmware has run for longer than the limit in one step; the thread is gone. */
  hung(thread: BoardThread): void
  /** The thread has ended; `cause` where it did not mean to. */
  ended(cause?: unknown): void
}

/** The worker thread of a board, and the watchdog that ends it where it hangs. */
export class BoardThread {
  readonly watch: Watch
  readonly #worker: Worker
  readonly #looking: NodeJS.Timeout
  #hanging = false
  #messages: ToWorker[] = []
  #transfer: ArrayBuffer[] = []

  /** @param limit milliseconds that one step of the firmware may take */
  constructor(start: Omit<WorkerStart, 'monitor'>, limit: number, events: ThreadEvents) {
    this.watch = new Watch(limit)
    const workerData: WorkerStart = { ...start, monitor: this.watch.memory }
    // The flags of this process are not the worker's: --input-type, for one, would keep it from starting.
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, execArgv: [] })
    this.#worker.on('message', (message: FromWorker) => {
      if (!isLong(message)) attention.stay()
      if (!this.#hanging) events.message(message)
    })
    let cause: unknown
    this.#worker.on('messageerror', (error) => {
      cause ??= error
      this.#worker.terminate()
    })
    this.#worker.on('error', (error) => {
      cause ??= error
    })
    // It keeps no process alive: the thread that it watches does.
    this.#looking = setInterval(() => this.#check(), Math.ceil(limit / LOOKS)).unref()
    this.#worker.once('exit', () => {
      clearInterval(this.#looking)
      if (this.#hanging) events.hung(this)
      else events.ended(cause)
    })
  }

  /** What is posted in one turn of the event loop goes over together: waking a thread costs more than a short command. */
  post(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    const waiting = this.#messages.push(message)
    this.#transfer.push(...transfer)
    if (isLong(message)) this.#flush()
    else if (waiting === 1) setImmediate(() => this.#flush(true))
  }

  /** @param short whether the answer is worth staying awake for */
  #flush(short = false): void {
    if (this.#messages.length === 0) return
    const [messages, transfer] = [this.#messages, this.#transfer]
    this.#messages = []
    this.#transfer = []
    this.#worker.postMessage(messages, transfer)
    if (short) attention.stay()
  }

  #check(): void {
    if (this.#hanging || !this.watch.isOverdue(performance.now())) return
    this.#hanging = true
    // It cannot be asked to stop: WebAssembly runs on its thread until it returns.
    this.#worker.terminate()
  }
}
