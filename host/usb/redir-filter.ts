import { readConfiguration, readDevice } from './configuration.js'
import { type Described, violation } from './redir-wire.js'

// A guest's filter: rules CLASS,VENDOR,PRODUCT,VERSION,ALLOW with | between them, -1 = any, the first that fits decides.

interface Rule {
  /** Class, vendor, product, device version. */
  readonly fits: readonly number[]
  readonly allow: boolean
}

const ANY = -1
const NUMBER = /^\s*(-1|0x[0-9a-f]{1,4}|\d{1,5})\s*$/i
const PER_INTERFACE: ReadonlySet<number> = new Set([0x00, 0xef])
const HID = 3

/** @param body text that ends with a zero byte. @throws UsbError REDIR_PROTOCOL */
export function readFilter(body: Buffer): readonly Rule[] {
  if (body.length === 0 || body.indexOf(0) !== body.length - 1) throw violation('sends a filter that does not end')
  return body
    .toString('latin1', 0, body.length - 1)
    .split('|')
    .filter((text) => text !== '')
    .map(readRule)
}

function readRule(text: string): Rule {
  const numbers = text.split(',').map((field) => (NUMBER.test(field) ? Number(field) : Number.NaN))
  if (numbers.length !== 5 || numbers.some((value) => Number.isNaN(value)))
    throw violation('sends a filter that is none')
  return { fits: numbers.slice(0, 4), allow: numbers[4] !== 0 }
}

/** Whether the device and every interface of it may be attached; what no rule fits may not. */
export function allows(rules: readonly Rule[], { device, configuration }: Described): boolean {
  const { deviceClass, vendorId, productId, deviceVersion } = readDevice(device)
  const { interfaces } = readConfiguration(configuration, () => false)
  const classes = interfaces.map(({ alternate }) => alternate)
  // A device with other functions is not kept out for its buttons.
  const counted = classes.filter(
    ({ interfaceClass, interfaceSubclass, interfaceProtocol }) =>
      classes.length === 1 || interfaceClass !== HID || interfaceSubclass !== 0 || interfaceProtocol !== 0,
  )
  const asked = counted.map(({ interfaceClass }) => interfaceClass)
  if (!PER_INTERFACE.has(deviceClass)) asked.push(deviceClass)
  return asked.every((one) => {
    const values = [one, vendorId, productId, deviceVersion]
    return rules.find(({ fits }) => fits.every((value, i) => value === ANY || value === values[i]))?.allow ?? false
  })
}
