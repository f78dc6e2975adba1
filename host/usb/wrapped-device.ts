import type { Cancel, Complete, Urb } from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import type { UsbSpeed } from './usbip-wire.js'

/** Something that stands in front of a device and hands on what it does not change. */
export abstract class WrappedDevice implements ExportableDevice {
  constructor(protected readonly inner: ExportableDevice) {}

  abstract submit(urb: Urb, complete: Complete): Cancel

  get speed(): UsbSpeed | undefined {
    return this.inner.speed
  }
  reset(): void {
    this.inner.reset()
  }
  descriptor(type: number, index: number): Uint8Array | undefined {
    return this.inner.descriptor(type, index)
  }
  attach(): void {
    this.inner.attach()
  }
  detach(): Promise<void> {
    return this.inner.detach()
  }
  notify(event: 'removal'): void {
    this.inner.notify(event)
  }
}
