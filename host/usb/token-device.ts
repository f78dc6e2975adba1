import type { CommandDoor } from '../board/frames.js'
import { CommandPipes } from './command-pipes.js'
import {
  CONFIGURATION_VALUE,
  descriptorOf,
  ENDPOINT_EVENTS,
  ENDPOINT_IN,
  ENDPOINT_OUT,
  INTERFACE_NUMBER,
  isIn,
  REQUEST_ABORT,
  REQUEST_PED_FRAME,
  REQUEST_PED_LINE,
  type UsbIdentity,
} from './descriptors.js'
import { EventPipe, type UsbEventName } from './events.js'
import { MICROSOFT_DESCRIPTOR_INDEX, microsoftDescriptorSet, REQUEST_MICROSOFT } from './microsoft.js'
import { PedLine, type PedSocket } from './ped-line.js'
import { SessionDoor } from './session-door.js'
import {
  type Cancel,
  type Complete,
  OVER,
  outcome,
  type SetupPacket,
  type Urb,
  type UrbPort,
  type UrbResult,
  type UrbStatus,
} from './urb.js'

// bmRequestType of the requests that we know, and the standard bRequest numbers (USB 2.0 §9.3, §9.4).
const IN_DEVICE = 0x80
const IN_INTERFACE = 0x81
const IN_ENDPOINT = 0x82
const OUT_DEVICE = 0x00
const OUT_INTERFACE = 0x01
const OUT_ENDPOINT = 0x02
const IN_VENDOR_DEVICE = 0xc0
const OUT_VENDOR_INTERFACE = 0x41
const IN_VENDOR_INTERFACE = 0xc1
const GET_STATUS = 0
const CLEAR_FEATURE = 1
const SET_FEATURE = 3
const SET_ADDRESS = 5
const GET_DESCRIPTOR = 6
const GET_CONFIGURATION = 8
const SET_CONFIGURATION = 9
const GET_INTERFACE = 10
const SET_INTERFACE = 11
const ENDPOINT_HALT = 0
const LAST_ADDRESS = 127

const SELF_POWERED = 1
const CONTROL_ENDPOINTS: ReadonlySet<number> = new Set([0, 0x80])

const key = (requestType: number, request: number): number => (requestType << 8) | request

export interface TokenDeviceOptions {
  /** Board whose remote PED connector the host may be the cable to; none unless given. */
  readonly ped?: PedSocket | undefined
}

/**
 * The Backup HSM as a USB device: control requests, two bulk pipes in front of a token's command port, an interrupt pipe.
 * It knows no host and no presentation: a virtual bus, a USB/IP server or a gadget brings the transfers. High speed; starts
 * unconfigured. Every transfer is answered, whatever it says.
 */
export class TokenDevice implements UrbPort {
  readonly #door: SessionDoor
  readonly #pipes: CommandPipes
  readonly #events = new EventPipe()
  readonly #ped: PedLine
  #configuration = 0
  #attached = true

  constructor(
    door: CommandDoor,
    readonly identity: UsbIdentity,
    options: TokenDeviceOptions = {},
  ) {
    this.#door = new SessionDoor(door)
    this.#pipes = new CommandPipes(this.#door)
    this.#ped = new PedLine(options.ped, this.#events)
  }

  /** 0 = not configured. */
  get configuration(): number {
    return this.#configuration
  }

  submit(urb: Urb, complete: Complete): Cancel {
    if (!this.#attached) {
      complete(outcome('gone'))
      return OVER
    }
    if (urb.endpoint === 0) {
      complete(this.#control(urb))
      return OVER
    }
    if (this.#configuration !== 0) {
      switch (urb.endpoint) {
        case ENDPOINT_OUT:
          return this.#pipes.out(urb.data, complete)
        case ENDPOINT_IN:
          return this.#pipes.in(urb.length, complete)
        case ENDPOINT_EVENTS:
          return this.#events.in(urb.length, complete)
      }
    }
    complete(outcome('absent'))
    return OVER
  }

  /** The answer to GET_DESCRIPTOR, whole; undefined = there is none. */
  descriptor(type: number, index: number): Uint8Array | undefined {
    return descriptorOf(this.identity, type, index)
  }

  /** Something has happened at the device; a host that is not there, or has not configured it, does not hear of it. */
  notify(event: Extract<UsbEventName, 'attend' | 'tamper' | 'removal'>, detail = 0): void {
    if (this.#configuration !== 0) this.#events.raise(event, detail)
  }

  /** Bus reset: as after plugging in. */
  reset(): void {
    this.#end('reset')
    this.#configuration = 0
    this.#ped.unplug()
  }

  /**
   * The cable is pulled: transfers end with `gone`, sessions and the line to a remote PED with them. Resolves when the token
   * has closed the sessions; until `attach` every transfer is answered with `gone`.
   */
  async detach(): Promise<void> {
    this.#attached = false
    this.#end('gone')
    this.#configuration = 0
    this.#ped.unplug()
    await this.#door.pulled()
  }

  /** The cable is plugged in again. */
  attach(): void {
    this.#attached = true
  }

  #end(status: UrbStatus): void {
    this.#pipes.end(status)
    this.#events.end(status)
  }

  // ---- control pipe ---------------------------------------------------------------------------------------------------

  #control({ setup, data, length }: Urb): UrbResult {
    if (!setup) return outcome('stall')
    if (!isIn(setup.requestType)) {
      // A data stage that is not as long as the SETUP packet said ends with a stall.
      const taken = data.length === setup.length && this.#take(setup, data)
      return taken ? outcome('ok', data.length) : outcome('stall')
    }
    const answer = this.#answer(setup)
    if (!answer) return outcome('stall')
    const sent = answer.subarray(0, setup.length)
    const fits = sent.slice(0, length)
    return { status: fits.length < sent.length ? 'babble' : 'ok', data: fits, actual: fits.length }
  }

  /** The data of the IN stage before it is cut to wLength; undefined = stall. */
  #answer({ requestType, request, value, index }: SetupPacket): Uint8Array | undefined {
    const ours = this.#configuration !== 0 && index === INTERFACE_NUMBER
    switch (key(requestType, request)) {
      case key(IN_DEVICE, GET_STATUS):
        return Uint8Array.of(SELF_POWERED, 0)
      case key(IN_DEVICE, GET_DESCRIPTOR):
        return descriptorOf(this.identity, value >> 8, value & 0xff)
      case key(IN_DEVICE, GET_CONFIGURATION):
        return Uint8Array.of(this.#configuration)
      case key(IN_INTERFACE, GET_STATUS):
        return ours ? Uint8Array.of(0, 0) : undefined
      case key(IN_INTERFACE, GET_INTERFACE):
        return ours ? Uint8Array.of(0) : undefined
      case key(IN_ENDPOINT, GET_STATUS):
        if (CONTROL_ENDPOINTS.has(index)) return Uint8Array.of(0, 0)
        return this.#hasEndpoint(index) ? Uint8Array.of(this.#isHalted(index) ? 1 : 0, 0) : undefined
      case key(IN_VENDOR_DEVICE, REQUEST_MICROSOFT):
        return index === MICROSOFT_DESCRIPTOR_INDEX && value === 0 ? microsoftDescriptorSet() : undefined
      case key(IN_VENDOR_INTERFACE, REQUEST_PED_FRAME):
        return ours ? this.#ped.fetch() : undefined
      default:
        return undefined
    }
  }

  /** A request without data, or with data to the device. False = stall. */
  #take(setup: SetupPacket, data: Uint8Array): boolean {
    const { requestType, request, value, index } = setup
    if (key(requestType, request) === key(OUT_VENDOR_INTERFACE, REQUEST_PED_FRAME)) {
      return this.#configuration !== 0 && index === INTERFACE_NUMBER && this.#ped.deliver(data)
    }
    if (data.length > 0) return false
    switch (key(requestType, request)) {
      case key(OUT_DEVICE, SET_ADDRESS):
        // The address is the business of whoever runs the bus.
        return value <= LAST_ADDRESS
      case key(OUT_DEVICE, SET_CONFIGURATION):
        if (value !== 0 && value !== CONFIGURATION_VALUE) return false
        this.#end('reset')
        if (value === 0) this.#ped.unplug()
        this.#configuration = value
        return true
      case key(OUT_ENDPOINT, CLEAR_FEATURE):
        return value === ENDPOINT_HALT && this.#halt(index, false)
      case key(OUT_ENDPOINT, SET_FEATURE):
        return value === ENDPOINT_HALT && this.#halt(index, true)
      default:
        return this.#configuration !== 0 && index === INTERFACE_NUMBER && this.#takeForInterface(setup)
    }
  }

  #takeForInterface({ requestType, request, value }: SetupPacket): boolean {
    switch (key(requestType, request)) {
      case key(OUT_INTERFACE, SET_INTERFACE):
        if (value !== 0) return false
        this.#end('reset')
        return true
      case key(OUT_VENDOR_INTERFACE, REQUEST_ABORT):
        // Another user of the cable begins: nothing of the last one is left.
        this.#pipes.abort()
        this.#ped.unplug()
        this.#door.pulled()
        return true
      case key(OUT_VENDOR_INTERFACE, REQUEST_PED_LINE):
        if (value > 1) return false
        return value === 1 ? this.#ped.plug() : this.#ped.unplug()
      default:
        return false
    }
  }

  #hasEndpoint(address: number): boolean {
    if (this.#configuration === 0) return false
    return address === ENDPOINT_OUT || address === ENDPOINT_IN || address === ENDPOINT_EVENTS
  }

  #isHalted(address: number): boolean {
    return address === ENDPOINT_EVENTS ? this.#events.halted : this.#pipes.isHalted(address)
  }

  /** False = there is no such endpoint. */
  #halt(address: number, halted: boolean): boolean {
    // The control pipe is never halted: the next SETUP packet clears a stall.
    if (CONTROL_ENDPOINTS.has(address)) return !halted
    if (!this.#hasEndpoint(address)) return false
    if (address === ENDPOINT_EVENTS) this.#events.halted = halted
    else if (halted) this.#pipes.halt(address)
    else this.#pipes.clearHalt(address)
    return true
  }
}
