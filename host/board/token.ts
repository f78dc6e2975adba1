import { Worker } from 'node:worker_threads'
import type { CrashRecord, PedConnectorName } from './board.js'
import { BoardError } from './errors.js'
import type { FrameLink } from './frame-link.js'
import type { CommandDoor } from './frames.js'
import type { Call, FromWorker, PlainError, ToWorker } from './messages.js'
import type { BoardOptions } from './open-board.js'

type Result = Uint8Array | CrashRecord | undefined

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: BoardError) => void
}

interface PedCable {
  readonly connector: PedConnectorName
  readonly link: FrameLink
}

function revive({ code, message, cause }: PlainError): BoardError {
  return new BoardError(code, message, cause === undefined ? undefined : { cause: new Error(cause) })
}

/**
 * A board in a worker thread of its own, seen from its command port: what USB, NTLS and PCIe cables plug into.
 * Every method but `close` rejects with BOARD_CLOSED once the board is gone.
 */
export class Token implements CommandDoor {
  /** Resolves when the board is gone, by `close` or by a crash of its thread; never rejects. */
  readonly closed: Promise<void>
  readonly #waiting = new Map<number, Waiting>()
  readonly #peds = new Map<number, PedCable>()
  #last = 0
  #gone: BoardError | undefined
  #closing: Promise<void> | undefined

  private constructor(
    private readonly worker: Worker,
    private readonly opened: (refusal?: BoardError) => void,
  ) {
    worker.on('message', (message: FromWorker) => this.#received(message))
    worker.on('messageerror', (cause) => this.#end(cause))
    worker.on('error', (cause) => this.#end(cause))
    this.closed = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#end()
        resolve()
      })
    })
  }

  /**
   * Starts the board of a state folder; it is switched on and holds the folder until `close`.
   * Rejects with STATE_LOCKED, STATE_MISSING, STATE_NEWER, STATE_DAMAGED, STATE_IO, FIRMWARE_… or BOARD_DEAD.
   */
  static open(options: BoardOptions): Promise<Token> {
    return new Promise((resolve, reject) => {
      // The flags of this process are not the worker's: --input-type, for one, would keep it from starting.
      const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: options, execArgv: [] })
      const token = new Token(worker, (refusal) => (refusal ? reject(refusal) : resolve(token)))
    })
  }

  /**
   * Hands one command frame (SPEC.md §2) to the firmware and resolves with its answer; any number may be under way, with
   * any tags. Rejects with FRAME_MALFORMED, BOARD_RESET, BOARD_OFF, BOARD_DEAD or BOARD_CLOSED.
   */
  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    const copy = Uint8Array.from(frame)
    const answer = await this.#call({ op: 'exchange', frame: copy }, [copy.buffer])
    if (answer instanceof Uint8Array) return answer
    throw new BoardError('BOARD_CLOSED', 'the board gave no answer')
  }

  /** Plugs a PED into a connector. Throws PED_IN_USE where there is one, BOARD_CLOSED. */
  attachPed(connector: PedConnectorName, link: FrameLink): void {
    if (this.#gone) throw this.#gone
    if ([...this.#peds.values()].some((cable) => cable.connector === connector)) {
      throw new BoardError('PED_IN_USE', `there is a PED on the ${connector} connector`)
    }
    this.#last += 1
    const id = this.#last
    this.#peds.set(id, { connector, link })
    this.#post({ type: 'ped-attach', link: id, connector })
    link.onClose(() => this.#unplug(id))
    link.onFrame((frame) => {
      if (this.#peds.has(id)) this.#post({ type: 'ped-frame', link: id, frame: Uint8Array.from(frame) })
    })
  }

  /** Unplugs the PED of a connector, if there is one, and closes its link. */
  detachPed(connector: PedConnectorName): void {
    for (const [id, cable] of this.#peds) {
      if (cable.connector !== connector) continue
      this.#unplug(id)
      cable.link.close()
    }
  }

  /** Lets virtual time pass. Rejects with CLOCK_NOT_VIRTUAL. */
  async advance(milliseconds: number): Promise<void> {
    await this.#call({ op: 'advance', milliseconds })
  }

  /** Raises the tamper line with a cause, or releases it (0); the board restarts (see Board.tamper). */
  async tamper(cause: number): Promise<void> {
    await this.#call({ op: 'tamper', cause })
  }

  /** Switches the board off and on; requests under way fail with BOARD_OFF. */
  async powerCycle(): Promise<void> {
    await this.#call({ op: 'power-cycle' })
  }

  /** The last watchdog reset since the token was opened. */
  async crash(): Promise<CrashRecord | undefined> {
    const crash = await this.#call({ op: 'crash' })
    return crash instanceof Uint8Array ? undefined : crash
  }

  /**
   * Switches the board off, makes its files durable and frees its folder. May be called again.
   * Rejects with STATE_IO where the files could not be written.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      if (!this.#gone) await this.#call({ op: 'close' })
    } finally {
      await this.closed
    }
  }

  #call(call: Call, transfer: readonly ArrayBuffer[] = []): Promise<Result> {
    if (this.#gone) return Promise.reject(this.#gone)
    this.#last += 1
    const id = this.#last
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#post({ type: 'call', id, call }, transfer)
    })
  }

  #post(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer)
  }

  #received(message: FromWorker): void {
    switch (message.type) {
      case 'answer':
        this.#settle(message.id)?.resolve(message.frame)
        return
      case 'done':
        this.#settle(message.id)?.resolve(message.crash)
        return
      case 'failed':
        this.#settle(message.id)?.reject(revive(message.error))
        return
      case 'ped-frame':
        this.#peds.get(message.link)?.link.send(message.frame)
        return
      case 'opened':
        this.opened()
        return
      case 'refused':
        this.opened(revive(message.error))
        return
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #unplug(id: number): void {
    if (this.#peds.delete(id) && !this.#gone) this.#post({ type: 'ped-detach', link: id })
  }

  /** The thread ended or is about to: the first reason counts. */
  #end(cause?: unknown): void {
    const message = cause === undefined ? 'the board is closed' : 'the thread of the board crashed'
    this.#gone ??= new BoardError('BOARD_CLOSED', message, cause === undefined ? undefined : { cause })
    this.opened(this.#gone)
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#gone)
    for (const { connector } of [...this.#peds.values()]) this.detachPed(connector)
  }
}
