// Our device as the guest's kernel has it, and what it is told over its own cable: when to be pulled out.
import { isTokenInterface, openRealDevice, type RealDevice, UsbError, UsbTransport } from '../../host/usb/index.js'
import { REQUEST_PULL } from './pulled-device.js'

/** Milliseconds between looks at a kernel that has no event for us. */
const LOOK = 100
const SERIAL = '700101'

/** Whether programs in the guest can use USB at all: the package is optional. */
export async function hasKernelUsb(): Promise<boolean> {
  try {
    await import('usb')
    return true
  } catch {
    return false
  }
}

export interface Plugged {
  readonly device: RealDevice
  readonly transport: UsbTransport
}

/** Waits until the kernel has the device and lets us open it; the guest's time limit ends what never comes. */
export async function openPlugged(): Promise<Plugged> {
  for (;;) {
    try {
      const device = await openRealDevice({ serialNumber: SERIAL }, { claims: isTokenInterface })
      return { device, transport: await UsbTransport.open(device) }
    } catch (error) {
      // It is not there yet, or it is what is left of the last one.
      if (!(error instanceof UsbError) && !(error instanceof Error && 'code' in error)) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
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
