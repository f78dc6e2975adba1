import { UsbError } from './errors.js'
import type { SetupPacket } from './urb.js'

// What Linux's usbmon tells of a transfer (Documentation/usb/usbmon.rst of the kernel, struct mon_bin_hdr): a header of 64 bytes
// (link type 220) or its first 48 (189), in the byte order of the machine, then the data.

export const LINKTYPE_USB_LINUX = 189
export const LINKTYPE_USB_LINUX_MMAPPED = 220

const SHORT_HEADER = 48
export const USBMON_HEADER = 64
/** Behind the header of an isochronous transfer, each packet's descriptor. */
const ISO_DESCRIPTOR = 16
const EINPROGRESS = -115
const TYPES = ['isochronous', 'interrupt', 'control', 'bulk'] as const
export type TransferType = (typeof TYPES)[number]
/** S: a transfer is handed in; C: it is over; E: it was not taken. */
export type UsbmonEvent = 'S' | 'C' | 'E'
const URB_DIR_IN = 0x200
const ASCII = { S: 0x53, C: 0x43, E: 0x45, none: 0x2d, in: 0x3c, out: 0x3e } as const

export interface UsbmonPacket {
  /** Tells transfers that are under way from each other. */
  readonly id: bigint
  readonly event: UsbmonEvent
  readonly type: TransferType
  /** Address with its direction bit, which a control transfer has, too. */
  readonly endpoint: number
  readonly bus: number
  readonly device: number
  /** Microseconds since 1970. */
  readonly time: bigint
  /** 0 or a negative errno; -EINPROGRESS of a transfer that is handed in. */
  readonly status: number
  /** Bytes that were asked for, or moved. */
  readonly length: number
  /** Of a control transfer that is handed in. */
  readonly setup?: SetupPacket | undefined
  /** What the capture has of the data: none, all, or its first bytes. */
  readonly data: Uint8Array
}

export const IN_PROGRESS = EINPROGRESS

/** Frames between two polls of an interrupt endpoint, where it is told; only dissectors look at it. */
const POLL = 8

export function encodeUsbmon(packet: UsbmonPacket): Buffer {
  const { id, event, type, endpoint, bus, device, time, status, length, setup, data } = packet
  const bytes = Buffer.alloc(USBMON_HEADER + data.length)
  const isIn = (endpoint & 0x80) !== 0
  bytes.writeBigUInt64LE(id)
  bytes.writeUInt8(ASCII[event], 8)
  bytes.writeUInt8(TYPES.indexOf(type), 9)
  bytes.writeUInt8(endpoint, 10)
  bytes.writeUInt8(device, 11)
  bytes.writeUInt16LE(bus, 12)
  bytes.writeUInt8(setup ? 0 : ASCII.none, 14)
  bytes.writeUInt8(data.length > 0 ? 0 : isIn ? ASCII.in : ASCII.out, 15)
  bytes.writeBigInt64LE(time / 1_000_000n, 16)
  bytes.writeInt32LE(Number(time % 1_000_000n), 24)
  bytes.writeInt32LE(status, 28)
  bytes.writeUInt32LE(length, 32)
  bytes.writeUInt32LE(data.length, 36)
  if (setup) encodeSetup(setup).copy(bytes, 40)
  if (type === 'interrupt') bytes.writeInt32LE(POLL, 48)
  bytes.writeUInt32LE(isIn ? URB_DIR_IN : 0, 56)
  bytes.set(data, USBMON_HEADER)
  return bytes
}

export function encodeSetup({ requestType, request, value, index, length }: SetupPacket): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt8(requestType)
  bytes.writeUInt8(request, 1)
  bytes.writeUInt16LE(value, 2)
  bytes.writeUInt16LE(index, 4)
  bytes.writeUInt16LE(length, 6)
  return bytes
}

const malformed = (what: string): UsbError => new UsbError('CAPTURE_FORMAT', `the capture has ${what}`)

/**
 * @param bytes one captured packet, possibly cut off behind its header
 * @param little byte order of the machine that captured it
 * @throws UsbError CAPTURE_FORMAT
 */
export function decodeUsbmon(bytes: Uint8Array, linkType: number, little: boolean): UsbmonPacket {
  const header = linkType === LINKTYPE_USB_LINUX ? SHORT_HEADER : USBMON_HEADER
  if (bytes.length < header) throw malformed(`a USB packet of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const event = eventOf(view.getUint8(8))
  const type = TYPES[view.getUint8(9)]
  if (!type) throw malformed(`a transfer of type ${view.getUint8(9)}`)
  const captured = view.getUint32(36, little)
  const hasSetup = view.getUint8(14) === 0 && type === 'control' && event === 'S'
  const descriptors = header === USBMON_HEADER && type === 'isochronous' ? view.getUint32(60, little) : 0
  const from = header + descriptors * ISO_DESCRIPTOR
  return {
    id: view.getBigUint64(0, little),
    event,
    type,
    endpoint: view.getUint8(10),
    device: view.getUint8(11),
    bus: view.getUint16(12, little),
    time: view.getBigInt64(16, little) * 1_000_000n + BigInt(view.getInt32(24, little)),
    status: view.getInt32(28, little),
    length: view.getUint32(32, little),
    setup: hasSetup ? decodeSetup(view, 40) : undefined,
    // The file may hold less than usbmon gave, and padding behind it.
    data: view.getUint8(15) === 0 ? bytes.subarray(from, Math.min(from + captured, bytes.length)) : new Uint8Array(0),
  }
}

function eventOf(byte: number): UsbmonEvent {
  if (byte === ASCII.S) return 'S'
  if (byte === ASCII.C) return 'C'
  if (byte === ASCII.E) return 'E'
  throw malformed(`a USB event of type ${byte}`)
}

/** SETUP packets are little-endian, whatever the machine is. */
function decodeSetup(view: DataView, at: number): SetupPacket {
  return {
    requestType: view.getUint8(at),
    request: view.getUint8(at + 1),
    value: view.getUint16(at + 2, true),
    index: view.getUint16(at + 4, true),
    length: view.getUint16(at + 6, true),
  }
}
