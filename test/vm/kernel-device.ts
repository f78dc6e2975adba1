// Our device as the guest's kernel has it, by the package `usb`, which this project may or may not have installed.
import { REQUEST_PULL } from './pulled-device.js'

const [VENDOR, PRODUCT] = [0x1209, 0x4c48]
/** Milliseconds: of a transfer, for ever; between looks at a kernel that has no event for us. */
const [FOR_EVER, LOOK] = [86_400_000, 100]

/** The package's devices: WebUSB's with a time-out behind every transfer. */
interface Native extends USBDevice {
  transferIn(endpointNumber: number, length: number, timeout?: number): Promise<USBInTransferResult>
  transferOut(endpointNumber: number, data: BufferSource, timeout?: number): Promise<USBOutTransferResult>
}

interface Finder {
  findDeviceByIds(vendor: number, product: number): Promise<Native | undefined>
}

const hasFinder = (module: unknown): module is { readonly usb: Finder } =>
  typeof module === 'object' && module !== null && 'usb' in module

/** Undefined = the package is not installed. */
export async function kernelUsb(): Promise<Finder | undefined> {
  const name: string = 'usb'
  try {
    const module: unknown = await import(name)
    return hasFinder(module) ? module.usb : undefined
  } catch {
    return undefined
  }
}

/** Waits until the kernel has configured the device; the guest's time limit ends what never comes. */
export async function deviceOf(usb: Finder): Promise<USBDevice> {
  for (;;) {
    const device = await usb.findDeviceByIds(VENDOR, PRODUCT)
    try {
      if (device?.configuration) return withoutTimeouts(device)
    } catch {
      // It is not configured yet.
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}

function withoutTimeouts(device: Native): USBDevice {
  const calls: Partial<USBDevice> = {
    transferIn: (endpoint, length) => device.transferIn(endpoint, length, FOR_EVER),
    transferOut: (endpoint, data) => device.transferOut(endpoint, data, FOR_EVER),
  }
  return new Proxy<USBDevice>(device, {
    get(target, name) {
      const from: object = name in calls ? calls : target
      const value: unknown = Reflect.get(from, name, from)
      return typeof value === 'function' ? value.bind(from) : value
    },
  })
}

/** Orders the device to be pulled out at the n-th transfer from here, 0 = never. */
export async function pullAt(device: USBDevice, transfer: number, afterwards: boolean): Promise<void> {
  const setup = {
    requestType: 'vendor',
    recipient: 'device',
    request: REQUEST_PULL,
    index: afterwards ? 1 : 0,
  } as const
  await device.controlTransferOut({ ...setup, value: transfer }, new Uint8Array(0))
}

export async function transfersOf(device: USBDevice): Promise<number> {
  const setup = { requestType: 'vendor', recipient: 'device', request: REQUEST_PULL, value: 0, index: 0 } as const
  const { data } = await device.controlTransferIn(setup, 4)
  return data?.getUint32(0) ?? 0
}
