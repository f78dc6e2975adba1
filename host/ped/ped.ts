import {
  PED_ALERT,
  PED_ANSWER_REUSED,
  PED_CANCEL,
  PED_CLOSE,
  PED_HELLO,
  PED_KEY_TIMEOUT,
  PED_KIND_REMOTE,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  PED_OP_SHOW,
  PED_REQUEST,
  PED_STATUS_CANCELLED,
  PED_STATUS_ERROR,
  PED_STATUS_OK,
  PED_STATUS_TIMEOUT,
} from '../../assembly/protocol.js'
import type { FrameLink } from '../board/frame-link.js'
import { type RandomBytes, systemRandom } from '../client/random.js'
import type { PedKeyBox } from './box.js'
import { PedChannel } from './channel.js'
import { type PedClock, realPedClock } from './clock.js'
import { Conversation } from './conversation.js'
import { PedError } from './errors.js'
import type { PedEvent } from './events.js'
import {
  decodeHello,
  decodePedFrame,
  decodeRequest,
  encodeAnswer,
  encodePedFrame,
  type PedFrame,
  type PedRequest,
} from './framing.js'
import { pedKind } from './kinds.js'
import type { ServedPed } from './line-ped.js'
import type { Operator } from './operator.js'
import * as screen from './screen.js'

export interface PedOptions {
  readonly box: PedKeyBox
  readonly operator: Operator
  /** Real time unless given. */
  readonly clock?: PedClock
  /** In remote mode: so it says until an HSM says hello in the other. */
  readonly remote?: boolean
  /** Where its keys and nonces come from: random bytes of the system unless given. */
  readonly random?: RandomBytes
  /** Called with every event. */
  readonly onEvent?: (event: PedEvent) => void
  /** Called with the display where it changes while nobody is asked anything: LCD_LINES lines. */
  readonly onIdle?: (lcd: readonly string[]) => void
}

/** A question that stands: the orange key of a HELLO, or a request. */
interface Work {
  readonly sequence: number
  readonly abort: AbortController
}

/** The cable that is plugged in, and the keys once an HSM has said hello. */
interface Connection {
  readonly link: FrameLink
  remote: boolean
  channel: PedChannel | undefined
  work: Work | undefined
}

const EVENTS_KEPT = 1000
const NO_VECTOR = new Uint8Array(0)

/** PED_STATUS_… for what ended a conversation, undefined where nobody waits for an answer any more. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof PedError)) return PED_STATUS_ERROR
  if (error.code === 'PED_GIVEN_UP') return undefined
  if (error.code === 'PED_CANCELLED') return PED_STATUS_CANCELLED
  return error.code === 'PED_TIMEOUT' ? PED_STATUS_TIMEOUT : PED_STATUS_ERROR
}

/** A PED: serves one HSM at a time over one cable, local or remote, with keys from a box and a person beside it. */
export class Ped implements ServedPed {
  readonly present = true
  readonly #box: PedKeyBox
  readonly #operator: Operator
  readonly #clock: PedClock
  readonly #random: RandomBytes
  readonly #remote: boolean
  readonly #onEvent: ((event: PedEvent) => void) | undefined
  readonly #onIdle: PedOptions['onIdle']
  readonly #events: PedEvent[] = []
  #connection: Connection | undefined
  #screen = screen.lcd(screen.notConnected)
  #conversations = 0

  constructor({
    box,
    operator,
    clock = realPedClock,
    random = systemRandom,
    remote = false,
    onEvent,
    onIdle,
  }: PedOptions) {
    this.#box = box
    this.#operator = operator
    this.#clock = clock
    this.#random = random
    this.#remote = remote
    this.#onEvent = onEvent
    this.#onIdle = onIdle
  }

  /** The display: LCD_LINES lines of at most LCD_COLUMNS characters. */
  get lcd(): readonly string[] {
    return this.#screen
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  async arrival(): Promise<void> {
    // It is here.
  }

  /** The last thousand events, oldest first. */
  get events(): readonly PedEvent[] {
    return this.#events
  }

  /** Plugs the cable of an HSM in. @throws PedError PED_IN_USE */
  connect(link: FrameLink): void {
    if (this.#connection) throw new PedError('PED_IN_USE', 'the PED serves another HSM: disconnect it there first')
    const connection: Connection = { link, remote: this.#remote, channel: undefined, work: undefined }
    this.#connection = connection
    this.#report({ event: 'connected' })
    this.#idle(screen.idle(this.#remote))
    link.onClose(() => this.#unplugged(connection))
    link.onFrame((bytes) => this.#receive(connection, bytes))
  }

  /** Pulls the cable; the question that stands ends without an answer. */
  disconnect(): void {
    this.#connection?.link.close()
  }

  #unplugged(connection: Connection): void {
    if (this.#connection !== connection) return
    this.#endLink(connection)
    this.#connection = undefined
    this.#report({ event: 'disconnected' })
    this.#idle(screen.notConnected)
  }

  /** Ends what is under way and forgets the keys; the cable stays. */
  #endLink(connection: Connection): void {
    this.#drop(connection)
    connection.channel?.wipe()
    connection.channel = undefined
  }

  #receive(connection: Connection, bytes: Uint8Array): void {
    if (this.#connection !== connection) return
    let frame: PedFrame | undefined
    try {
      frame = decodePedFrame(bytes)
      if (frame.type === PED_HELLO) this.#hello(connection, frame)
      else if (frame.type === PED_REQUEST) this.#request(connection, frame)
      else if (frame.type === PED_CANCEL) this.#giveUp(connection, frame)
      else if (frame.type === PED_CLOSE) this.#closed(connection)
    } catch (error) {
      if (!(error instanceof PedError)) throw error
      // Anybody can put noise on a line: it changes nothing here. Only an HSM that may wait for an answer is told.
      this.#report({ event: 'fault', reason: error.message })
      if (frame && error.code === 'PED_FRAME_INVALID') this.#alert(connection, frame, PED_STATUS_ERROR)
    }
  }

  #hello(connection: Connection, frame: PedFrame): void {
    const { remote, serial } = decodeHello(frame)
    // An HSM that restarted says hello again on the same cable.
    this.#endLink(connection)
    connection.remote = remote
    this.#report({ event: 'hello', remote, serial: serial.toString() })
    const accept = (vector: Uint8Array) => {
      const { channel, ack } = PedChannel.accept(frame, vector, this.#random)
      connection.channel = channel
      connection.link.send(ack)
      this.#report({ event: 'link' })
    }
    if (!remote) {
      accept(NO_VECTOR)
      this.#idle(screen.idle(remote))
      return
    }
    this.#converse(connection, frame.sequence, PED_KEY_TIMEOUT, {
      talk: (conversation) => conversation.present(this.#topic(PED_KIND_REMOTE, 0, false, '')),
      done: accept,
      failed: (status) => this.#alert(connection, frame, status),
      wipe: (vector) => vector?.fill(0),
    })
  }

  #request(connection: Connection, frame: PedFrame): void {
    const { channel } = connection
    if (!channel) throw new PedError('PED_FRAME_INVALID', 'a request before the HELLO of a link')
    const plaintext = channel.open(frame)
    // An HSM that asks anew waits for nothing else any more.
    this.#drop(connection)
    const answer = (status: number, flags?: number, secret?: Uint8Array) => {
      connection.link.send(channel.seal(encodeAnswer(status, flags, secret)))
      this.#report({ event: 'answer', sequence: frame.sequence, status, reused: flags === PED_ANSWER_REUSED })
    }
    let request: PedRequest
    try {
      request = decodeRequest(plaintext)
    } catch (error) {
      if (!(error instanceof PedError)) throw error
      // It is the HSM that speaks, only not as it should: it is told so under the keys of the link.
      this.#report({ event: 'fault', reason: error.message })
      answer(PED_STATUS_ERROR)
      return
    } finally {
      plaintext.fill(0)
    }
    this.#report({ event: 'request', sequence: frame.sequence, op: request.op, kind: request.kind })
    this.#converse(connection, frame.sequence, request.timeoutSeconds * 1000, {
      talk: (conversation) => this.#perform(conversation, request),
      done: ({ secret, reused }) => answer(PED_STATUS_OK, reused ? PED_ANSWER_REUSED : 0, secret),
      failed: answer,
      wipe: (result) => {
        result?.secret?.fill(0)
        request.secret.fill(0)
      },
    })
  }

  async #perform(conversation: Conversation, request: PedRequest): Promise<{ secret?: Buffer; reused: boolean }> {
    const { op, kind, hint, text, secret } = request
    if (op === PED_OP_SHOW) {
      const lines = screen.show(text)
      if (!lines) throw new PedError('PED_FRAME_INVALID', 'a text that does not fit on the display')
      await conversation.show(lines)
      return { reused: false }
    }
    if (op === PED_OP_PRESENT)
      return { secret: await conversation.present(this.#topic(kind, hint, false, text)), reused: false }
    if (op === PED_OP_MAKE) return conversation.make(this.#topic(kind, hint, true, text), secret)
    throw new PedError('PED_FRAME_INVALID', 'an operation that this PED does not know')
  }

  #topic(kind: number, hint: number, making: boolean, subject: string): screen.Topic {
    const known = pedKind(kind, hint)
    if (!known) throw new PedError('PED_FRAME_INVALID', 'a kind of key that this PED does not know')
    return { kind: known, making, subject }
  }

  /** Talks with the person, for at most `milliseconds` (0 = as long as the HSM waits). */
  #converse<Result>(
    connection: Connection,
    sequence: number,
    milliseconds: number,
    steps: {
      talk: (conversation: Conversation) => Promise<Result>
      done: (result: Result) => void
      failed: (status: number) => void
      /** Called last, in every case. */
      wipe: (result: Result | undefined) => void
    },
  ): void {
    const abort = new AbortController()
    const work: Work = { sequence, abort }
    connection.work = work
    const desk = {
      box: this.#box,
      operator: this.#operator,
      display: (lines: readonly string[]) => this.#display(lines),
      report: (event: PedEvent) => this.#report(event),
    }
    const timer = new AbortController()
    if (milliseconds > 0) {
      this.#clock.sleep(milliseconds, timer.signal).then(
        () => abort.abort(new PedError('PED_TIMEOUT', 'the time is over')),
        () => undefined,
      )
    }
    const settle = (action: () => void) => {
      timer.abort()
      // The link has ended, or it serves another request by now.
      if (connection.work !== work) return
      connection.work = undefined
      this.#idle(screen.idle(connection.remote))
      action()
    }
    const talk = async () => steps.talk(new Conversation(desk, ++this.#conversations, abort.signal))
    talk().then(
      (result) => {
        settle(() => steps.done(result))
        steps.wipe(result)
      },
      (error: unknown) => {
        settle(() => this.#failed(error, steps.failed))
        steps.wipe(undefined)
      },
    )
  }

  #failed(error: unknown, tell: (status: number) => void): void {
    const status = statusOf(error)
    if (status === PED_STATUS_ERROR)
      this.#report({ event: 'fault', reason: error instanceof Error ? error.message : String(error) })
    if (status !== undefined) tell(status)
  }

  #giveUp(connection: Connection, { sequence }: PedFrame): void {
    // One that crosses the answer on the cable means nothing any more.
    if (connection.work?.sequence !== sequence) return
    this.#report({ event: 'given-up', sequence })
    this.#drop(connection)
    this.#idle(screen.idle(connection.remote))
  }

  /** Ends the question that stands; nobody waits for its answer. */
  #drop(connection: Connection): void {
    connection.work?.abort.abort(new PedError('PED_GIVEN_UP', 'the HSM does not wait any more'))
    connection.work = undefined
  }

  #closed(connection: Connection): void {
    this.#endLink(connection)
    this.#idle(screen.idle(connection.remote))
    // A remote link is the cable; a local PED stays plugged in.
    if (connection.remote) connection.link.close()
  }

  /** Says that the request in `frame`, or the link it asks for, comes to nothing. */
  #alert({ link }: Connection, { pedId, sequence }: PedFrame, status: number): void {
    link.send(encodePedFrame({ type: PED_ALERT, pedId, sequence, body: Uint8Array.of(status) }))
    this.#report({ event: 'alert', status })
  }

  #display(lines: readonly string[]): void {
    this.#screen = screen.lcd(lines)
  }

  #idle(lines: readonly string[]): void {
    this.#display(lines)
    this.#onIdle?.(this.#screen)
  }

  #report(event: PedEvent): void {
    this.#events.push(event)
    if (this.#events.length > EVENTS_KEPT) this.#events.shift()
    this.#onEvent?.(event)
  }
}
