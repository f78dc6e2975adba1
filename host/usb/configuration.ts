import { DESCRIPTOR, isIn } from './descriptors.js'
import { UsbError } from './errors.js'

/** The device descriptor's fields that a host looks at. */
export interface DeviceFields {
  readonly usbVersion: number
  readonly deviceClass: number
  readonly deviceSubclass: number
  readonly deviceProtocol: number
  readonly vendorId: number
  readonly productId: number
  readonly deviceVersion: number
  /** Indices of strings, 0 = there is none. */
  readonly manufacturer: number
  readonly product: number
  readonly serialNumber: number
  readonly configurations: number
}

const DEVICE_LENGTH = 18
const CONFIGURATION_LENGTH = 9
const INTERFACE_LENGTH = 9
const ENDPOINT_LENGTH = 7
const TRANSFER_TYPES: readonly (USBEndpointType | undefined)[] = [undefined, 'isochronous', 'bulk', 'interrupt']

const malformed = (what: string): UsbError => new UsbError('USB_DESCRIPTOR', `the USB device's ${what} is malformed`)
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** @throws UsbError USB_DESCRIPTOR */
export function readDevice(bytes: Uint8Array): DeviceFields {
  if (bytes.length < DEVICE_LENGTH || bytes[1] !== DESCRIPTOR.device) throw malformed('device descriptor')
  const view = viewOf(bytes)
  return {
    usbVersion: view.getUint16(2, true),
    deviceClass: view.getUint8(4),
    deviceSubclass: view.getUint8(5),
    deviceProtocol: view.getUint8(6),
    vendorId: view.getUint16(8, true),
    productId: view.getUint16(10, true),
    deviceVersion: view.getUint16(12, true),
    manufacturer: view.getUint8(14),
    product: view.getUint8(15),
    serialNumber: view.getUint8(16),
    configurations: view.getUint8(17),
  }
}

/** wTotalLength of a configuration descriptor's head. @throws UsbError USB_DESCRIPTOR */
export function totalLength(head: Uint8Array): number {
  if (head.length < CONFIGURATION_LENGTH || head[1] !== DESCRIPTOR.configuration) {
    throw malformed('configuration descriptor')
  }
  return viewOf(head).getUint16(2, true)
}

/** The text of a string descriptor. @throws UsbError USB_DESCRIPTOR */
export function readText(bytes: Uint8Array): string {
  const [length = 0, type] = bytes
  if (bytes.length < 2 || type !== DESCRIPTOR.string || length > bytes.length) throw malformed('string')
  return Buffer.from(bytes.subarray(2, length)).toString('utf16le')
}

interface Alternate extends USBAlternateInterface {
  readonly interfaceNumber: number
  readonly endpoints: USBEndpoint[]
}

/**
 * A configuration as WebUSB shows it. Descriptors of classes, and of kinds that are not known, are passed over.
 * @param claimed whether an interface is claimed, asked whenever somebody looks
 * @throws UsbError USB_DESCRIPTOR where a length leads out of the bytes
 */
export function readConfiguration(
  bytes: Uint8Array,
  claimed: (interfaceNumber: number) => boolean,
): USBConfiguration & { readonly interfaces: USBInterface[] } {
  const total = totalLength(bytes)
  if (total > bytes.length) throw malformed('configuration descriptor')
  const alternates: Alternate[] = []
  for (let at = bytes[0] ?? 0; at < total; ) {
    const length = bytes[at] ?? 0
    const one = bytes.subarray(at, at + length)
    if (length < 2 || at + length > total) throw malformed('configuration descriptor')
    if (one[1] === DESCRIPTOR.interface) alternates.push(readInterface(one))
    else if (one[1] === DESCRIPTOR.endpoint) alternates.at(-1)?.endpoints.push(readEndpoint(one))
    at += length
  }
  const numbers = [...new Set(alternates.map(({ interfaceNumber }) => interfaceNumber))]
  const interfaces = numbers.flatMap((interfaceNumber): USBInterface[] => {
    const own = alternates.filter((one) => one.interfaceNumber === interfaceNumber)
    const [alternate] = own
    if (!alternate) return []
    return [
      {
        interfaceNumber,
        alternate,
        alternates: own,
        get claimed() {
          return claimed(interfaceNumber)
        },
      },
    ]
  })
  return { configurationValue: bytes[5] ?? 0, configurationName: null, interfaces }
}

/** Addresses of the isochronous endpoints of a configuration, in any of its settings. @throws UsbError USB_DESCRIPTOR */
export function isochronousEndpoints(configuration: Uint8Array): number[] {
  const { interfaces } = readConfiguration(configuration, () => false)
  const all = interfaces.flatMap(({ alternates }) => alternates.flatMap(({ endpoints }) => endpoints))
  const found = all.filter(({ type }) => type === 'isochronous')
  return [...new Set(found.map(({ endpointNumber, direction }) => endpointNumber | (direction === 'in' ? 0x80 : 0)))]
}

function readInterface(bytes: Uint8Array): Alternate {
  if (bytes.length < INTERFACE_LENGTH) throw malformed('interface descriptor')
  const view = viewOf(bytes)
  return {
    interfaceNumber: view.getUint8(2),
    alternateSetting: view.getUint8(3),
    interfaceClass: view.getUint8(5),
    interfaceSubclass: view.getUint8(6),
    interfaceProtocol: view.getUint8(7),
    interfaceName: null,
    endpoints: [],
  }
}

function readEndpoint(bytes: Uint8Array): USBEndpoint {
  if (bytes.length < ENDPOINT_LENGTH) throw malformed('endpoint descriptor')
  const view = viewOf(bytes)
  const address = view.getUint8(2)
  const type = TRANSFER_TYPES[view.getUint8(3) & 3]
  if (!type) throw malformed('endpoint descriptor')
  return {
    endpointNumber: address & 0xf,
    direction: isIn(address) ? 'in' : 'out',
    type,
    // Bits 11 and 12 say how many packets there are in a microframe.
    packetSize: view.getUint16(4, true) & 0x7ff,
  }
}
