import { describeDevice } from './describe.js'
import { INTERFACE_CLASS, INTERFACE_PROTOCOL, INTERFACE_SUBCLASS } from './descriptors.js'
import { UsbError } from './errors.js'
import { type DeviceDescription, HostDevice } from './host-device.js'
import type { UrbPort } from './urb.js'
import { HANDSHAKE, importBusId, listDevices, type ServerAddress } from './usbip-handshake.js'
import { UsbipPort } from './usbip-port.js'
import { type ExportedDevice, type ListedDevice, USBIP_PORT } from './usbip-wire.js'

/** A device at the other end of a USB/IP connection, as a W3C WebUSB `USBDevice`. */
export class UsbipDevice extends HostDevice {
  /** Resolves when the connection is lost or `detach` was called; never rejects. */
  readonly closed: Promise<void>
  readonly #port: UsbipPort

  constructor(
    port: UsbipPort,
    description: DeviceDescription,
    claims: Set<number>,
    readonly exported: ExportedDevice,
    /** The cable, or what stands in front of it. */
    near: UrbPort = port,
  ) {
    super(near, description, claims)
    this.#port = port
    this.closed = port.closed
    port.closed.then(() => this.disconnected())
  }

  get busId(): string {
    return this.exported.busId
  }

  /** Gives the device back to the server; here it counts as unplugged. */
  async detach(): Promise<void> {
    this.#port.end()
    await this.closed
  }
}

export interface ImportOptions {
  /** The one device with a token interface unless given. */
  readonly busId?: string | undefined
  /** Milliseconds for each step; 10 s unless given. */
  readonly timeout?: number | undefined
  /** What stands in front of the cable's near end, such as a recorder. */
  readonly wrap?: ((port: UrbPort) => UrbPort) | undefined
}

/**
 * Imports a device from a USB/IP server and reads its descriptors.
 * @throws UsbError USBIP_CONNECT, USBIP_PROTOCOL, USBIP_BUSY, USBIP_NO_DEVICE, USB_DESCRIPTOR, and USB_OPEN where it goes or does not
 * answer meanwhile
 */
export async function importDevice(
  host: string,
  port: number = USBIP_PORT,
  { busId, timeout, wrap }: ImportOptions = {},
): Promise<UsbipDevice> {
  const address: ServerAddress = { host, port, timeout }
  const imported = await importBusId(address, busId ?? (await onlyToken(address)))
  const cable = new UsbipPort(imported)
  try {
    return await withTime(timeout ?? HANDSHAKE, readDescription(cable, imported.device, wrap?.(cable) ?? cable))
  } catch (error) {
    cable.end()
    throw error
  }
}

/** @throws UsbError USBIP_NO_DEVICE where there is none, or more than one */
async function onlyToken(address: ServerAddress): Promise<string> {
  const tokens = (await listDevices(address)).filter(hasTokenInterface)
  const [only, other] = tokens
  if (only && !other) return only.busId
  const [at, found] = [`${address.host}, port ${address.port}`, tokens.map(({ busId }) => busId).join(', ')]
  throw new UsbError(
    'USBIP_NO_DEVICE',
    only ? `there is more than one Backup HSM at ${at}: ${found}` : `there is no free Backup HSM at ${at}`,
  )
}

export function hasTokenInterface({ interfaces }: ListedDevice): boolean {
  return interfaces.some(
    (one) =>
      one.interfaceClass === INTERFACE_CLASS &&
      one.interfaceSubclass === INTERFACE_SUBCLASS &&
      one.interfaceProtocol === INTERFACE_PROTOCOL,
  )
}

async function withTime<Result>(time: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UsbError('USB_OPEN', 'the USB device does not answer')), time)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    work.catch(() => undefined)
  }
}

async function readDescription(cable: UsbipPort, exported: ExportedDevice, port: UrbPort): Promise<UsbipDevice> {
  const claims = new Set<number>()
  return new UsbipDevice(cable, await describeDevice(port, claims), claims, exported, port)
}
