import { readConfiguration, readDevice } from '../../host/usb/configuration.js'
import { DESCRIPTOR } from '../../host/usb/descriptors.js'
import { HostDevice } from '../../host/usb/host-device.js'
import { NO_DATA, type UrbPort } from '../../host/usb/urb.js'

/** A host right in front of anything that takes URBs, whose descriptors it has read. */
export class HostOver extends HostDevice {
  static async open(port: UrbPort): Promise<HostOver> {
    const claims = new Set<number>()
    const device = readDevice(await descriptor(port, DESCRIPTOR.device))
    const configuration = await descriptor(port, DESCRIPTOR.configuration)
    const configurations = [readConfiguration(configuration, (number) => claims.has(number))]
    const names = { manufacturerName: null, productName: null, serialNumber: null }
    return new HostOver(port, { device, configurations, ...names }, claims)
  }
}

function descriptor(port: UrbPort, type: number): Promise<Uint8Array> {
  const setup = { requestType: 0x80, request: 6, value: type << 8, index: 0, length: 1024 }
  return new Promise((resolve, reject) => {
    port.submit({ endpoint: 0, setup, data: NO_DATA, length: 1024 }, ({ status, data }) => {
      if (status === 'ok') resolve(data)
      else reject(new Error(status))
    })
  })
}
