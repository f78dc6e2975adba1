import { readDevice, totalLength } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { type Cancel, type Complete, NO_DATA, type Urb } from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import { WrappedDevice } from './wrapped-device.js'

// A device that we did not make, as FunctionFS can carry it: its descriptors for a host at full and at high speed, whatever its own
// speed is, and the texts that they name.

const [GET_DESCRIPTOR, IN_DEVICE, STRING_ROOM, ENGLISH_US] = [6, 0x80, 255, 0x0409]
const CONFIGURATION_HEADER = 9
const [ASSOCIATION, CLASS_OWN, COMPANION] = [0x0b, 0x21, 0x30]
/** Descriptors of a class that FunctionFS takes, and their lengths: of HID and of smart card readers. */
const CLASS_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x03, 9],
  [0x0b, 54],
])
const [ISOCHRONOUS, BULK, INTERRUPT] = [1, 2, 3]
const PACKETS = { full: 64, high: 512 } as const
/** bMaxPower counts 2 mA, of a SuperSpeed device 8 mA. */
const [MOST_POWER, SUPER_POWER] = [250, 4]

const unsuitable = (what: string): UsbError =>
  new UsbError('GADGET_UNSUITABLE', `a Linux gadget cannot carry this device: ${what}`)
const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`

/** A foreign device in front of a gadget. Its transfers are handed on as they are. */
export class ForeignFunction extends WrappedDevice {
  readonly #high: Uint8Array
  readonly #full: Uint8Array

  private constructor(
    inner: ExportableDevice,
    configuration: Uint8Array,
    private readonly texts: ReadonlyMap<number, Uint8Array>,
  ) {
    super(inner)
    this.#high = atSpeed(configuration, 'high', inner.speed)
    this.#full = atSpeed(configuration, 'full', inner.speed)
  }

  /** Asks the device for its texts. @throws UsbError GADGET_UNSUITABLE, saying what no gadget can carry; USB_DESCRIPTOR */
  static async of(inner: ExportableDevice): Promise<ForeignFunction> {
    const device = readDevice(inner.descriptor(DESCRIPTOR.device, 0) ?? NO_DATA)
    if (device.configurations !== 1) throw unsuitable(`it has ${device.configurations} configurations, not one`)
    const configuration = inner.descriptor(DESCRIPTOR.configuration, 0) ?? NO_DATA
    const named = [device.manufacturer, device.product, device.serialNumber, ...check(configuration)]
    const texts = new Map<number, Uint8Array>()
    for (const index of new Set(named)) {
      const text = index === 0 ? undefined : await textOf(inner, index)
      if (text) texts.set(index, text)
    }
    return new ForeignFunction(inner, configuration, texts)
  }

  submit(urb: Urb, complete: Complete): Cancel {
    return this.inner.submit(urb, complete)
  }

  override descriptor(type: number, index: number): Uint8Array | undefined {
    if (type === DESCRIPTOR.string) return this.texts.get(index)
    if (type === DESCRIPTOR.otherSpeed && index === 0) return this.#full
    if (type === DESCRIPTOR.configuration && index === 0) return this.#high
    return super.descriptor(type, index)
  }
}

/** A configuration's descriptors, after its own. @throws UsbError USB_DESCRIPTOR */
function* each(configuration: Uint8Array): Generator<Uint8Array> {
  const total = totalLength(configuration)
  for (let at = CONFIGURATION_HEADER; at < total; ) {
    const length = configuration[at] ?? 0
    if (length < 2 || at + length > configuration.length) {
      throw new UsbError('USB_DESCRIPTOR', 'descriptors do not add up')
    }
    yield configuration.subarray(at, at + length)
    at += length
  }
}

/** Indices of the texts of interfaces. @throws UsbError GADGET_UNSUITABLE, USB_DESCRIPTOR */
function check(configuration: Uint8Array): number[] {
  const texts: number[] = []
  let deviceClass = 0
  for (const one of each(configuration)) {
    const [length = 0, type = 0, number = 0, value = 0] = one
    if (type === DESCRIPTOR.interface) {
      deviceClass = one[5] ?? 0
      texts.push(one[8] ?? 0)
      if (value !== 0) throw unsuitable(`its interface ${number} has other settings (${value})`)
    } else if (type === DESCRIPTOR.endpoint) {
      if ((value & 3) === ISOCHRONOUS) throw unsuitable(`its endpoint ${hex(number)} is isochronous`)
    } else if (type === ASSOCIATION) texts.push(one[7] ?? 0)
    else if (type !== COMPANION && !(type === CLASS_OWN && CLASS_LENGTHS.get(deviceClass) === length)) {
      throw unsuitable(`FunctionFS takes no descriptor ${hex(type)} of ${length} bytes (class ${hex(deviceClass)})`)
    }
  }
  return texts
}

/** The configuration for a host at a speed. @param own the device's speed */
function atSpeed(
  configuration: Uint8Array,
  speed: 'full' | 'high',
  own: ExportableDevice['speed'] = 'high',
): Uint8Array {
  const isSlow = own === 'full' || own === 'low'
  const parts = [Buffer.from(configuration.subarray(0, CONFIGURATION_HEADER))]
  for (const one of each(configuration)) {
    if (one[1] === COMPANION) continue
    const copy = Buffer.from(one)
    parts.push(copy)
    if (one[1] !== DESCRIPTOR.endpoint) continue
    const kind = copy.readUInt8(3) & 3
    const size = copy.readUInt16LE(4)
    if (kind === BULK && !(isSlow && speed === 'full')) copy.writeUInt16LE(PACKETS[speed], 4)
    else if (speed === 'full') copy.writeUInt16LE(Math.min(size & 0x7ff, PACKETS.full), 4)
    if (kind === INTERRUPT && isSlow !== (speed === 'full'))
      copy.writeUInt8(otherInterval(copy.readUInt8(6), isSlow), 6)
  }
  const whole = Buffer.concat(parts)
  whole.writeUInt16LE(whole.length, 2)
  const isSuper = own === 'super' || own === 'superPlus'
  if (isSuper) whole.writeUInt8(Math.min(MOST_POWER, SUPER_POWER * whole.readUInt8(8)), 8)
  return whole
}

/** bInterval of an interrupt endpoint at the other speed: milliseconds, or the logarithm of microframes. */
function otherInterval(interval: number, isSlow: boolean): number {
  if (isSlow) return Math.min(16, Math.floor(Math.log2(8 * Math.max(1, interval))) + 1)
  return Math.min(255, Math.max(1, 2 ** (interval - 1) / 8))
}

/** Undefined where the device does not give it. */
function textOf(device: ExportableDevice, index: number): Promise<Uint8Array | undefined> {
  const value = (DESCRIPTOR.string << 8) | index
  const setup = { requestType: IN_DEVICE, request: GET_DESCRIPTOR, value, index: ENGLISH_US, length: STRING_ROOM }
  return new Promise((resolve) => {
    device.submit({ endpoint: 0, setup, data: NO_DATA, length: STRING_ROOM }, ({ status, data }) => {
      resolve(status === 'ok' ? data : undefined)
    })
  })
}
