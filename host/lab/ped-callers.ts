import { serverIdentity } from '../ntls/index.js'
import { PedCallers, type PedClock, type RemotePedEvent } from '../ped/index.js'
import type { Lab } from './lab.js'
import { PedServerRegistry } from './ped-server-registry.js'

/** Where PED servers call an appliance, unless told otherwise. */
export const PED_CALL_PORT = 9697

/**
 * Lets registered PED servers call the appliance of a lab; its HSMs plug into them by name from then on (`hsm ped connect`), until the lab is closed.
 * @throws NtlsError CERTIFICATE_INVALID, FILE_IO; PedError PED_LISTEN
 */
export async function listenForPedServers(
  lab: Lab,
  { host, port }: { readonly host: string; readonly port: number },
  options: { readonly clock?: PedClock; readonly onEvent?: (event: RemotePedEvent) => void } = {},
): Promise<PedCallers> {
  const registry = new PedServerRegistry(lab.stateDir)
  const identity = await serverIdentity(lab.stateDir)
  const nameOf = (fingerprint: string) => registry.nameOf(fingerprint)
  const callers = await PedCallers.listen({ ...identity, ...options, nameOf }, port, host)
  lab.desk.callers = {
    address: callers.address,
    has: (name) => registry.has(name),
    take: (name) => callers.take(name),
    close: () => callers.close(),
  }
  return callers
}
