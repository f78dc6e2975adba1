import { readConfiguration, readDevice, readText, totalLength } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import type { DeviceDescription } from './host-device.js'
import { NO_DATA, type UrbPort } from './urb.js'

const GET_DESCRIPTOR = 6
const IN_DEVICE = 0x80
const ENGLISH_US = 0x0409
const STRING_ROOM = 255

/**
 * Reads a device's descriptors through a cable.
 * @param claims whom the description's `claimed` ask
 * @throws UsbError USB_DESCRIPTOR, and USB_OPEN where the device does not give them
 */
export async function describeDevice(port: UrbPort, claims: ReadonlySet<number>): Promise<DeviceDescription> {
  const device = readDevice(await descriptor(port, DESCRIPTOR.device, 0, 18))
  const configurations: USBConfiguration[] = []
  for (let index = 0; index < device.configurations; index++) {
    const head = await descriptor(port, DESCRIPTOR.configuration, index, 9)
    const whole = await descriptor(port, DESCRIPTOR.configuration, index, totalLength(head))
    configurations.push(readConfiguration(whole, (number) => claims.has(number)))
  }
  return {
    device,
    configurations,
    manufacturerName: await text(port, device.manufacturer),
    productName: await text(port, device.product),
    serialNumber: await text(port, device.serialNumber),
  }
}

function text(port: UrbPort, index: number): Promise<string | null> {
  if (index === 0) return Promise.resolve(null)
  return descriptor(port, DESCRIPTOR.string, index, STRING_ROOM, ENGLISH_US).then(readText)
}

function descriptor(port: UrbPort, type: number, number: number, length: number, index = 0): Promise<Uint8Array> {
  const setup = { requestType: IN_DEVICE, request: GET_DESCRIPTOR, value: (type << 8) | number, index, length }
  return new Promise((resolve, reject) => {
    port.submit({ endpoint: 0, setup, data: NO_DATA, length }, ({ status, data }) => {
      if (status === 'ok') resolve(data)
      else reject(new UsbError('USB_OPEN', `the USB device does not give its descriptors: ${status}`))
    })
  })
}
