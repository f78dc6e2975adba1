import { setTimeout as sleep } from 'node:timers/promises'
import type { WebUSB } from 'usb'
import { readConfiguration, readDevice, totalLength } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { type WebUsbCalls, webUsbError } from './web-usb-calls.js'

export type NusbUsbDevice = Awaited<ReturnType<WebUSB['getDevices']>>[number]

/** The calls of the package `usb` 3 that are used here: its WebUSB with the time-outs that it really has. */
export type NusbCalls = Pick<
  NusbUsbDevice,
  | 'open'
  | 'close'
  | 'reset'
  | 'selectConfiguration'
  | 'claimInterface'
  | 'releaseInterface'
  | 'selectAlternateInterface'
  | 'nativeControlTransferIn'
  | 'nativeControlTransferOut'
  | 'nativeTransferIn'
  | 'nativeTransferOut'
  | 'clearHalt'
  | 'detachKernelDriver'
  | 'attachKernelDriver'
>

// Milliseconds.
const CONTROL = 10_000
/** Until a read of one packet is asked again: as long as another call for the endpoint may have to wait. */
const POLL = 250
/** How long a reset or the end waits for what is under way. */
const SOON = 4 * POLL
/** For the rest of a transfer that has begun, and for what goes out: cut off there, part of it may be lost. */
const WHOLE = 60_000
/** For the question whether a device that failed is still there. */
const ALIVE = 1000

const GET_STATUS = 0
const GET_DESCRIPTOR = 6
const GET_CONFIGURATION = 8
const MOST_INTERFACES = 32

/** The driver that Linux shows for an interface that a program has claimed. */
const PROGRAM = 'usbfs'

type Kind = 'stall' | 'cancelled' | 'gone' | 'fault' | 'other'

/** What its messages say; the codes of its errors are all the same. */
function kindOf(error: unknown): Kind {
  const message = error instanceof Error ? error.message : String(error)
  if (/stall/i.test(message)) return 'stall'
  if (/cancelled/i.test(message)) return 'cancelled'
  if (/disconnected|errno 19\b/i.test(message)) return 'gone'
  return /fault|unknown/i.test(message) ? 'fault' : 'other'
}

/**
 * A device of the package `usb` 3 (nusb) that keeps WebUSB's promises. All that sets the package apart is in here: a stall
 * rejects, every transfer has a time-out (its data is lost then) and cannot be taken back, an endpoint takes one transfer
 * at a time, a control transfer needs data, the `configuration` getter blocks the thread and throws, failures have no names,
 * a failure may be a device that is gone.
 */
export class NusbDevice implements WebUsbCalls {
  /** Packet sizes by endpoint address. */
  readonly #packets = new Map<number, number>()
  /** The last call of each endpoint: nobody else may have the endpoint meanwhile. */
  readonly #busy = new Map<number, Promise<unknown>>()
  readonly #claimed = new Set<number>()
  /** Interfaces whose driver of the kernel we have sent away. */
  readonly #driven = new Set<number>()
  /** Reads that were asked for in an earlier era are given up. */
  #era = 0

  /** @param driverOf the kernel's driver of an interface, where that can be found out */
  constructor(
    private readonly native: NusbCalls,
    private readonly driverOf: (interfaceNumber: number) => Promise<string | undefined> = async () => undefined,
  ) {}

  async open(): Promise<void> {
    await this.#whole(() => this.native.open())
    const device = readDevice(await this.#descriptor(DESCRIPTOR.device, 0, 18))
    for (let index = 0; index < device.configurations; index++) {
      const total = totalLength(await this.#descriptor(DESCRIPTOR.configuration, index, 9))
      const { interfaces } = readConfiguration(
        await this.#descriptor(DESCRIPTOR.configuration, index, total),
        () => true,
      )
      for (const { endpointNumber, direction, packetSize } of interfaces
        .flatMap(({ alternates }) => alternates)
        .flatMap(({ endpoints }) => endpoints)) {
        this.#packets.set(address(direction, endpointNumber), packetSize)
      }
    }
  }

  async close(): Promise<void> {
    await this.#quietSoon()
    await this.#release()
    for (const number of this.#driven) await this.native.attachKernelDriver(number).catch(() => undefined)
    this.#driven.clear()
    await this.#whole(() => this.native.close())
  }

  async reset(): Promise<void> {
    const claimed = [...this.#claimed]
    await this.#quietSoon()
    // A reset sends away whoever has claimed an interface, and the kernel would bind its own driver.
    await this.#release()
    await this.#whole(() => this.native.reset())
    // It has ended whatever was still under way.
    await this.#quiet()
    for (const number of claimed) await this.claimInterface(number)
  }

  async selectConfiguration(value: number): Promise<void> {
    await this.#quiet()
    const [current] = await this.#in({ request: GET_CONFIGURATION, value: 0 }, 1, CONTROL)
    if (current === value) return
    await this.#release()
    // Nobody may have an interface, the kernel's drivers included.
    for (let number = 0; number < MOST_INTERFACES; number++) {
      await this.#sendAway(number)
    }
    await this.#whole(() => this.native.selectConfiguration(value))
  }

  async claimInterface(number: number): Promise<void> {
    if (this.#claimed.has(number)) return
    try {
      await this.native.claimInterface(number)
    } catch {
      await this.#sendAway(number)
      await this.#whole(() => this.native.claimInterface(number))
    }
    this.#claimed.add(number)
  }

  async selectAlternateInterface(number: number, setting: number): Promise<void> {
    await this.#quiet()
    await this.#whole(() => this.native.selectAlternateInterface(number, setting))
  }

  async controlTransferIn(setup: USBControlTransferParameters, length: number): Promise<USBInTransferResult> {
    try {
      return { status: 'ok', data: viewOf(await this.native.nativeControlTransferIn(setup, CONTROL, length)) }
    } catch (error) {
      if (kindOf(error) === 'stall') return { status: 'stall' }
      throw await this.#failure(error)
    }
  }

  async controlTransferOut(
    setup: USBControlTransferParameters,
    data: BufferSource = new Uint8Array(0),
  ): Promise<USBOutTransferResult> {
    try {
      const bytes = plain(data)
      await this.native.nativeControlTransferOut(setup, CONTROL, bytes)
      return { status: 'ok', bytesWritten: bytes.length }
    } catch (error) {
      if (kindOf(error) === 'stall') return { status: 'stall', bytesWritten: 0 }
      throw await this.#failure(error)
    }
  }

  async clearHalt(direction: USBDirection, endpointNumber: number): Promise<void> {
    await this.#alone(address(direction, endpointNumber), () =>
      this.#whole(() => this.native.clearHalt(direction, endpointNumber)),
    )
  }

  async transferIn(endpointNumber: number, length: number): Promise<USBInTransferResult> {
    const era = this.#era
    const at = address('in', endpointNumber)
    // One packet comes whole or not at all, so that nothing is lost where the wait for it is cut short.
    const isOnePacket = length <= (this.#packets.get(at) ?? 0)
    for (;;) {
      try {
        const data = await this.#alone(at, () => {
          if (era !== this.#era) throw brokenOff()
          return this.native.nativeTransferIn(endpointNumber, isOnePacket ? POLL : WHOLE, length)
        })
        return { status: 'ok', data: viewOf(data) }
      } catch (error) {
        const kind = kindOf(error)
        if (kind === 'stall') return { status: 'stall' }
        if (era !== this.#era && kind !== 'gone') throw brokenOff()
        if (kind !== 'cancelled' || !isOnePacket) throw await this.#failure(error)
      }
    }
  }

  async transferOut(endpointNumber: number, data: BufferSource): Promise<USBOutTransferResult> {
    const era = this.#era
    try {
      const bytesWritten = await this.#alone(address('out', endpointNumber), () => {
        if (era !== this.#era) throw brokenOff()
        return this.native.nativeTransferOut(endpointNumber, WHOLE, plain(data))
      })
      return { status: 'ok', bytesWritten }
    } catch (error) {
      const kind = kindOf(error)
      if (kind === 'stall') return { status: 'stall', bytesWritten: 0 }
      if (era !== this.#era && kind !== 'gone') throw brokenOff()
      throw await this.#failure(error)
    }
  }

  // ---- the package's ways ---------------------------------------------------------------------------------------------

  /** Gives up what is under way, and waits until no endpoint is in use. */
  async #quiet(): Promise<void> {
    this.#era += 1
    await Promise.all(this.#busy.values())
  }

  /** The same where nothing depends on it. */
  async #quietSoon(): Promise<void> {
    await Promise.race([this.#quiet(), sleep(SOON, undefined, { ref: false })])
  }

  /** Takes an interface from the kernel's driver, if it has one; a program that has claimed it keeps it. */
  async #sendAway(number: number): Promise<void> {
    if ((await this.driverOf(number)) === PROGRAM) return
    try {
      await this.native.detachKernelDriver(number)
      this.#driven.add(number)
    } catch {
      // There is none, or the device is gone, as the next call will say.
    }
  }

  async #release(): Promise<void> {
    for (const number of this.#claimed) await this.native.releaseInterface(number).catch(() => undefined)
    this.#claimed.clear()
  }

  /** One call of an endpoint after the other. */
  #alone<Result>(at: number, call: () => Promise<Result>): Promise<Result> {
    const turn = (this.#busy.get(at) ?? Promise.resolve()).then(call)
    this.#busy.set(
      at,
      turn.catch(() => undefined),
    )
    return turn
  }

  async #whole<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call()
    } catch (error) {
      throw await this.#failure(error)
    }
  }

  /** The error as WebUSB would have it. Some controllers' devices fail before they are gone: those are asked. */
  async #failure(cause: unknown): Promise<Error> {
    if (cause instanceof DOMException) return cause
    const message = cause instanceof Error ? cause.message : String(cause)
    const kind = kindOf(cause)
    if (kind === 'gone' || (kind === 'fault' && !(await this.#isThere()))) {
      return webUsbError('NotFoundError', 'the device was disconnected', cause)
    }
    if (/errno 13\b|permission|access/i.test(message)) return webUsbError('SecurityError', message, cause)
    return webUsbError('NetworkError', message, cause)
  }

  async #isThere(): Promise<boolean> {
    try {
      await this.#in({ request: GET_STATUS, value: 0 }, 2, ALIVE)
      return true
    } catch (error) {
      return kindOf(error) === 'stall'
    }
  }

  async #descriptor(type: number, index: number, length: number): Promise<Uint8Array> {
    return this.#whole(() => this.#in({ request: GET_DESCRIPTOR, value: (type << 8) | index }, length, CONTROL))
  }

  async #in(request: { request: number; value: number }, length: number, time: number): Promise<Uint8Array> {
    const setup = { requestType: 'standard', recipient: 'device', index: 0, ...request } as const
    return (await this.native.nativeControlTransferIn(setup, time, length)) ?? new Uint8Array(0)
  }
}

const address = (direction: USBDirection, endpointNumber: number): number =>
  endpointNumber | (direction === 'in' ? 0x80 : 0)

const brokenOff = (): DOMException => webUsbError('AbortError', 'the transfer was broken off')

const plain = (data: BufferSource): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)

function viewOf(bytes: Uint8Array | null): DataView<ArrayBuffer> {
  return new DataView(new Uint8Array(bytes ?? []).buffer)
}
