import {
  type EndpointStats,
  type ExportableDevice,
  type Fault,
  type FaultChance,
  type FaultRule,
  FaultyDevice,
  MeteredDevice,
  showStats,
  UsbError,
} from '../usb/index.js'

/** Milliseconds until a device whose cable a fault has pulled is plugged in again. */
export const REPLUG = 1000

export interface UsbInstrumentsOptions {
  readonly rules?: readonly FaultRule[] | undefined
  readonly chance?: FaultChance | undefined
  readonly onFault?: ((fault: Fault & { readonly device: string }) => void) | undefined
}

/** A device that can be pulled out and plugged in where it is exported. */
export interface Plug {
  unplug(): Promise<void>
  /** @throws UsbError USBIP_BUSY where it is plugged in */
  plug(): void
}

/** What the measurements say; what `--stats FILE` writes. */
export interface UsbStats {
  readonly devices: readonly {
    /** Bus id. */
    readonly device: string
    readonly endpoints: readonly EndpointStats[]
    readonly faults: readonly (Fault & { readonly device: string })[]
    /** Faults that had no place in the list. */
    readonly moreFaults: number
  }[]
}

const MOST_FAULTS = 10_000

interface Measured {
  readonly device: string
  readonly meter: MeteredDevice
  readonly faults: (Fault & { readonly device: string })[]
  moreFaults: number
}

/** What stands between devices and their hosts in a test: meters right in front of each device, faults in front of those. */
export class UsbInstruments {
  readonly #measured: Measured[] = []
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(private readonly options: UsbInstrumentsOptions = {}) {}

  /** @param busId where the device is exported */
  wrap(busId: string, device: ExportableDevice, cable: Plug): ExportableDevice {
    const { rules = [], chance, onFault } = this.options
    const meter = new MeteredDevice(device)
    const measured: Measured = { device: busId, meter, faults: [], moreFaults: 0 }
    this.#measured.push(measured)
    if (rules.length === 0 && !chance) return meter
    return new FaultyDevice(meter, {
      rules,
      chance,
      unplug: () => void this.#pull(cable),
      onFault: (fault) => {
        const told = { device: busId, ...fault }
        if (measured.faults.length < MOST_FAULTS) measured.faults.push(told)
        else measured.moreFaults += 1
        onFault?.(told)
      },
    })
  }

  stats(): UsbStats {
    return {
      devices: this.#measured.map(({ device, meter, faults, moreFaults }) => ({
        device,
        endpoints: meter.stats(),
        faults: [...faults],
        moreFaults,
      })),
    }
  }

  /** The same for people. */
  show(): string {
    return this.#measured.map(({ device, meter }) => `${device}\n${showStats(meter.stats())}`).join('')
  }

  /** Nothing is plugged in again from now on. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  async #pull(cable: Plug): Promise<void> {
    await cable.unplug()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      try {
        cable.plug()
      } catch (error) {
        // Somebody was faster.
        if (!(error instanceof UsbError)) throw error
      }
    }, REPLUG)
    this.#timers.add(timer)
  }
}
