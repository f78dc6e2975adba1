import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { CMD_SESSION_CLOSE, CMD_SESSION_OPEN, FRAME_HEADER, RC_DEVICE_ERROR, RC_OK } from '../../assembly/protocol.js'
import { type CommandDoor, isCommandFrame, refusal } from '../board/frames.js'
import { ControlError } from './control-client.js'
import {
  CONTROL_SOCKET,
  type ControlAnswer,
  type ControlRequest,
  type ControlState,
  PENDING_MAX,
  readLines,
  readRequest,
  writeLine,
} from './control-messages.js'

/** What the service lets its administrator do. Errors go over with their `code`. */
export interface ControlHandlers {
  state(): Omit<ControlState, 'process'>
  /** The HSM's own command port, nothing filtered; undefined = there is no such HSM. */
  card(hsm: string): CommandDoor | undefined
  connectPed(hsm: string, host: string, port: number | undefined): Promise<void>
  disconnectPed(hsm: string): Promise<void>
  /** Ends all connections of clients and begins anew with what registry, settings and certificate are now. */
  restart(): Promise<void>
  /** The service is to end, once this was answered. */
  stop(): void
}

/** The administrator's door of a running appliance: a socket in its folder that only the folder's owner can open. */
export class ControlServer {
  readonly #connections = new Set<Connection>()

  private constructor(
    private readonly server: Server,
    private readonly path: string,
  ) {}

  /** The caller holds the folder's lock: a socket that is there was left by a process that is gone. @throws ControlError CONTROL_IO */
  static async open(dir: string, handlers: ControlHandlers): Promise<ControlServer> {
    const path = join(dir, CONTROL_SOCKET)
    const server = createServer()
    const control = new ControlServer(server, path)
    server.on('connection', (socket) => control.#accept(socket, handlers))
    try {
      rmSync(path, { force: true })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(path, resolve)
      })
      chmodSync(path, 0o600)
    } catch (cause) {
      server.close()
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ControlError('CONTROL_IO', `the control socket ${path} cannot be made: ${why}`, { cause })
    }
    return control
  }

  /** Ends the administrators' connections, and their sessions on the HSMs. */
  async close(): Promise<void> {
    await Promise.all([...this.#connections].map((one) => one.close()))
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
    rmSync(this.path, { force: true })
  }

  #accept(socket: Socket, handlers: ControlHandlers): void {
    const connection = new Connection(socket, handlers)
    this.#connections.add(connection)
    // As soon as the administrator hangs up: whoever connects next finds no session of this one.
    socket.once('end', () => connection.close())
    socket.once('close', () => {
      connection.close().finally(() => this.#connections.delete(connection))
    })
  }
}

/** One administrator. Its sessions end with it. */
class Connection {
  readonly #sessions = new Map<number, CommandDoor>()
  #pending = 0
  #closed: Promise<void> | undefined

  constructor(
    private readonly socket: Socket,
    private readonly handlers: ControlHandlers,
  ) {
    socket.on('error', () => undefined)
    readLines(socket, (line) => {
      const request = readRequest(line)
      if (++this.#pending > PENDING_MAX) throw new Error('too much at once')
      this.#answer(request).then((answer) => {
        this.#pending--
        writeLine(socket, answer)
      })
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    this.socket.destroy()
    await Promise.all([...this.#sessions].map(([session, card]) => closeSession(card, session)))
  }

  /** Never rejects. */
  async #answer(request: ControlRequest): Promise<ControlAnswer> {
    const { id } = request
    try {
      return { id, ...(await this.#do(request)) }
    } catch (error) {
      const code =
        error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'CONTROL_FAILED'
      return { id, error: { code, message: error instanceof Error ? error.message : String(error) } }
    }
  }

  async #do({ ask, hsm = '', frame, host, port }: ControlRequest): Promise<Partial<ControlAnswer>> {
    const { handlers } = this
    if (ask === 'state') return { state: { ...handlers.state(), process: process.pid } }
    if (ask === 'restart') {
      await handlers.restart()
      return {}
    }
    if (ask === 'stop') {
      setImmediate(() => handlers.stop())
      return {}
    }
    const card = handlers.card(hsm)
    if (!card) throw new ControlError('CONTROL_HSM', `the appliance has no HSM "${hsm}"`)
    if (ask === 'exchange') return { frame: await this.#exchange(card, Buffer.from(frame ?? '', 'base64')) }
    if (ask === 'disconnect-ped') await handlers.disconnectPed(hsm)
    else if (host === undefined) throw new ControlError('CONTROL_FAILED', 'no host was given')
    else await handlers.connectPed(hsm, host, port)
    return {}
  }

  async #exchange(card: CommandDoor, request: Buffer): Promise<string> {
    if (!isCommandFrame(request))
      throw new ControlError('CONTROL_FRAME', `${request.length} bytes are not one command frame`)
    let answer: Uint8Array
    try {
      answer = await card.exchange(request)
    } catch {
      answer = refusal(request, RC_DEVICE_ERROR)
    }
    await this.#follow(card, request, Buffer.from(answer))
    return Buffer.from(answer).toString('base64')
  }

  /** Which sessions are this connection's. */
  async #follow(card: CommandDoor, request: Buffer, answer: Buffer): Promise<void> {
    if (answer.readUInt32BE(4) !== RC_OK) return
    const command = request.readUInt16BE()
    if (command === CMD_SESSION_CLOSE) this.#sessions.delete(request.readUInt32BE(4))
    if (command !== CMD_SESSION_OPEN || answer.length !== FRAME_HEADER + 4) return
    const session = answer.readUInt32BE(FRAME_HEADER)
    if (this.#closed) await closeSession(card, session)
    else this.#sessions.set(session, card)
  }
}

async function closeSession(card: CommandDoor, session: number): Promise<void> {
  const frame = Buffer.alloc(FRAME_HEADER)
  frame.writeUInt16BE(CMD_SESSION_CLOSE)
  frame.writeUInt32BE(session, 4)
  // A card that broke has no sessions left.
  await card.exchange(frame).catch(() => undefined)
}
