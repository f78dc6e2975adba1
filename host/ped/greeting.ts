import type { TLSSocket } from 'node:tls'
import type { PedClock } from './clock.js'
import type { RemotePedEvent } from './events.js'
import { IdleTimer } from './idle-timer.js'
import { MessageSocket, peerOf } from './remote-link.js'
import { REMOTE_REFUSED, REMOTE_VERSION, type RemoteMessage } from './remote-wire.js'

/** Milliseconds in which a connection has to have said what it wants, from its first byte on. */
export const GREETING_TIMEOUT = 10_000

export interface Reception {
  readonly clock: PedClock
  /** Connections that are open. */
  readonly sockets: Set<TLSSocket>
  readonly report: (event: RemotePedEvent) => void
}

/** Whoever has come, before it is known what it wants. */
export interface Guest {
  readonly raw: TLSSocket
  readonly socket: MessageSocket
  /** `address:port`. */
  readonly peer: string
}

/** Takes a connection in, and passes its first message on; one that says nothing in time is hung up on. */
export function receive(
  raw: TLSSocket,
  { clock, sockets, report }: Reception,
  greeted: (guest: Guest, message: RemoteMessage) => void,
): void {
  const peer = peerOf(raw)
  const socket = new MessageSocket(raw)
  sockets.add(raw)
  raw.once('close', () => sockets.delete(raw))
  const late = new IdleTimer(clock, GREETING_TIMEOUT, () => {
    report({ event: 'remote-refused', peer, reason: 'it said nothing' })
    socket.close()
  })
  socket.onEnd = () => late.stop()
  socket.onMessage = (message) => {
    late.stop()
    greeted({ raw, socket, peer }, message)
  }
}

/** Whether a message is a greeting of this type and of our version. */
export const greets = ({ type, body }: RemoteMessage, wanted: number): boolean =>
  type === wanted && body.length === 1 && body.readUInt8(0) === REMOTE_VERSION

/** Says why not, and hangs up. @param code REFUSED_… */
export function refuse(
  { socket, peer }: Omit<Guest, 'raw'>,
  code: number,
  reason: string,
  report: Reception['report'],
): void {
  report({ event: 'remote-refused', peer, reason })
  socket.send(REMOTE_REFUSED, Uint8Array.of(code))
  socket.close()
}
