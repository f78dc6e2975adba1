import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ExportableDevice,
  openRealPort,
  type RealDeviceName,
  UsbError,
  type UsbipEvent,
  UsbipServer,
  type WebUsbPort,
} from '../usb/index.js'
import type { UsbInstruments } from './usb-instruments.js'

/** Milliseconds between looks for a device that is not there. */
const LOOK = 1000
/** Where the device is exported. */
export const BRIDGE_BUS_ID = '1-1'

export interface UsbBridgeOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Opens the device; also after it was gone. */
  readonly open: () => Promise<WebUsbPort>
  readonly instruments?: UsbInstruments | undefined
  /** What stands in front of everything else, such as a recorder. */
  readonly wrap?: ((device: ExportableDevice) => ExportableDevice) | undefined
  readonly onEvent?: ((event: UsbipEvent) => void) | undefined
  /** Milliseconds between looks for a device that was pulled out; 1 s unless given. */
  readonly look?: number | undefined
}

/** Opens the real device of a name. @throws what `openRealPort` throws */
export const realDeviceOpener = (name: RealDeviceName) => (): Promise<WebUsbPort> => openRealPort(name)

/** A device of this computer, served by USB/IP: pulled out here it is gone there, and back again when it is plugged in again. */
export class UsbBridge {
  readonly #end = new AbortController()
  #keeping: Promise<void> = Promise.resolve()

  private constructor(
    private readonly server: UsbipServer,
    private device: WebUsbPort,
    private readonly options: UsbBridgeOptions,
  ) {}

  /** @throws what `open` throws; UsbError USBIP_LISTEN */
  static async start(options: UsbBridgeOptions): Promise<UsbBridge> {
    const { host, port, onEvent } = options
    const device = await options.open()
    try {
      const server = await UsbipServer.listen({ host, port, onEvent })
      const bridge = new UsbBridge(server, device, options)
      bridge.#keeping = bridge.#keep()
      return bridge
    } catch (error) {
      await device.close()
      throw error
    }
  }

  get host(): string {
    return this.server.host
  }

  get port(): number {
    return this.server.port
  }

  /** Gives the device back to this computer. */
  async close(): Promise<void> {
    this.#end.abort()
    this.options.instruments?.close()
    await this.server.close()
    await this.device.close()
    await this.#keeping
  }

  async #keep(): Promise<void> {
    const { signal } = this.#end
    for (;;) {
      this.#plug()
      await this.device.closed
      await this.server.unplug(BRIDGE_BUS_ID)
      const again = await this.#lookAgain()
      if (!again) return
      this.device = again
      if (signal.aborted) {
        await again.close()
        return
      }
    }
  }

  /** Undefined = the bridge is closed. */
  async #lookAgain(): Promise<WebUsbPort | undefined> {
    const { signal } = this.#end
    while (!signal.aborted) {
      try {
        return await this.options.open()
      } catch (error) {
        if (!(error instanceof UsbError)) throw error
      }
      await sleep(this.options.look ?? LOOK, undefined, { signal }).catch(() => undefined)
    }
    return undefined
  }

  #plug(): void {
    const { device, server } = this
    const { instruments, wrap = (one) => one } = this.options
    let exported: ExportableDevice = device
    const cable = {
      unplug: () => server.unplug(BRIDGE_BUS_ID),
      plug: () => {
        // Another one may be there by now, or none.
        if (device === this.device && !this.#end.signal.aborted) server.plug(BRIDGE_BUS_ID, exported)
      },
    }
    exported = wrap(instruments?.wrap(BRIDGE_BUS_ID, device, cable) ?? device)
    server.plug(BRIDGE_BUS_ID, exported)
  }
}
