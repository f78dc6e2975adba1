import { performance } from 'node:perf_hooks'
import type { CaptureFile } from './capture-file.js'
import { readConfiguration, totalLength } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { CableRedactor } from './redact.js'
import {
  type Cancel,
  type Complete,
  DIRECTION_IN,
  isInUrb,
  NO_DATA,
  type Urb,
  type UrbPort,
  type UrbResult,
  type UrbStatus,
} from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import { ERRNO } from './usbip-wire.js'
import { IN_PROGRESS, type TransferType, type UsbmonEvent, type UsbmonPacket } from './usbmon.js'
import { WrappedDevice } from './wrapped-device.js'

const GET_DESCRIPTOR = 6
const LAST_DEVICE = 127
const EMPTY = new Uint8Array(0)

const STATUS: Readonly<Record<UrbStatus, number>> = {
  ok: 0,
  stall: -ERRNO.EPIPE,
  babble: -ERRNO.EOVERFLOW,
  absent: -ERRNO.ENOENT,
  refused: -ERRNO.ENOMEM,
  reset: -ERRNO.ECONNRESET,
  fault: -ERRNO.EPROTO,
  gone: -ERRNO.ESHUTDOWN,
}
/** Transfers that nobody took: usbmon has an event of its own for these. */
const NOT_TAKEN: ReadonlySet<UrbStatus> = new Set(['absent', 'refused'])

/** Microseconds since 1970. */
export function now(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000))
}

/** All cables of one capture: where each is on the bus, and what numbers its transfers have. */
export class UsbCapture {
  #id = 0n
  #cables = 0

  constructor(
    private readonly file: CaptureFile,
    private readonly clock: () => bigint = now,
  ) {}

  /** The near end of a cable with everything that passes it captured. */
  port(inner: UrbPort): UrbPort {
    return new CapturedPort(inner, this.#cable())
  }

  /** A device with everything that passes it captured; as on a real bus it has a new address each time that it is plugged in. */
  device(inner: ExportableDevice): ExportableDevice {
    const cable = this.#cable()
    cable.learn(inner.descriptor(DESCRIPTOR.configuration, 0))
    return new CapturedDevice(inner, cable)
  }

  #cable(): CapturedCable {
    this.#cables += 1
    const tools = { file: this.file, clock: this.clock, freeId: () => ++this.#id }
    return new CapturedCable(this.#cables, tools)
  }
}

interface Tools {
  readonly file: CaptureFile
  readonly clock: () => bigint
  readonly freeId: () => bigint
}

/** One cable in the capture: a bus of its own. */
class CapturedCable {
  readonly #types = new Map<number, TransferType>()
  readonly #redactor: CableRedactor | undefined
  #device = 1
  /** The host has let the device go. */
  #left = false

  constructor(
    private readonly bus: number,
    private readonly tools: Tools,
  ) {
    this.#redactor = tools.file.redacted ? new CableRedactor() : undefined
  }

  nextDevice(): void {
    this.#left = false
    this.#device = (this.#device % LAST_DEVICE) + 1
    this.#redactor?.restart()
  }

  left(): void {
    this.#left = true
  }

  /** Which endpoints are what, from a configuration descriptor; one that is not whole says nothing. */
  learn(configuration: Uint8Array | undefined): void {
    try {
      if (!configuration || totalLength(configuration) > configuration.length) return
      const { interfaces } = readConfiguration(configuration, () => false)
      for (const { endpointNumber, direction, type } of interfaces.flatMap(({ alternates }) =>
        alternates.flatMap(({ endpoints }) => endpoints),
      )) {
        this.#types.set(endpointNumber | (direction === 'in' ? DIRECTION_IN : 0), type)
      }
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
    }
  }

  submitted(urb: Urb): bigint {
    const id = this.tools.freeId()
    const isIn = isInUrb(urb)
    const length = isIn ? urb.length : urb.data.length
    const data = isIn ? EMPTY : urb.data
    this.#write(urb, { id, event: 'S', status: IN_PROGRESS, length, setup: urb.setup, data })
    return id
  }

  completed(id: bigint, urb: Urb, { status, data, actual }: UrbResult): void {
    if (status === 'gone' && this.#left) {
      this.cancelled(id, urb)
      return
    }
    const event = NOT_TAKEN.has(status) ? 'E' : 'C'
    this.#write(urb, { id, event, status: STATUS[status], length: actual, data: isInUrb(urb) ? data : EMPTY })
    const { setup } = urb
    if (setup?.request === GET_DESCRIPTOR && setup.value >> 8 === DESCRIPTOR.configuration) this.learn(data)
  }

  cancelled(id: bigint, urb: Urb): void {
    this.#write(urb, { id, event: 'C', status: -ERRNO.ENOENT, length: 0, data: NO_DATA })
  }

  #write(
    urb: Urb,
    what: Pick<UsbmonPacket, 'id' | 'status' | 'length' | 'setup' | 'data'> & { event: UsbmonEvent },
  ): void {
    const type = urb.endpoint === 0 ? 'control' : (this.#types.get(urb.endpoint) ?? 'bulk')
    const endpoint = urb.endpoint === 0 && isInUrb(urb) ? DIRECTION_IN : urb.endpoint
    const place = { type, endpoint, bus: this.bus, device: this.#device, time: this.tools.clock() } as const
    const shown = this.#redactor?.redact(urb, type, what.event, what.data)
    this.tools.file.usb({ ...what, ...place, data: shown?.data ?? what.data }, shown?.comment)
  }
}

class CapturedPort implements UrbPort {
  constructor(
    private readonly inner: UrbPort,
    private readonly cable: CapturedCable,
  ) {}

  submit(urb: Urb, complete: Complete): Cancel {
    const { cable } = this
    const id = cable.submitted(urb)
    const cancel = this.inner.submit(urb, (result) => {
      cable.completed(id, urb, result)
      complete(result)
    })
    return () => {
      if (!cancel()) return false
      cable.cancelled(id, urb)
      return true
    }
  }

  reset(): void {
    this.inner.reset()
  }
}

class CapturedDevice extends WrappedDevice {
  readonly #port: CapturedPort
  /** It was pulled out. */
  #removed = false

  constructor(
    inner: ExportableDevice,
    private readonly cable: CapturedCable,
  ) {
    super(inner)
    this.#port = new CapturedPort(inner, cable)
  }

  submit(urb: Urb, complete: Complete): Cancel {
    return this.#port.submit(urb, complete)
  }

  override attach(): void {
    this.#removed = false
    this.cable.nextDevice()
    super.attach()
  }

  override detach(): Promise<void> {
    // Where the host lets the device go it is the host that ends its transfers.
    if (!this.#removed) this.cable.left()
    return super.detach()
  }

  override notify(event: 'removal'): void {
    this.#removed = true
    super.notify(event)
  }
}
