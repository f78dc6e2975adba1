import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { PedError } from './errors.js'
import type { RemotePedEvent } from './events.js'
import { GREETING_TIMEOUT } from './greeting.js'
import { peerOf } from './remote-link.js'

/** A TLS server of ours that does not listen yet. Bytes that are no TLS, and handshakes that are given up: nothing is told but the reason. */
export function tlsServer(
  options: {
    /** PEM. */
    readonly certificate: string
    /** PEM, PKCS#8. */
    readonly privateKey: string
    /** Connections at a time. */
    readonly connections: number
    readonly more?: TlsOptions
    readonly report: (event: RemotePedEvent) => void
  },
  accept: (socket: TLSSocket) => void,
): Server {
  const { certificate, privateKey, connections, more, report } = options
  const server = createServer({
    cert: certificate,
    key: privateKey,
    minVersion: 'TLSv1.2',
    handshakeTimeout: GREETING_TIMEOUT,
    ...more,
  })
  server.maxConnections = connections
  server.on('secureConnection', accept)
  server.on('tlsClientError', (error, socket) => {
    report({ event: 'remote-refused', peer: peerOf(socket), reason: error.message })
  })
  return server
}

/** @param who what cannot be, in the error: "no PED server can listen". @throws PedError PED_LISTEN: the address is taken, or none of this computer */
export function listenAt(server: Server, port: number, host: string, who: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(new PedError('PED_LISTEN', `${who} at ${host}, port ${port}: ${cause.message}`, { cause }))
    server.once('error', failed)
    server.listen(port, host, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

export function addressOf(server: Server): { readonly host: string; readonly port: number } {
  const address = server.address() as AddressInfo
  return { host: address.address, port: address.port }
}
