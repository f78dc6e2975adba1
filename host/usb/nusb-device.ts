import { setTimeout as sleep } from 'node:timers/promises'
import type { WebUSB } from 'usb'
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
/**
 * Of a transfer: one that is cut off loses its data, even what comes while it is being cut off, so that there is no asking again
 * and again in short steps.
 */
const FOR_EVER = 86_400_000
/** How long what is under way may take to its end before a reset ends it. */
const SOON = 100
/** For the question whether a device that failed is still there, and for what was ended to say so. */
const ALIVE = 1000

/** Between tries of a call that the package is not ready for, and how many there are. */
const AGAIN = 10
const MOST_TRIES = 200

const GET_STATUS = 0
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
 * at a time, a control transfer needs data, the `configuration` getter blocks the thread and throws, failures have no
 * names, a failure may be a device that is gone.
 */
export class NusbDevice implements WebUsbCalls {
  /** The last call of each endpoint: nobody else may have the endpoint meanwhile. */
  readonly #busy = new Map<number, Promise<unknown>>()
  readonly #claimed = new Set<number>()
  /** Interfaces whose driver of the kernel we have sent away. */
  readonly #driven = new Set<number>()
  /** Reads that were asked for in an earlier era are given up. */
  #era = 0
  /** What is under way is being ended from here: that the device is gone is not to be believed then. */
  #cutting = false

  /** @param driverOf the kernel's driver of an interface, where that can be found out */
  constructor(
    private readonly native: NusbCalls,
    private readonly driverOf: (interfaceNumber: number) => Promise<string | undefined> = async () => undefined,
  ) {}

  async open(): Promise<void> {
    await this.#whole(() => this.native.open())
  }

  async close(): Promise<void> {
    if (!(await this.#cut())) await this.#quiet().catch(() => undefined)
    await this.#release()
    for (const number of this.#driven) await this.native.attachKernelDriver(number).catch(() => undefined)
    this.#driven.clear()
    await this.#whole(() => this.native.close())
  }

  async reset(): Promise<void> {
    this.#era += 1
    const claimed = [...this.#claimed]
    // A reset sends away whoever has claimed an interface, and the kernel would bind its own driver.
    await this.#release()
    await this.#whole(() => this.native.reset())
    // It has ended whatever was under way.
    await Promise.all(this.#busy.values())
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
    const at = address(direction, endpointNumber)
    if (!(await isOver(this.#busy.get(at)))) {
      // The endpoint cannot be had while a read waits that its host has given up; a reset ends that, and clears all halts.
      await this.reset()
      return
    }
    await this.#alone(at, () => this.#whole(() => this.native.clearHalt(direction, endpointNumber)))
  }

  async transferIn(endpointNumber: number, length: number): Promise<USBInTransferResult> {
    const era = this.#era
    try {
      const data = await this.#alone(address('in', endpointNumber), () => {
        if (era !== this.#era) throw brokenOff()
        return this.native.nativeTransferIn(endpointNumber, FOR_EVER, length)
      })
      return { status: 'ok', data: viewOf(data) }
    } catch (error) {
      const kind = kindOf(error)
      if (kind === 'stall') return { status: 'stall' }
      if (era !== this.#era && (kind !== 'gone' || this.#cutting)) throw brokenOff()
      throw await this.#failure(error)
    }
  }

  async transferOut(endpointNumber: number, data: BufferSource): Promise<USBOutTransferResult> {
    const era = this.#era
    try {
      const bytesWritten = await this.#alone(address('out', endpointNumber), () => {
        if (era !== this.#era) throw brokenOff()
        return this.native.nativeTransferOut(endpointNumber, FOR_EVER, plain(data))
      })
      return { status: 'ok', bytesWritten }
    } catch (error) {
      const kind = kindOf(error)
      if (kind === 'stall') return { status: 'stall', bytesWritten: 0 }
      if (era !== this.#era && (kind !== 'gone' || this.#cutting)) throw brokenOff()
      throw await this.#failure(error)
    }
  }

  // ---- the package's ways ---------------------------------------------------------------------------------------------

  /** Gives up what is under way, until no endpoint is in use. A transfer cannot be taken back: a reset ends what does not end soon. */
  async #quiet(): Promise<void> {
    this.#era += 1
    if (!(await isOver(Promise.all(this.#busy.values())))) await this.reset()
  }

  /**
   * Ends what is under way without a word to the device, whose other functions may be somebody else's: the kernel takes an interface
   * from a program as from any driver, and its transfers with it. The interfaces have to be claimed anew. False = it is not over, and
   * takes a reset: no Linux, or a device that is no longer there.
   */
  async #cut(): Promise<boolean> {
    this.#era += 1
    const work = Promise.all(this.#busy.values())
    if (await isOver(work)) return true
    this.#cutting = true
    try {
      for (const number of this.#claimed) {
        if ((await this.driverOf(number)) === PROGRAM) await this.native.detachKernelDriver(number)
      }
      return await isOver(work, ALIVE)
    } catch {
      return false
    } finally {
      this.#cutting = false
    }
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
    for (const number of this.#claimed) {
      await this.#whole(() => this.native.releaseInterface(number)).catch(() => undefined)
    }
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
    for (let tries = 1; ; tries++) {
      try {
        return await call()
      } catch (error) {
        // For moments the package has the device to itself, and then throws at once.
        if (tries >= MOST_TRIES || !(error instanceof Error) || !/borrow/.test(error.message)) {
          throw await this.#failure(error)
        }
      }
      await sleep(AGAIN)
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

  async #in(request: { request: number; value: number }, length: number, time: number): Promise<Uint8Array> {
    const setup = { requestType: 'standard', recipient: 'device', index: 0, ...request } as const
    return (await this.native.nativeControlTransferIn(setup, time, length)) ?? new Uint8Array(0)
  }
}

/** Whether this is over soon. */
async function isOver(work: Promise<unknown> | undefined, time = SOON): Promise<boolean> {
  const late = sleep(time, false, { ref: false })
  return Promise.race([Promise.resolve(work).then(() => true), late])
}

const address = (direction: USBDirection, endpointNumber: number): number =>
  endpointNumber | (direction === 'in' ? 0x80 : 0)

const brokenOff = (): DOMException => webUsbError('AbortError', 'the transfer was broken off')

const plain = (data: BufferSource): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)

function viewOf(bytes: Uint8Array | null): DataView<ArrayBuffer> {
  return new DataView(new Uint8Array(bytes ?? []).buffer)
}
