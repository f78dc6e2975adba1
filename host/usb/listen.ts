import { createServer, type Server } from 'node:net'
import { UsbError } from './errors.js'

/** Where a server of devices listens; port 0 = any free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** A TCP server for devices: what goes over it is short, and a peer that is gone is noticed. @throws UsbError `code` */
export function listenAt({ host, port }: ListenAddress, code: 'USBIP_LISTEN' | 'USB_LISTEN'): Promise<Server> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, allowHalfOpen: false })
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new UsbError(code, `${host}, port ${port} cannot be listened on: ${cause.message}`, { cause }))
    })
    server.listen(port, host, () => resolve(server))
  })
}

/** Where it listens in fact. */
export function placeOf(server: Server, wanted: ListenAddress): ListenAddress {
  const address = server.address()
  return address !== null && typeof address === 'object' ? { host: address.address, port: address.port } : wanted
}
