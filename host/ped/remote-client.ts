import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import type { FrameLink } from '../board/frame-link.js'
import { type PedClock, realPedClock } from './clock.js'
import { PedError } from './errors.js'
import { IdleTimer } from './idle-timer.js'
import { MessageSocket, RemoteLink, refusalOf } from './remote-link.js'
import type { RemotePedEvent } from './remote-server.js'
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
  const raw = await secureSocket(options)
  const socket = new MessageSocket(raw)
  const ready = answerTo(socket, clock)
  socket.send(REMOTE_PLUG, Uint8Array.of(REMOTE_VERSION))
  await ready
  let reason: string | undefined
  const idle = new IdleTimer(clock, idleTimeout, () => {
    onEvent?.({ event: 'remote-idle', peer })
    reason = 'idle for too long'
    link.close()
  })
  const link = new RemoteLink(socket, () => idle.restart())
  socket.onMessage = ({ type, body }) => {
    if (type === REMOTE_FRAME) return link.arrive(body)
    reason = type === REMOTE_REFUSED ? refusalOf({ type, body }).message : `a message of type ${type}`
    link.close()
  }
  socket.onEnd = (error) => {
    idle.stop()
    onEvent?.({ event: 'remote-disconnected', peer, reason: reason ?? error?.message ?? 'hung up' })
    link.close()
  }
  // It may have ended while nobody looked.
  if (!socket.open) throw new PedError('PED_UNREACHABLE', `the PED server at ${peer} has hung up`)
  onEvent?.({ event: 'remote-connected', peer })
  return link
}

/** A TLS connection to a server that is trusted. */
async function secureSocket({ host, port, trusts, clock = realPedClock }: RemotePedOptions): Promise<TLSSocket> {
  const raw = connect({
    host,
    port,
    minVersion: 'TLSv1.2',
    // The certificate is self-made: what counts is its fingerprint.
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  })
  try {
    await within(clock, `no PED server answers at ${host}, port ${port}`, (resolve, reject) => {
      raw.once('secureConnect', resolve)
      raw.once('error', reject)
      raw.once('close', () => reject(new Error('the connection was closed')))
    })
  } catch (error) {
    raw.destroy()
    throw error
  }
  const certificate = raw.getPeerCertificate().raw
  const fingerprint = certificate ? createHash('sha256').update(certificate).digest('hex') : ''
  if (fingerprint !== '' && trusts(fingerprint)) return raw
  raw.destroy()
  throw new PedError(
    'PED_SERVER_UNTRUSTED',
    `the PED server at ${host}, port ${port}, has another certificate than the one known: ${fingerprint}`,
  )
}

/** Waits for READY. */
function answerTo(socket: MessageSocket, clock: PedClock): Promise<void> {
  return within(clock, 'the PED server did not answer', (resolve, reject) => {
    socket.onMessage = (message: RemoteMessage) => {
      if (message.type === REMOTE_READY) return resolve()
      if (message.type === REMOTE_REFUSED) reject(refusalOf(message))
      else reject(new PedError('PED_REMOTE_PROTOCOL', `a message of type ${message.type} where READY comes`))
    }
    socket.onEnd = (error) => reject(error ?? new Error('the PED server hung up'))
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
