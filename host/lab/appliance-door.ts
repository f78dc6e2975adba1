import { join } from 'node:path'
import { BoardError } from '../board/index.js'
import { type PedConnector, TokenClient } from '../client/index.js'
import type { ApplianceDoor, NtlsService, NtlsSettings, PartitionNames, PedTimeouts } from '../lunash/index.js'
import { ControlClient, ControlError, readSettings, writeSettings } from '../ntls/index.js'
import { FolderRegistry } from './appliance-registry.js'
import { Chance } from './chance.js'
import { LabError } from './errors.js'
import { Hsm } from './hsm.js'
import { hsmNamed, type LabOptions, setDesk } from './lab.js'
import { type LabFile, type LabHsm, readLabFile } from './lab-file.js'
import { readPedClientConfig, writePedClientConfig } from './ped-client-config.js'
import { PedServerRegistry } from './ped-server-registry.js'

export interface ApplianceDoorOptions
  extends Pick<LabOptions, 'rules' | 'byHand' | 'person' | 'pedScreen' | 'onPedEvent'> {
  /** Name of the Network HSM; the lab's first unless given. */
  readonly hsm?: string | undefined
  /** The PED is plugged into the HSM's own connector. Only where the appliance is not running. */
  readonly localPed?: boolean | undefined
}

interface Reached {
  readonly client: TokenClient
  readonly ped: PedConnector
  readonly isOver: () => boolean
  close(): Promise<void>
}

/**
 * An appliance as its administrator works on it. The HSM is reached through the service where that runs; otherwise it is
 * switched on here, and nobody else can use the folder until `close`. Registry and settings are files, which a running
 * service reads again.
 */
export class FolderAppliance implements ApplianceDoor {
  readonly registry: FolderRegistry
  readonly pedServers: PedServerRegistry
  readonly pedTimeouts: PedTimeouts
  readonly names: PartitionNames
  #reached: Reached | undefined

  private constructor(
    private readonly dir: string,
    private readonly file: LabFile,
    private readonly planned: LabHsm,
    private readonly options: ApplianceDoorOptions,
  ) {
    this.registry = new FolderRegistry(dir)
    this.pedServers = new PedServerRegistry(dir)
    this.pedTimeouts = {
      idle: () => readPedClientConfig(dir).idleSeconds,
      setIdle: (idleSeconds) => writePedClientConfig(dir, { idleSeconds }),
    }
    this.names = {
      nameOf: (serial) => readSettings(dir).names[serial],
      put: (serial, name) => this.#rename((names) => ({ ...names, [serial]: name })),
      drop: (serial) =>
        this.#rename((names) => Object.fromEntries(Object.entries(names).filter(([known]) => known !== serial))),
    }
  }

  /** Opens no HSM yet. @throws LabError LAB_MISSING, LAB_STATE_NEWER, LAB_FILE_INVALID, LAB_HSM_UNKNOWN, APPLIANCE_NO_HSM */
  static open(dir: string, options: ApplianceDoorOptions = {}): FolderAppliance {
    const file = readLabFile(dir)
    const planned =
      options.hsm === undefined ? file.hsms.find(({ kind }) => kind === 'network') : hsmNamed(file, options.hsm)
    if (planned?.kind !== 'network') {
      const which =
        options.hsm === undefined ? `the lab in ${dir} has no Network HSM` : `"${options.hsm}" is no Network HSM`
      throw new LabError('APPLIANCE_NO_HSM', which)
    }
    return new FolderAppliance(dir, file, planned, options)
  }

  get name(): string {
    return this.planned.name
  }

  /** @throws LabError APPLIANCE_BUSY where another process has the folder that is no appliance; what `Hsm.start` throws */
  async hsm(): Promise<Reached> {
    if (this.#reached?.isOver()) {
      await this.#reached.close()
      this.#reached = undefined
    }
    this.#reached ??= await this.#reach()
    return this.#reached
  }

  async service(): Promise<NtlsService | undefined> {
    const control = await this.#control()
    if (!control) return undefined
    try {
      return await control.state()
    } finally {
      await control.close()
    }
  }

  async restart(): Promise<void> {
    const control = await this.#control()
    if (!control) {
      throw new LabError('APPLIANCE_STOPPED', `NTLS does not run on ${this.dir}: 'moonlet appliance' starts it`)
    }
    try {
      await control.restart()
    } finally {
      await control.close()
    }
  }

  settings(): NtlsSettings {
    return readSettings(this.dir)
  }

  change(change: Partial<NtlsSettings>): void {
    writeSettings(this.dir, { ...readSettings(this.dir), ...change })
  }

  regenerate(): Promise<{ readonly fingerprint: string }> {
    return this.registry.regenerate()
  }

  async close(): Promise<void> {
    await this.#reached?.close()
    this.#reached = undefined
  }

  #rename(change: (names: Readonly<Record<string, string>>) => Record<string, string>): void {
    const settings = readSettings(this.dir)
    writeSettings(this.dir, { ...settings, names: change(settings.names) })
  }

  /** Undefined where no service runs. */
  async #control(): Promise<ControlClient | undefined> {
    try {
      return await ControlClient.connect(this.dir)
    } catch (error) {
      if (error instanceof ControlError && error.code === 'CONTROL_ABSENT') return undefined
      throw error
    }
  }

  async #reach(): Promise<Reached> {
    const control = await this.#control()
    if (control) return throughService(control, this.name)
    try {
      return await this.#switchOn()
    } catch (cause) {
      if (!(cause instanceof BoardError && cause.code === 'STATE_LOCKED')) throw cause
      const hint = 'it is no appliance, so its HSM cannot be reached through it; end it first'
      throw new LabError('APPLIANCE_BUSY', `${cause.message}; ${hint}`, { cause })
    }
  }

  async #switchOn(): Promise<Reached> {
    const { dir, file, options, planned } = this
    const { name, kind, folder } = planned
    const chance = new Chance(undefined, 'lunash')
    const desk = await setDesk(dir, file, { ...options, localPed: undefined }, chance)
    const hsm = await Hsm.start({ name, kind, dir: join(dir, folder), chance })
    if (options.localPed) desk.plugLocal(name, hsm.token)
    return {
      client: hsm.console,
      ped: desk.connector(name, hsm.token),
      isOver: () => false,
      close: () => hsm.close(),
    }
  }
}

function throughService(control: ControlClient, name: string): Reached {
  let isOver = false
  control.closed.then(() => {
    isOver = true
  })
  return {
    client: new TokenClient(control.transport(name)),
    ped: {
      connect: (host, port) => control.connectPed(name, host, port),
      disconnect: () => control.disconnectPed(name),
    },
    isOver: () => isOver,
    close: () => control.close(),
  }
}
