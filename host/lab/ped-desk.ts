import type { Duplex } from 'node:stream'
import { type FrameLink, frameCable, type Token } from '../board/index.js'
import type { PedConnector, RandomBytes } from '../client/index.js'
import {
  type Operator,
  Ped,
  type PedClock,
  PedError,
  type PedEvent,
  type PedKeyBox,
  type SerialEvent,
  type SerialPlug,
} from '../ped/index.js'
import { LabError } from './errors.js'
import type { LabSerialLine } from './lab-file.js'
import { plugPedLine, serialPortOpener } from './ped-lines.js'
import { type Recorder, recordLink } from './recorder.js'
import type { RemotePeds } from './remote-peds.js'

export interface PedDeskOptions {
  readonly box: PedKeyBox
  readonly operator: Operator
  /** Hosts at which the PED's server answers. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Cables to PEDs of other processes; none unless given. */
  readonly remotes?: RemotePeds | undefined
  /** Where the PED's own random bytes come from: the system unless given. */
  readonly random?: RandomBytes | undefined
  readonly recorder?: Recorder | undefined
  readonly onEvent?: ((event: PedEvent | SerialEvent) => void) | undefined
  /** Time of the serial lines: real unless given. */
  readonly clock?: PedClock | undefined
}

type Connector = 'local' | 'remote'

/** The remote PED connector of an HSM: its board's own, or that at the far end of a cable which carries PED frames. */
export interface RemoteSocket {
  plug(link: FrameLink): Promise<void>
  unplug(): Promise<void>
}

/** PED servers that may call. */
export interface DeskCallers {
  /** Where they may call. */
  readonly address: { readonly host: string; readonly port: number }
  has(name: string): boolean
  /** @throws PedError */
  take(name: string): Promise<FrameLink>
  close(): Promise<void>
}

/** The PED of a lab and the one cable from it: to one HSM at a time, by its local connector or by `ped connect`. */
export class PedDesk {
  readonly ped: Ped
  /** PED servers that call the appliance, by their names. */
  callers: DeskCallers | undefined
  readonly #options: PedDeskOptions
  readonly #lines: SerialPlug[] = []
  /** Where the cable went last. */
  #plugged: { readonly hsm: string; readonly connector: Connector } | undefined

  constructor(options: PedDeskOptions) {
    this.#options = options
    const { box, operator, random, onEvent } = options
    this.ped = new Ped({ box, operator, ...(random ? { random } : {}), ...(onEvent ? { onEvent } : {}) })
  }

  /** The keys that lie beside it. */
  get box(): PedKeyBox {
    return this.#options.box
  }

  /** Plugs serial lines into the boards that are switched on. @throws PedError PED_SERIAL_UNAVAILABLE, PED_SERIAL_OPEN */
  async plugLines(lines: readonly LabSerialLine[], token: (hsm: string) => Token | undefined): Promise<void> {
    for (const line of lines) {
      const board = token(line.hsm)
      if (board) await this.plugLine(board, serialPortOpener(line))
    }
  }

  /** Plugs a serial line into a board. @param open opens this end of it @throws what that throws */
  async plugLine(token: Token, open: () => Promise<Duplex>): Promise<void> {
    const { clock, onEvent } = this.#options
    this.#lines.push(await plugPedLine(token, open, { clock, onEvent }))
  }

  /** Pulls the serial lines out, and ends what listens for PED servers. */
  async close(): Promise<void> {
    await this.callers?.close()
    this.callers = undefined
    await Promise.all(this.#lines.splice(0).map((line) => line.close()))
  }

  /** Plugs the PED into the HSM's own connector. @throws LabError PED_IN_USE */
  plugLocal(hsm: string, token: Token): void {
    const link = this.#take(hsm, 'local')
    try {
      token.attachPed('local', this.#shown(hsm, link))
    } catch (error) {
      link.close()
      this.#free(hsm, 'local')
      throw error
    }
  }

  /** The HSM's end of `ped connect` and `ped disconnect`. */
  connector(hsm: string, token: Token): PedConnector {
    return this.farConnector(hsm, {
      plug: async (link) => token.attachPed('remote', link),
      unplug: async () => token.detachPed('remote'),
    })
  }

  /** The same for an HSM that is not here. */
  farConnector(hsm: string, socket: RemoteSocket): PedConnector {
    return {
      connect: async (host, port) => {
        const link = await this.#reach(hsm, host, port)
        try {
          await socket.plug(this.#shown(hsm, link))
        } catch (error) {
          link.close()
          this.#free(hsm, 'remote')
          throw error
        }
      },
      disconnect: async () => {
        await socket.unplug()
        this.#free(hsm, 'remote')
      },
    }
  }

  /** Pulls the cable out of the HSM's connector, if it is there. */
  unplug(hsm: string, token: Token, connector: Connector): void {
    token.detachPed(connector)
    this.#free(hsm, connector)
  }

  /** The near end of a cable to the PED at an address. @throws LabError CKR_UNABLE_TO_CONNECT, PED_IN_USE; as RemotePeds.connect */
  async #reach(hsm: string, host: string, port: number | undefined): Promise<FrameLink> {
    if (port === undefined && this.callers?.has(host)) return takeCaller(this.callers.take(host), host)
    const { addresses, port: own, remotes } = this.#options
    const here = addresses.includes(host.toLowerCase()) && (port === undefined || port === own)
    // A pedserver on this state folder has the lab's PED.
    if (here && !(await remotes?.isOwn(host, port))) return this.#take(hsm, 'remote')
    if (!remotes) {
      throw new LabError('CKR_UNABLE_TO_CONNECT', `No PED server answers at ${host}, port ${port ?? own}.`)
    }
    return remotes.connect(host, port, own)
  }

  /** The near end of a cable to the lab's own PED. @throws LabError PED_IN_USE */
  #take(hsm: string, connector: Connector): FrameLink {
    if (this.ped.connected) {
      throw new LabError('PED_IN_USE', `The PED serves the HSM "${this.#plugged?.hsm}": disconnect it there first.`)
    }
    const [near, far] = frameCable()
    this.ped.connect(far)
    this.#plugged = { hsm, connector }
    return near
  }

  /** The far end of a cable that was pulled would notice a moment later; the PED is free at once. */
  #free(hsm: string, connector: Connector): void {
    if (this.#plugged?.hsm === hsm && this.#plugged.connector === connector) this.ped.disconnect()
  }

  #shown(hsm: string, link: FrameLink): FrameLink {
    const { recorder } = this.#options
    return recorder ? recordLink(link, `ped:${hsm}`, recorder) : link
  }
}

/** @throws LabError CKR_UNABLE_TO_CONNECT, PED_IN_USE, CKR_PED_UNPLUGGED */
async function takeCaller(link: Promise<FrameLink>, name: string): Promise<FrameLink> {
  try {
    return await link
  } catch (cause) {
    if (!(cause instanceof PedError)) throw cause
    if (cause.code === 'PED_IN_USE') {
      throw new LabError('PED_IN_USE', 'The PED serves another HSM: disconnect it there first.', { cause })
    }
    if (cause.code === 'PED_ABSENT') {
      throw new LabError('CKR_PED_UNPLUGGED', `The PED server "${name}" has no PED: start 'moonlet ped' there.`, {
        cause,
      })
    }
    const text = `The PED server "${name}" is not connected: 'pedserver -mode connect' there.`
    throw new LabError('CKR_UNABLE_TO_CONNECT', text, { cause })
  }
}
