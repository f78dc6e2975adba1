// A TCP proxy that cuts both streams into pieces of any size and holds each for some turns of the event loop, by a seed.
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Small, fast, repeatable: mulberry32. */
export function seededNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class SlowProxy {
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly target: number,
    private readonly below: (bound: number) => number,
  ) {
    server.on('connection', (near) => this.#carry(near))
  }

  /** Listens in front of a port of this computer. */
  static open(target: number, seed: number): Promise<SlowProxy> {
    const server = createServer({ noDelay: true })
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(new SlowProxy(server, target, seededNumbers(seed))))
    })
  }

  get port(): number {
    const address = this.server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    this.cut()
    await closed
  }

  #carry(near: Socket): void {
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      let last = Promise.resolve()
      from.on('data', (bytes: Buffer) => {
        last = last.then(() => this.#trickle(bytes, to))
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        last.then(() => to.destroySoon())
      })
    }
  }

  async #trickle(bytes: Buffer, to: Socket): Promise<void> {
    const size = 1 + this.below([3, 60, 3000, 30_000][this.below(4)] ?? 1)
    for (let at = 0; at < bytes.length && !to.destroyed; at += size) {
      for (let turns = this.below(4); turns > 0; turns--) await turn()
      to.write(bytes.subarray(at, at + size))
    }
  }
}
