import { connect, createServer, type Server, type Socket } from 'node:net'

/** A cable that somebody pulls out at a chosen byte, whichever way it goes, and plugs in again at once. */
export class CutLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #passed = 0
  #cutAt: number | undefined
  #cuts = 0

  private constructor(private readonly target: number) {
    this.#server = createServer((socket) => this.#carry(socket))
  }

  static async listen(target: number): Promise<CutLink> {
    const link = new CutLink(target)
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve))
    return link
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Bytes since `start`, of both ways. */
  get passed(): number {
    return this.#passed
  }

  /** Whether the cable was pulled since `start`. */
  get wasCut(): boolean {
    return this.#cuts > 0
  }

  /** Counts from zero. @param cutAt byte that does not arrive any more; undefined = none */
  start(cutAt?: number): void {
    this.#passed = 0
    this.#cuts = 0
    this.#cutAt = cutAt
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #carry(near: Socket): void {
    const far = connect({ port: this.target, host: '127.0.0.1' })
    const pull = (): void => {
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.on('end', () => to.end())
      from.on('data', (bytes: Buffer) => {
        const left = this.#cutAt === undefined ? bytes.length : this.#cutAt - this.#passed
        this.#passed += bytes.length
        if (left >= bytes.length) {
          to.write(bytes)
          return
        }
        this.#cutAt = undefined
        this.#cuts++
        // What went before the cut may have arrived.
        if (left > 0) to.write(bytes.subarray(0, left), pull)
        else pull()
      })
    }
  }
}
