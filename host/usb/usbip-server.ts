import type { Server, Socket } from 'node:net'
import { readConfiguration, readDevice } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { listenAt, placeOf } from './listen.js'
import type { UrbPort } from './urb.js'
import { DEFAULT_USBIP_LIMITS, type UsbipLimits } from './usbip-limits.js'
import { type UsbipDoor, type UsbipEvent, UsbipPeer } from './usbip-peer.js'
import { devicePathOf, type ListedDevice, USB_SPEEDS, type UsbSpeed } from './usbip-wire.js'

/** A device model that can be exported: URBs go in, the cable can be plugged in and pulled. */
export interface ExportableDevice extends UrbPort {
  /** High unless it says so. */
  readonly speed?: UsbSpeed | undefined
  descriptor(type: number, index: number): Uint8Array | undefined
  attach(): void
  /** Resolves when nothing of the last importer is left. */
  detach(): Promise<void>
  notify(event: 'removal'): void
}

/** A way from device models to hosts. */
export interface UsbPresenter {
  /** Where hosts find it. */
  readonly host: string
  readonly port: number
  /** Hosts that are there. */
  readonly connections: number
  /** @param id of the place that the device is at */
  plug(id: string, model: ExportableDevice): void
  /** Resolves when nothing of the device's host is left. */
  unplug(id: string): Promise<void>
  /** Pulls all devices out. */
  close(): Promise<void>
}

export interface UsbipServerOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly limits?: Partial<UsbipLimits> | undefined
  readonly onEvent?: ((event: UsbipEvent) => void) | undefined
}

interface Exported {
  readonly model: ExportableDevice
  readonly listed: ListedDevice
  importer: UsbipPeer | undefined
  /** Resolves when the last importer has left nothing behind. */
  free: Promise<void>
}

const BUS = 1
const EMPTY = new Uint8Array(0)

function describe(model: ExportableDevice, busId: string, deviceNumber: number): ListedDevice {
  const device = readDevice(model.descriptor(DESCRIPTOR.device, 0) ?? EMPTY)
  const { interfaces } = readConfiguration(model.descriptor(DESCRIPTOR.configuration, 0) ?? EMPTY, () => false)
  return {
    path: devicePathOf(busId),
    busId,
    busNumber: BUS,
    deviceNumber,
    speed: USB_SPEEDS[model.speed ?? 'high'],
    vendorId: device.vendorId,
    productId: device.productId,
    deviceVersion: device.deviceVersion,
    deviceClass: device.deviceClass,
    deviceSubclass: device.deviceSubclass,
    deviceProtocol: device.deviceProtocol,
    configurationValue: 0,
    configurations: device.configurations,
    interfaceCount: interfaces.length,
    interfaces: interfaces.map(({ alternate }) => alternate),
  }
}

/** A USB/IP server: devices that are plugged in can be listed and imported, each by one host at a time. */
export class UsbipServer implements UsbPresenter {
  readonly #devices = new Map<string, Exported>()
  readonly #peers = new Set<UsbipPeer>()
  readonly #limits: UsbipLimits
  readonly #door: UsbipDoor
  #lastDevice = 0

  private constructor(
    private readonly server: Server,
    private readonly options: UsbipServerOptions,
  ) {
    this.#limits = { ...DEFAULT_USBIP_LIMITS, ...options.limits }
    this.#door = {
      list: () => [...this.#devices.values()].filter(({ importer }) => !importer).map(({ listed }) => listed),
      import: (busId, peer) => this.#import(busId, peer),
    }
    server.on('connection', (socket) => this.#welcome(socket))
  }

  /** @throws UsbError USBIP_LISTEN */
  static async listen(options: UsbipServerOptions): Promise<UsbipServer> {
    return new UsbipServer(await listenAt(options, 'USBIP_LISTEN'), options)
  }

  get port(): number {
    return placeOf(this.server, this.options).port
  }

  get host(): string {
    return placeOf(this.server, this.options).host
  }

  get connections(): number {
    return this.#peers.size
  }

  /** Plugs a device in: it can be imported from now on. @param busId such as 1-1 */
  plug(busId: string, model: ExportableDevice): void {
    if (this.#devices.has(busId)) throw new UsbError('USBIP_BUSY', `there is a device at ${busId} already`)
    const listed = describe(model, busId, ++this.#lastDevice)
    this.#devices.set(busId, { model, listed, importer: undefined, free: model.detach() })
    this.options.onEvent?.({ event: 'plugged', device: busId })
  }

  /** Pulls a device out, whoever has it. Resolves when nothing of its importer is left. */
  async unplug(busId: string): Promise<void> {
    const exported = this.#devices.get(busId)
    if (!exported) return
    this.#devices.delete(busId)
    exported.model.notify('removal')
    exported.importer?.end('unplugged')
    await exported.free
    this.options.onEvent?.({ event: 'unplugged', device: busId })
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    await Promise.all([...this.#devices.keys()].map((busId) => this.unplug(busId)))
    for (const peer of [...this.#peers]) peer.end('closed')
    await closed
  }

  #welcome(socket: Socket): void {
    if (this.#peers.size >= this.#limits.connections) {
      socket.destroy()
      return
    }
    const peer = new UsbipPeer(socket, this.#door, this.#limits)
    this.#peers.add(peer)
    peer.ended.then((why) => {
      this.#peers.delete(peer)
      this.options.onEvent?.({ event: 'disconnected', peer: peer.name, why })
    })
  }

  async #import(busId: string, peer: UsbipPeer): ReturnType<UsbipDoor['import']> {
    const exported = this.#devices.get(busId)
    if (!exported) return 'absent'
    if (exported.importer) return 'busy'
    exported.importer = peer
    await exported.free
    const { model, listed } = exported
    // It may have been pulled out, or the host may have left, meanwhile.
    if (peer.isOver || this.#devices.get(busId) !== exported) {
      exported.importer = undefined
      return 'absent'
    }
    model.attach()
    this.options.onEvent?.({ event: 'imported', device: busId, peer: peer.name })
    exported.free = peer.ended.then(async () => {
      await model.detach()
      if (exported.importer === peer) exported.importer = undefined
      this.options.onEvent?.({ event: 'released', device: busId, peer: peer.name })
    })
    return { model, listed }
  }
}
