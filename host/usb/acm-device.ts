import type { Duplex } from 'node:stream'
import { ACM_CONTROL, ACM_DATA, ACM_ENDPOINTS, compositeMicrosoftSet, withPort } from './acm-descriptors.js'
import { AcmLine } from './acm-line.js'
import { MICROSOFT_DESCRIPTOR_INDEX, REQUEST_MICROSOFT } from './microsoft.js'
import {
  type Cancel,
  type Complete,
  NO_DATA,
  OVER,
  outcome,
  type SetupPacket,
  type Urb,
  type UrbResult,
} from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import { WrappedDevice } from './wrapped-device.js'

// bmRequestType and bRequest (USB 2.0 §9.4; PSTN subclass 1.2 §6.3).
const [OUT_DEVICE, IN_DEVICE, IN_VENDOR_DEVICE] = [0x00, 0x80, 0xc0]
const [OUT_INTERFACE, IN_INTERFACE, OUT_ENDPOINT, IN_ENDPOINT] = [0x01, 0x81, 0x02, 0x82]
const [OUT_CLASS, IN_CLASS] = [0x21, 0xa1]
const [GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR, SET_CONFIGURATION] = [0, 1, 3, 6, 9]
const [GET_INTERFACE, SET_INTERFACE, ENDPOINT_HALT] = [10, 11, 0]
const [SET_LINE_CODING, GET_LINE_CODING, SET_CONTROL_LINE_STATE, SEND_BREAK] = [0x20, 0x21, 0x22, 0x23]
/** Recipient of a request, and two of them. */
const [RECIPIENT, TO_INTERFACE, TO_ENDPOINT] = [0x1f, 1, 2]
const DTR = 1
/** dwDTERate 115200, one stop bit, no parity, eight bits: the line has no speed, and takes any. */
const LINE_CODING = Uint8Array.of(0x00, 0xc2, 0x01, 0x00, 0, 0, 8)

const key = (requestType: number, request: number): number => (requestType << 8) | request

/** A token's device that is a serial port, too (CDC-ACM), whose line ends here: the HSM's own PED port. */
export class AcmDevice extends WrappedDevice {
  readonly #line = new AcmLine()
  #coding = LINE_CODING
  #isConfigured = false
  #isAttached = true

  constructor(inner: ExportableDevice) {
    super(inner)
  }

  /** Plugs something into this end of the line. */
  openLine(): Duplex {
    return this.#line.open()
  }

  submit(urb: Urb, complete: Complete): Cancel {
    const { endpoint, setup } = urb
    if (setup && endpoint === 0) return this.#control(urb, setup, complete)
    if (!ACM_ENDPOINTS.has(endpoint) || !this.#isAttached) return this.inner.submit(urb, complete)
    if (this.#isConfigured) return this.#line.submit(urb, complete)
    complete(outcome('absent'))
    return OVER
  }

  override descriptor(type: number, index: number): Uint8Array | undefined {
    return withPort(type, index, this.inner.descriptor(type, index))
  }

  override reset(): void {
    this.#left('reset')
    this.inner.reset()
  }

  override attach(): void {
    this.#isAttached = true
    this.inner.attach()
  }

  override detach(): Promise<void> {
    this.#isAttached = false
    this.#left('gone')
    return this.inner.detach()
  }

  #left(status: 'reset' | 'gone'): void {
    this.#isConfigured = false
    this.#line.reset(status)
    this.#coding = LINE_CODING
  }

  #control(urb: Urb, setup: SetupPacket, complete: Complete): Cancel {
    if (!this.#isAttached) return this.inner.submit(urb, complete)
    if (key(setup.requestType, setup.request) === key(OUT_DEVICE, SET_CONFIGURATION)) {
      return this.inner.submit(urb, (result) => {
        if (result.status === 'ok') {
          this.#left('reset')
          this.#isConfigured = setup.value !== 0
        }
        complete(result)
      })
    }
    const ours = this.#answer(urb, setup)
    if (ours === undefined) return this.inner.submit(urb, complete)
    complete(ours)
    return OVER
  }

  /** Undefined = the request is not about the port. */
  #answer({ data, length }: Urb, setup: SetupPacket): UrbResult | undefined {
    const { requestType, request, value, index } = setup
    const recipient = requestType & RECIPIENT
    const isPort =
      (recipient === TO_INTERFACE && (index === ACM_CONTROL || index === ACM_DATA)) ||
      (recipient === TO_ENDPOINT && ACM_ENDPOINTS.has(index))
    if (isPort) {
      if (!this.#isConfigured) return outcome('stall')
      if ((requestType & 0x80) !== 0) return sent(this.#tell(setup), setup, length)
      return data.length === setup.length && this.#take(setup, data) ? outcome('ok', data.length) : outcome('stall')
    }
    if (key(requestType, request) === key(IN_DEVICE, GET_DESCRIPTOR)) {
      return sent(this.descriptor(value >> 8, value & 0xff), setup, length)
    }
    const isMicrosoft = key(requestType, request) === key(IN_VENDOR_DEVICE, REQUEST_MICROSOFT)
    if (isMicrosoft && index === MICROSOFT_DESCRIPTOR_INDEX && value === 0) {
      return sent(compositeMicrosoftSet(), setup, length)
    }
    return undefined
  }

  /** The data of an IN stage; undefined = stall. */
  #tell({ requestType, request, index }: SetupPacket): Uint8Array | undefined {
    switch (key(requestType, request)) {
      case key(IN_INTERFACE, GET_STATUS):
        return Uint8Array.of(0, 0)
      case key(IN_INTERFACE, GET_INTERFACE):
        return Uint8Array.of(0)
      case key(IN_ENDPOINT, GET_STATUS):
        return Uint8Array.of(this.#line.isHalted(index) ? 1 : 0, 0)
      case key(IN_CLASS, GET_LINE_CODING):
        return index === ACM_CONTROL ? this.#coding : undefined
      default:
        return undefined
    }
  }

  /** False = stall. */
  #take({ requestType, request, value, index }: SetupPacket, data: Uint8Array): boolean {
    if (key(requestType, request) === key(OUT_CLASS, SET_LINE_CODING)) {
      if (index !== ACM_CONTROL || data.length !== LINE_CODING.length) return false
      this.#coding = Uint8Array.from(data)
      return true
    }
    if (data.length > 0) return false
    switch (key(requestType, request)) {
      case key(OUT_INTERFACE, SET_INTERFACE):
        return value === 0
      case key(OUT_ENDPOINT, CLEAR_FEATURE):
      case key(OUT_ENDPOINT, SET_FEATURE):
        if (value !== ENDPOINT_HALT) return false
        this.#line.halt(index, request === SET_FEATURE)
        return true
      case key(OUT_CLASS, SET_CONTROL_LINE_STATE):
        if (index !== ACM_CONTROL) return false
        this.#line.isOpen = (value & DTR) !== 0
        return true
      case key(OUT_CLASS, SEND_BREAK):
        return index === ACM_CONTROL
      default:
        return false
    }
  }
}

/** An answer, cut to what the host has asked for. */
function sent(answer: Uint8Array | undefined, { length: asked }: SetupPacket, room: number): UrbResult {
  if (!answer) return outcome('stall')
  const whole = answer.subarray(0, asked)
  const data = room > 0 ? whole.slice(0, room) : NO_DATA
  return { status: data.length < whole.length ? 'babble' : 'ok', data: Uint8Array.from(data), actual: data.length }
}
