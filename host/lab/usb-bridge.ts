import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ExportableDevice,
  ForeignFunction,
  Gadget,
  type GadgetEvent,
  openRealPort,
  type RealDeviceName,
  UsbError,
  type UsbipEvent,
  UsbipServer,
  type UsbPresenter,
  type WebUsbPort,
} from '../usb/index.js'
import type { UsbInstruments } from './usb-instruments.js'

/** Milliseconds between looks for a device that is not there. */
const LOOK = 1000
/** Where the device is exported. */
export const BRIDGE_BUS_ID = '1-1'

/** What happens at a bridge. */
export type UsbBridgeEvent =
  | UsbipEvent
  | GadgetEvent
  /** A device that came back cannot be carried; of one that is, not everything is. */
  | { readonly event: 'unfit' | 'limited'; readonly reason: string }

export interface UsbBridgeOptions {
  /** A USB/IP server, port 0 = any free one; or a gadget of this computer, the first controller's unless its name is given. */
  readonly at: { readonly host: string; readonly port: number } | { readonly udc: string | undefined }
  /** Opens the device; also after it was gone. */
  readonly open: () => Promise<WebUsbPort>
  readonly instruments?: UsbInstruments | undefined
  /** What stands in front of everything else, such as a recorder. */
  readonly wrap?: ((device: ExportableDevice) => ExportableDevice) | undefined
  readonly onEvent?: ((event: UsbBridgeEvent) => void) | undefined
  /** Milliseconds between looks for a device that was pulled out; 1 s unless given. */
  readonly look?: number | undefined
}

/** Opens the real device of a name. @throws what `openRealPort` throws */
export const realDeviceOpener = (name: RealDeviceName) => (): Promise<WebUsbPort> => openRealPort(name)

/** A device of this computer, served by USB/IP or as a gadget: pulled out here it is gone there, and back again when it is plugged in again. */
export class UsbBridge {
  readonly #end = new AbortController()
  #keeping: Promise<void> = Promise.resolve()

  private constructor(
    private readonly server: UsbPresenter,
    private device: WebUsbPort,
    private readonly options: UsbBridgeOptions,
  ) {}

  /** @throws what `open` throws; UsbError USBIP_LISTEN, GADGET_UNAVAILABLE, GADGET_UNSUITABLE, GADGET_BUSY, GADGET_IO */
  static async start(options: UsbBridgeOptions): Promise<UsbBridge> {
    const { at, onEvent } = options
    const server =
      'udc' in at
        ? await Gadget.open({ udc: at.udc, isForeign: true, onEvent })
        : await UsbipServer.listen({ ...at, onEvent })
    let device: WebUsbPort | undefined
    try {
      device = await options.open()
      const bridge = new UsbBridge(server, device, options)
      await bridge.#plug()
      bridge.#keeping = bridge.#keep()
      return bridge
    } catch (error) {
      await server.close()
      await device?.close()
      throw error
    }
  }

  /** Address, or a gadget's controller. */
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
      await this.device.closed
      await this.server.unplug(BRIDGE_BUS_ID)
      const again = await this.#lookAgain()
      if (!again) return
      this.device = again
      if (signal.aborted) {
        await again.close()
        return
      }
      await this.#plug().catch((error: unknown) => {
        // Another device of that name, or it is gone again.
        this.options.onEvent?.({ event: 'unfit', reason: error instanceof Error ? error.message : String(error) })
        return again.close()
      })
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

  async #plug(): Promise<void> {
    const { device, server } = this
    const { instruments, at, wrap = (one) => one } = this.options
    if (device.isochronous.length > 0) {
      const places = device.isochronous.map((address) => `0x${address.toString(16).padStart(2, '0')}`).join(', ')
      const reason = `isochronous transfers are not carried, and this device has them (endpoints ${places}): they are refused`
      this.options.onEvent?.({ event: 'limited', reason })
    }
    const fitted: ExportableDevice = 'udc' in at ? await ForeignFunction.of(device) : device
    let exported = fitted
    const cable = {
      unplug: () => server.unplug(BRIDGE_BUS_ID),
      plug: () => {
        // Another one may be there by now, or none.
        if (device === this.device && !this.#end.signal.aborted) server.plug(BRIDGE_BUS_ID, exported)
      },
    }
    exported = wrap(instruments?.wrap(BRIDGE_BUS_ID, fitted, cable) ?? fitted)
    server.plug(BRIDGE_BUS_ID, exported)
  }
}
