// How Windows finds out by itself that WinUSB is the driver: a platform capability in the BOS descriptor (USB 3.2 §9.6.2)
// that names a vendor request, and the descriptor set which that request answers ("Microsoft OS 2.0 Descriptors
// Specification", 2014). All integers are little-endian.

/** bRequest of the vendor request to the device, IN, with MS_OS_20_DESCRIPTOR_INDEX as wIndex. */
export const REQUEST_MICROSOFT = 0x20
export const MICROSOFT_DESCRIPTOR_INDEX = 7

const BOS = 15
const DEVICE_CAPABILITY = 16
const PLATFORM = 5
/** D8DD60DF-4589-4CC7-9CD2-659D9E648A9F as it goes over the wire. */
const MICROSOFT_PLATFORM = Buffer.from('df60ddd88945c74c9cd2659d9e648a9f', 'hex')
/** Windows 8.1, the first that asks. */
const WINDOWS_VERSION = 0x06030000

const [SET_HEADER, CONFIGURATION_SUBSET, FUNCTION_SUBSET, COMPATIBLE_ID, REGISTRY_PROPERTY] = [0, 1, 2, 3, 4]
const MULTI_STRING = 7

/** Programs on Windows look devices of this kind up by it; made for this project. */
export const INTERFACE_GUID = '{5D1F0E9C-6C6A-4B0F-9F0B-4D4C55534231}'

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt16LE(value, 2 * i)
  return bytes
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function feature(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([words(4 + body.length, type), body])
}

function registryProperty(): Buffer {
  const name = Buffer.from('DeviceInterfaceGUIDs\0', 'utf16le')
  const data = Buffer.from(`${INTERFACE_GUID}\0\0`, 'utf16le')
  return feature(REGISTRY_PROPERTY, words(MULTI_STRING, name.length), name, words(data.length), data)
}

/** Of a header that stands in front of a part of the set, bytes. */
const SUBSET = 8

/** @param about the configuration (its place, from 0 on) or the first interface of a function */
function subset(type: number, about: number, content: Buffer): Buffer {
  return Buffer.concat([words(SUBSET, type), Buffer.of(about, 0), words(SUBSET + content.length), content])
}

/**
 * The whole set: of a device with one function its features stand for all of it.
 * @param functionAt first interface of the one function that they stand for, where the device has others
 */
export function microsoftDescriptorSet(functionAt?: number): Uint8Array {
  const own = Buffer.concat([feature(COMPATIBLE_ID, Buffer.from('WINUSB\0\0'), Buffer.alloc(8)), registryProperty()])
  const features =
    functionAt === undefined ? own : subset(CONFIGURATION_SUBSET, 0, subset(FUNCTION_SUBSET, functionAt, own))
  const header = 10
  const total = header + features.length
  return Uint8Array.from(Buffer.concat([words(header, SET_HEADER), double(WINDOWS_VERSION), words(total), features]))
}

/** What the device can do that is in no other descriptor: the Microsoft descriptor set. It has no link power management to tell of. */
export function bosDescriptor(microsoftSet = microsoftDescriptorSet()): Uint8Array {
  const set = Buffer.concat([double(WINDOWS_VERSION), words(microsoftSet.length)])
  const platform = Buffer.concat([
    Buffer.of(28, DEVICE_CAPABILITY, PLATFORM, 0),
    MICROSOFT_PLATFORM,
    set,
    Buffer.of(REQUEST_MICROSOFT, 0),
  ])
  const header = 5
  const total = header + platform.length
  return Uint8Array.from(Buffer.concat([Buffer.of(header, BOS), words(total), Buffer.of(1), platform]))
}

// ---- version 1.0 ("Extended Compat ID OS Feature Descriptor Specification"), which is all that a Linux gadget can say ---------

/** bRequest of the vendor request that Windows is told of in the string 0xEE. */
export const REQUEST_MICROSOFT_1 = 0x21
const COMPATIBILITY_INDEX = 4

/** The one function of the device, as FunctionFS takes it (`usb_os_desc_header`, `usb_ext_compat_desc` of linux/usb/functionfs.h). */
export function functionCompatibility(): Buffer {
  const [version, count] = [1, 1]
  const section = Buffer.concat([Buffer.of(0, 0), Buffer.from('WINUSB\0\0'), Buffer.alloc(8 + 6)])
  const header = 11
  const fields = Buffer.concat([Buffer.of(0), double(header + section.length), words(version, COMPATIBILITY_INDEX)])
  return Buffer.concat([fields, Buffer.of(count, 0), section])
}
