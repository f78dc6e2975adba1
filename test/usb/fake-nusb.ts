// The native half of the package `usb` 3 as it was seen to behave, in front of a device model instead of a kernel: time-outs, one
// transfer per endpoint, stalls that reject, reads rounded up to packets and cut, errors that only their text tells apart.
import { readConfiguration } from '../../host/usb/configuration.js'
import type { NusbCalls } from '../../host/usb/index.js'
import { DIRECTION_IN, NO_DATA, type SetupPacket, type Urb, type UrbResult } from '../../host/usb/urb.js'
import type { ExportableDevice } from '../../host/usb/usbip-server.js'

const TYPES = { standard: 0, class: 0x20, vendor: 0x40 } as const
const RECIPIENTS = { device: 0, interface: 1, endpoint: 2, other: 3 } as const
const BULK_WORDS: Readonly<Record<string, string>> = { stall: 'Stall', gone: 'Disconnected', reset: 'Cancelled' }
const CONTROL_WORDS: Readonly<Record<string, string>> = { stall: 'endpoint stalled', gone: 'device disconnected' }

export class FakeNusb implements NusbCalls {
  readonly claimed = new Set<number>()
  /** Interfaces that the kernel's own driver has. */
  readonly driven = new Set<number>()
  readonly calls: string[] = []
  readonly busy = new Set<number>()
  /** Ends each endpoint's transfer as the kernel does where it takes the interface away. */
  readonly #cuts = new Map<number, () => void>()
  #isOpen = false

  constructor(
    private readonly port: ExportableDevice,
    private readonly packetSize = 512,
    private readonly configuration = 1,
  ) {}

  async open(): Promise<void> {
    // As the kernel has done before.
    await this.#standard(0, 9, this.configuration, 0)
    this.#isOpen = true
  }
  async close(): Promise<void> {
    this.calls.push('close')
    this.#isOpen = false
  }

  async reset(): Promise<void> {
    this.calls.push('reset')
    this.port.reset()
    await this.#standard(0, 9, this.configuration, 0)
  }

  async selectConfiguration(value: number): Promise<void> {
    this.calls.push(`configuration ${value}`)
    if (this.claimed.size > 0 || this.driven.size > 0) throw new Error('selectConfiguration error: device is busy')
    await this.#standard(0, 9, value, 0)
  }

  async claimInterface(number: number): Promise<void> {
    if (!this.#isOpen) throw new Error('claimInterface error: invalid state')
    if (this.driven.has(number)) throw new Error('claimInterface error: interface is busy (errno 16)')
    const { interfaces } = readConfiguration(this.port.descriptor(2, 0) ?? NO_DATA, () => false)
    if (!interfaces.some(({ interfaceNumber }) => interfaceNumber === number)) {
      throw new Error('claimInterface error: interface not found (errno 22)')
    }
    this.claimed.add(number)
  }

  async releaseInterface(number: number): Promise<void> {
    if (!this.claimed.delete(number)) throw new Error('releaseInterface error: not claimed')
  }

  async selectAlternateInterface(number: number, setting: number): Promise<void> {
    if (this.busy.size > 0) throw new Error("can't change alternate setting while endpoints are in use")
    await this.#standard(1, 11, setting, number)
  }

  async clearHalt(direction: USBDirection, endpointNumber: number): Promise<void> {
    const address = endpointNumber | (direction === 'in' ? DIRECTION_IN : 0)
    this.calls.push(`clear halt ${address}`)
    if (this.busy.has(address)) throw new Error('clearHalt error: endpoint not found')
    await this.#standard(2, 1, 0, address)
  }

  async detachKernelDriver(number: number): Promise<void> {
    // The program's own claim is a driver like any other.
    if (this.claimed.delete(number)) {
      this.calls.push(`cut ${number}`)
      for (const cut of this.#cuts.values()) cut()
      return
    }
    if (!this.driven.delete(number)) throw new Error('detachKernelDriver error: no kernel driver attached (errno 61)')
    this.calls.push(`detach ${number}`)
  }
  async attachKernelDriver(number: number): Promise<void> {
    this.calls.push(`attach ${number}`)
    this.driven.add(number)
  }

  async nativeControlTransferIn(
    setup: USBControlTransferParameters,
    timeout: number,
    length: number,
  ): Promise<Uint8Array | null> {
    const packet = packetOf(setup, DIRECTION_IN, length)
    const urb = { endpoint: 0, setup: packet, data: NO_DATA, length }
    return (await this.#submit(urb, timeout, 'controlTransferIn', CONTROL_WORDS)).data
  }

  async nativeControlTransferOut(
    setup: USBControlTransferParameters,
    timeout: number,
    data?: Uint8Array | undefined | null,
  ): Promise<number> {
    if (!data) throw new TypeError('Cannot read properties of undefined')
    const packet = packetOf(setup, 0, data.length)
    const urb = { endpoint: 0, setup: packet, data: data.slice(), length: 0 }
    await this.#submit(urb, timeout, 'controlTransferOut', CONTROL_WORDS)
    return data.length
  }

  async nativeTransferIn(endpointNumber: number, timeout: number, length: number): Promise<Uint8Array | null> {
    const room = Math.ceil(length / this.packetSize) * this.packetSize
    const urb = { endpoint: endpointNumber | DIRECTION_IN, data: NO_DATA, length: room }
    const { data } = await this.#alone(urb, timeout, 'transferIn')
    return data.slice(0, length)
  }

  async nativeTransferOut(endpointNumber: number, timeout: number, data: Uint8Array): Promise<number> {
    const urb = { endpoint: endpointNumber, data: data.slice(), length: 0 }
    return (await this.#alone(urb, timeout, 'transferOut')).actual
  }

  async #alone(urb: Urb, timeout: number, what: string): Promise<UrbResult> {
    if (this.busy.has(urb.endpoint) || this.claimed.size === 0) throw new Error(`${what} error: endpoint not found`)
    this.busy.add(urb.endpoint)
    try {
      return await this.#submit(urb, timeout, what, BULK_WORDS)
    } finally {
      this.busy.delete(urb.endpoint)
    }
  }

  #submit(urb: Urb, timeout: number, what: string, words: Readonly<Record<string, string>>): Promise<UrbResult> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      let isOver = false
      const cancel = this.port.submit(urb, (result) => {
        isOver = true
        clearTimeout(timer)
        this.#cuts.delete(urb.endpoint)
        if (result.status === 'ok') resolve(result)
        else reject(new Error(`${what} error: ${words[result.status] ?? 'Fault'}`))
      })
      if (isOver) return
      this.#cuts.set(urb.endpoint, () => {
        clearTimeout(timer)
        if (cancel()) reject(new Error(`${what} error: Disconnected`))
      })
      timer = setTimeout(() => {
        if (cancel()) reject(new Error(`${what} error: Cancelled`))
      }, timeout)
    })
  }

  async #standard(recipient: number, request: number, value: number, index: number): Promise<void> {
    const setup: SetupPacket = { requestType: recipient, request, value, index, length: 0 }
    await this.#submit({ endpoint: 0, setup, data: NO_DATA, length: 0 }, 1000, 'control', CONTROL_WORDS)
  }
}

function packetOf(
  { requestType, recipient, request, value, index }: USBControlTransferParameters,
  direction: number,
  length: number,
): SetupPacket {
  const type = direction | TYPES[requestType] | RECIPIENTS[recipient]
  return { requestType: type, request, value, index, length }
}
