import { X509Certificate } from 'node:crypto'
import type { Server, TLSSocket } from 'node:tls'
import type { FrameLink } from '../board/frame-link.js'
import { type PedClock, realPedClock } from './clock.js'
import { PedError } from './errors.js'
import type { RemotePedEvent } from './events.js'
import { greets, receive, refuse } from './greeting.js'
import { plugIn } from './remote-client.js'
import { fingerprintOf, type MessageSocket } from './remote-link.js'
import {
  REFUSED_STOPPED,
  REFUSED_UNKNOWN,
  REFUSED_VERSION,
  REMOTE_CALL,
  REMOTE_REFUSED,
  REMOTE_WAIT,
} from './remote-wire.js'
import { addressOf, listenAt, tlsServer } from './tls-listen.js'

/** Milliseconds that an HSM waits for a pedserver which is registered: it calls again two seconds after its last HSM has gone, and may be slow. */
const CALL_WAIT = 6000
/** Connections at a time. */
const CONNECTIONS = 16

export interface PedCallersOptions {
  /** PEM; the appliance's own. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** Name of the pedserver that is registered with this certificate. @param fingerprint SHA-256, hexadecimal, lower case */
  readonly nameOf: (fingerprint: string) => string | undefined
  /** Real time unless given. */
  readonly clock?: PedClock
  readonly onEvent?: (event: RemotePedEvent) => void
}

/** A pedserver that has called and waits to be used. */
interface Caller {
  readonly peer: string
  readonly socket: MessageSocket
}

/**
 * Where pedservers call an appliance (SPEC.md §5.4): mutual TLS, those that are registered and nobody else. Each waits until an HSM plugs
 * its cable in. Their connections know no idle time.
 */
export class PedCallers {
  readonly #options: PedCallersOptions
  readonly #clock: PedClock
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  readonly #waiting = new Map<string, Caller>()
  readonly #watchers = new Set<(name: string) => void>()
  readonly #stop = new AbortController()
  readonly #report = (event: RemotePedEvent): void => this.#options.onEvent?.(event)

  private constructor(options: PedCallersOptions) {
    this.#options = options
    this.#clock = options.clock ?? realPedClock
    const { certificate, privateKey } = options
    // Certificates are self-made: what counts is whether it is registered.
    const more = { requestCert: true, rejectUnauthorized: false }
    this.#server = tlsServer(
      { certificate, privateKey, connections: CONNECTIONS, more, report: this.#report },
      (socket) => this.#accept(socket),
    )
  }

  /** @throws PedError PED_LISTEN */
  static async listen(options: PedCallersOptions, port: number, host = '127.0.0.1'): Promise<PedCallers> {
    const callers = new PedCallers(options)
    await listenAt(callers.#server, port, host, 'no PED server can call')
    return callers
  }

  get address(): { readonly host: string; readonly port: number } {
    return addressOf(this.#server)
  }

  /** Names of the pedservers that wait. */
  get waiting(): readonly string[] {
    return [...this.#waiting.keys()]
  }

  /** Plugs a cable into the PED of a pedserver that has called. @throws PedError PED_UNREACHABLE: it does not wait; PED_IN_USE, PED_ABSENT, PED_REMOTE_REFUSED */
  async take(name: string): Promise<FrameLink> {
    if (!this.#waiting.has(name)) await this.#arrival(name)
    const caller = this.#waiting.get(name)
    if (!caller) throw new PedError('PED_UNREACHABLE', `the PED server "${name}" has not called`)
    this.#waiting.delete(name)
    return plugIn(caller.socket, caller.peer, { clock: this.#clock, onEvent: (event) => this.#report(event) })
  }

  /** Resolves once it has called, or the time is over. */
  async #arrival(name: string): Promise<void> {
    const wait = new AbortController()
    const time = this.#clock.sleep(CALL_WAIT, AbortSignal.any([wait.signal, this.#stop.signal])).catch(() => undefined)
    const called = new Promise<void>((resolve) => {
      const notice = (caller: string) => {
        if (caller === name) resolve()
      }
      this.#watchers.add(notice)
      wait.signal.addEventListener('abort', () => this.#watchers.delete(notice))
    })
    await Promise.race([called, time])
    wait.abort()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const { socket } of this.#waiting.values()) socket.send(REMOTE_REFUSED, Uint8Array.of(REFUSED_STOPPED))
    this.#waiting.clear()
    for (const socket of this.#sockets) socket.destroySoon()
    await closed
  }

  #accept(raw: TLSSocket): void {
    raw.setKeepAlive(true, 30_000)
    const report = this.#report
    receive(raw, { clock: this.#clock, sockets: this.#sockets, report }, (guest, message) => {
      const name = this.#nameOf(raw)
      if (!greets(message, REMOTE_CALL)) refuse(guest, REFUSED_VERSION, 'no CALL of this version', report)
      else if (name === undefined)
        refuse(guest, REFUSED_UNKNOWN, 'its certificate is not registered, or not valid now', report)
      else this.#keep(name, guest)
    })
  }

  /** The pedserver at the other end, by its certificate. */
  #nameOf(raw: TLSSocket): string | undefined {
    const der = raw.getPeerCertificate().raw
    if (!der) return undefined
    const { validFrom, validTo } = new X509Certificate(der)
    const now = Date.now()
    const valid = Date.parse(validFrom) <= now && now <= Date.parse(validTo)
    return valid ? this.#options.nameOf(fingerprintOf(der)) : undefined
  }

  #keep(name: string, caller: Caller): void {
    const { socket, peer } = caller
    // One that calls again has lost its earlier connection, whether that shows here or not.
    this.#waiting.get(name)?.socket.close()
    this.#waiting.set(name, caller)
    socket.onMessage = () => socket.close()
    socket.onEnd = () => {
      if (this.#waiting.get(name) === caller) this.#waiting.delete(name)
      this.#report({ event: 'caller-gone', name, peer })
    }
    this.#report({ event: 'caller', name, peer })
    socket.send(REMOTE_WAIT)
    for (const notice of [...this.#watchers]) notice(name)
  }
}
