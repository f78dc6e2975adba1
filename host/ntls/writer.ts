import type { TLSSocket } from 'node:tls'

/** Messages to one peer: what is said in one turn of the event loop goes out as one. */
export class MessageWriter {
  #corked = false

  constructor(private readonly socket: TLSSocket) {}

  write(message: Buffer): void {
    if (!this.#corked) {
      this.#corked = true
      this.socket.cork()
      process.nextTick(this.#flush)
    }
    this.socket.write(message)
  }

  readonly #flush = (): void => {
    this.#corked = false
    this.socket.uncork()
  }
}
