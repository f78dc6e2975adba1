import { readConfiguration, readDevice } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { descriptorIn, type RecordedStep, type Recording } from './recording.js'
import { ReplayRun, type RunOptions } from './replay-run.js'
import { type Cancel, type Complete, OVER, outcome, type SetupPacket, type Urb, type UrbResult } from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import type { UsbSpeed } from './usbip-wire.js'

export type { ReplayEvent } from './replay-run.js'

const STANDARD_MASK = 0x60
const RECIPIENT_MASK = 0x1f
const GET_STATUS = 0
const CLEAR_FEATURE = 1
const SET_FEATURE = 3
const SET_ADDRESS = 5
const GET_DESCRIPTOR = 6
const GET_CONFIGURATION = 8
const SET_CONFIGURATION = 9
const GET_INTERFACE = 10
const SET_INTERFACE = 11
const EMPTY = new Uint8Array(0)
const ENGLISH_US = Uint8Array.of(4, DESCRIPTOR.string, 9, 4)
const EMPTY_TEXT = Uint8Array.of(2, DESCRIPTOR.string)

export type ReplayOptions = Pick<RunOptions, 'delays' | 'patience'> & Partial<Pick<RunOptions, 'onEvent' | 'onEnd'>>

const isStandard = ({ setup }: Pick<Urb, 'setup'>): boolean =>
  setup !== undefined && (setup.requestType & STANDARD_MASK) === 0

/** A capture does not tell the speed, but bulk packets have 512 bytes at high speed only, and are longer at super speed. */
function speedOf({ interfaces }: USBConfiguration): UsbSpeed {
  const endpoints = interfaces.flatMap(({ alternates }) => alternates.flatMap((one) => one.endpoints))
  const sizes = endpoints.filter(({ type }) => type === 'bulk').map(({ packetSize }) => packetSize)
  const largest = Math.max(0, ...sizes)
  return largest > 512 ? 'super' : largest > 0 && largest < 512 ? 'full' : 'high'
}

/**
 * A device that answers as one did in a recording. Standard requests are answered whenever they come: they are the business of
 * the host's USB stack. All else has to come as recorded. Each time that it is plugged in it begins anew.
 */
export class ReplayDevice implements ExportableDevice {
  readonly #steps: readonly RecordedStep[]
  readonly #options: RunOptions
  readonly speed: UsbSpeed
  #run: ReplayRun | undefined
  #configuration = 0

  /** @throws UsbError CAPTURE_INCOMPLETE where the descriptors are not in the recording, USB_DESCRIPTOR */
  constructor(
    private readonly recording: Recording,
    { onEvent, onEnd, ...options }: ReplayOptions = {},
  ) {
    this.#options = { ...options, onEvent: onEvent ?? (() => undefined), onEnd: onEnd ?? (() => undefined) }
    this.#steps = recording.steps.filter(({ transfer }) => !isStandard(transfer))
    const device = descriptorIn(recording, DESCRIPTOR.device, 0)
    const configuration = descriptorIn(recording, DESCRIPTOR.configuration, 0)
    if (!device || !configuration) {
      const advice = 'it has to begin before the device is plugged in'
      throw new UsbError('CAPTURE_INCOMPLETE', `the capture lacks descriptors: ${advice}`)
    }
    readDevice(device)
    this.speed = speedOf(readConfiguration(configuration, () => false))
  }

  descriptor(type: number, index: number): Uint8Array | undefined {
    return descriptorIn(this.recording, type, index)
  }

  attach(): void {
    this.#configuration = 0
    this.#run = new ReplayRun(this.#steps, this.#options)
  }

  async detach(): Promise<void> {
    this.#run?.stop()
    this.#run = undefined
  }

  notify(): void {}

  reset(): void {
    this.#configuration = 0
    this.#run?.reset()
  }

  submit(urb: Urb, complete: Complete): Cancel {
    if (this.#run && !isStandard(urb)) return this.#run.submit(urb, complete)
    complete(this.#run ? this.#standard(urb) : outcome('gone'))
    return OVER
  }

  #standard({ setup, data, length }: Urb): UrbResult {
    const answer = setup && this.#answer(setup)
    if (!setup || answer === undefined) return outcome('stall')
    if ((setup.requestType & 0x80) === 0) return outcome('ok', data.length)
    const sent = Uint8Array.from(answer.subarray(0, Math.min(setup.length, length)))
    return { status: 'ok', data: sent, actual: sent.length }
  }

  /** A text that the recorded host has not asked for is empty; one of another language does. */
  #text(index: number, language: number): Uint8Array {
    const { recording } = this
    const text = descriptorIn(recording, DESCRIPTOR.string, index, language)
    return text ?? descriptorIn(recording, DESCRIPTOR.string, index) ?? (index === 0 ? ENGLISH_US : EMPTY_TEXT)
  }

  /** Undefined = stall. */
  #answer({ requestType, request, value, index }: SetupPacket): Uint8Array | undefined {
    const type = value >> 8
    switch (request) {
      case GET_DESCRIPTOR:
        if (type !== DESCRIPTOR.string) return descriptorIn(this.recording, type, value & 0xff)
        return this.#text(value & 0xff, index)
      case SET_CONFIGURATION:
        this.#configuration = value
        return EMPTY
      case GET_CONFIGURATION:
        return Uint8Array.of(this.#configuration)
      case GET_STATUS:
        // Self-powered, no endpoint halted.
        return Uint8Array.of((requestType & RECIPIENT_MASK) === 0 ? 1 : 0, 0)
      case GET_INTERFACE:
        return Uint8Array.of(0)
      case CLEAR_FEATURE:
      case SET_FEATURE:
      case SET_ADDRESS:
      case SET_INTERFACE:
        return EMPTY
      default:
        return undefined
    }
  }
}
