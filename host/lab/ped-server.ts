// pedserver: a PED with its keys and its person, behind TLS, in a process of its own.

import type { FolderLock, FrameLink } from '../board/index.js'
import { type Identity, readCertificate, serverIdentity } from '../ntls/index.js'
import {
  ApplianceCall,
  type ApplianceCallOptions,
  LinePed,
  openSerialPort,
  type PedClock,
  type PedEvent,
  type RemotePedEvent,
  RemotePedServer,
  type SerialEvent,
  SerialPlug,
} from '../ped/index.js'
import { LabError, messageOf } from './errors.js'
import { keepCalling, type PedAppliance, pedAppliance, pedAppliances } from './ped-appliances.js'
import { openPedSocket, runningPed } from './ped-at-socket.js'
import {
  lockServerFolder,
  type PedServerAnswer,
  PedServerControl,
  type PedServerStatus,
  pedServerFolder,
  type RunningPedServer,
} from './ped-control.js'
import { type StandalonePedOptions, standalonePed } from './ped-seat.js'
import { removeRunFile, writeRunFile } from './run-file.js'

/** Which PED a pedserver has: one in its own process, the one of `moonlet ped` on the state folder, or one at a socket or a serial port. */
export type PedSource =
  | { readonly at: 'own' }
  | { readonly at: 'local' }
  | { readonly at: 'socket' | 'serial'; readonly path: string }

export interface PedServerOptions extends Omit<StandalonePedOptions, 'onEvent'> {
  /** `local` where `moonlet ped` runs on the state folder, `own` where it does not, unless given. */
  readonly ped?: PedSource | undefined
  /** Loopback unless given. */
  readonly host?: string | undefined
  /** 0 = one that is free. */
  readonly port: number
  /** Seconds without a frame after which the HSM is hung up on, 1 to 99999. */
  readonly idleSeconds: number
  readonly clock?: PedClock | undefined
  readonly onEvent?: ((event: PedEvent | RemotePedEvent | SerialEvent) => void) | undefined
}

/** A pedserver that runs in this process. */
export class PedServer {
  /** Resolves once it has ended, by `close` or by an order from outside. */
  readonly ended: Promise<void>
  #end: () => void = () => undefined
  #control: PedServerControl | undefined
  #closing: Promise<void> | undefined
  readonly #calls = new Map<string, ApplianceCall>()

  private constructor(
    private readonly stateDir: string,
    private readonly folder: string,
    private readonly identity: Identity,
    private readonly options: PedServerOptions,
    private readonly lock: FolderLock,
    private readonly server: RemotePedServer,
    private readonly plug: SerialPlug | undefined,
    private readonly facts: () => Omit<PedServerStatus, 'appliances'>,
  ) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /**
   * @throws LabError PED_SERVER_RUNNING: there is one on this state folder; LAB_MISSING where neither a lab nor keys are there; LAB_IO;
   * NtlsError CERTIFICATE_INVALID, FILE_IO; PedError PED_LISTEN, and for keys and rules
   */
  static async start(stateDir: string, options: PedServerOptions): Promise<PedServer> {
    const { idleSeconds, clock, onEvent, port, host } = options
    const folder = pedServerFolder(stateDir)
    const source: PedSource = options.ped ?? { at: (await runningPed(stateDir)) ? 'local' : 'own' }
    const own = source.at === 'own' ? await standalonePed(stateDir, options) : undefined
    const lock = await lockServerFolder(folder)
    let plug: SerialPlug | undefined
    try {
      const distant = new LinePed()
      if (source.at !== 'own') plug = await plugPed(distant, source, stateDir, options)
      const ped = own ?? distant
      const called = pedAppliances(stateDir).filter((one) => one.called)
      const identity = await serverIdentity(folder, 'pedserver')
      const { certificate, privateKey } = identity
      const { fingerprint } = readCertificate(certificate)
      const settings = { idleTimeout: idleSeconds * 1000, ...(clock ? { clock } : {}), ...(onEvent ? { onEvent } : {}) }
      const server = await RemotePedServer.listen({ ped, certificate, privateKey, ...settings }, port, host)
      const place = { pid: process.pid, ...server.address, fingerprint }
      const started = new PedServer(stateDir, folder, identity, options, lock, server, plug, () => {
        const { peer } = server
        const where = 'path' in source ? source.path : source.at
        return {
          ...place,
          idleSeconds,
          ped: where,
          present: ped.present,
          lcd: ped.lcd,
          ...(peer === undefined ? {} : { peer }),
        }
      })
      try {
        for (const appliance of called)
          started.#calls.set(appliance.name, ApplianceCall.keep(started.#callOf(appliance)))
        await started.#announce(place)
      } catch (error) {
        for (const call of started.#calls.values()) call.close()
        await server.close()
        throw error
      }
      return started
    } catch (error) {
      await plug?.close()
      await lock.release()
      throw error
    }
  }

  status(): PedServerStatus {
    return { ...this.facts(), appliances: [...this.#calls].map(([name, call]) => ({ name, up: call.up })) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #announce(place: Omit<RunningPedServer, 'control'>): Promise<void> {
    this.#control = await PedServerControl.listen(this.folder, (order) => this.#obey(order))
    const running: RunningPedServer = { ...place, control: this.#control.path }
    writeRunFile(this.folder, running)
  }

  async #close(): Promise<void> {
    removeRunFile(this.folder)
    for (const call of this.#calls.values()) call.close()
    await this.server.close()
    await this.plug?.close()
    await this.lock.release()
    this.#end()
    await this.#control?.close()
  }

  async #obey(order: string): Promise<PedServerAnswer> {
    const status = this.status()
    if (order === 'show') return { outcome: 'done', status }
    if (order === 'disconnect') {
      this.server.disconnect()
      return { outcome: 'done', status }
    }
    const [, verb, name] = /^(call|leave) (.+)$/.exec(order) ?? []
    if (verb !== undefined && name !== undefined) return this.#obeyCall(verb === 'call', name)
    if (order !== 'stop' && order !== 'stop force') return { outcome: 'unknown', status }
    if (order === 'stop' && status.peer !== undefined) return { outcome: 'busy', status }
    // Not all of it: the socket that this order came by waits for the answer.
    void this.close()
    await this.ended
    return { outcome: 'done', status }
  }

  async #obeyCall(begin: boolean, name: string): Promise<PedServerAnswer> {
    try {
      if (begin) await this.#call(name)
      else this.#leave(name)
      return { outcome: 'done', status: this.status() }
    } catch (error) {
      return { outcome: 'failed', problem: messageOf(error), status: this.status() }
    }
  }

  async #call(name: string): Promise<void> {
    const appliance = pedAppliance(this.stateDir, name)
    // Anew, also where it is called already: the registration may have changed.
    this.#calls.get(name)?.close()
    this.#calls.delete(name)
    this.#calls.set(name, await ApplianceCall.start(this.#callOf(appliance)))
    keepCalling(this.stateDir, name, true)
  }

  #callOf({ name, host, port, certificate }: PedAppliance): ApplianceCallOptions {
    const { fingerprint } = readCertificate(certificate)
    const { clock, onEvent } = this.options
    return {
      ...{ name, host, port },
      ...this.identity,
      trusts: (seen) => seen === fingerprint,
      server: this.server,
      ...(clock ? { clock } : {}),
      ...(onEvent ? { onEvent } : {}),
    }
  }

  /** @throws LabError PED_APPLIANCE_UNKNOWN */
  #leave(name: string): void {
    const call = this.#calls.get(name)
    if (!call) throw new LabError('PED_APPLIANCE_UNKNOWN', `the appliance "${name}" is not called`)
    call.close()
    this.#calls.delete(name)
    // It may be registered no longer.
    if (pedAppliances(this.stateDir).some((one) => one.name === name)) keepCalling(this.stateDir, name, false)
  }
}

/** A line to a PED that may come and go. @throws PedError PED_SERIAL_UNAVAILABLE, PED_SERIAL_OPEN */
function plugPed(
  ped: LinePed,
  source: Exclude<PedSource, { at: 'own' }>,
  stateDir: string,
  { clock, onEvent }: PedServerOptions,
): Promise<SerialPlug> {
  const line = {
    role: 'hsm',
    onLink: (link: FrameLink) => ped.plugIn(link),
    ...(clock ? { clock } : {}),
    ...(onEvent ? { onEvent } : {}),
  } as const
  // A port that is not there is a mistake; the person at `moonlet ped` may come later.
  if (source.at === 'serial') return SerialPlug.plug({ ...line, open: () => openSerialPort(source.path) })
  const path = source.at === 'socket' ? source.path : undefined
  return SerialPlug.whenThere({ ...line, open: () => openPedSocket({ stateDir, path }) })
}
