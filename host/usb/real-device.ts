import { readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeDevice } from './describe.js'
import { UsbError } from './errors.js'
import { type DeviceDescription, HostDevice } from './host-device.js'
import { NusbDevice, type NusbUsbDevice } from './nusb-device.js'
import type { UrbPort } from './urb.js'
import { WebUsbPort, type WebUsbPortOptions } from './web-usb-port.js'

/** Milliseconds between looks whether a device is still there. */
const LOOK = 1000
const DEVICES = '/sys/bus/usb/devices'
const IDS = /^([0-9a-fA-F]{4}):([0-9a-fA-F]{4})$/

/** How a device is named: vendor and product id, or its serial number. */
export type RealDeviceName =
  | { readonly vendorId: number; readonly productId: number }
  | { readonly serialNumber: string }

/** `VID:PID` in hexadecimal, or else a serial number. */
export function readDeviceName(text: string): RealDeviceName {
  const [, vendor, product] = IDS.exec(text) ?? []
  if (vendor === undefined || product === undefined) return { serialNumber: text }
  return { vendorId: Number.parseInt(vendor, 16), productId: Number.parseInt(product, 16) }
}

const hex = (value: number): string => value.toString(16).padStart(4, '0')

/** Null where it has none, or where this user may not ask it. */
function serialNumberOf(device: NusbUsbDevice): string | null {
  try {
    return device.serialNumber
  } catch {
    return null
  }
}

/** A real device as a person sees it. */
function showDevice(device: NusbUsbDevice): string {
  const { vendorId, productId } = device
  const serialNumber = serialNumberOf(device)
  return `${hex(vendorId)}:${hex(productId)}${serialNumber === null ? '' : ` (serial number ${serialNumber})`}`
}

/** The real devices of this computer. @throws UsbError USB_UNAVAILABLE */
export async function realDevices(): Promise<NusbUsbDevice[]> {
  const { usb } = await import('usb').catch((cause: unknown) => {
    const text = 'real USB devices need the package "usb", with a binary for this computer: npm install usb@3'
    throw new UsbError('USB_UNAVAILABLE', text, { cause })
  })
  try {
    return await usb.getDevices()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsbError('USB_UNAVAILABLE', `this computer has no USB that programs may use: ${why}`, { cause })
  }
}

/**
 * Finds the one real device of a name. Looking does not open it.
 * @throws UsbError USB_UNAVAILABLE, USB_NO_DEVICE where there is none, or more than one
 */
export async function findRealDevice(name: RealDeviceName): Promise<NusbUsbDevice> {
  const all = await realDevices()
  const found = all.filter((one) =>
    'serialNumber' in name
      ? serialNumberOf(one) === name.serialNumber
      : one.vendorId === name.vendorId && one.productId === name.productId,
  )
  const [only, other] = found
  if (only && !other) return only
  const what = 'serialNumber' in name ? name.serialNumber : `${hex(name.vendorId)}:${hex(name.productId)}`
  const shown = (only ? found : all).map(showDevice).join(', ')
  throw new UsbError(
    'USB_NO_DEVICE',
    only
      ? `there is more than one device ${what}: ${shown}`
      : `there is no device ${what}; there is ${shown || 'none'}`,
  )
}

/**
 * Takes a real device away from this computer's drivers and lets URBs be handed in.
 * @throws UsbError USB_UNAVAILABLE, USB_NO_DEVICE, USB_OPEN, USB_DESCRIPTOR
 */
export async function openRealPort(name: RealDeviceName, options: WebUsbPortOptions = {}): Promise<WebUsbPort> {
  const found = await findRealDevice(name)
  const port = await WebUsbPort.open(new NusbDevice(found, linuxDriver(found)), { speed: found.speed, ...options })
  watch(found.handle, port)
  return port
}

/** Looks whether the device is still there. Events of the package would need udev, which containers and small systems have not. */
async function watch(handle: string, port: WebUsbPort): Promise<void> {
  let isOpen = true
  port.closed.then(() => {
    isOpen = false
  })
  while (isOpen) {
    await sleep(LOOK, undefined, { ref: false })
    // Where the kernel does not answer this time it is asked again.
    const all = isOpen ? await realDevices().catch(() => undefined) : undefined
    if (all?.every((one) => one.handle !== handle)) port.lost()
  }
}

/** Looks up an interface's driver where Linux shows it. */
function linuxDriver({ bus, ports }: NusbUsbDevice): (interfaceNumber: number) => Promise<string | undefined> {
  const place = `${Number(bus)}-${ports.join('.')}:`
  return async (interfaceNumber) => {
    try {
      const entries = await readdir(DEVICES)
      const found = entries.find((name) => name.startsWith(place) && name.endsWith(`.${interfaceNumber}`))
      return found && basename(await readlink(join(DEVICES, found, 'driver')))
    } catch {
      return undefined
    }
  }
}

/** A real device, as a W3C WebUSB `USBDevice` that keeps all of WebUSB's promises. */
export class RealDevice extends HostDevice {
  /** Resolves when the device is gone or was given back; never rejects. */
  readonly closed: Promise<void>

  constructor(
    private readonly cable: WebUsbPort,
    description: DeviceDescription,
    claims: Set<number>,
    near: UrbPort,
  ) {
    super(near, description, claims)
    this.closed = cable.closed
    cable.closed.then(() => this.disconnected())
  }

  /** Gives the device back to this computer; here it counts as unplugged. */
  async detach(): Promise<void> {
    await this.cable.close()
  }
}

export interface RealDeviceOptions extends WebUsbPortOptions {
  /** What stands in front of the device, such as a recorder. */
  readonly wrap?: ((port: UrbPort) => UrbPort) | undefined
}

/** @throws UsbError USB_UNAVAILABLE, USB_NO_DEVICE, USB_OPEN, USB_DESCRIPTOR */
export async function openRealDevice(name: RealDeviceName, options: RealDeviceOptions = {}): Promise<RealDevice> {
  return overPort(await openRealPort(name, options), options.wrap)
}

/** @throws UsbError USB_OPEN, USB_DESCRIPTOR; the port is closed then */
export async function overPort(cable: WebUsbPort, wrap?: (port: UrbPort) => UrbPort): Promise<RealDevice> {
  const near = wrap?.(cable) ?? cable
  const claims = new Set<number>()
  try {
    return new RealDevice(cable, await describeDevice(near, claims), claims, near)
  } catch (error) {
    await cable.close()
    throw error
  }
}
