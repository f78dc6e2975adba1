import { readConfiguration, readDevice } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { DIRECTION_IN } from './urb.js'

// The usbredir protocol, version 0.7 (usb-redirection-protocol.md, usbredirproto.h): the end that has the device. All
// integers are little-endian. A packet is type u32 ∥ length u32 ∥ id (u64, u32 unless both ends can do better) ∥ a header of
// its type ∥ data; length counts what follows the id.

/** What usbredirserver listens on. */
export const REDIR_PORT = 4000

export const PACKET = {
  hello: 0,
  deviceConnect: 1,
  deviceDisconnect: 2,
  reset: 3,
  interfaceInfo: 4,
  endpointInfo: 5,
  setConfiguration: 6,
  getConfiguration: 7,
  configurationStatus: 8,
  setAlternate: 9,
  getAlternate: 10,
  alternateStatus: 11,
  startIsochronous: 12,
  stopIsochronous: 13,
  isochronousStatus: 14,
  startInterrupt: 15,
  stopInterrupt: 16,
  interruptStatus: 17,
  cancel: 21,
  filterReject: 22,
  filter: 23,
  disconnectAck: 24,
  control: 100,
  bulk: 101,
  interrupt: 103,
} as const

export const STATUS = { success: 0, cancelled: 1, invalid: 2, failed: 3, stall: 4, babble: 6 } as const

/** Bit numbers. */
export const CAPABILITY = {
  deviceVersion: 1,
  filter: 2,
  disconnectAck: 3,
  maxPacketSize: 4,
  longIds: 5,
  longBulk: 6,
} as const

/** What this end can do: all but bulk streams and buffered bulk input. */
export const OWN_CAPABILITIES = Object.values(CAPABILITY).reduce((all, bit) => all | (1 << bit), 0)

const VERSION_LENGTH = 64
const VERSION = 'Moonlet'
const SPEED_HIGH = 2
const NO_ENDPOINT = 255
/** Slots for endpoints and for interfaces. */
const SLOTS = 32
const SHORT_HEADER = 12
const LONG_HEADER = 16

/** Longest body of packets that hold more than their own header. */
export const MAX_HELLO = VERSION_LENGTH + 4 * 16
export const MAX_FILTER = 4096
export const CONTROL_HEADER = 10
export const MAX_CONTROL = CONTROL_HEADER + 0xffff
export const INTERRUPT_HEADER = 4
export const bulkHeader = (longBulk: boolean): number => (longBulk ? 10 : 8)

export const headerLength = (longIds: boolean): number => (longIds ? LONG_HEADER : SHORT_HEADER)

export const violation = (what: string): UsbError => new UsbError('REDIR_PROTOCOL', `the usbredir guest ${what}`)

export function encodeHeader(type: number, length: number, id: bigint, longIds: boolean): Buffer {
  const header = Buffer.alloc(headerLength(longIds))
  header.writeUInt32LE(type)
  header.writeUInt32LE(length, 4)
  if (longIds) header.writeBigUInt64LE(id, 8)
  else header.writeUInt32LE(Number(id & 0xffffffffn), 8)
  return header
}

export interface Header {
  readonly type: number
  readonly length: number
  readonly id: bigint
}

/** @param bytes `headerLength` of them */
export function decodeHeader(bytes: Buffer, longIds: boolean): Header {
  const id = longIds ? bytes.readBigUInt64LE(8) : BigInt(bytes.readUInt32LE(8))
  return { type: bytes.readUInt32LE(), length: bytes.readUInt32LE(4), id }
}

export function encodeHello(capabilities: number = OWN_CAPABILITIES): Buffer {
  const body = Buffer.alloc(VERSION_LENGTH + 4)
  body.write(VERSION)
  body.writeUInt32LE(capabilities, VERSION_LENGTH)
  return body
}

/** What the peer is called, and the first word of its capabilities. @throws UsbError REDIR_PROTOCOL */
export function decodeHello(body: Buffer): { readonly version: string; readonly capabilities: number } {
  if (body.length < VERSION_LENGTH || body.length % 4 !== 0) throw violation('greets in another way')
  const version = body.subarray(0, VERSION_LENGTH)
  const end = version.indexOf(0)
  return {
    version: version.toString('latin1', 0, end < 0 ? VERSION_LENGTH : end).replace(/[^\x20-\x7e]/g, '?'),
    capabilities: body.length > VERSION_LENGTH ? body.readUInt32LE(VERSION_LENGTH) : 0,
  }
}

/** A device's descriptors, as far as a guest is told of them. */
export interface Described {
  /** GET_DESCRIPTOR(device), whole. */
  readonly device: Uint8Array
  /** GET_DESCRIPTOR(configuration 0), whole. */
  readonly configuration: Uint8Array
}

export function encodeConnect({ device }: Described, deviceVersion: boolean): Buffer {
  const fields = readDevice(device)
  const body = Buffer.alloc(10)
  body.set([SPEED_HIGH, fields.deviceClass, fields.deviceSubclass, fields.deviceProtocol])
  body.writeUInt16LE(fields.vendorId, 4)
  body.writeUInt16LE(fields.productId, 6)
  body.writeUInt16LE(fields.deviceVersion, 8)
  return deviceVersion ? body : body.subarray(0, 8)
}

export function encodeInterfaces({ configuration }: Described): Buffer {
  const body = Buffer.alloc(4 + 4 * SLOTS)
  const { interfaces } = readConfiguration(configuration, () => false)
  const shown = interfaces.slice(0, SLOTS)
  body.writeUInt32LE(shown.length)
  for (const [i, { interfaceNumber, alternate }] of shown.entries()) {
    body[4 + i] = interfaceNumber
    body[4 + SLOTS + i] = alternate.interfaceClass
    body[4 + 2 * SLOTS + i] = alternate.interfaceSubclass
    body[4 + 3 * SLOTS + i] = alternate.interfaceProtocol
  }
  return body
}

export const ENDPOINT_TYPE = { control: 0, bulk: 2, interrupt: 3 } as const

export interface Endpoint {
  readonly address: number
  /** ENDPOINT_TYPE, or 1 = isochronous. */
  readonly type: number
  readonly interval: number
  readonly interfaceNumber: number
  readonly packetSize: number
}

/** The endpoints of a configuration. @param settings alternate settings that are chosen, 0 unless said, by interface */
export function endpointsOf({ configuration }: Described, settings: ReadonlyMap<number, number>): Endpoint[] {
  const found: Endpoint[] = []
  const view = new DataView(configuration.buffer, configuration.byteOffset, configuration.length)
  let interfaceNumber = 0
  let chosen = false
  for (let at = 0; at + 2 <= view.byteLength; ) {
    const [length, type] = [view.getUint8(at), view.getUint8(at + 1)]
    if (length < 2 || at + length > view.byteLength) throw new UsbError('USB_DESCRIPTOR', 'descriptors do not add up')
    if (type === DESCRIPTOR.interface && length >= 9) {
      interfaceNumber = view.getUint8(at + 2)
      chosen = view.getUint8(at + 3) === (settings.get(interfaceNumber) ?? 0)
    } else if (type === DESCRIPTOR.endpoint && length >= 7 && chosen) {
      found.push({
        address: view.getUint8(at + 2) & 0x8f,
        type: view.getUint8(at + 3) & 3,
        interval: view.getUint8(at + 6),
        interfaceNumber,
        packetSize: view.getUint16(at + 4, true),
      })
    }
    at += length
  }
  return found
}

const slotOf = (address: number): number => ((address & DIRECTION_IN) >> 3) | (address & 0xf)

export function encodeEndpoints(endpoints: readonly Endpoint[], maxPacketSize: boolean): Buffer {
  const body = Buffer.alloc(maxPacketSize ? 5 * SLOTS : 3 * SLOTS)
  body.fill(NO_ENDPOINT, 0, SLOTS)
  for (const address of [0, DIRECTION_IN]) body[slotOf(address)] = ENDPOINT_TYPE.control
  for (const { address, type, interval, interfaceNumber, packetSize } of endpoints) {
    const slot = slotOf(address)
    body[slot] = type
    body[SLOTS + slot] = interval
    body[2 * SLOTS + slot] = interfaceNumber
    if (maxPacketSize) body.writeUInt16LE(packetSize, 3 * SLOTS + 2 * slot)
  }
  return body
}
