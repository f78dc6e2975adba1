import { readText } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { functionCompatibility } from './microsoft.js'
import type { SetupPacket } from './urb.js'

// What FunctionFS reads from and writes to a function's ep0 (linux/usb/functionfs.h). All integers are little-endian.

const DESCRIPTORS_MAGIC = 3
const STRINGS_MAGIC = 2
const FULL_SPEED = 1
const HIGH_SPEED = 2
const MICROSOFT = 8
/** Requests to the device come, too, not only those to the function's interface and endpoints. */
const ALL_CONTROL = 64
const CONFIGURATION_HEADER = 9
/** Kinds of descriptors that name a text, and where. */
const NAMING: ReadonlyMap<number | undefined, number> = new Map([
  [DESCRIPTOR.interface, 8],
  [0x0b, 7],
])
const ENGLISH_US = 0x0409

/** A device model's GET_DESCRIPTOR. */
export type DescriptorsOf = (type: number, index: number) => Uint8Array | undefined

export interface GadgetEndpoint {
  /** The model's own: the controller may have another. */
  readonly address: number
  /** At high speed. */
  readonly packetSize: number
  readonly fullSpeedPacket: number
  readonly isBulk: boolean
}

export interface FunctionDescription {
  readonly descriptors: Buffer
  readonly strings: Buffer
  /** In the order of the files ep1, ep2 …. */
  readonly endpoints: readonly GadgetEndpoint[]
  readonly configurationValue: number
  /** bmAttributes and bMaxPower of the configuration. */
  readonly attributes: number
  readonly power: number
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i)
  return bytes
}

function need(descriptorOf: DescriptorsOf, type: number, index: number): Uint8Array {
  const found = descriptorOf(type, index)
  if (!found) throw new UsbError('USB_DESCRIPTOR', `the device has no descriptor ${type}, ${index}`)
  return found
}

function split(configuration: Uint8Array): Buffer[] {
  const found: Buffer[] = []
  for (let at = CONFIGURATION_HEADER; at < configuration.length; ) {
    const length = configuration[at] ?? 0
    if (length < 2 || at + length > configuration.length) {
      throw new UsbError('USB_DESCRIPTOR', 'descriptors do not add up')
    }
    found.push(Buffer.from(configuration.subarray(at, at + length)))
    at += length
  }
  return found
}

const endpointsOf = (configuration: Uint8Array): Buffer[] =>
  split(configuration).filter((bytes) => bytes[1] === DESCRIPTOR.endpoint && bytes.length >= 7)
const packetOf = (endpoint: Buffer): number => endpoint.readUInt16LE(4) & 0x7ff

/**
 * A device's one configuration as a function.
 * @param withWindows Windows is told that its WinUSB is the driver
 * @throws UsbError USB_DESCRIPTOR
 */
export function describeFunction(descriptorOf: DescriptorsOf, withWindows = true): FunctionDescription {
  const high = need(descriptorOf, DESCRIPTOR.configuration, 0)
  const full = need(descriptorOf, DESCRIPTOR.otherSpeed, 0)
  const speeds = [split(full), split(high)]
  // A function numbers its strings from 1.
  const texts: number[] = []
  for (const one of speeds.flat()) {
    const place = NAMING.get(one[1])
    const index = place === undefined ? 0 : (one[place] ?? 0)
    if (place === undefined || index === 0) continue
    if (!descriptorOf(DESCRIPTOR.string, index)) one[place] = 0
    else {
      if (!texts.includes(index)) texts.push(index)
      one[place] = texts.indexOf(index) + 1
    }
  }
  const body = Buffer.concat(speeds.flat())
  const counts = speeds.map((descriptors) => descriptors.length)
  const windows = withWindows ? functionCompatibility() : Buffer.alloc(0)
  const flags = FULL_SPEED | HIGH_SPEED | ALL_CONTROL | (withWindows ? MICROSOFT : 0)
  const heads = [...counts, ...(withWindows ? [1] : [])]
  const head = 12 + 4 * heads.length
  const words = texts.map((index) => `${readText(need(descriptorOf, DESCRIPTOR.string, index))}\0`).join('')
  const text = Buffer.concat([Buffer.of(ENGLISH_US & 0xff, ENGLISH_US >> 8), Buffer.from(words, 'utf8')])
  const noText = texts.length === 0
  return {
    descriptors: Buffer.concat([
      numbers(DESCRIPTORS_MAGIC, head + body.length + windows.length, flags, ...heads),
      body,
      windows,
    ]),
    strings: noText
      ? numbers(STRINGS_MAGIC, 16, 0, 0)
      : Buffer.concat([numbers(STRINGS_MAGIC, 16 + text.length, texts.length, 1), text]),
    endpoints: endpointsOf(high).map((bytes, i) => ({
      address: bytes.readUInt8(2),
      packetSize: packetOf(bytes),
      fullSpeedPacket: packetOf(endpointsOf(full)[i] ?? bytes),
      isBulk: (bytes.readUInt8(3) & 3) === 2,
    })),
    configurationValue: high[5] ?? 0,
    attributes: high[7] ?? 0,
    power: high[8] ?? 0,
  }
}

const EVENTS = ['bind', 'unbind', 'enable', 'disable', 'setup', 'suspend', 'resume'] as const

export interface FunctionEvent {
  readonly event: (typeof EVENTS)[number]
  readonly setup: SetupPacket
}

export const EVENT_SIZE = 12

/** What a read of ep0 gave; events of other versions of FunctionFS are left out. */
export function decodeEvents(bytes: Uint8Array): FunctionEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const found: FunctionEvent[] = []
  for (let at = 0; at + EVENT_SIZE <= bytes.length; at += EVENT_SIZE) {
    const event = EVENTS[view.getUint8(at + 8)]
    if (!event) continue
    const setup = {
      requestType: view.getUint8(at),
      request: view.getUint8(at + 1),
      value: view.getUint16(at + 2, true),
      index: view.getUint16(at + 4, true),
      length: view.getUint16(at + 6, true),
    }
    found.push({ event, setup })
  }
  return found
}
