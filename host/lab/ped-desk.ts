import { frameCable, type Token } from '../board/index.js'
import type { PedConnector, RandomBytes } from '../client/index.js'
import { type Operator, Ped, type PedEvent, type PedKeyBox } from '../ped/index.js'
import { LabError } from './errors.js'
import { type Recorder, recordLink } from './recorder.js'

export interface PedDeskOptions {
  readonly box: PedKeyBox
  readonly operator: Operator
  /** Hosts at which the PED's server answers. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Where the PED's own random bytes come from: the system unless given. */
  readonly random?: RandomBytes | undefined
  readonly recorder?: Recorder | undefined
  readonly onEvent?: ((event: PedEvent) => void) | undefined
}

type Connector = 'local' | 'remote'

/** The PED of a lab and the one cable from it: to one HSM at a time, by its local connector or by `ped connect`. */
export class PedDesk {
  readonly ped: Ped
  readonly #options: PedDeskOptions
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

  /** Plugs the PED into the HSM's own connector. @throws LabError PED_IN_USE */
  plugLocal(hsm: string, token: Token): void {
    this.#plug(hsm, token, 'local')
  }

  /** The HSM's end of `ped connect` and `ped disconnect`. */
  connector(hsm: string, token: Token): PedConnector {
    return {
      connect: async (host, port) => {
        const { addresses, port: own } = this.#options
        if (!addresses.includes(host.toLowerCase()) || (port !== undefined && port !== own)) {
          throw new LabError('CKR_UNABLE_TO_CONNECT', `No PED server answers at ${host}, port ${port ?? own}.`)
        }
        this.#plug(hsm, token, 'remote')
      },
      disconnect: async () => this.unplug(hsm, token, 'remote'),
    }
  }

  /** Pulls the cable out of the HSM's connector, if it is there. */
  unplug(hsm: string, token: Token, connector: Connector): void {
    token.detachPed(connector)
    // The far end of the cable would notice a moment later; the PED is free at once.
    if (this.#plugged?.hsm === hsm && this.#plugged.connector === connector) this.ped.disconnect()
  }

  #plug(hsm: string, token: Token, connector: Connector): void {
    if (this.ped.connected) {
      throw new LabError('PED_IN_USE', `The PED serves the HSM "${this.#plugged?.hsm}": disconnect it there first.`)
    }
    const { recorder } = this.#options
    const [near, far] = frameCable()
    this.ped.connect(far)
    this.#plugged = { hsm, connector }
    try {
      token.attachPed(connector, recorder ? recordLink(near, `ped:${hsm}`, recorder) : near)
    } catch (error) {
      this.ped.disconnect()
      throw error
    }
  }
}
