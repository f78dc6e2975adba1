// One client of the RPC on a stream: the two version bytes, then messages both ways; answers go out as they are ready.

import type { Duplex } from 'node:stream'
import type { SlotSource } from '../client/index.js'
import { LIBRARY } from './codec.js'
import { Incoming } from './incoming.js'
import { type OnFault, Pkcs11Module } from './module.js'
import { RPC_VERSION } from './rpc.js'

/** Calls under way, and bytes of answers not fetched, from which on nothing more is read. */
const CALLS_LIMIT = 64
const ANSWERS_LIMIT = 1024 * 1024

export interface ConnectionOptions {
  readonly slots: SlotSource
  /** Role (ROLE_…) whose challenge programs are to ask for as a PIN; undefined = none. Looked at for each program. */
  readonly asksChallenge?: (() => number | undefined) | undefined
  readonly onFault?: OnFault
  /** Told whenever bytes have come. */
  readonly onNews?: (() => void) | undefined
}

/**
 * Serves one client until its stream ends. Resolves once nothing of it is left in any token; never rejects.
 * @returns how many calls there were
 */
export async function serveClient(stream: Duplex, options: ConnectionOptions): Promise<{ calls: number }> {
  const conversation = new Conversation(stream, options)
  await conversation.ended
  stream.destroy()
  await conversation.module?.close()
  return { calls: conversation.calls }
}

/**
 * What has come whole is answered in the turn in which it came, without a promise where the module needs none; what is answered in one
 * turn goes out together.
 */
class Conversation {
  readonly ended: Promise<void>
  module: Pkcs11Module | undefined
  calls = 0
  readonly #incoming = new Incoming()
  readonly #end: () => void
  #over = false
  #under = 0
  #paused = false
  #answers: Uint8Array[] = []
  /** Bytes of them. */
  #length = 0

  constructor(
    private readonly stream: Duplex,
    private readonly options: ConnectionOptions,
  ) {
    let end = (): void => undefined
    this.ended = new Promise((resolve) => {
      end = resolve
    })
    // A client that has gone, or does not speak the protocol: there is nobody to tell.
    this.#end = () => {
      this.#over = true
      end()
    }
    stream
      .on('data', (chunk: Buffer) => {
        options.onNews?.()
        this.#incoming.add(chunk)
        this.#work()
      })
      .on('drain', () => this.#work())
      .on('end', this.#end)
      .on('close', this.#end)
      .on('error', this.#end)
  }

  /** Answers what there is while the client fetches its answers and has not too many calls under way. */
  #work(): void {
    try {
      while (!this.#over && !this.#isFull && this.#step());
    } catch {
      this.#end()
    }
    this.#flush()
    // The kernel holds what is not read.
    if (this.#isFull === this.#paused || this.#over) return
    this.#paused = !this.#paused
    if (this.#paused) this.stream.pause()
    else this.stream.resume()
  }

  get #isFull(): boolean {
    return this.#under >= CALLS_LIMIT || this.#length + this.stream.writableLength > ANSWERS_LIMIT
  }

  /** Whether there was something to do. @throws FrameError: no client sends this */
  #step(): boolean {
    if (!this.module) {
      const offered = this.#incoming.byte()
      if (offered === undefined) return false
      const { slots, onFault, asksChallenge } = this.options
      this.module = new Pkcs11Module(slots, offered, onFault, asksChallenge?.())
      this.#send(Uint8Array.of(offered === LIBRARY ? LIBRARY : Math.min(offered, RPC_VERSION)))
      return true
    }
    const message = this.#incoming.message()
    if (!message) return false
    this.calls++
    const answer = this.module.answer(message.code, message.body)
    if (answer instanceof Promise) {
      this.#under++
      answer.then(this.#later)
    } else this.#send(answer)
    return true
  }

  readonly #later = (answer: Uint8Array): void => {
    this.#under--
    // Those of other calls that end in this turn go with it.
    if (this.#answers.length === 0) process.nextTick(this.#resume)
    this.#send(answer)
  }

  readonly #resume = (): void => this.#work()

  #send(answer: Uint8Array): void {
    this.#answers.push(answer)
    this.#length += answer.length
  }

  #flush(): void {
    const answers = this.#answers
    if (answers.length === 0) return
    this.#answers = []
    this.#length = 0
    if (this.#over) return
    if (answers.length > 1) this.stream.cork()
    for (const answer of answers) this.stream.write(answer)
    if (answers.length > 1) this.stream.uncork()
  }
}
