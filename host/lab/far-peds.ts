import type { PedConnector } from '../client/index.js'
import type { RemoteSocket } from './ped-desk.js'
import { DEFAULT_PED_PORT } from './ped-server-config.js'
import type { RemotePeds } from './remote-peds.js'

/** `ped connect` at a computer without a PED of its own: PED servers answer, or nobody. */
export class FarPeds {
  constructor(private readonly remotes: RemotePeds) {}

  /** The remote PED connector of an HSM at the other end of a cable. */
  farConnector(_hsm: string, socket: RemoteSocket): PedConnector {
    return {
      connect: async (host, port) => {
        const link = await this.remotes.connect(host, port, DEFAULT_PED_PORT)
        try {
          await socket.plug(link)
        } catch (error) {
          link.close()
          throw error
        }
      },
      disconnect: () => socket.unplug(),
    }
  }
}
