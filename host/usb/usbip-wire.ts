import { UsbError } from './errors.js'
import type { SetupPacket } from './urb.js'

// USB/IP 1.1.1 as Linux speaks it (Documentation/usb/usbip_protocol.rst of the kernel). All integers of the protocol are
// big-endian; SETUP packets inside stay little-endian.

export const USBIP_VERSION = 0x0111
/** Registered with IANA. */
export const USBIP_PORT = 3240

export const OP_REQ_DEVLIST = 0x8005
export const OP_REP_DEVLIST = 0x0005
export const OP_REQ_IMPORT = 0x8003
export const OP_REP_IMPORT = 0x0003
/** Status of an operation: `enum usbip_device_status` of the kernel's tools. */
export const ST_OK = 0
export const ST_DEV_BUSY = 2
export const ST_NO_DEVICE = 4
export const ST_ERROR = 5

export const CMD_SUBMIT = 1
export const CMD_UNLINK = 2
export const RET_SUBMIT = 3
export const RET_UNLINK = 4

export const OP_HEADER = 8
export const BUS_ID = 32
const PATH = 256
export const DEVICE_RECORD = 312
export const INTERFACE_RECORD = 4
export const URB_HEADER = 48

/** `enum usb_device_speed` of Linux. */
export const USB_SPEEDS = { low: 1, full: 2, high: 3, super: 5, superPlus: 6 } as const
export type UsbSpeed = keyof typeof USB_SPEEDS

/** Errors of Linux, as their negatives are put into `status`. */
export const ERRNO = {
  ENOENT: 2,
  ENOMEM: 12,
  ENODEV: 19,
  EPIPE: 32,
  EPROTO: 71,
  EOVERFLOW: 75,
  ECONNRESET: 104,
  ESHUTDOWN: 108,
  EREMOTEIO: 121,
} as const

/** A transfer flag of Linux: a short packet is an error. */
export const URB_SHORT_NOT_OK = 1
/** A transfer flag of Linux: an OUT transfer that ends with a full packet is followed by an empty one. */
export const URB_ZERO_PACKET = 0x40
/** `number_of_packets` where a transfer is not isochronous. */
export const NOT_ISOCHRONOUS = 0xffffffff

export interface InterfaceClass {
  readonly interfaceClass: number
  readonly interfaceSubclass: number
  readonly interfaceProtocol: number
}

/** A device as a server lists it. */
export interface ExportedDevice {
  readonly path: string
  readonly busId: string
  readonly busNumber: number
  readonly deviceNumber: number
  /** `enum usb_device_speed` of Linux; 3 = high. */
  readonly speed: number
  readonly vendorId: number
  readonly productId: number
  readonly deviceVersion: number
  readonly deviceClass: number
  readonly deviceSubclass: number
  readonly deviceProtocol: number
  readonly configurationValue: number
  readonly configurations: number
  /** Of the import reply only their number is known. */
  readonly interfaceCount: number
}

export interface ListedDevice extends ExportedDevice {
  readonly interfaces: readonly InterfaceClass[]
}

export function encodeOp(code: number, status = ST_OK): Buffer {
  const header = Buffer.alloc(OP_HEADER)
  header.writeUInt16BE(USBIP_VERSION)
  header.writeUInt16BE(code, 2)
  header.writeUInt32BE(status, 4)
  return header
}

function padded(text: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  // The last byte stays zero.
  bytes.write(text, 0, length - 1, 'latin1')
  return bytes
}

/** A zero-padded text. @throws UsbError USBIP_PROTOCOL where it has no end */
export function readPadded(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  if (end < 0) throw new UsbError('USBIP_PROTOCOL', 'a text of a USB/IP message has no end')
  return bytes.toString('latin1', 0, end)
}

export function encodeImportRequest(busId: string): Buffer {
  return Buffer.concat([encodeOp(OP_REQ_IMPORT), padded(busId, BUS_ID)])
}

export function encodeDevice(device: ExportedDevice): Buffer {
  const numbers = Buffer.alloc(DEVICE_RECORD - PATH - BUS_ID)
  numbers.writeUInt32BE(device.busNumber)
  numbers.writeUInt32BE(device.deviceNumber, 4)
  numbers.writeUInt32BE(device.speed, 8)
  numbers.writeUInt16BE(device.vendorId, 12)
  numbers.writeUInt16BE(device.productId, 14)
  numbers.writeUInt16BE(device.deviceVersion, 16)
  const { deviceClass, deviceSubclass, deviceProtocol, configurationValue, configurations, interfaceCount } = device
  const bytes = [deviceClass, deviceSubclass, deviceProtocol, configurationValue, configurations, interfaceCount]
  numbers.set(bytes, 18)
  return Buffer.concat([padded(device.path, PATH), padded(device.busId, BUS_ID), numbers])
}

/** @param bytes DEVICE_RECORD of them */
export function decodeDevice(bytes: Buffer): ExportedDevice {
  const numbers = bytes.subarray(PATH + BUS_ID)
  return {
    path: readPadded(bytes.subarray(0, PATH)),
    busId: readPadded(bytes.subarray(PATH, PATH + BUS_ID)),
    busNumber: numbers.readUInt32BE(),
    deviceNumber: numbers.readUInt32BE(4),
    speed: numbers.readUInt32BE(8),
    vendorId: numbers.readUInt16BE(12),
    productId: numbers.readUInt16BE(14),
    deviceVersion: numbers.readUInt16BE(16),
    deviceClass: numbers.readUInt8(18),
    deviceSubclass: numbers.readUInt8(19),
    deviceProtocol: numbers.readUInt8(20),
    configurationValue: numbers.readUInt8(21),
    configurations: numbers.readUInt8(22),
    interfaceCount: numbers.readUInt8(23),
  }
}

export function encodeDeviceList(devices: readonly ListedDevice[]): Buffer {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(devices.length)
  const records = devices.flatMap((device) => [
    encodeDevice(device),
    ...device.interfaces.map((one) => Buffer.of(one.interfaceClass, one.interfaceSubclass, one.interfaceProtocol, 0)),
  ])
  return Buffer.concat([encodeOp(OP_REP_DEVLIST), count, ...records])
}

export const devicePathOf = (busId: string): string => `/sys/devices/platform/moonlet.0/usb1/${busId}`

/** The `devid` of the URB messages. */
export const deviceIdOf = ({ busNumber, deviceNumber }: ExportedDevice): number =>
  ((busNumber << 16) | deviceNumber) >>> 0

/** A CMD_SUBMIT without its data. */
export interface Submit {
  readonly sequence: number
  readonly deviceId: number
  readonly isIn: boolean
  readonly endpoint: number
  readonly flags: number
  readonly length: number
  readonly packets: number
  readonly setup: SetupPacket
}

/** @param header URB_HEADER bytes */
export function decodeSubmit(header: Buffer): Submit {
  return {
    sequence: header.readUInt32BE(4),
    deviceId: header.readUInt32BE(8),
    isIn: header.readUInt32BE(12) === 1,
    endpoint: header.readUInt32BE(16),
    flags: header.readUInt32BE(20),
    length: header.readUInt32BE(24),
    packets: header.readUInt32BE(32),
    setup: {
      requestType: header.readUInt8(40),
      request: header.readUInt8(41),
      value: header.readUInt16LE(42),
      index: header.readUInt16LE(44),
      length: header.readUInt16LE(46),
    },
  }
}

export function encodeSubmit(submit: Omit<Submit, 'packets' | 'flags' | 'setup'>, setup?: SetupPacket): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  header.writeUInt32BE(CMD_SUBMIT)
  header.writeUInt32BE(submit.sequence, 4)
  header.writeUInt32BE(submit.deviceId, 8)
  header.writeUInt32BE(submit.isIn ? 1 : 0, 12)
  header.writeUInt32BE(submit.endpoint, 16)
  header.writeUInt32BE(submit.length, 24)
  header.writeUInt32BE(NOT_ISOCHRONOUS, 32)
  if (setup) {
    header.writeUInt8(setup.requestType, 40)
    header.writeUInt8(setup.request, 41)
    header.writeUInt16LE(setup.value, 42)
    header.writeUInt16LE(setup.index, 44)
    header.writeUInt16LE(setup.length, 46)
  }
  return header
}

export function encodeUnlink(sequence: number, deviceId: number, target: number): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  header.writeUInt32BE(CMD_UNLINK)
  header.writeUInt32BE(sequence, 4)
  header.writeUInt32BE(deviceId, 8)
  header.writeUInt32BE(target, 20)
  return header
}

/** RET_SUBMIT without its data. @param status 0 or a negative errno @param packets of an isochronous transfer, that many follow the data */
export function encodeReturn(sequence: number, status: number, actual: number, packets = NOT_ISOCHRONOUS): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  header.writeUInt32BE(RET_SUBMIT)
  header.writeUInt32BE(sequence, 4)
  header.writeInt32BE(status, 20)
  header.writeUInt32BE(actual, 24)
  header.writeUInt32BE(packets, 32)
  return header
}

export function encodeUnlinked(sequence: number, status: number): Buffer {
  const header = Buffer.alloc(URB_HEADER)
  header.writeUInt32BE(RET_UNLINK)
  header.writeUInt32BE(sequence, 4)
  header.writeInt32BE(status, 20)
  return header
}
