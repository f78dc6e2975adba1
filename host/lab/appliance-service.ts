import * as protocol from '../../assembly/protocol.js'
import { type CommandDoor, commandOf } from '../board/frames.js'
import {
  Appliance,
  type ControlServer,
  type ControlState,
  mayComeFrom,
  type NtlsEvent,
  Registry,
  readSettings,
  serverIdentity,
} from '../ntls/index.js'
import { openControl } from './appliance-control.js'
import { LabError } from './errors.js'
import type { Hsm } from './hsm.js'
import type { Lab } from './lab.js'
import { lentFolder } from './running.js'

export interface ServiceOptions {
  /** Where to listen; what `ntls bind` has set unless given. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined
  readonly onEvent?: ((event: NtlsEvent) => void) | undefined
  /** Gets the secrets of each TLS connection, in lines as SSLKEYLOGFILE has them. */
  readonly onKeys?: ((line: Buffer) => void) | undefined
}

/** Where Backup HSMs are lent out unless told otherwise: beside an appliance on the same computer. */
export const RBS_PORT = 1793

/** Commands after which a partition may be there or gone. */
const CHANGES: ReadonlySet<number> = new Set([
  protocol.CMD_PARTITION_CREATE,
  protocol.CMD_PARTITION_DELETE,
  protocol.CMD_HSM_INIT,
  protocol.CMD_HSM_FACTORY_RESET,
])

/** The partitions of one Network HSM by their serial numbers, and its command port, which keeps them up to date. */
class Served implements CommandDoor {
  #serials: ReadonlyMap<number, string> = new Map()
  #serial = 0n

  constructor(readonly hsm: Hsm) {}

  /** The HSM's own serial number, once `refresh` was there. */
  get serial(): bigint {
    return this.#serial
  }

  async refresh(): Promise<void> {
    if (this.#serial === 0n) this.#serial = (await this.hsm.console.status()).serial
    const list = await this.hsm.console.partitions.list()
    this.#serials = new Map(list.map(({ id, serial }) => [id, String(serial)]))
  }

  serialOf(partition: number): string | undefined {
    return this.#serials.get(partition)
  }

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    const answer = await this.hsm.card.exchange(frame)
    // Where the HSM is in no state to say, nothing can be opened either.
    if (CHANGES.has(commandOf(frame))) await this.refresh().catch(() => undefined)
    return answer
  }
}

/** What is served from where. */
interface Premises {
  /** Folder of registry, settings, certificate and control socket. */
  readonly dir: string
  readonly served: readonly Served[]
  /** Every registered client has the HSMs whole, as Backup HSMs are lent out. */
  readonly whole: boolean
  readonly listen: { readonly host: string; readonly port: number }
}

/** The NTLS service of HSMs that a lab has switched on for others, with the administrator's door beside it. */
export class ApplianceService {
  #appliance: Appliance
  #control: ControlServer | undefined
  #stop: () => void = () => undefined
  /** Resolves once somebody has ordered the service to end; to close it is its owner's matter. */
  readonly ordered: Promise<void>

  private constructor(
    private readonly lab: Lab,
    private readonly premises: Premises,
    private readonly options: ServiceOptions,
    appliance: Appliance,
  ) {
    this.#appliance = appliance
    this.ordered = new Promise((resolve) => {
      this.#stop = resolve
    })
  }

  /**
   * Serves the Network HSMs of a lab that was opened for that (`serve`), until `close`.
   * @throws LabError APPLIANCE_NO_HSM; NtlsError LISTEN_FAILED, CERTIFICATE_INVALID; SettingsError; ControlError CONTROL_IO
   */
  static start(lab: Lab, options: ServiceOptions = {}): Promise<ApplianceService> {
    const served = lab.file.hsms.filter(({ kind }) => kind === 'network').map(({ name }) => new Served(lab.hsm(name)))
    if (served.length === 0) {
      throw new LabError('APPLIANCE_NO_HSM', `the lab in ${lab.stateDir} has no Network HSM`)
    }
    const dir = lab.stateDir
    return ApplianceService.#open(lab, { dir, served, whole: false, listen: readSettings(dir) }, options)
  }

  /**
   * Lends the Backup HSMs of a lab that was opened for that out to registered clients (RBS), until `close`. The caller holds the
   * lock of the folder `lentFolder`.
   * @throws as `start`
   */
  static lend(lab: Lab, options: ServiceOptions = {}): Promise<ApplianceService> {
    const served = lab.file.hsms.flatMap(({ name, kind }) =>
      kind === 'backup' && lab.isOn(name) ? [new Served(lab.hsm(name))] : [],
    )
    if (served.length === 0) {
      throw new LabError('APPLIANCE_NO_HSM', `the lab in ${lab.stateDir} has no Backup HSM to lend out`)
    }
    const dir = lentFolder(lab.stateDir)
    const listen = { ...readSettings(dir), port: options.listen?.port ?? RBS_PORT }
    return ApplianceService.#open(lab, { dir, served, whole: true, listen }, options)
  }

  static async #open(lab: Lab, premises: Premises, options: ServiceOptions): Promise<ApplianceService> {
    const service = new ApplianceService(lab, premises, options, await listen(lab, premises, options))
    try {
      service.#control = await openControl(lab, premises.dir, {
        state: () => service.state,
        restart: () => service.restart(),
        stop: () => service.#stop(),
        cards: new Map(premises.served.map((one) => [one.hsm.name, one])),
      })
    } catch (error) {
      await service.close()
      throw error
    }
    return service
  }

  get state(): Omit<ControlState, 'process' | 'hsms'> {
    const { host, port, connections } = this.#appliance
    const peds = this.premises.whole ? undefined : this.lab.desk.callers?.address
    return { host, port, connections, ...(peds ? { peds } : {}) }
  }

  /** SHA-256 of the certificate that clients are shown. */
  get fingerprint(): string {
    return this.#appliance.certificate.fingerprint
  }

  /** Ends all connections and begins anew. Where that fails the service is gone until it is tried again. */
  async restart(): Promise<void> {
    const { port } = this.#appliance
    await this.#appliance.close()
    const { premises, options } = this
    const settings = premises.whole ? premises.listen : readSettings(premises.dir)
    this.#appliance = await listen(
      this.lab,
      { ...premises, listen: settings },
      {
        ...options,
        // A port that was any free one stays the one that clients know.
        listen: options.listen && { ...options.listen, port },
      },
    )
  }

  async close(): Promise<void> {
    await this.#control?.close()
    await this.#appliance.close()
  }
}

async function listen(
  lab: Lab,
  { dir, served, whole, listen: usual }: Premises,
  options: ServiceOptions,
): Promise<Appliance> {
  const { host, port } = { ...usual, ...options.listen }
  const { ipCheck } = readSettings(dir)
  const registry = new Registry(dir)
  const hsms = await Promise.all(
    served.map(async (one) => {
      await one.refresh()
      const { serial } = one
      const { name, token } = one.hsm
      const serialOf = (partition: number): string | undefined => one.serialOf(partition)
      return { serial, card: one, serialOf, whole, ped: lab.desk.connector(name, token) }
    }),
  )
  return Appliance.listen({
    host,
    port,
    identity: await serverIdentity(dir),
    clients: {
      find: (fingerprint) => registry.find(fingerprint),
      match: async (fingerprint, address) => {
        const client = registry.find(fingerprint)
        return client && (!ipCheck || (await mayComeFrom(client, address))) ? client : undefined
      },
    },
    hsms,
    ...(options.onEvent ? { onEvent: options.onEvent } : {}),
    ...(options.onKeys ? { onKeys: options.onKeys } : {}),
  })
}
