import type { DeviceFields } from './configuration.js'
import { DIRECTION_IN, NO_DATA, type SetupPacket, type Urb, type UrbPort, type UrbResult } from './urb.js'

const CLEAR_FEATURE = 1
const SET_CONFIGURATION = 9
const SET_INTERFACE = 11
const TYPES: Readonly<Record<USBRequestType, number>> = { standard: 0, class: 0x20, vendor: 0x40 }
const RECIPIENTS: Readonly<Record<USBRecipient, number>> = { device: 0, interface: 1, endpoint: 2, other: 3 }
/** Longest data stage of a control transfer: wLength has 16 bits. */
const MAX_CONTROL = 0xffff

const fault = (name: string, message: string): DOMException => new DOMException(message, name)
const unplugged = (): DOMException => fault('NotFoundError', 'the device was disconnected')

/** A copy: the caller may use its buffer again before the transfer is over. */
function copyOf(data: BufferSource): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    : new Uint8Array(data).slice()
}

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.length)

/** What a host has read from a device's descriptors. */
export interface DeviceDescription {
  readonly device: DeviceFields
  readonly configurations: USBConfiguration[]
  readonly manufacturerName: string | null
  readonly productName: string | null
  readonly serialNumber: string | null
}

/** A URB that is under way for a caller. */
interface Pending {
  /** Ends it with this error, and gives the URB up. */
  abort(reason: DOMException): void
}

/**
 * A device as a W3C WebUSB `USBDevice` over whatever takes URBs: the host side's rules (opened, configured, claimed; pending
 * transfers end when the device is closed, reset or unplugged). It counts as not configured at the beginning.
 */
export class HostDevice implements USBDevice {
  readonly #pending = new Set<Pending>()
  readonly #claims: Set<number>
  readonly #settings = new Map<number, number>()
  #configured: USBConfiguration | null = null
  #plugged = true
  #opened = false

  /** @param claims set of claimed interfaces, which the description's `claimed` look at; this device's own from now on */
  constructor(
    private readonly port: UrbPort,
    private readonly description: DeviceDescription,
    claims: Set<number>,
  ) {
    this.#claims = claims
  }

  get usbVersionMajor(): number {
    return this.description.device.usbVersion >> 8
  }
  get usbVersionMinor(): number {
    return (this.description.device.usbVersion >> 4) & 0xf
  }
  get usbVersionSubminor(): number {
    return this.description.device.usbVersion & 0xf
  }
  get deviceClass(): number {
    return this.description.device.deviceClass
  }
  get deviceSubclass(): number {
    return this.description.device.deviceSubclass
  }
  get deviceProtocol(): number {
    return this.description.device.deviceProtocol
  }
  get vendorId(): number {
    return this.description.device.vendorId
  }
  get productId(): number {
    return this.description.device.productId
  }
  get deviceVersionMajor(): number {
    return this.description.device.deviceVersion >> 8
  }
  get deviceVersionMinor(): number {
    return (this.description.device.deviceVersion >> 4) & 0xf
  }
  get deviceVersionSubminor(): number {
    return this.description.device.deviceVersion & 0xf
  }
  get manufacturerName(): string | null {
    return this.description.manufacturerName
  }
  get productName(): string | null {
    return this.description.productName
  }
  get serialNumber(): string | null {
    return this.description.serialNumber
  }
  get configurations(): USBConfiguration[] {
    return this.description.configurations
  }
  get opened(): boolean {
    return this.#opened
  }
  get configuration(): USBConfiguration | null {
    return this.#configured
  }

  /** The device is gone: every pending and every later call rejects with NotFoundError. */
  protected disconnected(): void {
    this.#plugged = false
    this.#opened = false
    this.#claims.clear()
    this.#abort(unplugged())
  }

  async open(): Promise<void> {
    this.#needPlugged()
    this.#opened = true
  }

  async close(): Promise<void> {
    this.#needPlugged()
    this.#opened = false
    this.#claims.clear()
    this.#abort(fault('AbortError', 'the device was closed'))
  }

  async forget(): Promise<void> {
    if (this.#opened) await this.close()
  }

  async selectConfiguration(configurationValue: number): Promise<void> {
    this.#needOpen()
    const found = this.configurations.find((one) => one.configurationValue === configurationValue)
    if (!found) throw fault('NotFoundError', `there is no configuration ${configurationValue}`)
    this.#claims.clear()
    this.#settings.clear()
    this.#abort(fault('AbortError', 'another configuration was selected'))
    await this.#standard('device', SET_CONFIGURATION, configurationValue, 0)
    this.#configured = found
  }

  async claimInterface(interfaceNumber: number): Promise<void> {
    this.#needInterface(interfaceNumber)
    this.#claims.add(interfaceNumber)
  }

  async releaseInterface(interfaceNumber: number): Promise<void> {
    this.#needInterface(interfaceNumber)
    this.#claims.delete(interfaceNumber)
    this.#abort(fault('AbortError', 'the interface was released'))
  }

  async selectAlternateInterface(interfaceNumber: number, alternateSetting: number): Promise<void> {
    const { alternates } = this.#needInterface(interfaceNumber)
    this.#needClaim(interfaceNumber)
    if (alternates.every((one) => one.alternateSetting !== alternateSetting)) {
      throw fault('NotFoundError', `there is no alternate setting ${alternateSetting}`)
    }
    this.#abort(fault('AbortError', 'another setting was selected'))
    await this.#standard('interface', SET_INTERFACE, alternateSetting, interfaceNumber)
    this.#settings.set(interfaceNumber, alternateSetting)
  }

  async controlTransferIn(setup: USBControlTransferParameters, length: number): Promise<USBInTransferResult> {
    this.#needControl(setup, length)
    const { status, data } = await this.#control(setup, DIRECTION_IN, NO_DATA, length)
    if (status === 'stall') return { status }
    return { status: status === 'babble' ? 'babble' : 'ok', data: viewOf(data) }
  }

  async controlTransferOut(setup: USBControlTransferParameters, data?: BufferSource): Promise<USBOutTransferResult> {
    const bytes = data ? copyOf(data) : NO_DATA
    this.#needControl(setup, bytes.length)
    const { status, actual } = await this.#control(setup, 0, bytes, 0)
    return status === 'ok' ? { status, bytesWritten: actual } : { status: 'stall', bytesWritten: 0 }
  }

  async clearHalt(direction: USBDirection, endpointNumber: number): Promise<void> {
    const address = this.#needEndpoint(direction, endpointNumber)
    await this.#standard('endpoint', CLEAR_FEATURE, 0, address)
  }

  async transferIn(endpointNumber: number, length: number): Promise<USBInTransferResult> {
    const endpoint = this.#needEndpoint('in', endpointNumber)
    const { status, data } = await this.#submit({ endpoint, data: NO_DATA, length })
    return { status: inStatus(status), data: viewOf(data) }
  }

  async transferOut(endpointNumber: number, data: BufferSource): Promise<USBOutTransferResult> {
    const endpoint = this.#needEndpoint('out', endpointNumber)
    const { status, actual } = await this.#submit({ endpoint, data: copyOf(data), length: 0 })
    return status === 'ok' ? { status, bytesWritten: actual } : { status: 'stall', bytesWritten: 0 }
  }

  async isochronousTransferIn(): Promise<USBIsochronousInTransferResult> {
    throw fault('InvalidAccessError', 'isochronous transfers are not carried')
  }

  async isochronousTransferOut(): Promise<USBIsochronousOutTransferResult> {
    throw fault('InvalidAccessError', 'isochronous transfers are not carried')
  }

  async reset(): Promise<void> {
    this.#needOpen()
    const configuration = this.#configured
    this.#abort(fault('AbortError', 'the device was reset'))
    this.port.reset()
    // The host's USB stack restores configuration and settings, and interfaces stay claimed.
    if (!configuration) return
    await this.#standard('device', SET_CONFIGURATION, configuration.configurationValue, 0)
    for (const [number, setting] of this.#settings) await this.#standard('interface', SET_INTERFACE, setting, number)
  }

  // ---- rules ----------------------------------------------------------------------------------------------------------

  #needPlugged(): void {
    if (!this.#plugged) throw unplugged()
  }

  #needOpen(): void {
    this.#needPlugged()
    if (!this.#opened) throw fault('InvalidStateError', 'the device is not open')
  }

  #needInterface(interfaceNumber: number): USBInterface {
    this.#needOpen()
    if (!this.#configured) throw fault('InvalidStateError', 'the device is not configured')
    const found = this.#configured.interfaces.find((one) => one.interfaceNumber === interfaceNumber)
    if (!found) throw fault('NotFoundError', `there is no interface ${interfaceNumber}`)
    return found
  }

  #needClaim(interfaceNumber: number): void {
    if (!this.#claims.has(interfaceNumber)) throw fault('InvalidStateError', 'the interface is not claimed')
  }

  /** @returns the endpoint's address */
  #needEndpoint(direction: USBDirection, endpointNumber: number): number {
    this.#needOpen()
    if (!this.#configured) throw fault('InvalidStateError', 'the device is not configured')
    for (const { interfaceNumber, alternates } of this.#configured.interfaces) {
      const setting = this.#settings.get(interfaceNumber) ?? 0
      const endpoints = alternates.find((one) => one.alternateSetting === setting)?.endpoints ?? []
      if (endpoints.some((one) => one.direction === direction && one.endpointNumber === endpointNumber)) {
        this.#needClaim(interfaceNumber)
        return endpointNumber | (direction === 'in' ? DIRECTION_IN : 0)
      }
    }
    throw fault('NotFoundError', `there is no ${direction} endpoint ${endpointNumber}`)
  }

  #needControl({ recipient, index }: USBControlTransferParameters, length: number): void {
    this.#needOpen()
    if (length > MAX_CONTROL) throw fault('DataError', `a control transfer carries at most ${MAX_CONTROL} bytes`)
    if (recipient === 'interface') {
      this.#needInterface(index & 0xff)
      this.#needClaim(index & 0xff)
    } else if (recipient === 'endpoint') this.#needEndpoint(index & DIRECTION_IN ? 'in' : 'out', index & 0xf)
  }

  // ---- transfers ------------------------------------------------------------------------------------------------------

  #control(
    { requestType, recipient, request, value, index }: USBControlTransferParameters,
    direction: number,
    data: Uint8Array,
    room: number,
  ): Promise<UrbResult> {
    const type = direction | TYPES[requestType] | RECIPIENTS[recipient]
    const setup: SetupPacket = { requestType: type, request, value, index, length: room || data.length }
    return this.#submit({ endpoint: 0, setup, data, length: room })
  }

  async #standard(recipient: USBRecipient, request: number, value: number, index: number): Promise<void> {
    const setup = { requestType: 'standard', recipient, request, value, index } as const
    const { status } = await this.#control(setup, 0, NO_DATA, 0)
    if (status !== 'ok') throw fault('NetworkError', 'the device refused a standard request')
  }

  #submit(urb: Urb): Promise<UrbResult> {
    return new Promise((resolve, reject) => {
      let over = false
      const pending: Pending = {
        abort: (reason) => {
          if (over) return
          over = true
          this.#pending.delete(pending)
          cancel?.()
          reject(reason)
        },
      }
      let cancel: (() => boolean) | undefined
      this.#pending.add(pending)
      cancel = this.port.submit(urb, (result) => {
        if (over) return
        over = true
        this.#pending.delete(pending)
        switch (result.status) {
          case 'gone':
            return reject(unplugged())
          case 'reset':
            return reject(fault('AbortError', 'the device was reset'))
          case 'absent':
          case 'refused':
          case 'fault':
            return reject(fault('NetworkError', `the transfer failed: ${result.status}`))
          default:
            return resolve(result)
        }
      })
    })
  }

  #abort(reason: DOMException): void {
    for (const pending of [...this.#pending]) pending.abort(reason)
  }
}

function inStatus(status: UrbResult['status']): USBTransferStatus {
  return status === 'stall' || status === 'babble' ? status : 'ok'
}
