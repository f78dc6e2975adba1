// Bytes of a client as they come, cut into messages.

import { HEAD, type Head, readHead } from './rpc.js'

/** A message, its body in place: whoever has it overwrites it. */
export interface Message {
  readonly code: number
  readonly body: Uint8Array
}

const NOTHING = new Uint8Array(0)

export class Incoming {
  #chunk: Uint8Array = NOTHING
  #at = 0
  /** What came behind the chunk. */
  #more: Uint8Array[] = []
  #length = 0
  /** Of the message that has begun. */
  #head: Head | undefined

  add(chunk: Uint8Array): void {
    this.#length += chunk.length
    if (this.#at < this.#chunk.length) {
      this.#more.push(chunk)
      return
    }
    this.#chunk = chunk
    this.#at = 0
  }

  /** The next byte; undefined = there is none yet. */
  byte(): number | undefined {
    return this.#take(1)?.[0]
  }

  /** The next whole message; undefined = some of it has not come yet. @throws FrameError: no client sends this */
  message(): Message | undefined {
    if (!this.#head) {
      const bytes = this.#take(HEAD)
      if (!bytes) return undefined
      this.#head = readHead(bytes)
    }
    const { code, options, body: length } = this.#head
    const bytes = this.#take(options + length)
    if (!bytes) return undefined
    this.#head = undefined
    return { code, body: options === 0 ? bytes : bytes.subarray(options) }
  }

  #take(length: number): Uint8Array | undefined {
    if (this.#length < length) return undefined
    if (this.#chunk.length - this.#at < length) this.#join()
    const from = this.#at
    this.#at += length
    this.#length -= length
    return this.#chunk.subarray(from, this.#at)
  }

  /** What has come becomes one chunk. Only where it holds a message, so that nothing is copied twice for a long one. */
  #join(): void {
    const parts = [this.#chunk.subarray(this.#at), ...this.#more]
    this.#chunk = Buffer.concat(parts, this.#length)
    this.#at = 0
    this.#more = []
    for (const part of parts) part.fill(0)
  }
}
