// What the Backup HSM says about itself on the bus (USB 2.0 chapter 9). All integers of this file's formats are
// little-endian, as everywhere in USB. The ids are this project's own, not the vendor's.

export const VENDOR_ID = 0x1209
export const PRODUCT_ID = 0x4c48

export const CONFIGURATION_VALUE = 1
export const INTERFACE_NUMBER = 0
export const INTERFACE_CLASS = 0xff
/** "M" and "L": tells our interface from other vendor-specific ones. */
export const INTERFACE_SUBCLASS = 0x4d
export const INTERFACE_PROTOCOL = 0x4c
export const ENDPOINT_OUT = 0x01
export const ENDPOINT_IN = 0x81
export const PACKET_SIZE = 512

/** Vendor request to the interface, host to device, no data: drops half a transfer and every answer not yet fetched. */
export const REQUEST_ABORT = 1

export interface UsbIdentity {
  readonly serialNumber: string
  readonly vendorId: number
  readonly productId: number
  readonly manufacturer: string
  readonly product: string
  /** Binary-coded decimal, such as 0x0100 for 1.0.0. */
  readonly deviceVersion: number
}

export function usbIdentity(serialNumber: string, other: Partial<UsbIdentity> = {}): UsbIdentity {
  return {
    vendorId: VENDOR_ID,
    productId: PRODUCT_ID,
    manufacturer: 'Moonlet',
    product: 'Luna-style Backup HSM emulator',
    deviceVersion: 0x0100,
    ...other,
    serialNumber,
  }
}

export const USB_VERSION = 0x0200

const DEVICE = 1
const CONFIGURATION = 2
const STRING = 3
const INTERFACE = 4
const ENDPOINT = 5
const BULK = 2
const ENGLISH_US = 0x0409

const [MANUFACTURER, PRODUCT, SERIAL] = [1, 2, 3]

const word = (value: number): number[] => [value & 0xff, value >> 8]
/** A descriptor: its own length, its type, its fields. */
const descriptor = (type: number, ...fields: number[]): number[] => [fields.length + 2, type, ...fields]

function deviceDescriptor({ vendorId, productId, deviceVersion }: UsbIdentity): number[] {
  const classes = [0, 0, 0]
  const ids = [...word(vendorId), ...word(productId), ...word(deviceVersion)]
  const controlPacket = 64
  return descriptor(DEVICE, ...word(USB_VERSION), ...classes, controlPacket, ...ids, MANUFACTURER, PRODUCT, SERIAL, 1)
}

function configurationDescriptor(): number[] {
  const endpoint = (address: number): number[] => descriptor(ENDPOINT, address, BULK, ...word(PACKET_SIZE), 0)
  const classes = [INTERFACE_CLASS, INTERFACE_SUBCLASS, INTERFACE_PROTOCOL]
  const interfaces = [
    ...descriptor(INTERFACE, INTERFACE_NUMBER, 0, 2, ...classes, 0),
    ...endpoint(ENDPOINT_OUT),
    ...endpoint(ENDPOINT_IN),
  ]
  const selfPowered = 0xc0
  const own = 9
  return [
    ...descriptor(CONFIGURATION, ...word(own + interfaces.length), 1, CONFIGURATION_VALUE, 0, selfPowered, 0),
    ...interfaces,
  ]
}

function stringDescriptor(text: string): number[] {
  return descriptor(STRING, ...Buffer.from(text, 'utf16le'))
}

/** The answer to GET_DESCRIPTOR, before it is cut to the length that the host asked for; undefined = there is none. */
export function descriptorOf(identity: UsbIdentity, type: number, index: number): Uint8Array | undefined {
  if (type === STRING) {
    if (index === 0) return Uint8Array.from(descriptor(STRING, ...word(ENGLISH_US)))
    const texts = [identity.manufacturer, identity.product, identity.serialNumber]
    const text = texts[index - MANUFACTURER]
    return text === undefined ? undefined : Uint8Array.from(stringDescriptor(text))
  }
  if (index !== 0) return undefined
  if (type === DEVICE) return Uint8Array.from(deviceDescriptor(identity))
  if (type === CONFIGURATION) return Uint8Array.from(configurationDescriptor())
  return undefined
}
