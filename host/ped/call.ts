import { type PedClock, realPedClock } from './clock.js'
import type { RemotePedEvent } from './events.js'
import { answerTo, secureSocket } from './remote-client.js'
import { MessageSocket } from './remote-link.js'
import type { RemotePedServer } from './remote-server.js'
import { REMOTE_CALL, REMOTE_VERSION, REMOTE_WAIT } from './remote-wire.js'

/** Milliseconds until an appliance that has hung up, or does not answer, is called again. */
const CALL_AGAIN = 2000

export interface ApplianceCallOptions {
  /** What the appliance is called here. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** PEM; the pedserver's own, which the appliance has registered. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** @param fingerprint SHA-256 of the appliance's certificate, hexadecimal, lower case */
  readonly trusts: (fingerprint: string) => boolean
  readonly server: RemotePedServer
  /** Real time unless given. */
  readonly clock?: PedClock
  readonly onEvent?: (event: RemotePedEvent) => void
}

/** A pedserver's connection to an appliance, which the appliance uses when it wants the PED; made anew until `close`. */
export class ApplianceCall {
  readonly #options: ApplianceCallOptions
  readonly #clock: PedClock
  readonly #stop = new AbortController()
  #socket: MessageSocket | undefined

  private constructor(options: ApplianceCallOptions) {
    this.#options = options
    this.#clock = options.clock ?? realPedClock
  }

  /** @throws PedError PED_UNREACHABLE, PED_SERVER_UNTRUSTED, PED_REMOTE_REFUSED; where the first call succeeds, later ones are tried again */
  static async start(options: ApplianceCallOptions): Promise<ApplianceCall> {
    const call = new ApplianceCall(options)
    await call.#call()
    return call
  }

  /** Calls, as often as it takes: nobody waits for the first success. */
  static keep(options: ApplianceCallOptions): ApplianceCall {
    const call = new ApplianceCall(options)
    void call.#again(0)
    return call
  }

  /** The appliance has this connection. */
  get up(): boolean {
    return this.#socket?.open ?? false
  }

  close(): void {
    this.#stop.abort()
    this.#socket?.close()
  }

  async #call(): Promise<void> {
    const { name, host, port, certificate, privateKey, trusts, server, onEvent } = this.#options
    const raw = await secureSocket({ host, port, trusts, clock: this.#clock, identity: { certificate, privateKey } })
    raw.setKeepAlive(true, 30_000)
    const socket = new MessageSocket(raw)
    const peer = `${host}:${port}`
    const offered = () => server.offer(socket, peer, () => void this.#again())
    const waits = answerTo(socket, this.#clock, REMOTE_WAIT, 'the appliance', offered)
    socket.send(REMOTE_CALL, Uint8Array.of(REMOTE_VERSION))
    await waits
    this.#socket = socket
    onEvent?.({ event: 'called', name, peer })
    if (this.#stop.signal.aborted) socket.close()
  }

  /** @param first milliseconds until the first try */
  async #again(first = CALL_AGAIN): Promise<void> {
    const { name, onEvent } = this.#options
    const { signal } = this.#stop
    let told = false
    for (let pause = first; !signal.aborted; pause = CALL_AGAIN) {
      await this.#clock.sleep(pause, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        await this.#call()
        return
      } catch (error) {
        if (!told)
          onEvent?.({ event: 'call-failed', name, reason: error instanceof Error ? error.message : String(error) })
        told = true
      }
    }
  }
}
