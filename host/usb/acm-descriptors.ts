import { DESCRIPTOR, INTERFACE_NUMBER } from './descriptors.js'
import { bosDescriptor, microsoftDescriptorSet } from './microsoft.js'

// What a device says that is a serial port besides (USB Class Definitions for Communications Devices 1.2, PSTN subclass 1.2: abstract
// control model): its own descriptors, and those of two further interfaces.

/** Interfaces: the line's state and settings, its data. */
export const [ACM_CONTROL, ACM_DATA] = [1, 2]
export const ACM_OUT = 0x02
export const ACM_EVENTS = 0x83
export const ACM_IN = 0x84
export const ACM_ENDPOINTS: ReadonlySet<number> = new Set([ACM_OUT, ACM_EVENTS, ACM_IN])

/** Behind the token's own strings. */
const NAME = 5
const PED_PORT = 'PED port'
const [BULK, INTERRUPT] = [2, 3]
const EVENTS_PACKET = 16
/** Every 32 ms. */
const EVENTS_INTERVAL = { high: 9, full: 32 } as const
const PACKETS = { high: 512, full: 64 } as const
/** Communications, abstract control model, no protocol of commands: it is no modem. */
const CONTROL_CLASS = [2, 2, 0] as const
const DATA_CLASS = [0x0a, 0, 0] as const
/** Class of a device whose functions have several interfaces (USB ECN "Interface Association Descriptors"). */
const SEVERAL = [0xef, 2, 1] as const
const ASSOCIATION = 0x0b
/** Functional descriptors of the class. */
const CLASS_OWN = 0x24
const [HEADER, CALL_MANAGEMENT, ABSTRACT_CONTROL, UNION] = [0, 1, 2, 6]
/** bcdCDC. */
const VERSION = [0x10, 0x01] as const
/** Line coding, control line state and serial state; breaks. */
const CAPABILITIES = 0x02 | 0x04

const descriptor = (type: number, ...fields: number[]): number[] => [fields.length + 2, type, ...fields]

function serialPort(speed: keyof typeof PACKETS): number[] {
  const endpoint = (address: number, kind: number, packet: number, interval: number): number[] =>
    descriptor(DESCRIPTOR.endpoint, address, kind, packet & 0xff, packet >> 8, interval)
  return [
    ...descriptor(ASSOCIATION, ACM_CONTROL, 2, ...CONTROL_CLASS, NAME),
    ...descriptor(DESCRIPTOR.interface, ACM_CONTROL, 0, 1, ...CONTROL_CLASS, NAME),
    ...descriptor(CLASS_OWN, HEADER, ...VERSION),
    ...descriptor(CLASS_OWN, CALL_MANAGEMENT, 0, ACM_DATA),
    ...descriptor(CLASS_OWN, ABSTRACT_CONTROL, CAPABILITIES),
    ...descriptor(CLASS_OWN, UNION, ACM_CONTROL, ACM_DATA),
    ...endpoint(ACM_EVENTS, INTERRUPT, EVENTS_PACKET, EVENTS_INTERVAL[speed]),
    ...descriptor(DESCRIPTOR.interface, ACM_DATA, 0, 2, ...DATA_CLASS, 0),
    ...endpoint(ACM_OUT, BULK, PACKETS[speed], 0),
    ...endpoint(ACM_IN, BULK, PACKETS[speed], 0),
  ]
}

/** The token's interface is a function of its own beside the port. */
export const compositeMicrosoftSet = (): Uint8Array => microsoftDescriptorSet(INTERFACE_NUMBER)

/** The descriptor of the device with the port. @param own that of the device without it */
export function withPort(type: number, index: number, own: Uint8Array | undefined): Uint8Array | undefined {
  if (type === DESCRIPTOR.string && index === NAME) {
    return Uint8Array.from(descriptor(type, ...Buffer.from(PED_PORT, 'utf16le')))
  }
  if (!own || index !== 0) return own
  const copy = Uint8Array.from(own)
  switch (type) {
    case DESCRIPTOR.device:
    case DESCRIPTOR.qualifier:
      copy.set(SEVERAL, 4)
      return copy
    case DESCRIPTOR.configuration:
    case DESCRIPTOR.otherSpeed: {
      const whole = Buffer.concat([copy, Buffer.from(serialPort(type === DESCRIPTOR.otherSpeed ? 'full' : 'high'))])
      whole.writeUInt16LE(whole.length, 2)
      whole.writeUInt8(ACM_DATA + 1, 4)
      return Uint8Array.from(whole)
    }
    case DESCRIPTOR.bos:
      return bosDescriptor(compositeMicrosoftSet())
    default:
      return own
  }
}
