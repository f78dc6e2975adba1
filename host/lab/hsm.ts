import { join } from 'node:path'
import { BoardError, type BoardOptions, CRASH_FILE, Token } from '../board/index.js'
import { TokenClient, type Transport } from '../client/index.js'
import { type Card, InProcessAppliance } from '../ntls/index.js'
import { UsbTransport, usbIdentity, VirtualUsbDevice } from '../usb/index.js'
import { type BoardSettings, Chance } from './chance.js'
import { withLatency } from './impairment.js'
import type { HsmKind, LabHsm, LabLatency } from './lab-file.js'
import { PcieTransport } from './pcie.js'
import { type Recorder, recordTransport } from './recorder.js'

export interface HsmOptions {
  readonly name: string
  readonly kind: HsmKind
  /** Folder of the board. */
  readonly dir: string
  readonly settings?: BoardSettings | undefined
  readonly latency?: LabLatency | undefined
  /** As in BoardOptions. */
  readonly powerCut?: number | undefined
  /** Where the board and its clients get their random bytes; from the system unless given. */
  readonly chance?: Chance | undefined
  readonly recorder?: Recorder | undefined
}

const CABLES: Readonly<Record<HsmKind, string>> = { network: 'ntls', pcie: 'pcie', backup: 'usb' }

/** One HSM that is switched on: a board in a thread of its own, and what is plugged into it. */
export class Hsm {
  /** At the HSM itself, as the appliance's own administrator works: nothing is filtered. */
  readonly console: TokenClient
  readonly name: string
  readonly kind: HsmKind
  /** Its command port for everybody else, as slow as the lab wants it. */
  readonly card: Card
  readonly #recorder: Recorder | undefined
  readonly #chance: Chance
  /** The time that a client's clock would have to be set to is the board's own. */
  readonly #virtual: boolean
  #clients = 0

  private constructor(
    { name, kind, recorder, chance, latency }: HsmOptions,
    readonly token: Token,
    virtual: boolean,
  ) {
    this.name = name
    this.kind = kind
    this.card = latency ? withLatency(token, latency) : token
    this.#recorder = recorder
    this.#chance = chance ?? new Chance(undefined, '')
    this.#virtual = virtual
    this.console = this.#client(new PcieTransport(token), 'console', 'console')
  }

  /** Rejects with what `Token.open` rejects with: the folder is in use, damaged, missing, newer. */
  static async start(options: HsmOptions): Promise<Hsm> {
    const { name, dir, powerCut, chance = new Chance(undefined, '') } = options
    const settings = chance.board(name, options.settings)
    return new Hsm(
      options,
      await openToken(name, { dir, ...settings, ...(powerCut === undefined ? {} : { powerCut }) }),
      settings.clock !== undefined,
    )
  }

  /**
   * Plugs a workstation's cable in: NTLS for a Network HSM, USB for a Backup HSM, the bus for a card.
   * @param client name of the workstation, as the appliance has registered it
   * @param assigned whether a partition of a Network HSM is assigned to it
   */
  async connect(client: string, assigned: (partition: number) => boolean): Promise<TokenClient> {
    return this.#client(await this.#cable(client, assigned), CABLES[this.kind], client)
  }

  /** Switches the board off and frees its folder. */
  close(): Promise<void> {
    return this.token.close()
  }

  async #cable(client: string, assigned: (partition: number) => boolean): Promise<Transport> {
    if (this.kind === 'network') return new InProcessAppliance(this.card).connect({ name: client, assigned })
    if (this.kind === 'pcie') return new PcieTransport(this.card)
    const { serial } = await this.console.status()
    return UsbTransport.open(new VirtualUsbDevice(this.card, usbIdentity(String(serial))))
  }

  /** @param name whose client it is */
  #client(transport: Transport, cable: string, name: string): TokenClient {
    const shown = this.#recorder ? recordTransport(transport, `${cable}:${this.name}`, this.#recorder) : transport
    const random = this.#chance.source(`${cable}:${this.name} ${name} ${++this.#clients}`)
    return new TokenClient(shown, { random, ...(this.#virtual ? { now: 0n } : {}) })
  }
}

/** Of a board that is dead it says which, and where more is written. */
async function openToken(name: string, options: BoardOptions): Promise<Token> {
  try {
    return await Token.open(options)
  } catch (error) {
    if (!(error instanceof BoardError && error.code === 'BOARD_DEAD')) throw error
    const { code, message } = error
    throw new BoardError(code, `HSM "${name}": ${message} (see ${join(options.dir, CRASH_FILE)})`, { cause: error })
  }
}

/** Starts several HSMs at once, or none: where one does not start the others are switched off again. */
export async function startHsms(
  stateDir: string,
  hsms: readonly Pick<LabHsm, 'name' | 'kind' | 'folder' | 'latency' | 'powerCut'>[],
  options: Pick<HsmOptions, 'settings' | 'chance' | 'recorder'>,
): Promise<Map<string, Hsm>> {
  const results = await Promise.allSettled(
    hsms.map(({ folder, ...hsm }) => Hsm.start({ ...hsm, dir: join(stateDir, folder), ...options })),
  )
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) {
    await Promise.all(started.map((hsm) => hsm.close()))
    throw failed.reason
  }
  return new Map(started.map((hsm) => [hsm.name, hsm]))
}
