import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import type { FrameLink } from '../board/frame-link.js'
import { type PedClock, realPedClock } from './clock.js'
import { PedError } from './errors.js'
import type { RemotePedEvent } from './events.js'
import { IdleTimer } from './idle-timer.js'
import { fingerprintOf, MessageSocket, RemoteLink, refusalOf } from './remote-link.js'
import {
  REMOTE_FRAME,
  REMOTE_PLUG,
  REMOTE_READY,
  REMOTE_REFUSED,
  REMOTE_VERSION,
  type RemoteMessage,
} from './remote-wire.js'

/** Milliseconds until a server has to have answered. */
const CONNECT_TIMEOUT = 10_000

export interface RemotePedOptions {
  readonly host: string
  readonly port: number
  /**
   * Whether the server with this certificate is the right one.
   * @param fingerprint SHA-256 of the certificate, hexadecimal, lower case
   */
  readonly trusts: (fingerprint: string) => boolean
  /** Real time unless given. */
  readonly clock?: PedClock
  /** Milliseconds without a frame after which this side hangs up: PED_REMOTE_IDLE_TIMEOUT unless given. The shorter one of both sides counts. */
  readonly idleTimeout?: number
  readonly onEvent?: (event: RemotePedEvent) => void
}

/**
 * pedclient: a cable to the PED of a pedserver.
 * @throws PedError PED_UNREACHABLE, PED_SERVER_UNTRUSTED, PED_IN_USE, PED_REMOTE_REFUSED, PED_REMOTE_PROTOCOL
 */
export async function connectRemotePed(options: RemotePedOptions): Promise<FrameLink> {
  const { host, port, clock = realPedClock, idleTimeout = PED_REMOTE_IDLE_TIMEOUT, onEvent } = options
  const peer = `${host}:${port}`
  const socket = new MessageSocket(await secureSocket(options))
  return plugIn(socket, peer, { clock, idleTimeout, onEvent })
}

/**
 * Plugs an HSM's cable in at the far end of a connection that stands.
 * @param idleTimeout undefined = none counts
 * @throws PedError PED_UNREACHABLE, PED_IN_USE, PED_ABSENT, PED_REMOTE_REFUSED, PED_REMOTE_PROTOCOL; the connection is over then
 */
export async function plugIn(
  socket: MessageSocket,
  peer: string,
  options: {
    readonly clock: PedClock
    readonly idleTimeout?: number | undefined
    readonly onEvent?: ((event: RemotePedEvent) => void) | undefined
  },
): Promise<FrameLink> {
  const { clock, idleTimeout, onEvent } = options
  const ready = answerTo(socket, clock, REMOTE_READY, 'the PED server')
  socket.send(REMOTE_PLUG, Uint8Array.of(REMOTE_VERSION))
  await ready
  let reason: string | undefined
  const over = () => {
    onEvent?.({ event: 'remote-idle', peer })
    reason = 'idle for too long'
    link.close()
  }
  const idle = idleTimeout === undefined ? undefined : new IdleTimer(clock, idleTimeout, over)
  const link = new RemoteLink(socket, () => idle?.restart())
  socket.onMessage = ({ type, body }) => {
    if (type === REMOTE_FRAME) return link.arrive(body)
    reason = type === REMOTE_REFUSED ? refusalOf({ type, body }).message : `a message of type ${type}`
    link.close()
  }
  socket.onEnd = (error) => {
    idle?.stop()
    onEvent?.({ event: 'remote-disconnected', peer, reason: reason ?? error?.message ?? 'hung up' })
    link.close()
  }
  // It may have ended while nobody looked.
  if (!socket.open) throw new PedError('PED_UNREACHABLE', `the PED server at ${peer} has hung up`)
  onEvent?.({ event: 'remote-connected', peer })
  return link
}

interface SecureOptions extends Pick<RemotePedOptions, 'host' | 'port' | 'trusts' | 'clock'> {
  /** What this end shows of itself, PEM; nothing unless given. */
  readonly identity?: { readonly certificate: string; readonly privateKey: string }
}

/** A TLS connection to a server that is trusted. @throws PedError PED_UNREACHABLE, PED_SERVER_UNTRUSTED */
export async function secureSocket(options: SecureOptions): Promise<TLSSocket> {
  const { host, port, trusts, clock = realPedClock, identity } = options
  const raw = connect({
    ...(identity ? { cert: identity.certificate, key: identity.privateKey } : {}),
    host,
    port,
    minVersion: 'TLSv1.2',
    // The certificate is self-made: what counts is its fingerprint.
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  })
  try {
    await within(clock, `nobody answers at ${host}, port ${port}`, (resolve, reject) => {
      raw.once('secureConnect', resolve)
      raw.once('error', reject)
      raw.once('close', () => reject(new Error('the connection was closed')))
    })
  } catch (error) {
    raw.destroy()
    throw error
  }
  const certificate = raw.getPeerCertificate().raw
  const fingerprint = certificate ? fingerprintOf(certificate) : ''
  if (fingerprint !== '' && trusts(fingerprint)) return raw
  raw.destroy()
  throw new PedError(
    'PED_SERVER_UNTRUSTED',
    `the server at ${host}, port ${port}, has another certificate than the one known: ${fingerprint}`,
  )
}

/** Waits for a message of this type, and calls `then` before the next one is looked at. @throws PedError PED_UNREACHABLE, PED_REMOTE_PROTOCOL; what a REFUSED says */
export function answerTo(
  socket: MessageSocket,
  clock: PedClock,
  wanted: number,
  who: string,
  then: () => void = () => undefined,
): Promise<void> {
  return within(clock, `${who} did not answer`, (resolve, reject) => {
    socket.onMessage = (message: RemoteMessage) => {
      if (message.type === wanted) {
        then()
        return resolve()
      }
      if (message.type === REMOTE_REFUSED) reject(refusalOf(message, who))
      else reject(new PedError('PED_REMOTE_PROTOCOL', `a message of type ${message.type} where ${wanted} comes`))
    }
    socket.onEnd = (error) => reject(error ?? new Error('it hung up'))
  }).catch((error: unknown) => {
    socket.close()
    throw error
  })
}

/** What has to be done by CONNECT_TIMEOUT; errors that are not of this room become PED_UNREACHABLE. */
async function within(
  clock: PedClock,
  failure: string,
  start: (resolve: () => void, reject: (reason: Error) => void) => void,
): Promise<void> {
  const timer = new AbortController()
  const work = new Promise<void>((resolve, reject) => {
    start(resolve, reject)
    clock.sleep(CONNECT_TIMEOUT, timer.signal).then(
      () => reject(new Error('the time is over')),
      () => undefined,
    )
  })
  try {
    await work
  } catch (cause) {
    if (cause instanceof PedError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PedError('PED_UNREACHABLE', `${failure}: ${why}`, { cause })
  } finally {
    timer.abort()
  }
}
