// One client of the RPC on a stream: the two version bytes, then messages both ways; answers go out as they are ready.

import type { Duplex } from 'node:stream'
import type { SlotSource } from '../client/index.js'
import { LIBRARY } from './codec.js'
import { type OnFault, Pkcs11Module } from './module.js'
import { HEAD, type Head, RPC_VERSION, readHead } from './rpc.js'

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
  const link = new Link(stream, options.onNews)
  let module: Pkcs11Module | undefined
  let calls = 0
  try {
    const [offered = 0] = (await link.read(1)) ?? []
    // The stream has ended before it began: a client that only looks whether somebody listens.
    if (!link.begun) return { calls }
    await link.write(Uint8Array.of(offered === LIBRARY ? LIBRARY : Math.min(offered, RPC_VERSION)))
    module = new Pkcs11Module(options.slots, offered, options.onFault, options.asksChallenge?.())
    for (;;) {
      const message = await nextMessage(link)
      if (!message) break
      calls++
      const answer = module.answer(message.code, message.body)
      if (!(answer instanceof Promise)) await link.write(answer)
      else await link.answerLater(answer)
    }
  } catch (error) {
    // A stream that breaks, or a client that does not speak the protocol: there is nobody to tell.
    if (!(error instanceof Error)) throw error
  } finally {
    stream.destroy()
    await module?.close()
  }
  return { calls }
}

/** undefined = the client has gone, between two messages or within one. @throws FrameError */
async function nextMessage(link: Link): Promise<{ code: number; body: Uint8Array } | undefined> {
  const bytes = await link.read(HEAD)
  if (!bytes) return undefined
  const head: Head = readHead(bytes)
  if (head.options > 0 && !(await link.read(head.options))) return undefined
  const body = await link.read(head.body)
  return body && { code: head.code, body }
}

/** Exact reads and patient writes on a stream. */
class Link {
  begun = false
  readonly #chunks: Buffer[] = []
  #length = 0
  #ended = false
  #under = 0
  #wake: (() => void) | undefined

  constructor(
    private readonly stream: Duplex,
    onNews?: () => void,
  ) {
    stream.on('data', (chunk: Buffer) => {
      this.begun = true
      onNews?.()
      this.#chunks.push(chunk)
      this.#length += chunk.length
      // No more than what is asked for is kept waiting: the kernel holds the rest.
      if (this.#length > ANSWERS_LIMIT) stream.pause()
      this.#tell()
    })
    const ended = (): void => {
      this.#ended = true
      this.#tell()
    }
    stream
      .on('end', ended)
      .on('close', ended)
      .on('error', ended)
      .on('drain', () => this.#tell())
  }

  /** So many bytes of its own; undefined = the stream has ended before. */
  async read(length: number): Promise<Buffer | undefined> {
    while (this.#length < length) {
      if (this.#ended) return undefined
      if (this.stream.isPaused()) this.stream.resume()
      await this.#news()
    }
    return this.#take(length)
  }

  /** Writes, and waits while the client does not fetch its answers. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#ended) return undefined
    this.stream.write(bytes)
    return this.stream.writableLength > ANSWERS_LIMIT ? this.#untilFetched() : undefined
  }

  /** Writes an answer when it is there, and waits while too many calls are under way. */
  async answerLater(answer: Promise<Uint8Array>): Promise<void> {
    this.#under++
    answer.then((bytes) => {
      this.#under--
      if (!this.#ended) this.stream.write(bytes)
      this.#tell()
    })
    while (!this.#ended && (this.#under >= CALLS_LIMIT || this.stream.writableLength > ANSWERS_LIMIT))
      await this.#news()
  }

  async #untilFetched(): Promise<void> {
    while (!this.#ended && this.stream.writableLength > ANSWERS_LIMIT) await this.#news()
  }

  #take(length: number): Buffer {
    const [first] = this.#chunks
    this.#length -= length
    if (first && first.length > length) {
      this.#chunks[0] = first.subarray(length)
      return Buffer.from(first.subarray(0, length))
    }
    const all = Buffer.concat(this.#chunks.splice(0))
    if (all.length > length) this.#chunks.push(all.subarray(length))
    return all.subarray(0, length)
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #tell(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
