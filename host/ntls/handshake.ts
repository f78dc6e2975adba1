import type { X509Certificate } from 'node:crypto'
import { constants } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { Identity } from './certificates.js'
import { messageOf } from './errors.js'

/** TLS as an appliance speaks it. */
export function applianceContext({ certificate: cert, privateKey: key }: Identity): SecureContext {
  return createSecureContext({
    cert,
    key,
    minVersion: 'TLSv1.2',
    // No session outlives a registration, and nobody changes certificates on the way.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    // Without it there are no session events.
    sessionIdContext: 'ntls',
  })
}

export interface HandshakeOptions<Verdict> {
  readonly context: SecureContext
  /** Who has this certificate; never rejects. */
  readonly judge: (certificate: X509Certificate) => Promise<Verdict>
  readonly accepts: (verdict: Verdict) => boolean
  /** The handshake is done: the peer holds the key of the certificate that was judged. */
  readonly done: (tls: TLSSocket, verdict: Verdict) => void
  /** There is no TLS with this peer; `verdict` where that is why. The socket is gone. */
  readonly failed: (why: string, verdict?: Verdict) => void
  readonly onKeys?: ((line: Buffer) => void) | undefined
}

/**
 * Mutual TLS with a peer that was just accepted; one without a certificate gets an alert. In TLS 1.2 the certificate is judged before
 * the appliance's own Finished is sent: the handshake of a peer that is not let in fails. In TLS 1.3 the peer has finished by then.
 */
export function shakeHands<Verdict>(socket: Socket, options: HandshakeOptions<Verdict>): void {
  const { context, judge, accepts, done, failed, onKeys } = options
  let verdict: Promise<Verdict> | undefined
  const judged = (tls: TLSSocket): Promise<Verdict> | undefined => {
    const certificate = tls.getPeerX509Certificate()
    if (certificate) verdict ??= judge(certificate)
    return verdict
  }
  const end = (why: string, of?: Verdict): void => {
    socket.destroy()
    failed(why, of)
  }
  // What node:tls asks before it sends the last message of a TLS 1.2 handshake is asked of a server; this one listens nowhere.
  const gate = createServer()
  gate.on('newSession', (_id: Buffer, _session: Buffer, goOn: () => void) => {
    if (tls.getProtocol() !== 'TLSv1.2') {
      goOn()
      return
    }
    judged(tls)?.then((of) => (accepts(of) ? goOn() : end('the certificate is not accepted', of)))
  })
  const tls = new TLSSocket(socket, {
    isServer: true,
    server: gate,
    secureContext: context,
    requestCert: true,
    // That there is one: whose it is, is for the registry to say.
    rejectUnauthorized: true,
  })
  if (onKeys) tls.on('keylog', onKeys)
  const broken = (error: Error): void => end(messageOf(error))
  tls.once('error', broken)
  tls.once('secure', () => {
    tls.off('error', broken)
    tls.on('error', () => socket.destroy())
    const of = judged(tls)
    if (of) of.then((is) => done(tls, is))
    else end('no certificate')
  })
}
