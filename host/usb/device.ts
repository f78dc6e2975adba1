import type { CommandDoor } from '../board/frames.js'
import {
  CONFIGURATION_VALUE,
  ENDPOINT_IN,
  ENDPOINT_OUT,
  INTERFACE_CLASS,
  INTERFACE_NUMBER,
  INTERFACE_PROTOCOL,
  INTERFACE_SUBCLASS,
  PACKET_SIZE,
  USB_VERSION,
  type UsbIdentity,
} from './descriptors.js'
import { TokenFunction } from './token-function.js'

const SET_CONFIGURATION = 9
const CLEAR_FEATURE = 1
const DIRECTION_IN = 0x80
const TYPES: Readonly<Record<USBRequestType, number>> = { standard: 0, class: 0x20, vendor: 0x40 }
const RECIPIENTS: Readonly<Record<USBRecipient, number>> = { device: 0, interface: 1, endpoint: 2, other: 3 }

const fault = (name: string, message: string): DOMException => new DOMException(message, name)
const unplugged = (): DOMException => fault('NotFoundError', 'the device was disconnected')

/** A copy: the caller may use its buffer again before the transfer is over. */
function copyOf(data: BufferSource): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    : new Uint8Array(data).slice()
}

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.length)

/**
 * The Backup HSM as a W3C WebUSB `USBDevice`, without a bus: the host side's rules (opened, configured, claimed; pending
 * transfers end when the device is closed, reset or unplugged) in front of a TokenFunction. Starts unconfigured.
 */
export class VirtualUsbDevice implements USBDevice {
  readonly usbVersionMajor = USB_VERSION >> 8
  readonly usbVersionMinor = (USB_VERSION >> 4) & 0xf
  readonly usbVersionSubminor = USB_VERSION & 0xf
  readonly deviceClass = 0
  readonly deviceSubclass = 0
  readonly deviceProtocol = 0
  readonly configurations: USBConfiguration[]
  readonly #identity: UsbIdentity
  readonly #function: TokenFunction
  readonly #transfers = new Set<AbortController>()
  #plugged = true
  #opened = false
  #claimed = false

  constructor(door: CommandDoor, identity: UsbIdentity) {
    this.#identity = identity
    this.#function = new TokenFunction(door, identity)
    this.configurations = [this.#describe()]
  }

  get vendorId(): number {
    return this.#identity.vendorId
  }
  get productId(): number {
    return this.#identity.productId
  }
  get deviceVersionMajor(): number {
    return this.#identity.deviceVersion >> 8
  }
  get deviceVersionMinor(): number {
    return (this.#identity.deviceVersion >> 4) & 0xf
  }
  get deviceVersionSubminor(): number {
    return this.#identity.deviceVersion & 0xf
  }
  get manufacturerName(): string {
    return this.#identity.manufacturer
  }
  get productName(): string {
    return this.#identity.product
  }
  get serialNumber(): string {
    return this.#identity.serialNumber
  }
  get opened(): boolean {
    return this.#opened
  }
  get configuration(): USBConfiguration | null {
    return this.#function.configuration === 0 ? null : (this.configurations[0] ?? null)
  }

  /** Pulls the cable: every pending and every later call rejects with NotFoundError. */
  unplug(): void {
    this.#plugged = false
    this.#opened = false
    this.#claimed = false
    this.#abort(unplugged())
    this.#function.reset()
  }

  async open(): Promise<void> {
    this.#needPlugged()
    this.#opened = true
  }

  async close(): Promise<void> {
    this.#needPlugged()
    this.#opened = false
    this.#claimed = false
    this.#abort(fault('AbortError', 'the device was closed'))
  }

  async forget(): Promise<void> {
    if (this.#opened) await this.close()
  }

  async selectConfiguration(configurationValue: number): Promise<void> {
    this.#needOpen()
    if (configurationValue !== CONFIGURATION_VALUE) {
      throw fault('NotFoundError', `there is no configuration ${configurationValue}`)
    }
    this.#claimed = false
    this.#abort(fault('AbortError', 'another configuration was selected'))
    this.#standard('device', SET_CONFIGURATION, configurationValue, 0)
  }

  async claimInterface(interfaceNumber: number): Promise<void> {
    this.#needInterface(interfaceNumber)
    this.#claimed = true
  }

  async releaseInterface(interfaceNumber: number): Promise<void> {
    this.#needInterface(interfaceNumber)
    this.#claimed = false
    this.#abort(fault('AbortError', 'the interface was released'))
  }

  async selectAlternateInterface(interfaceNumber: number, alternateSetting: number): Promise<void> {
    this.#needInterface(interfaceNumber)
    this.#needClaim()
    if (alternateSetting !== 0) throw fault('NotFoundError', `there is no alternate setting ${alternateSetting}`)
    this.#abort(fault('AbortError', 'another setting was selected'))
    const setInterface = 11
    this.#standard('interface', setInterface, alternateSetting, interfaceNumber)
  }

  async controlTransferIn(setup: USBControlTransferParameters, length: number): Promise<USBInTransferResult> {
    this.#needControl(setup)
    const data = this.#control(setup, DIRECTION_IN, length)
    return data ? { status: 'ok', data: viewOf(data) } : { status: 'stall' }
  }

  async controlTransferOut(setup: USBControlTransferParameters, data?: BufferSource): Promise<USBOutTransferResult> {
    this.#needControl(setup)
    const length = data?.byteLength ?? 0
    return this.#control(setup, 0, length)
      ? { status: 'ok', bytesWritten: length }
      : { status: 'stall', bytesWritten: 0 }
  }

  async clearHalt(direction: USBDirection, endpointNumber: number): Promise<void> {
    const address = this.#needEndpoint(direction, endpointNumber)
    this.#standard('endpoint', CLEAR_FEATURE, 0, address)
  }

  async transferIn(endpointNumber: number, length: number): Promise<USBInTransferResult> {
    this.#needEndpoint('in', endpointNumber)
    const { status, data } = await this.#transfer((signal) => this.#function.bulkIn(length, signal))
    return { status, data: viewOf(data) }
  }

  async transferOut(endpointNumber: number, data: BufferSource): Promise<USBOutTransferResult> {
    this.#needEndpoint('out', endpointNumber)
    const bytes = copyOf(data)
    const status = await this.#transfer((signal) => this.#function.bulkOut(bytes, signal))
    return { status, bytesWritten: status === 'ok' ? bytes.length : 0 }
  }

  async isochronousTransferIn(): Promise<USBIsochronousInTransferResult> {
    throw fault('InvalidAccessError', 'the device has no isochronous endpoint')
  }

  async isochronousTransferOut(): Promise<USBIsochronousOutTransferResult> {
    throw fault('InvalidAccessError', 'the device has no isochronous endpoint')
  }

  async reset(): Promise<void> {
    this.#needOpen()
    const { configuration } = this.#function
    this.#abort(fault('AbortError', 'the device was reset'))
    this.#function.reset()
    // The host's USB stack restores the configuration, and interfaces stay claimed.
    if (configuration !== 0) this.#standard('device', SET_CONFIGURATION, configuration, 0)
  }

  // ---- rules --------------------------------------------------------------------------------------------------------

  #needPlugged(): void {
    if (!this.#plugged) throw unplugged()
  }

  #needOpen(): void {
    this.#needPlugged()
    if (!this.#opened) throw fault('InvalidStateError', 'the device is not open')
  }

  #needInterface(interfaceNumber: number): void {
    this.#needOpen()
    if (!this.configuration) throw fault('InvalidStateError', 'the device is not configured')
    if (interfaceNumber !== INTERFACE_NUMBER) throw fault('NotFoundError', `there is no interface ${interfaceNumber}`)
  }

  #needClaim(): void {
    if (!this.#claimed) throw fault('InvalidStateError', 'the interface is not claimed')
  }

  /** @returns the endpoint's address */
  #needEndpoint(direction: USBDirection, endpointNumber: number): number {
    this.#needInterface(INTERFACE_NUMBER)
    const address = endpointNumber | (direction === 'in' ? DIRECTION_IN : 0)
    if (address !== ENDPOINT_IN && address !== ENDPOINT_OUT) {
      throw fault('NotFoundError', `there is no ${direction} endpoint ${endpointNumber}`)
    }
    this.#needClaim()
    return address
  }

  #needControl({ recipient, index }: USBControlTransferParameters): void {
    this.#needOpen()
    if (recipient === 'interface') {
      this.#needInterface(index & 0xff)
      this.#needClaim()
    } else if (recipient === 'endpoint') this.#needEndpoint(index & DIRECTION_IN ? 'in' : 'out', index & 0xf)
  }

  // ---- transfers ----------------------------------------------------------------------------------------------------

  #control(setup: USBControlTransferParameters, direction: number, length: number): Uint8Array | undefined {
    const { requestType, recipient, request, value, index } = setup
    const type = direction | TYPES[requestType] | RECIPIENTS[recipient]
    return this.#function.control({ requestType: type, request, value, index, length })
  }

  #standard(recipient: USBRecipient, request: number, value: number, index: number): void {
    if (!this.#control({ requestType: 'standard', recipient, request, value, index }, 0, 0)) {
      throw fault('NetworkError', 'the device refused a standard request')
    }
  }

  async #transfer<Result>(run: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const controller = new AbortController()
    this.#transfers.add(controller)
    try {
      return await run(controller.signal)
    } finally {
      this.#transfers.delete(controller)
    }
  }

  #abort(reason: DOMException): void {
    for (const controller of this.#transfers) controller.abort(reason)
  }

  // ---- description --------------------------------------------------------------------------------------------------

  #describe(): USBConfiguration {
    const endpoint = (address: number): USBEndpoint => ({
      endpointNumber: address & 0xf,
      direction: address & DIRECTION_IN ? 'in' : 'out',
      type: 'bulk',
      packetSize: PACKET_SIZE,
    })
    const alternate: USBAlternateInterface = {
      alternateSetting: 0,
      interfaceClass: INTERFACE_CLASS,
      interfaceSubclass: INTERFACE_SUBCLASS,
      interfaceProtocol: INTERFACE_PROTOCOL,
      interfaceName: null,
      endpoints: [endpoint(ENDPOINT_OUT), endpoint(ENDPOINT_IN)],
    }
    const claimed = (): boolean => this.#claimed
    const only: USBInterface = {
      interfaceNumber: INTERFACE_NUMBER,
      alternate,
      alternates: [alternate],
      get claimed() {
        return claimed()
      },
    }
    return { configurationValue: CONFIGURATION_VALUE, configurationName: null, interfaces: [only] }
  }
}
