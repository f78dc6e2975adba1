import type { AddressInfo } from 'node:net'
import type { Server } from 'node:tls'
import { PedError } from './errors.js'

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
