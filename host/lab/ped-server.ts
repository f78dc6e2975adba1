// pedserver: a PED with its keys and its person, behind TLS, in a process of its own.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FolderLock } from '../board/index.js'
import { readCertificate, serverIdentity } from '../ntls/index.js'
import { type PedClock, type PedEvent, type RemotePedEvent, RemotePedServer } from '../ped/index.js'
import {
  lockServerFolder,
  type PedServerAnswer,
  PedServerControl,
  type PedServerStatus,
  pedServerFolder,
  RUNNING,
  type RunningPedServer,
} from './ped-control.js'
import { type StandalonePedOptions, standalonePed } from './ped-seat.js'
import { writeWholeFile } from './whole-file.js'

export interface PedServerOptions extends Omit<StandalonePedOptions, 'onEvent'> {
  /** Loopback unless given. */
  readonly host?: string | undefined
  /** 0 = one that is free. */
  readonly port: number
  /** Seconds without a frame after which the HSM is hung up on, 1 to 99999. */
  readonly idleSeconds: number
  readonly clock?: PedClock | undefined
  readonly onEvent?: ((event: PedEvent | RemotePedEvent) => void) | undefined
}

/** A pedserver that runs in this process. */
export class PedServer {
  /** Resolves once it has ended, by `close` or by an order from outside. */
  readonly ended: Promise<void>
  #end: () => void = () => undefined
  #control: PedServerControl | undefined
  #closing: Promise<void> | undefined

  private constructor(
    private readonly folder: string,
    private readonly lock: FolderLock,
    private readonly server: RemotePedServer,
    readonly status: () => PedServerStatus,
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
    const ped = await standalonePed(stateDir, options)
    const lock = await lockServerFolder(folder)
    try {
      const { certificate, privateKey } = await serverIdentity(folder, 'pedserver')
      const { fingerprint } = readCertificate(certificate)
      const settings = { idleTimeout: idleSeconds * 1000, ...(clock ? { clock } : {}), ...(onEvent ? { onEvent } : {}) }
      const server = await RemotePedServer.listen({ ped, certificate, privateKey, ...settings }, port, host)
      const place = { pid: process.pid, ...server.address, fingerprint }
      const started = new PedServer(folder, lock, server, () => {
        const { peer } = server
        return { ...place, idleSeconds, lcd: ped.lcd, ...(peer === undefined ? {} : { peer }) }
      })
      try {
        await started.#announce(place)
      } catch (error) {
        await server.close()
        throw error
      }
      return started
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #announce(place: Omit<RunningPedServer, 'control'>): Promise<void> {
    this.#control = await PedServerControl.listen(this.folder, (order) => this.#obey(order))
    const running: RunningPedServer = { ...place, control: this.#control.path }
    writeWholeFile(join(this.folder, RUNNING), `${JSON.stringify(running, null, 2)}\n`)
  }

  async #close(): Promise<void> {
    rmSync(join(this.folder, RUNNING), { force: true })
    await this.server.close()
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
    if (order !== 'stop' && order !== 'stop force') return { outcome: 'unknown', status }
    if (order === 'stop' && status.peer !== undefined) return { outcome: 'busy', status }
    // Not all of it: the socket that this order came by waits for the answer.
    void this.close()
    await this.ended
    return { outcome: 'done', status }
  }
}
