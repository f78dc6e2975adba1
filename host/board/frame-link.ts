/**
 * One end of a cable that carries whole frames in order, such as the board's PED connector.
 * What is sent at one end arrives at the other; nothing arrives after `close`.
 */
export interface FrameLink {
  send(frame: Uint8Array): void
  onFrame(handler: (frame: Uint8Array) => void): void
  onClose(handler: () => void): void
  close(): void
}

class LinkEnd implements FrameLink {
  peer: LinkEnd | undefined
  #frame: ((frame: Uint8Array) => void) | undefined
  #close: (() => void) | undefined
  #waiting: Uint8Array[] = []
  #open = true

  send(frame: Uint8Array): void {
    if (!this.#open) return
    const copy = Uint8Array.from(frame)
    // A cable has a length: the other end never runs inside the sender's call.
    queueMicrotask(() => this.peer?.arrive(copy))
  }

  arrive(frame: Uint8Array): void {
    if (!this.#open) return
    if (this.#frame) this.#frame(frame)
    else this.#waiting.push(frame)
  }

  onFrame(handler: (frame: Uint8Array) => void): void {
    this.#frame = handler
    for (const frame of this.#waiting.splice(0)) handler(frame)
  }

  onClose(handler: () => void): void {
    this.#close = handler
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#close?.()
    queueMicrotask(() => this.peer?.close())
  }
}

/** Two ends of an in-process cable. */
export function frameCable(): [FrameLink, FrameLink] {
  const [a, b] = [new LinkEnd(), new LinkEnd()]
  a.peer = b
  b.peer = a
  return [a, b]
}
