import type { CommandDoor } from '../board/frames.js'
import { readConfiguration, readDevice } from './configuration.js'
import { DESCRIPTOR, descriptorOf, type UsbIdentity } from './descriptors.js'
import { HostDevice } from './host-device.js'
import { TokenDevice, type TokenDeviceOptions } from './token-device.js'

const EMPTY = new Uint8Array(0)

/** The Backup HSM as a W3C WebUSB `USBDevice` without a bus: a host's rules right in front of the device model. */
export class VirtualUsbDevice extends HostDevice {
  /** The device at the other end of the cable. */
  readonly model: TokenDevice

  constructor(door: CommandDoor, identity: UsbIdentity, options: TokenDeviceOptions = {}) {
    const model = new TokenDevice(door, identity, options)
    const claims = new Set<number>()
    const configuration = descriptorOf(identity, DESCRIPTOR.configuration, 0) ?? EMPTY
    const description = {
      device: readDevice(descriptorOf(identity, DESCRIPTOR.device, 0) ?? EMPTY),
      configurations: [readConfiguration(configuration, (number) => claims.has(number))],
      manufacturerName: identity.manufacturer,
      productName: identity.product,
      serialNumber: identity.serialNumber,
    }
    super(model, description, claims)
    this.model = model
  }

  /** Pulls the cable: every pending and every later call rejects with NotFoundError. */
  unplug(): void {
    this.disconnected()
    this.model.detach()
  }
}
