import type { TLSSocket } from 'node:tls'
import { type CommandDoor, isCommandFrame } from '../board/frames.js'
import type { PedConnector } from '../client/slots.js'
import { messageOf, NtlsError, stableCodeOf } from './errors.js'
import {
  COMMAND,
  encodeMessage,
  HELLO,
  type Message,
  MessageReader,
  NTLS_VERSION,
  PED_CONNECT,
  PED_DISCONNECT,
  type PedOrder,
  pedOutcomeMessage,
  REPLY,
  type Refusal,
  readPedOrder,
  refusedMessage,
  welcomeMessage,
} from './framing.js'
import type { NtlsLimits } from './limits.js'
import { MessageWriter } from './writer.js'

/** Milliseconds for a client to fetch the message that says why its connection ends. */
export const FAREWELL = 2000

/** An HSM as one connection sees it. */
export interface OpenDoor {
  readonly serial: bigint
  readonly door: CommandDoor & { close(): Promise<void> }
  /** Carries a remote PED's link to the HSM. */
  readonly ped?: PedConnector | undefined
}

/** Why a connection ended: the appliance refused to go on, or it was lost or closed. */
export type Ending = Refusal | 'CLOSED'

/**
 * One connection of a client whose certificate is registered: hello, then commands. What breaks a rule ends it; its sessions end with
 * it, and so does a cloning session.
 */
export class ServerConnection {
  /** Resolves once the sessions are closed on the HSMs. */
  readonly ended: Promise<Ending>
  readonly #reader = new MessageReader()
  readonly #writer: MessageWriter
  /** Messages that wait until fewer are under way. */
  readonly #queue: Message[] = []
  readonly #resolve: (why: Ending) => void
  #timer: NodeJS.Timeout | undefined
  #waitsFor: Refusal | undefined
  #greeted = false
  #underWay = 0
  #gone = false

  constructor(
    private readonly socket: TLSSocket,
    private readonly doors: readonly OpenDoor[],
    private readonly limits: NtlsLimits,
  ) {
    let done = (_why: Ending): void => undefined
    this.ended = new Promise((resolve) => {
      done = resolve
    })
    this.#resolve = done
    this.#writer = new MessageWriter(socket)
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('drain', () => this.#next())
    socket.on('error', () => this.#end('CLOSED'))
    socket.on('close', () => this.#end('CLOSED'))
    socket.on('end', () => this.#end('CLOSED'))
    this.#wait(limits.greeting, 'TOO_SLOW')
  }

  /** Commands that the HSMs have not answered. */
  get underWay(): number {
    return this.#underWay
  }

  /** Tells the client why, and ends. */
  refuse(why: Refusal): void {
    if (this.#gone) return
    this.socket.write(refusedMessage(why))
    this.#end(why)
  }

  #take(bytes: Buffer): void {
    if (this.#gone) return
    let messages: Message[]
    try {
      messages = this.#reader.push(bytes)
    } catch (error) {
      if (!(error instanceof NtlsError)) throw error
      this.refuse('MALFORMED')
      return
    }
    if (messages.length > 0) {
      // What has begun since then has its own time.
      this.#stop()
      this.#queue.push(...messages)
    }
    this.#pump()
  }

  /** Works off what has come, as much of it as may be under way. */
  #pump(): void {
    while (!this.#gone && this.#queue.length > 0 && this.#underWay < this.limits.underWay) {
      const message = this.#queue.shift()
      if (!message) break
      if (this.#greeted) this.#obey(message)
      else this.#greet(message)
    }
    this.#next()
  }

  #greet({ kind, body }: Message): void {
    if (kind !== HELLO || body.length !== 2) {
      this.refuse('MALFORMED')
      return
    }
    if (body.readUInt16BE() !== NTLS_VERSION) {
      this.refuse('VERSION')
      return
    }
    this.#greeted = true
    this.socket.write(welcomeMessage(this.doors.map(({ serial }) => serial)))
  }

  #obey(message: Message): void {
    if (message.kind === PED_CONNECT || message.kind === PED_DISCONNECT) this.#ped(message)
    else this.#command(message)
  }

  #ped(message: Message): void {
    const { hsm } = message
    const open = this.doors[hsm]
    const order = readPedOrder(message)
    if (!open || !order) {
      this.refuse('MALFORMED')
      return
    }
    this.#underWay++
    carryPed(open, order).then((failure) => {
      this.#underWay--
      if (this.#gone) return
      this.socket.write(pedOutcomeMessage(hsm, { tag: order.tag, failure }))
      this.#pump()
    })
  }

  #command({ kind, hsm, body }: Message): void {
    const door = this.doors[hsm]?.door
    if (kind !== COMMAND || !door || !isCommandFrame(body)) {
      this.refuse('MALFORMED')
      return
    }
    this.#underWay++
    door.exchange(body).then((answer) => {
      this.#underWay--
      body.fill(0)
      if (this.#gone) return
      this.#writer.write(encodeMessage(REPLY, hsm, answer))
      this.#pump()
    })
  }

  /** Reads on or does not, and waits for what has to come next. */
  #next(): void {
    if (this.#gone) return
    // Back-pressure: who has much under way, or does not fetch answers, is not read from.
    const full =
      this.#queue.length > 0 ||
      this.#underWay >= this.limits.underWay ||
      this.socket.writableLength > this.limits.unsent
    if (full && !this.socket.isPaused()) this.socket.pause()
    else if (!full && this.socket.isPaused()) this.socket.resume()
    if (!this.#greeted) return
    // A message that the appliance itself does not read on is not slow.
    if (!full && this.#reader.inside) this.#wait(this.limits.message, 'TOO_SLOW')
    else if (this.#underWay > 0) this.#stop()
    else this.#wait(this.limits.idle, 'IDLE')
  }

  #wait(time: number, why: Refusal): void {
    // A message that comes in drops does not get more time with each.
    if (this.#waitsFor === why && why === 'TOO_SLOW') return
    this.#stop()
    this.#waitsFor = why
    this.#timer = setTimeout(() => this.refuse(why), time).unref()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#waitsFor = undefined
  }

  #end(why: Ending): void {
    if (this.#gone) return
    this.#gone = true
    this.#stop()
    for (const { body } of this.#queue.splice(0)) body.fill(0)
    this.socket.destroySoon()
    // A client that does not fetch its last message must not keep the socket.
    setTimeout(() => this.socket.destroy(), FAREWELL).unref()
    Promise.all(this.doors.map(({ door }) => door.close())).then(() => this.#resolve(why))
  }
}

/** Answers what failed. Never rejects. */
async function carryPed({ ped }: OpenDoor, { to }: PedOrder): Promise<{ code: string; message: string } | undefined> {
  if (!ped) return { code: 'CKR_FUNCTION_NOT_SUPPORTED', message: 'No PED can be connected to this HSM from here.' }
  try {
    if (to) await ped.connect(to.host, to.port)
    else await ped.disconnect()
    return undefined
  } catch (error) {
    return { code: stableCodeOf(error) ?? 'CKR_DEVICE_ERROR', message: messageOf(error) }
  }
}
