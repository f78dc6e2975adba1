import { isochronousEndpoints, readConfiguration, readDevice, totalLength } from './configuration.js'
import { DESCRIPTOR, isIn } from './descriptors.js'
import { UsbError } from './errors.js'
import {
  type Cancel,
  type Complete,
  isInUrb,
  NO_DATA,
  OVER,
  outcome,
  type SetupPacket,
  type Urb,
  type UrbResult,
  type UrbStatus,
} from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import type { UsbSpeed } from './usbip-wire.js'
import { bytesOf, statusOfRejection, type WebUsbCalls } from './web-usb-calls.js'
import { WebUsbInPipe, WebUsbOutPipe } from './web-usb-pipes.js'

const TYPES: readonly (USBRequestType | undefined)[] = ['standard', 'class', 'vendor', undefined]
const RECIPIENTS: readonly USBRecipient[] = ['device', 'interface', 'endpoint', 'other']
const GET_CONFIGURATION = 8
const GET_DESCRIPTOR = 6
// Standard requests that only the host's own USB stack may send: WebUSB has calls for them, or none.
const OUT_DEVICE = 0x00
const OUT_INTERFACE = 0x01
const OUT_ENDPOINT = 0x02
const IN_DEVICE = 0x80
const CLEAR_FEATURE = 1
const SET_ADDRESS = 5
const SET_CONFIGURATION = 9
const SET_INTERFACE = 11
const ENDPOINT_HALT = 0

const key = (requestType: number, request: number): number => (requestType << 8) | request

type Configuration = ReturnType<typeof readConfiguration>
type Pipe = WebUsbInPipe | WebUsbOutPipe

export interface WebUsbPortOptions {
  readonly speed?: UsbSpeed | undefined
  /** Interfaces that are claimed; all of them unless given. */
  readonly claims?: ((one: USBInterface) => boolean) | undefined
}

/**
 * Any device behind WebUSB's calls as a device that takes URBs, so that it can be exported, captured, broken and replayed.
 * Nothing about the device's protocol is assumed. What WebUSB cannot do is in SPEC.md §9.
 */
export class WebUsbPort implements ExportableDevice {
  readonly speed: UsbSpeed | undefined
  /** Resolves when the device is gone, or `close` was called; never rejects. */
  readonly closed: Promise<void>
  #ended: () => void = () => undefined
  readonly #pipes = new Map<number, Pipe>()
  readonly #settings = new Map<number, number>()
  /** What the real device is set to, and what its host here has asked for; it may not know of the real one yet. */
  #real = 0
  #configuration = 0
  /** Requests are sent one after the other, as on a real control pipe; so are changes of the whole device. */
  #control: Promise<unknown> = Promise.resolve()
  /** Other transfers wait for a change of the whole device. */
  #settled: Promise<unknown> = Promise.resolve()
  #isUsed = false
  #attached = true
  #gone = false
  /** Resolves when the device is given back, once it is gone or `close` was called. */
  #returned: Promise<void> = Promise.resolve()

  private constructor(
    private readonly device: WebUsbCalls,
    private readonly deviceDescriptor: Uint8Array,
    private readonly configurations: readonly Uint8Array[],
    { speed, claims }: WebUsbPortOptions,
  ) {
    this.speed = speed
    this.#claims = claims ?? (() => true)
    this.closed = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  readonly #claims: (one: USBInterface) => boolean

  /** Opens a device and claims its interfaces. @throws UsbError USB_OPEN, USB_DESCRIPTOR; it is closed again then */
  static async open(device: WebUsbCalls, options: WebUsbPortOptions = {}): Promise<WebUsbPort> {
    try {
      await device.open()
      const first = await descriptor(device, DESCRIPTOR.device, 0, 18)
      const whole: Uint8Array[] = []
      for (let index = 0; index < readDevice(first).configurations; index++) {
        const head = await descriptor(device, DESCRIPTOR.configuration, index, 9)
        whole.push(await descriptor(device, DESCRIPTOR.configuration, index, totalLength(head)))
      }
      const port = new WebUsbPort(device, first, whole, options)
      const [current = 0] = await read(device, GET_CONFIGURATION, 0, 1)
      await port.#select(current || (whole[0]?.[5] ?? 1))
      return port
    } catch (cause) {
      await device.close().catch(() => undefined)
      if (cause instanceof UsbError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new UsbError('USB_OPEN', `the USB device cannot be opened: ${why}`, { cause })
    }
  }

  submit(urb: Urb, complete: Complete): Cancel {
    if (!this.#attached || this.#gone) {
      complete(outcome('gone'))
      return OVER
    }
    this.#isUsed = true
    if (urb.endpoint === 0) return this.#submitControl(urb, complete)
    const pipe = this.#configuration === 0 ? undefined : this.#pipeOf(urb.endpoint)
    if (pipe) return pipe.submit(urb, complete)
    complete(outcome('absent'))
    return OVER
  }

  descriptor(type: number, index: number): Uint8Array | undefined {
    if (type === DESCRIPTOR.configuration) return this.configurations[index]
    return type === DESCRIPTOR.device && index === 0 ? this.deviceDescriptor : undefined
  }

  /** Addresses of endpoints whose transfers are not carried. */
  get isochronous(): readonly number[] {
    return [...new Set(this.configurations.flatMap(isochronousEndpoints))]
  }

  reset(): void {
    this.#reset()
  }

  attach(): void {
    this.#attached = true
  }

  /** Its host lets the device go: it is reset, so that the next one finds it as after plugging in. */
  async detach(): Promise<void> {
    this.#attached = false
    this.#end('gone')
    if (this.#isUsed && !this.#gone) await this.#reset()
    this.#isUsed = false
  }

  /** A device that we did not make has no way to be told. */
  notify(): void {}

  /** Gives the device back to this computer. */
  async close(): Promise<void> {
    this.#left()
    await this.#returned
  }

  /** The device was pulled out, as somebody else has noticed: without transfers under way it is not noticed here. */
  lost(): void {
    this.#left()
  }

  // ---- whole device ---------------------------------------------------------------------------------------------------

  #reset(): Promise<void> {
    this.#end('reset')
    this.#configuration = 0
    return this.#change(async () => {
      await this.device.reset()
      this.#settings.clear()
    })
  }

  /** One change of the whole device after the other; transfers wait. A device that does not survive it is gone. */
  #change(work: () => Promise<void>): Promise<void> {
    const done = this.#control.then(work).catch(() => this.#left())
    this.#control = done
    this.#settled = done
    return done
  }

  #end(status: UrbStatus): void {
    for (const pipe of this.#pipes.values()) pipe.end(status)
  }

  #left(): void {
    if (this.#gone) return
    this.#gone = true
    this.#end('gone')
    // One that has gone, too: what its host's side holds of it is held until it is closed.
    this.#returned = this.#control.then(() => this.device.close()).catch(() => undefined)
    this.#ended()
  }

  /** Makes this the real device's configuration. */
  async #select(value: number): Promise<void> {
    await this.device.selectConfiguration(value)
    for (const one of this.#read(value)?.interfaces ?? []) {
      if (this.#claims(one)) await this.device.claimInterface(one.interfaceNumber)
    }
    this.#real = value
    this.#settings.clear()
    this.#pipes.clear()
  }

  #read(value: number): Configuration | undefined {
    const bytes = this.configurations.find((one) => one[5] === value)
    return bytes && readConfiguration(bytes, () => true)
  }

  #pipeOf(address: number): Pipe | undefined {
    const known = this.#pipes.get(address)
    if (known) return known
    for (const { interfaceNumber, alternates } of this.#read(this.#configuration)?.interfaces ?? []) {
      const setting = this.#settings.get(interfaceNumber) ?? 0
      for (const one of alternates.find(({ alternateSetting }) => alternateSetting === setting)?.endpoints ?? []) {
        const isThis = one.endpointNumber === (address & 0xf) && (one.direction === 'in') === isIn(address)
        if (!isThis || one.type === 'isochronous' || one.packetSize === 0) continue
        const pipe = this.#pipe(one)
        this.#pipes.set(address, pipe)
        return pipe
      }
    }
    return undefined
  }

  #pipe({ endpointNumber, direction, packetSize }: USBEndpoint): Pipe {
    const gone = (): void => this.#left()
    if (direction === 'out') {
      const write = async (data: Uint8Array<ArrayBuffer>): Promise<USBOutTransferResult> => {
        await this.#settled
        return this.device.transferOut(endpointNumber, data)
      }
      return new WebUsbOutPipe(packetSize, write, gone)
    }
    const read = async (length: number): Promise<USBInTransferResult> => {
      await this.#settled
      return this.device.transferIn(endpointNumber, length)
    }
    return new WebUsbInPipe(packetSize, read, gone)
  }

  // ---- control pipe ---------------------------------------------------------------------------------------------------

  #submitControl(urb: Urb, complete: Complete): Cancel {
    let isOver = false
    const work = async (): Promise<void> => {
      // Given up before its turn: never sent.
      if (isOver) return
      const result = this.#gone ? outcome('gone') : await this.#request(urb)
      if (result.status === 'gone') this.#left()
      if (isOver) return
      isOver = true
      complete(this.#attached ? result : outcome('gone'))
    }
    this.#control = this.#control.then(work)
    return () => {
      if (isOver) return false
      isOver = true
      return true
    }
  }

  async #request(urb: Urb): Promise<UrbResult> {
    const { setup } = urb
    if (!setup || (!isInUrb(urb) && urb.data.length !== setup.length)) return outcome('stall')
    try {
      return (await this.#special(setup)) ?? (await this.#transfer(urb, setup))
    } catch (error) {
      return outcome(statusOfRejection(error))
    }
  }

  /** Requests that are calls of their own, or this host's business. Undefined = it is any other. */
  async #special({ requestType, request, value, index }: SetupPacket): Promise<UrbResult | undefined> {
    switch (key(requestType, request)) {
      case key(OUT_DEVICE, SET_ADDRESS):
        return outcome('ok')
      case key(OUT_DEVICE, SET_CONFIGURATION):
        return outcome((await this.#configure(value & 0xff)) ? 'ok' : 'stall')
      case key(IN_DEVICE, GET_CONFIGURATION):
        return { status: 'ok', data: Uint8Array.of(this.#configuration), actual: 1 }
      case key(OUT_INTERFACE, SET_INTERFACE):
        return outcome((await this.#set(index & 0xff, value)) ? 'ok' : 'stall')
      case key(OUT_ENDPOINT, CLEAR_FEATURE):
        if (value !== ENDPOINT_HALT || (index & 0xf) === 0) return undefined
        if (!this.#pipeOf(index & 0x8f)) return outcome('stall')
        await this.device.clearHalt(isIn(index) ? 'in' : 'out', index & 0xf)
        return outcome('ok')
      default:
        return undefined
    }
  }

  /** Zero is kept here only: the real device stays configured, but nobody reaches its endpoints. */
  async #configure(value: number): Promise<boolean> {
    if (value !== 0 && !this.#read(value)) return false
    this.#end('reset')
    const isAgain = value === this.#configuration
    this.#configuration = value
    if (value === 0) return true
    if (value !== this.#real) {
      await this.#select(value)
      return true
    }
    // A kernel configures a device anew when it has reset it, and USB/IP's keeps the reset itself to itself.
    if (isAgain) await this.device.reset()
    // The same again: as far as its endpoints are concerned that is first settings everywhere.
    for (const one of this.#read(value)?.interfaces ?? []) {
      if (!this.#claims(one)) continue
      await this.device.selectAlternateInterface(one.interfaceNumber, 0).catch((error: unknown) => {
        if (statusOfRejection(error) === 'gone') throw error
      })
    }
    this.#settings.clear()
    this.#pipes.clear()
    return true
  }

  async #set(interfaceNumber: number, setting: number): Promise<boolean> {
    const found = this.#read(this.#configuration)?.interfaces.find((one) => one.interfaceNumber === interfaceNumber)
    if (!found?.alternates.some(({ alternateSetting }) => alternateSetting === setting)) return false
    for (const { endpoints } of found.alternates) {
      for (const { endpointNumber, direction } of endpoints) {
        const address = endpointNumber | (direction === 'in' ? 0x80 : 0)
        this.#pipes.get(address)?.end('reset')
        this.#pipes.delete(address)
      }
    }
    await this.device.selectAlternateInterface(interfaceNumber, setting)
    this.#settings.set(interfaceNumber, setting)
    return true
  }

  async #transfer(urb: Urb, setup: SetupPacket): Promise<UrbResult> {
    const { requestType, request, value, index, length } = setup
    const type = TYPES[(requestType >> 5) & 3]
    const recipient = RECIPIENTS[requestType & 0x1f]
    // WebUSB has no words for other kinds of request.
    if (!type || !recipient) return outcome('stall')
    const parameters = { requestType: type, recipient, request, value, index }
    if (!isIn(requestType)) {
      const { status, bytesWritten } = await this.device.controlTransferOut(parameters, new Uint8Array(urb.data))
      return outcome(status ?? 'ok', bytesWritten)
    }
    const { status = 'ok', data } = await this.device.controlTransferIn(parameters, length)
    const bytes = bytesOf(data)
    const fits = bytes.slice(0, urb.length)
    if (status !== 'ok') return { status, data: NO_DATA, actual: 0 }
    return { status: fits.length < bytes.length ? 'babble' : 'ok', data: fits, actual: fits.length }
  }
}

async function read(device: WebUsbCalls, request: number, value: number, length: number): Promise<Uint8Array> {
  const setup = { requestType: 'standard', recipient: 'device', request, value, index: 0 } as const
  const { status, data } = await device.controlTransferIn(setup, length)
  if (status && status !== 'ok') throw new UsbError('USB_OPEN', `the USB device does not answer: ${status}`)
  return bytesOf(data)
}

const descriptor = (device: WebUsbCalls, type: number, index: number, length: number): Promise<Uint8Array> =>
  read(device, GET_DESCRIPTOR, (type << 8) | index, length)
