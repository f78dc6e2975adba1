import { BoardThread } from './board-thread.js'
import { type CrashRecord, FileCrashLog } from './crash.js'
import { BoardError } from './errors.js'
import type { FrameLink } from './frame-link.js'
import type { CommandDoor } from './frames.js'
import { FolderLock } from './lock.js'
import {
  type BoardMoment,
  type Call,
  type CrashReport,
  type FromWorker,
  handedOver,
  numbered,
  numberedParts,
  type PlainError,
  type WorkerStart,
} from './messages.js'
import type { BoardOptions, RestoreOptions } from './open-board.js'
import type { PedConnectorName } from './ped-connectors.js'

/** Milliseconds that one step of the firmware may take unless told otherwise; a wait for the PED is none. */
export const WATCHDOG = 300_000

interface WatchdogOptions {
  /**
   * Milliseconds that the firmware may work in one go, the public-key accelerator's time not counted; then the board is
   * reset. WATCHDOG unless given.
   */
  readonly watchdog?: number
}
export type TokenOptions = BoardOptions & WatchdogOptions
export type TokenRestoreOptions = RestoreOptions & WatchdogOptions

type Result = Uint8Array | CrashReport | undefined

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
 *
 * Firmware that never comes back is reset by a watchdog: its thread ends, requests under way fail with BOARD_RESET, and
 * a new thread boots the board from its folder, PEDs still plugged in.
 */
export class Token implements CommandDoor {
  /** Resolves when the board is gone, by `close` or by a crash of its thread; never rejects. */
  readonly closed: Promise<void>
  readonly #waiting = new Map<number, Waiting>()
  readonly #peds = new Map<number, PedCable>()
  readonly #limit: number
  #thread: BoardThread
  #last = 0
  #gone: BoardError | undefined
  #closing: Promise<void> | undefined
  #ended: () => void = () => undefined
  /** As the board said last; undefined = it has not opened yet. */
  #moment: BoardMoment | undefined
  #hang: CrashRecord | undefined

  private constructor(
    private readonly options: TokenOptions | TokenRestoreOptions,
    start: Omit<WorkerStart, 'monitor'>,
    private readonly opened: (refusal?: BoardError) => void,
  ) {
    const limit = options.watchdog ?? WATCHDOG
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new BoardError('OPTION_INVALID', `the watchdog cannot wait for ${limit} milliseconds`)
    }
    this.#limit = limit
    this.closed = new Promise((resolve) => {
      this.#ended = resolve
    })
    this.#thread = this.#newThread(start)
  }

  /**
   * Starts the board of a state folder; it is switched on and holds the folder until `close`.
   * Rejects with STATE_LOCKED, STATE_MISSING, STATE_NEWER, STATE_DAMAGED, STATE_IO, FIRMWARE_…, BOARD_DEAD or OPTION_INVALID.
   */
  static open(options: TokenOptions): Promise<Token> {
    return Token.#start(options, { open: options })
  }

  /**
   * A new token that goes on where a snapshot left another one: log-ins, activation, cloning sessions and all. As many as
   * one likes from one snapshot; they share nothing. With `dir` it has a state folder, else it lives in memory only.
   * Rejects with SNAPSHOT_…, STATE_…, FIRMWARE_… or OPTION_INVALID.
   */
  static restore(options: TokenRestoreOptions): Promise<Token> {
    return Token.#start(options, { restore: options })
  }

  static #start(options: TokenOptions | TokenRestoreOptions, start: Omit<WorkerStart, 'monitor'>): Promise<Token> {
    return new Promise((resolve, reject) => {
      const token = new Token(options, start, (refusal) => (refusal ? reject(refusal) : resolve(token)))
    })
  }

  /**
   * Hands one command frame (SPEC.md §2) to the firmware and resolves with its answer; any number may be under way, with
   * any tags. Rejects with FRAME_MALFORMED, BOARD_RESET, BOARD_OFF, BOARD_DEAD or BOARD_CLOSED.
   */
  exchange(frame: Uint8Array): Promise<Uint8Array> {
    return this.#bytes((id) => {
      const message = numbered(id, frame)
      this.#thread.post(message, handedOver(message))
    })
  }

  /**
   * The running token as the bytes of a snapshot file: all its keys in the clear (see Board.snapshot). Commands sent
   * before are through, or parked for the PED.
   */
  snapshot(): Promise<Uint8Array> {
    return this.#bytes((id) => this.#thread.post({ type: 'call', id, call: { op: 'snapshot' } }))
  }

  /** Plugs a PED into a connector. Throws PED_IN_USE where there is one, BOARD_CLOSED. */
  attachPed(connector: PedConnectorName, link: FrameLink): void {
    if (this.#gone) throw this.#gone
    if ([...this.#peds.values()].some((cable) => cable.connector === connector)) {
      throw new BoardError('PED_IN_USE', `there is a PED on the ${connector} connector`)
    }
    const id = this.#number()
    this.#peds.set(id, { connector, link })
    this.#thread.post({ type: 'ped-attach', link: id, connector })
    link.onClose(() => this.#unplug(id))
    link.onFrame((frame) => {
      if (this.#peds.has(id)) this.#thread.post({ type: 'ped-frame', link: id, frame: Uint8Array.from(frame) })
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
    return (await this.crashes()).last
  }

  /** The watchdog resets that the board's folder tells of. */
  async crashes(): Promise<CrashReport> {
    const report = await this.#call({ op: 'crash' })
    if (!report || report instanceof Uint8Array) throw new BoardError('BOARD_CLOSED', 'the board gave no answer')
    return { ...report, last: report.last ?? this.#hang }
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
    } catch (error) {
      // A board that hangs has no files that are not durable already.
      if (!(error instanceof BoardError && error.code === 'BOARD_RESET')) throw error
    } finally {
      await this.closed
    }
  }

  async #bytes(send: (id: number) => void): Promise<Uint8Array> {
    const answer = await this.#ask(send)
    if (answer instanceof Uint8Array) return answer
    throw new BoardError('BOARD_CLOSED', 'the board gave no answer')
  }

  #call(call: Call): Promise<Result> {
    return this.#ask((id) => this.#thread.post({ type: 'call', id, call }))
  }

  /** @param send tells the thread what is wanted, under this number */
  #ask(send: (id: number) => void): Promise<Result> {
    if (this.#gone) return Promise.reject(this.#gone)
    const id = this.#number()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      send(id)
    })
  }

  /** Of a call or a cable; 32 bits have room for it, and the last one with that number has long ended. */
  #number(): number {
    this.#last = (this.#last + 1) >>> 0
    return this.#last
  }

  #newThread(start: Omit<WorkerStart, 'monitor'>): BoardThread {
    return new BoardThread(start, this.#limit, {
      message: (message) => this.#received(message),
      hung: (hanging) => this.#restart(hanging),
      ended: (cause) => this.#end(cause),
    })
  }

  #received(message: FromWorker): void {
    if (message instanceof Uint8Array) {
      const { id, frame } = numberedParts(message)
      this.#settle(id)?.resolve(frame)
      return
    }
    switch (message.type) {
      case 'snapshot':
        this.#settle(message.id)?.resolve(message.file)
        return
      case 'done':
        this.#moment = message.moment
        this.#settle(message.id)?.resolve(undefined)
        return
      case 'crashes':
        this.#settle(message.id)?.resolve(message.crashes)
        return
      case 'failed':
        this.#settle(message.id)?.reject(revive(message.error))
        return
      case 'ped-frame':
        this.#peds.get(message.link)?.link.send(message.frame)
        return
      case 'opened':
        this.#moment = message.moment
        this.opened()
        return
      case 'refused':
        this.#gone ??= revive(message.error)
        return
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #unplug(id: number): void {
    if (this.#peds.delete(id) && !this.#gone) this.#thread.post({ type: 'ped-detach', link: id })
  }

  /** The watchdog ended the thread of a firmware that does not come back. */
  #restart({ watch }: BoardThread): void {
    const { dir, firmware } = this.options
    const { command, limit } = watch
    const moment = this.#moment
    const what = `the firmware did not come back within ${limit} milliseconds`
    this.#hang = {
      code: 'FIRMWARE_HANG',
      message: what,
      time: moment?.virtualNow ?? Date.now(),
      ...(command === 0 ? {} : { command }),
      stack: [],
    }
    if (dir !== undefined) {
      new FileCrashLog(dir).add(this.#hang)
      FolderLock.clear(dir)
    }
    // A boot that hangs is not tried again.
    const why = !moment ? ' at its boot' : dir === undefined ? ', and its state was in memory only' : undefined
    const code = why === undefined ? 'BOARD_RESET' : 'BOARD_DEAD'
    const error = new BoardError(code, `the watchdog reset the board: ${what}${why ?? ''}`)
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(error)
    if (!moment || dir === undefined || this.#closing) {
      this.#gone = error
      this.#end()
      return
    }
    this.#moment = undefined
    const { virtualNow, seed, tamperLine } = moment
    const open: BoardOptions = {
      dir,
      ...(firmware === undefined ? {} : { firmware }),
      ...(seed ? { trng: { seed } } : {}),
      ...(virtualNow === undefined ? {} : { clock: { virtualFrom: virtualNow } }),
    }
    this.#thread = this.#newThread({ open, tamperLine })
    for (const [id, { connector }] of this.#peds) this.#thread.post({ type: 'ped-attach', link: id, connector })
  }

  /** The thread ended: the first reason counts. */
  #end(cause?: unknown): void {
    const message = cause === undefined ? 'the board is closed' : 'the thread of the board crashed'
    this.#gone ??= new BoardError('BOARD_CLOSED', message, cause === undefined ? undefined : { cause })
    this.opened(this.#gone)
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#gone)
    for (const { connector } of [...this.#peds.values()]) this.detachPed(connector)
    this.#ended()
  }
}
