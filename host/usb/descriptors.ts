import { bosDescriptor } from './microsoft.js'
import { DIRECTION_IN } from './urb.js'

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
export const ENDPOINT_EVENTS = 0x82
export const ENDPOINTS = [ENDPOINT_OUT, ENDPOINT_IN, ENDPOINT_EVENTS] as const

/** Packet of the bulk pipes at high speed. */
export const PACKET_SIZE = 512
const FULL_SPEED_PACKET = 64
/** Packet of the interrupt pipe. */
export const EVENT_PACKET = 8
/** Every 8 ms: 2^(7-1) microframes at high speed, 8 frames at full speed. */
const EVENT_INTERVAL = { high: 7, full: 8 } as const

// Vendor requests to the interface.
/** OUT, no data: drops half a transfer and every answer not yet fetched. */
export const REQUEST_ABORT = 1
/** OUT, no data, value 1 = the host is the cable to a remote PED from now on, 0 = no longer. */
export const REQUEST_PED_LINE = 2
/** OUT: a frame of the PED for the HSM. IN: the next frame of the HSM for the PED, empty = there is none. */
export const REQUEST_PED_FRAME = 3

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

/** 2.0.1: a high-speed device with a BOS descriptor. */
export const USB_VERSION = 0x0201

export const DESCRIPTOR = {
  device: 1,
  configuration: 2,
  string: 3,
  interface: 4,
  endpoint: 5,
  qualifier: 6,
  otherSpeed: 7,
  bos: 15,
} as const
const BULK = 2
const INTERRUPT = 3
const ENGLISH_US = 0x0409
const CONTROL_PACKET = 64

const [MANUFACTURER, PRODUCT, SERIAL, INTERFACE_NAME] = [1, 2, 3, 4]
const TOKEN_INTERFACE = 'Token commands'

type Speed = keyof typeof EVENT_INTERVAL

const word = (value: number): number[] => [value & 0xff, value >> 8]
/** A descriptor: its own length, its type, its fields. */
const descriptor = (type: number, ...fields: number[]): number[] => [fields.length + 2, type, ...fields]

function deviceDescriptor({ vendorId, productId, deviceVersion }: UsbIdentity): number[] {
  const classes = [0, 0, 0]
  const ids = [...word(vendorId), ...word(productId), ...word(deviceVersion)]
  const strings = [MANUFACTURER, PRODUCT, SERIAL]
  return descriptor(DESCRIPTOR.device, ...word(USB_VERSION), ...classes, CONTROL_PACKET, ...ids, ...strings, 1)
}

/** What differs at the speed that the device does not run at: nothing that is in here. */
function qualifierDescriptor(): number[] {
  return descriptor(DESCRIPTOR.qualifier, ...word(USB_VERSION), 0, 0, 0, CONTROL_PACKET, 1, 0)
}

function configurationDescriptor(type: number, speed: Speed): number[] {
  const bulk = speed === 'high' ? PACKET_SIZE : FULL_SPEED_PACKET
  const endpoint = (address: number, kind: number, packet: number, interval: number): number[] =>
    descriptor(DESCRIPTOR.endpoint, address, kind, ...word(packet), interval)
  const classes = [INTERFACE_CLASS, INTERFACE_SUBCLASS, INTERFACE_PROTOCOL]
  const interfaces = [
    ...descriptor(DESCRIPTOR.interface, INTERFACE_NUMBER, 0, ENDPOINTS.length, ...classes, INTERFACE_NAME),
    ...endpoint(ENDPOINT_OUT, BULK, bulk, 0),
    ...endpoint(ENDPOINT_IN, BULK, bulk, 0),
    ...endpoint(ENDPOINT_EVENTS, INTERRUPT, EVENT_PACKET, EVENT_INTERVAL[speed]),
  ]
  const selfPowered = 0xc0
  const own = 9
  return [
    ...descriptor(type, ...word(own + interfaces.length), 1, CONFIGURATION_VALUE, 0, selfPowered, 0),
    ...interfaces,
  ]
}

/** The length byte of a descriptor is what a string ends at: 126 code units. */
function stringDescriptor(text: string): number[] {
  return descriptor(DESCRIPTOR.string, ...Buffer.from(text.slice(0, 126), 'utf16le'))
}

function textOf(identity: UsbIdentity, index: number): string | undefined {
  switch (index) {
    case MANUFACTURER:
      return identity.manufacturer
    case PRODUCT:
      return identity.product
    case SERIAL:
      return identity.serialNumber
    case INTERFACE_NAME:
      return TOKEN_INTERFACE
    default:
      return undefined
  }
}

/** The answer to GET_DESCRIPTOR, before it is cut to the length that the host asked for; undefined = there is none. */
export function descriptorOf(identity: UsbIdentity, type: number, index: number): Uint8Array | undefined {
  if (type === DESCRIPTOR.string) {
    if (index === 0) return Uint8Array.from(descriptor(DESCRIPTOR.string, ...word(ENGLISH_US)))
    const text = textOf(identity, index)
    return text === undefined ? undefined : Uint8Array.from(stringDescriptor(text))
  }
  if (index !== 0) return undefined
  switch (type) {
    case DESCRIPTOR.device:
      return Uint8Array.from(deviceDescriptor(identity))
    case DESCRIPTOR.configuration:
      return Uint8Array.from(configurationDescriptor(type, 'high'))
    case DESCRIPTOR.qualifier:
      return Uint8Array.from(qualifierDescriptor())
    case DESCRIPTOR.otherSpeed:
      return Uint8Array.from(configurationDescriptor(type, 'full'))
    case DESCRIPTOR.bos:
      return bosDescriptor()
    default:
      return undefined
  }
}

export const isIn = (endpoint: number): boolean => (endpoint & DIRECTION_IN) !== 0
