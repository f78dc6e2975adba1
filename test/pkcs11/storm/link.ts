// A program's connection to the door, with any number of calls under way, as p11-kit's client has them.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { HEAD } from '../../../host/pkcs11/rpc.js'
import { Program } from '../support.js'

export class Link {
  readonly program: Program
  readonly #waiting = new Map<number, { resolve: (body: Uint8Array) => void; reject: (error: Error) => void }>()
  #kept: Buffer = Buffer.alloc(0)

  private constructor(
    private readonly socket: Socket,
    offered: number,
  ) {
    this.program = new Program((message) => this.#carry(message), offered)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    const ended = (): void => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the door has closed the connection'))
      this.#waiting.clear()
    }
    socket.on('close', ended).on('error', ended)
  }

  static async open(path: string, offered = 2): Promise<Link> {
    const socket = connect(path)
    await once(socket, 'connect')
    socket.write(Uint8Array.of(offered))
    await once(socket, 'data')
    const link = new Link(socket, offered)
    await link.program.initialize()
    return link
  }

  close(): void {
    this.socket.destroy()
  }

  #carry(message: Uint8Array): Promise<Uint8Array> {
    const code = new DataView(message.buffer, message.byteOffset).getUint32(0)
    return new Promise((resolve, reject) => {
      this.#waiting.set(code, { resolve, reject })
      this.socket.write(message)
    })
  }

  #take(chunk: Buffer): void {
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk])
    while (this.#kept.length >= HEAD) {
      const end = HEAD + this.#kept.readUInt32BE(8)
      if (this.#kept.length < end) return
      const code = this.#kept.readUInt32BE(0)
      const body = Uint8Array.from(this.#kept.subarray(HEAD, end))
      this.#kept = this.#kept.subarray(end)
      this.#waiting.get(code)?.resolve(body)
      this.#waiting.delete(code)
    }
  }
}
