// The ways from a host to the same device model, for tests that have to hold on all of them.
import type { CommandDoor } from '../../host/board/index.js'
import { UsbBridge, UsbInstruments } from '../../host/lab/index.js'
import { readConfiguration, readDevice } from '../../host/usb/configuration.js'
import { DESCRIPTOR } from '../../host/usb/descriptors.js'
import {
  HostDevice,
  importDevice,
  NusbDevice,
  type PedSocket,
  RedirServer,
  TokenDevice,
  type UsbipLimits,
  UsbipServer,
  usbIdentity,
  VirtualUsbDevice,
  WebUsbPort,
} from '../../host/usb/index.js'
import { FakeNusb } from './fake-nusb.js'
import { RedirGuest } from './redir-guest.js'
import { SlowProxy } from './slow-proxy.js'

export interface PluggedIn {
  readonly device: USBDevice
  readonly model: TokenDevice
  /** Pulls the cable at the device. */
  unplug(): Promise<void>
  /** Takes everything down. */
  close(): Promise<void>
}

export interface Cable {
  readonly name: string
  /** A packet that is larger than what was asked for is cut, not told of. */
  readonly cutsBabble?: boolean
  plug(door: CommandDoor, ped?: PedSocket): Promise<PluggedIn>
}

const inProcess: Cable = {
  name: 'in-process',
  async plug(door, ped) {
    const device = new VirtualUsbDevice(door, usbIdentity('700101'), { ped })
    const unplug = async (): Promise<void> => device.unplug()
    return { device, model: device.model, unplug, close: unplug }
  },
}

export const BUS_ID = '1-1'

/** A server on a free port of this computer with one device at BUS_ID. */
export async function serve(
  door: CommandDoor,
  options: { readonly ped?: PedSocket | undefined; readonly limits?: Partial<UsbipLimits> } = {},
): Promise<{ server: UsbipServer; model: TokenDevice }> {
  const { limits, ped } = options
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0, ...(limits ? { limits } : {}) })
  const model = new TokenDevice(door, usbIdentity('700101'), { ped })
  server.plug(BUS_ID, model)
  return { server, model }
}

const usbip: Cable = {
  name: 'USB/IP',
  async plug(door, ped) {
    const { server, model } = await serve(door, { ped })
    const device = await importDevice('127.0.0.1', server.port)
    return { device, model, unplug: () => server.unplug(BUS_ID), close: () => server.close() }
  },
}

const SEED = Math.floor(Math.random() * 2 ** 32)

const slowUsbip: Cable = {
  name: `USB/IP through a proxy that splits and delays (seed ${SEED})`,
  async plug(door, ped) {
    const { server, model } = await serve(door, { ped })
    const proxy = await SlowProxy.open(server.port, SEED)
    const device = await importDevice('127.0.0.1', proxy.port)
    const close = async (): Promise<void> => {
      await server.close()
      await proxy.close()
    }
    return { device, model, unplug: () => server.unplug(BUS_ID), close }
  },
}

/** A usbredir guest: the descriptors are those that the model says, as in-process. */
const usbredir: Cable = {
  name: 'usbredir',
  async plug(door, ped) {
    const server = await RedirServer.listen({ host: '127.0.0.1', port: 0 })
    const model = new TokenDevice(door, usbIdentity('700101'), { ped })
    server.plug(BUS_ID, model)
    const guest = await RedirGuest.attached(server.port)
    const { description, claims } = describe(model)
    const device = new GuestDevice(guest, description, claims)
    const unplug = async (): Promise<void> => {
      await server.unplug(BUS_ID)
      await guest.until(() => !guest.hasDevice)
      device.gone()
    }
    const close = async (): Promise<void> => {
      await server.close()
      await guest.closed
      device.gone()
    }
    return { device, model, unplug, close }
  },
}

/** The device behind the package `usb` 3, as far as that can be without a kernel, exported by the bridge. */
async function bridged(
  door: CommandDoor,
  ped?: PedSocket,
): Promise<{ bridge: UsbBridge; model: TokenDevice; unplug(): Promise<void> }> {
  const model = new TokenDevice(door, usbIdentity('700101'), { ped })
  let port: WebUsbPort | undefined
  const open = async (): Promise<WebUsbPort> => {
    port = await WebUsbPort.open(new NusbDevice(new FakeNusb(model)))
    return port
  }
  const bridge = await UsbBridge.start({ at: { host: '127.0.0.1', port: 0 }, open, instruments: new UsbInstruments() })
  const unplug = async (): Promise<void> => {
    await model.detach()
    port?.lost()
  }
  return { bridge, model, unplug }
}

const bridge: Cable = {
  name: 'bridge',
  cutsBabble: true,
  async plug(door, ped) {
    const { bridge, model, unplug } = await bridged(door, ped)
    const device = await importDevice('127.0.0.1', bridge.port)
    return { device, model, unplug, close: () => bridge.close() }
  },
}

const twoBridges: Cable = {
  name: 'a bridge to a bridge',
  cutsBabble: true,
  async plug(door, ped) {
    const { bridge: far, model, unplug } = await bridged(door, ped)
    const open = async (): Promise<WebUsbPort> => {
      const device = await importDevice('127.0.0.1', far.port)
      const port = await WebUsbPort.open(device)
      device.closed.then(() => port.lost())
      return port
    }
    const near = await UsbBridge.start({ at: { host: '127.0.0.1', port: 0 }, open })
    const device = await importDevice('127.0.0.1', near.port)
    const close = async (): Promise<void> => {
      await near.close()
      await far.close()
    }
    return { device, model, unplug, close }
  },
}

class GuestDevice extends HostDevice {
  gone(): void {
    this.disconnected()
  }
}

function describe(model: TokenDevice) {
  const claims = new Set<number>()
  const { identity } = model
  const of = (type: number): Uint8Array => model.descriptor(type, 0) ?? new Uint8Array(0)
  const description = {
    device: readDevice(of(DESCRIPTOR.device)),
    configurations: [readConfiguration(of(DESCRIPTOR.configuration), (number) => claims.has(number))],
    manufacturerName: identity.manufacturer,
    productName: identity.product,
    serialNumber: identity.serialNumber,
  }
  return { description, claims }
}

export const CABLES: readonly Cable[] = [inProcess, usbip, slowUsbip, usbredir, bridge, twoBridges]

/** A device some of whose methods are others. The changes get the device itself. */
export function changed(device: USBDevice, change: (device: USBDevice) => Partial<USBDevice>): USBDevice {
  const changes = change(device)
  return new Proxy(device, {
    get(target, name) {
      const from = name in changes ? changes : target
      const value: unknown = Reflect.get(from, name, from)
      return typeof value === 'function' ? value.bind(from) : value
    },
  })
}

/** Lets everything else run until this holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
