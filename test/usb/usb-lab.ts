// A RealLab whose Backup HSM is at the end of a USB/IP connection: what a person at lunacm meets when it is pulled out.
import * as protocol from '../../assembly/protocol.js'
import { frameCable } from '../../host/board/index.js'
import { type PedConnector, type Slot, type SlotSource, TokenClient } from '../../host/client/index.js'
import { defaultRules, Ped, RuleOperator } from '../../host/ped/index.js'
import {
  type ExportableDevice,
  importDevice,
  TokenDevice,
  type UsbEvent,
  UsbipServer,
  UsbTransport,
  usbIdentity,
} from '../../host/usb/index.js'
import type { Cancel, Complete, Urb } from '../../host/usb/urb.js'
import { RealLab } from '../lunacm/real-lab.js'
import { BUS_ID } from './cables.js'
import { SlowProxy } from './slow-proxy.js'

export const BACKUP_SLOT = 9

/** A device that counts its transfers and is pulled out at one of them, before it has it or right after it has it. */
class PulledDevice implements ExportableDevice {
  transfers = 0
  /** Number of the transfer at which `pull` is called, 0 = never. */
  at = 0
  afterwards = false

  constructor(
    private readonly model: TokenDevice,
    private readonly pull: () => void,
  ) {}

  submit(urb: Urb, complete: Complete): Cancel {
    this.transfers += 1
    if (this.transfers !== this.at) return this.model.submit(urb, complete)
    if (this.afterwards) this.model.submit(urb, complete)
    this.pull()
    return () => false
  }

  reset(): void {
    this.model.reset()
  }
  descriptor(type: number, index: number): Uint8Array | undefined {
    return this.model.descriptor(type, index)
  }
  attach(): void {
    this.model.attach()
  }
  detach(): Promise<void> {
    return this.model.detach()
  }
  notify(event: 'removal'): void {
    this.model.notify(event)
  }
}

export class UsbLab implements SlotSource {
  readonly device: PulledDevice
  readonly model: TokenDevice
  readonly events: UsbEvent[] = []
  #transport: UsbTransport | undefined
  #client: TokenClient | undefined
  #pulled: Promise<void> = Promise.resolve()

  private constructor(
    readonly real: RealLab,
    private readonly server: UsbipServer,
    private readonly proxy: SlowProxy,
  ) {
    const { backup } = real
    const ped = {
      attachPed: backup.board.attachPed.bind(backup.board),
      detachPed: backup.board.detachPed.bind(backup.board),
    }
    this.model = new TokenDevice(backup, usbIdentity('700101'), { ped })
    this.device = new PulledDevice(this.model, () => {
      this.#pulled = server.unplug(BUS_ID)
    })
    server.plug(BUS_ID, this.device)
  }

  /** @param seed of the proxy that splits and delays */
  static async make(auth: number, seed: number): Promise<UsbLab> {
    const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
    return new UsbLab(await RealLab.make({ auth }), server, await SlowProxy.open(server.port, seed))
  }

  /** Plugs the device in where it is not, and imports it as another run of lunacm does. @throws UsbError */
  async plugIn(through: 'proxy' | 'directly' = 'directly'): Promise<void> {
    this.real.newClients()
    this.#client = undefined
    this.#transport = undefined
    await this.#pulled
    try {
      this.server.plug(BUS_ID, this.device)
    } catch {
      // It is plugged in.
    }
    const { port } = through === 'proxy' ? this.proxy : this.server
    const device = await importDevice('127.0.0.1', port)
    this.#transport = await UsbTransport.open(device)
    this.#transport.onEvent((event) => this.events.push(event))
    this.#client = new TokenClient(this.#transport)
  }

  /** Lets the device go. Resolves when it is free again. */
  async letGo(): Promise<void> {
    await this.#transport?.close()
    await this.#pulled
    this.#pulled = this.server.unplug(BUS_ID)
    await this.#pulled
  }

  async slots(): Promise<readonly Slot[]> {
    const slots = (await this.real.slots()).filter(({ kind }) => kind !== 'backup')
    if (!this.#client) return slots
    const usb = { id: BACKUP_SLOT, kind: 'backup', partition: protocol.ADMIN_PARTITION } as const
    return [...slots, { ...usb, client: this.#client, ped: this.#connector() }]
  }

  async close(): Promise<void> {
    await this.server.close()
    await this.proxy.close()
    this.real.close()
  }

  /** A PED at this workstation, its frames over USB. */
  #connector(): PedConnector {
    const { box } = this.real.desk
    return {
      connect: async () => {
        const [near, far] = frameCable()
        new Ped({ box, operator: new RuleOperator({ rules: defaultRules(), box }) }).connect(far)
        await this.#transport?.plugPed(near)
      },
      disconnect: async () => this.#transport?.unplugPed(),
    }
  }
}
