import type { Server, TLSSocket } from 'node:tls'
import { PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import { type PedClock, realPedClock } from './clock.js'
import type { RemotePedEvent } from './events.js'
import { greets, receive, refuse } from './greeting.js'
import { IdleTimer } from './idle-timer.js'
import type { ServedPed } from './line-ped.js'
import { type MessageSocket, RemoteLink } from './remote-link.js'
import {
  REFUSED_ABSENT,
  REFUSED_BUSY,
  REFUSED_IDLE,
  REFUSED_STOPPED,
  REFUSED_VERSION,
  REMOTE_FRAME,
  REMOTE_PLUG,
  REMOTE_READY,
  REMOTE_REFUSED,
} from './remote-wire.js'
import { addressOf, listenAt, tlsServer } from './tls-listen.js'

/** Milliseconds that an HSM waits for a PED which is not there, such as one that has just let the last HSM go. */
const PED_WAIT = 3000
/** Connections at a time: one HSM, and some that are told to wait. */
const CONNECTIONS = 8

export interface RemotePedServerOptions {
  readonly ped: ServedPed
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** Real time unless given. */
  readonly clock?: PedClock
  /** Milliseconds without a frame after which the HSM is hung up on: PED_REMOTE_IDLE_TIMEOUT unless given. */
  readonly idleTimeout?: number
  readonly onEvent?: (event: RemotePedEvent) => void
}

/** The HSM that is served. */
interface Served {
  readonly peer: string
  readonly socket: MessageSocket
  readonly link: RemoteLink
}

/** pedserver: the PED at the far end of TLS. One HSM at a time; the others are told so. */
export class RemotePedServer {
  readonly #options: RemotePedServerOptions
  readonly #clock: PedClock
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  /** Ends the waits for a PED. */
  readonly #stop = new AbortController()
  #served: Served | undefined
  readonly #report = (event: RemotePedEvent): void => this.#options.onEvent?.(event)

  private constructor(options: RemotePedServerOptions) {
    this.#options = options
    this.#clock = options.clock ?? realPedClock
    const { certificate, privateKey } = options
    this.#server = tlsServer({ certificate, privateKey, connections: CONNECTIONS, report: this.#report }, (socket) =>
      this.#accept(socket),
    )
  }

  /** @throws PedError PED_LISTEN: the address is taken, or none of this computer */
  static async listen(options: RemotePedServerOptions, port: number, host = '127.0.0.1'): Promise<RemotePedServer> {
    const server = new RemotePedServer(options)
    await listenAt(server.#server, port, host, 'no PED server can listen')
    return server
  }

  get address(): { readonly host: string; readonly port: number } {
    return addressOf(this.#server)
  }

  /** `address:port` of the HSM that is served. */
  get peer(): string | undefined {
    return this.#served?.peer
  }

  /** Hangs up on the HSM that is served; answers whether there was one. */
  disconnect(): boolean {
    if (!this.#served) return false
    this.#hangUp(this.#served, REFUSED_STOPPED)
    return true
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#stop.abort()
    this.disconnect()
    for (const socket of this.#sockets) socket.destroySoon()
    await closed
  }

  #accept(raw: TLSSocket): void {
    const reception = { clock: this.#clock, sockets: this.#sockets, report: this.#report }
    receive(raw, reception, ({ socket, peer }, message) => {
      if (greets(message, REMOTE_PLUG)) void this.#plug(socket, peer)
      else this.#refuse(socket, peer, REFUSED_VERSION, 'no PLUG of this version')
    })
  }

  /**
   * Offers the PED on a connection that this server has made itself: the other end plugs in when it likes, and the connection ends with
   * the HSM that was served. No idle time counts there.
   * @param ended called once it is over
   */
  offer(socket: MessageSocket, peer: string, ended: () => void): void {
    socket.onEnd = ended
    socket.onMessage = (message) => {
      if (greets(message, REMOTE_PLUG)) void this.#plug(socket, peer, ended)
      else socket.close()
    }
  }

  /** @param called what follows the end of a connection that this server has made */
  async #plug(socket: MessageSocket, peer: string, called?: () => void): Promise<void> {
    const { ped } = this.#options
    // Until it is served it has nothing to say.
    socket.onMessage = () => socket.close()
    if (!ped.present && !ped.connected) {
      this.#report({ event: 'ped-awaited', peer })
      const wait = new AbortController()
      const time = this.#clock.sleep(PED_WAIT, AbortSignal.any([wait.signal, this.#stop.signal])).catch(() => undefined)
      await Promise.race([ped.arrival(), time])
      wait.abort()
    }
    if (!socket.open) return
    if (ped.connected) this.#refuse(socket, peer, REFUSED_BUSY, 'the PED serves another HSM')
    else if (!ped.present) this.#refuse(socket, peer, REFUSED_ABSENT, 'no PED is connected')
    else this.#serve(socket, peer, called)
  }

  #refuse(socket: MessageSocket, peer: string, code: number, reason: string): void {
    refuse({ socket, peer }, code, reason, this.#report)
  }

  #serve(socket: MessageSocket, peer: string, called?: () => void): void {
    const over = () => {
      this.#report({ event: 'remote-idle', peer })
      this.#hangUp(served, REFUSED_IDLE)
    }
    const limit = this.#options.idleTimeout ?? PED_REMOTE_IDLE_TIMEOUT
    const idle = called ? undefined : new IdleTimer(this.#clock, limit, over)
    const link = new RemoteLink(socket, () => idle?.restart())
    const served: Served = { peer, socket, link }
    this.#served = served
    socket.onMessage = ({ type, body }) => {
      if (type === REMOTE_FRAME) link.arrive(body)
      // Anything else has no meaning here, and who sends it is no pedclient.
      else link.close()
    }
    socket.onEnd = (error) => {
      idle?.stop()
      if (this.#served === served) this.#served = undefined
      this.#report({ event: 'remote-disconnected', peer, reason: error?.message ?? 'hung up' })
      link.close()
      called?.()
    }
    this.#report({ event: 'remote-connected', peer })
    socket.send(REMOTE_READY)
    this.#options.ped.connect(link, () => {
      this.#report({ event: 'ped-gone', peer })
      this.#hangUp(served, REFUSED_ABSENT)
    })
  }

  #hangUp(served: Served, code: number): void {
    served.socket.send(REMOTE_REFUSED, Uint8Array.of(code))
    served.link.close()
  }
}
