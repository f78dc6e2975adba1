import { TokenClient, TransportError } from '../client/index.js'
import {
  importDevice,
  isTokenInterface,
  openRealDevice,
  type RealDeviceName,
  type UrbPort,
  UsbError,
  type UsbEvent,
  UsbTransport,
} from '../usb/index.js'
import type { LabCapture } from './capture.js'
import type { Chance } from './chance.js'
import type { LabHsm } from './lab-file.js'
import type { PedDesk } from './ped-desk.js'
import { type Recorder, recordTransport } from './recorder.js'
import { type Line, partitionsOf } from './workstation.js'

interface CableOptions {
  /** The lab's HSMs: a Backup HSM of theirs is known by its name where `names` has its serial number. */
  readonly names?: ReadonlyMap<bigint, string> | undefined
  readonly chance: Chance
  readonly recorder?: Recorder | undefined
  /** The PEDs of this workstation, which `ped connect` brings to the HSM over the USB cable. */
  readonly desk: Pick<PedDesk, 'farConnector'>
  readonly onEvent?: ((event: UsbEvent) => void) | undefined
  readonly capture?: LabCapture | undefined
}

export interface UsbLineOptions extends CableOptions {
  readonly host: string
  /** 3240 unless given. */
  readonly port?: number | undefined
  /** Bus id of the device; the one free Backup HSM of the server unless given. */
  readonly busId?: string | undefined
}

export interface RealUsbLineOptions extends CableOptions {
  readonly real: RealDeviceName
}

/** A cable to a Backup HSM: at the end of a USB/IP connection, or a real one. */
export interface UsbLine extends Line {
  readonly hsm: { readonly name: LabHsm['name']; readonly kind: 'backup' }
  /** Resolves when the device is gone, whoever ended it; never rejects. */
  readonly closed: Promise<void>
  /** Gives the device back to its server, or to this computer. */
  close(): Promise<void>
}

/**
 * Imports a Backup HSM from a USB/IP server.
 * @throws UsbError USBIP_CONNECT, USBIP_PROTOCOL, USBIP_BUSY, USBIP_NO_DEVICE, USB_DESCRIPTOR, USB_UNSUITABLE, USB_OPEN; what the token
 * refuses. Nothing stays open then.
 */
export async function usbLine(options: UsbLineOptions): Promise<UsbLine> {
  const { host, port, busId, capture } = options
  const device = await importDevice(host, port, { busId, wrap: capture && ((near) => capture.usb.port(near)) })
  return lineOver(device, device.serialNumber ?? device.busId, options)
}

/**
 * Opens a Backup HSM that this computer's kernel has on a USB port.
 * @throws UsbError USB_UNAVAILABLE, USB_NO_DEVICE, USB_OPEN, USB_DESCRIPTOR, USB_UNSUITABLE; what the token refuses. Nothing stays open
 * then.
 */
export async function realUsbLine(options: RealUsbLineOptions): Promise<UsbLine> {
  const { real, capture } = options
  const wrap = capture && ((near: UrbPort) => capture.usb.port(near))
  const device = await openRealDevice(real, { claims: isTokenInterface, wrap })
  return lineOver(device, device.serialNumber ?? 'real', options)
}

type PluggedDevice = USBDevice & { readonly closed: Promise<void>; detach(): Promise<void> }

async function lineOver(device: PluggedDevice, serial: string, options: CableOptions): Promise<UsbLine> {
  const { names, chance, recorder, desk, onEvent } = options
  try {
    const transport = await UsbTransport.open(device)
    if (onEvent) transport.onEvent(onEvent)
    const shown = recorder ? recordTransport(transport, `usb:${serial}`, recorder) : transport
    const client = new TokenClient(shown, { random: chance.source(`usb:${serial}`) })
    const status = await client.status()
    const name = names?.get(status.serial) ?? String(status.serial)
    const close = async (): Promise<void> => {
      await client.close()
      await device.detach()
    }
    return {
      hsm: { name, kind: 'backup' },
      client,
      ped: desk.farConnector(name, {
        plug: (link) => transport.plugPed(link),
        unplug: () => transport.unplugPed(),
      }),
      found: true,
      partitions: await partitionsOf(client, []),
      closed: device.closed,
      close,
    }
  } catch (error) {
    await device.detach()
    if (!(error instanceof TransportError)) throw error
    throw new UsbError('USB_OPEN', `the USB device cannot be opened: ${error.message}`, { cause: error })
  }
}
