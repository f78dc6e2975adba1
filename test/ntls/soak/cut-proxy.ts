import { connect, createServer, type Server, type Socket } from 'node:net'

/** A link between one client and the appliance that can be cut after so many bytes of the client. */
export class CutProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #left = Number.POSITIVE_INFINITY
  #cut: (() => void) | undefined

  private constructor(target: number) {
    this.#server = createServer((socket) => this.#carry(socket, target))
  }

  static async listen(target: number): Promise<CutProxy> {
    const proxy = new CutProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Lets so many more bytes of the client through; resolves once the link is cut. Nobody connects afterwards. */
  cutAfter(bytes: number): Promise<void> {
    this.#left = bytes
    return new Promise((resolve) => {
      this.#cut = resolve
      if (bytes === 0) this.#end()
    })
  }

  close(): void {
    this.#end()
  }

  #carry(client: Socket, target: number): void {
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true })
    client.setNoDelay(true)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    server.on('data', (bytes: Buffer) => client.write(bytes))
    client.on('data', (bytes: Buffer) => {
      if (this.#left >= bytes.length) {
        this.#left -= bytes.length
        server.write(bytes)
        if (this.#left > 0) return
      } else {
        const last = bytes.subarray(0, this.#left)
        this.#left = 0
        server.write(last)
      }
      // What was let through arrives; nothing behind it does.
      server.end()
      server.once('finish', () => this.#end())
      client.removeAllListeners('data').pause()
    })
  }

  #end(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#cut?.()
  }
}
