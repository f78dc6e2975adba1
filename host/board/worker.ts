import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { attention } from './attention.js'
import { VirtualClock } from './clock.js'
import { BoardError, messageOf } from './errors.js'
import { FaultyMemory, tornAt } from './faults.js'
import type { FrameLink } from './frame-link.js'
import {
  type BoardMoment,
  type Call,
  type FromWorker,
  handedOver,
  numbered,
  numberedParts,
  type PlainError,
  type ToWorker,
  type WorkerStart,
} from './messages.js'
import { Monitor } from './monitor.js'
import { type OpenBoard, openBoard, restoreBoard, type Wrap } from './open-board.js'
import type { PedConnectorName } from './ped-connectors.js'
import { SeededTrng } from './trng.js'

// The thread of one board. Token (token.ts) is the other end.

/** Milliseconds between looks at the time-outs of a board with a real clock. */
const TICK = 250
/** Bytes of a command from which on it takes longer than handing its write to another thread. */
const LONG = 16384

function wrapped(powerCut: number | undefined): Wrap | undefined {
  if (powerCut === undefined) return undefined
  return (memory) => {
    const faulty = new FaultyMemory(memory)
    faulty.cut(tornAt(powerCut))
    return faulty
  }
}

const port = parentPort
if (!port) throw new BoardError('OPTION_INVALID', 'a board worker runs as a worker thread only')
const post = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer)

function plain(thrown: unknown): PlainError {
  if (!(thrown instanceof BoardError)) return { code: 'BOARD_CLOSED', message: `the board broke: ${messageOf(thrown)}` }
  const { code, message, cause } = thrown
  return cause === undefined ? { code, message } : { code, message, cause: messageOf(cause) }
}

/** The board's end of a PED cable whose other end is on the main thread. */
class WorkerLink implements FrameLink {
  frame: ((frame: Uint8Array) => void) | undefined

  constructor(
    readonly id: number,
    readonly connector: PedConnectorName,
  ) {}

  send(frame: Uint8Array): void {
    post({ type: 'ped-frame', link: this.id, frame })
  }

  onFrame(handler: (frame: Uint8Array) => void): void {
    this.frame = handler
  }

  // The main thread ends a link by `ped-detach`; nothing at this end does.
  onClose(): void {}
  close(): void {}
}

/** What has come from the main thread, in order; where asked for, also what the event loop has not handed over yet. */
class Inbox {
  #take: ((message: ToWorker) => void) | undefined
  #pauses: () => boolean = () => false
  #waiting: ToWorker[] = []
  #taking = false
  #tookLong = false

  constructor(private readonly port: MessagePort) {}

  /** @param pauses whether the event loop is to be looked at between two messages */
  begin(take: (message: ToWorker) => void, pauses: () => boolean): void {
    this.#take = take
    this.#pauses = pauses
    this.port.on('message', (messages: readonly ToWorker[]) => {
      this.#waiting.push(...messages)
      if (!this.#taking) this.#takeAll()
    })
  }

  /** Whether there is more to do than to wait for the disk: work that is here, or the next long command, which may come meanwhile. */
  get isBusy(): boolean {
    if (this.#tookLong) return true
    if (this.#waiting.length === 0) this.#fetch()
    return this.#waiting.length > 0
  }

  #fetch(): void {
    const fetched: { message: readonly ToWorker[] } | undefined = receiveMessageOnPort(this.port)
    if (!fetched) return
    this.#waiting.push(...fetched.message)
    if (!this.#taking) setImmediate(() => this.#takeAll())
  }

  #takeAll(): void {
    this.#taking = true
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#tookLong = next instanceof Uint8Array && next.length >= LONG
      this.#take?.(next)
      if (!this.#pauses()) continue
      // Also where nothing waits: what comes meanwhile is handed over without a look at the disk between two of them. The first of
      // these two comes before what has happened is looked at.
      setImmediate(() => setImmediate(() => this.#takeAll()))
      return
    }
    this.#taking = false
    if (!this.#tookLong) attention.stay()
  }
}

const inbox = new Inbox(port)

function momentOf({ board, clock, trng }: OpenBoard): BoardMoment {
  return {
    virtualNow: clock instanceof VirtualClock ? clock.now() : undefined,
    seed: trng instanceof SeededTrng ? trng.seed : undefined,
    tamperLine: board.tamperLine,
  }
}

function serve(opened: OpenBoard, ticking: NodeJS.Timeout | undefined): void {
  const { board, close } = opened
  const links = new Map<number, WorkerLink>()

  const answer = async (id: number, request: Call): Promise<void> => {
    switch (request.op) {
      case 'snapshot': {
        const file = board.snapshot()
        post({ type: 'snapshot', id, file }, [file.buffer])
        return
      }
      case 'crash': {
        const { records, count } = board.crashes
        post({ type: 'crashes', id, crashes: { last: board.crash, records, count } })
        return
      }
      case 'advance':
        board.advance(request.milliseconds)
        break
      case 'tamper':
        board.tamper(request.cause)
        break
      case 'power-cycle':
        board.powerOff()
        board.powerOn()
        break
      case 'close':
        clearInterval(ticking)
        await close()
        break
    }
    post({ type: 'done', id, moment: momentOf(opened) })
  }

  const command = ({ id, frame }: { readonly id: number; readonly frame: Uint8Array }): void => {
    const answered = (result: Uint8Array | BoardError): void => {
      if (result instanceof BoardError) {
        post({ type: 'failed', id, error: plain(result) })
        return
      }
      const message = numbered(id, result)
      post(message, handedOver(message))
    }
    board.submit(frame, answered, true)
  }

  const take = (message: ToWorker): void => {
    if (message instanceof Uint8Array) command(numberedParts(message))
    else if (message.type === 'call') {
      const { id, call } = message
      answer(id, call)
        .catch((thrown: unknown) => post({ type: 'failed', id, error: plain(thrown) }))
        .finally(() => {
          if (call.op === 'close') port?.close()
        })
    } else if (message.type === 'ped-attach') {
      const link = new WorkerLink(message.link, message.connector)
      links.set(message.link, link)
      board.attachPed(message.connector, link)
    } else if (message.type === 'ped-frame') links.get(message.link)?.frame?.(message.frame)
    else {
      const link = links.get(message.link)
      links.delete(message.link)
      if (link) board.detachPed(link.connector)
    }
  }

  inbox.begin(take, () => board.isWriting)
}

function start({ open, restore, monitor, tamperLine }: WorkerStart): Promise<OpenBoard> {
  const outside = {
    monitor: new Monitor(monitor),
    isBusy: () => inbox.isBusy,
    ...(tamperLine === undefined ? {} : { tamperLine }),
  }
  if (open) return openBoard(open, wrapped(open.powerCut), outside)
  if (restore) return restoreBoard(restore, undefined, outside)
  throw new BoardError('OPTION_INVALID', 'a board worker needs a board')
}

try {
  const given: WorkerStart = workerData
  const opened = await start(given)
  const moment = momentOf(opened)
  const ticking = moment.virtualNow === undefined ? setInterval(() => opened.board.tick(), TICK).unref() : undefined
  serve(opened, ticking)
  post({ type: 'opened', moment })
} catch (thrown) {
  post({ type: 'refused', error: plain(thrown) })
  port.close()
}
