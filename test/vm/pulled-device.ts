// A device that is pulled out at a transfer of its host's choice, which the host says over the same cable.
import type { ExportableDevice, UsbPresenter } from '../../host/usb/index.js'
import type { Cancel, Complete, SetupPacket, Urb } from '../../host/usb/urb.js'
import { NO_DATA, OVER, outcome } from '../../host/usb/urb.js'

/** Vendor request to the device. OUT: pulled at the wValue-th transfer from here, 0 = never; wIndex 1 = after it has it. IN: how many there were, u32. */
export const REQUEST_PULL = 0x7f
const [OUT, IN] = [0x40, 0xc0]

class PulledDevice implements ExportableDevice {
  #transfers = 0
  #at = 0
  #afterwards = false

  constructor(
    private readonly model: ExportableDevice,
    private readonly pull: () => void,
  ) {}

  submit(urb: Urb, complete: Complete): Cancel {
    const { setup } = urb
    if (setup?.request === REQUEST_PULL && (setup.requestType === OUT || setup.requestType === IN)) {
      this.#obey(setup, complete)
      return OVER
    }
    this.#transfers += 1
    if (this.#transfers !== this.#at) return this.model.submit(urb, complete)
    this.#at = 0
    if (this.#afterwards) this.model.submit(urb, complete)
    this.pull()
    return OVER
  }

  reset(): void {
    this.model.reset()
  }
  descriptor(type: number, index: number): Uint8Array | undefined {
    return this.model.descriptor(type, index)
  }
  attach(): void {
    this.model.attach()
  }
  detach(): Promise<void> {
    return this.model.detach()
  }
  notify(event: 'removal'): void {
    this.model.notify(event)
  }

  #obey({ requestType, value, index }: SetupPacket, complete: Complete): void {
    if (requestType === IN) {
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, this.#transfers)
      complete({ status: 'ok', data, actual: data.length })
      return
    }
    this.#at = value === 0 ? 0 : this.#transfers + value
    this.#afterwards = index === 1
    complete({ ...outcome('ok'), data: NO_DATA })
  }
}

/** Milliseconds that it stays pulled out: a kernel has to have seen it go. */
const PULLED_OUT = 1500

/** @param presenter where it is pulled out and plugged in again, at the place `id` */
export function pulledDevice(model: ExportableDevice, presenter: UsbPresenter, id: string): ExportableDevice {
  const device = new PulledDevice(model, async () => {
    await presenter.unplug(id)
    setTimeout(() => presenter.plug(id, device), PULLED_OUT)
  })
  return device
}
