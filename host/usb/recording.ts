import { readDevice } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { readCapture } from './pcapng-read.js'
import type { SetupPacket, UrbStatus } from './urb.js'
import { ERRNO } from './usbip-wire.js'
import {
  decodeUsbmon,
  LINKTYPE_USB_LINUX,
  LINKTYPE_USB_LINUX_MMAPPED,
  type TransferType,
  type UsbmonPacket,
} from './usbmon.js'

const GET_DESCRIPTOR = 6
const IN_DEVICE = 0x80
const DEVICE_LENGTH = 18
/** Offset of a device's class in its descriptor, and that of hubs. */
const CLASS = 4
const HUB = 9

/** How a recorded transfer ended at the device; undefined = it did not: the host gave it up, or the recording ends before. */
export interface RecordedResult {
  readonly status: UrbStatus
  /** What came in. */
  readonly data: Uint8Array
  readonly actual: number
}

/** A transfer that a host made. */
export interface RecordedTransfer {
  /** Counted from 1, transfers of all endpoints together. */
  readonly number: number
  /** As in a URB: with its direction bit, 0 = control. */
  readonly endpoint: number
  readonly type: TransferType
  readonly setup: SetupPacket | undefined
  /** What went out, as much of it as was captured. */
  readonly data: Uint8Array
  /** Bytes that went out, or that there was room for. */
  readonly length: number
  readonly result: RecordedResult | undefined
}

/** What happened, in the order in which it did. */
export interface RecordedStep {
  readonly what: 'submit' | 'complete'
  readonly transfer: RecordedTransfer
  /** Microseconds since the first step. */
  readonly time: number
}

/** One device's part of a capture. */
export interface Recording {
  readonly bus: number
  readonly device: number
  readonly steps: readonly RecordedStep[]
  readonly transfers: readonly RecordedTransfer[]
}

export interface RecordingOptions {
  /**
   * BUS.DEVICE of the device. Unless given, the one that is no hub and whose device descriptor was read; where the same was plugged
   * in anew, its first time.
   */
  readonly device?: string | undefined
}

type Writable = { -readonly [Key in keyof RecordedTransfer]: RecordedTransfer[Key] }

interface Builder {
  readonly bus: number
  readonly device: number
  readonly open: Map<bigint, Writable>
  readonly steps: RecordedStep[]
  readonly transfers: RecordedTransfer[]
  begun: bigint
}

/** -EPROTO, -EILSEQ, -ETIME and the like: nobody answers, as when a device is pulled out. */
const STATUS: ReadonlyMap<number, UrbStatus> = new Map([
  [0, 'ok'],
  [-ERRNO.EREMOTEIO, 'ok'],
  [-ERRNO.EPIPE, 'stall'],
  [-ERRNO.EOVERFLOW, 'babble'],
])
const GIVEN_UP: ReadonlySet<number> = new Set([-ERRNO.ENOENT, -ERRNO.ECONNRESET])

/**
 * The part of one device in a capture of Linux's usbmon or of ours.
 * @param bytes a pcapng or pcap file
 * @throws UsbError CAPTURE_FORMAT, CAPTURE_DEVICE, CAPTURE_INCOMPLETE where the capture is redacted, begins behind the first packets of the
 * device, or has not all of its data
 */
export function readRecording(bytes: Uint8Array, options: RecordingOptions = {}): Recording {
  const { packets, comments } = readCapture(bytes)
  if (comments.some((comment) => /^Redacted:/m.test(comment))) {
    throw new UsbError('CAPTURE_INCOMPLETE', 'the capture is redacted: what it does not hold cannot be replayed')
  }
  const devices = new Map<string, Builder>()
  for (const { linkType, little, bytes: packet } of packets) {
    if (linkType !== LINKTYPE_USB_LINUX && linkType !== LINKTYPE_USB_LINUX_MMAPPED) continue
    add(devices, decodeUsbmon(packet, linkType, little))
  }
  if (devices.size === 0)
    throw new UsbError('CAPTURE_DEVICE', 'the capture has no USB packets of Linux (link type 220 or 189)')
  const recording = choose(devices, options.device)
  for (const transfer of recording.transfers) checkWhole(transfer)
  return recording
}

function add(devices: Map<string, Builder>, packet: UsbmonPacket): void {
  const { id, bus, device, event, time } = packet
  const name = `${bus}.${device}`
  let builder = devices.get(name)
  if (!builder) {
    builder = { bus, device, open: new Map(), steps: [], transfers: [], begun: time }
    devices.set(name, builder)
  }
  if (packet.type === 'isochronous') return
  const at = Number(time - builder.begun)
  if (event === 'S') {
    const number = builder.transfers.length + 1
    const control = packet.type === 'control'
    const { setup, length } = packet
    const endpoint = control ? packet.endpoint & 0xf : packet.endpoint
    // Other control endpoints than 0 are nothing that hosts use.
    if (control && endpoint !== 0) return
    const transfer: Writable = {
      number,
      endpoint,
      type: packet.type,
      setup,
      data: packet.data,
      length,
      result: undefined,
    }
    builder.transfers.push(transfer)
    builder.open.set(id, transfer)
    builder.steps.push({ what: 'submit', transfer, time: at })
    return
  }
  const transfer = builder.open.get(id)
  // Handed in before the capture began.
  if (!transfer) return
  builder.open.delete(id)
  if (GIVEN_UP.has(packet.status) && event === 'C') return
  const status = event === 'E' ? 'absent' : (STATUS.get(packet.status) ?? 'gone')
  transfer.result = { status, data: packet.data, actual: packet.length }
  builder.steps.push({ what: 'complete', transfer, time: at })
}

function choose(devices: ReadonlyMap<string, Builder>, wanted: string | undefined): Recording {
  const known = [...devices.keys()].join(', ')
  if (wanted !== undefined) {
    const found = devices.get(wanted)
    if (found) return found
    throw new UsbError('CAPTURE_DEVICE', `the capture has no device ${wanted}, only ${known}`)
  }
  const described = [...devices.values()].filter(isCandidate)
  const [first] = described
  if (!first) {
    throw new UsbError(
      'CAPTURE_INCOMPLETE',
      'the capture has no device descriptor: it has to begin before the device is plugged in',
    )
  }
  const idsOf = (one: Builder): string => Buffer.from(deviceOf(one)?.subarray(8, 14) ?? []).toString('hex')
  if (described.some((one) => idsOf(one) !== idsOf(first))) {
    const names = described.map(({ bus, device }) => `${bus}.${device}`).join(', ')
    throw new UsbError('CAPTURE_DEVICE', `the capture has several devices: ${names}; one has to be named`)
  }
  return first
}

/** Not a hub, and not the address that every new device has for a moment. */
function isCandidate(one: Builder): boolean {
  const descriptor = deviceOf(one)
  return one.device !== 0 && descriptor !== undefined && descriptor[CLASS] !== HUB
}

const deviceOf = (recording: Pick<Recording, 'transfers'>): Uint8Array | undefined => {
  const bytes = descriptorIn(recording, DESCRIPTOR.device, 0)
  if (!bytes || bytes.length < DEVICE_LENGTH) return undefined
  readDevice(bytes)
  return bytes
}

/** The longest answer to GET_DESCRIPTOR in a recording, in whatever language. */
export function descriptorIn(
  { transfers }: Pick<Recording, 'transfers'>,
  type: number,
  index: number,
  language?: number,
): Uint8Array | undefined {
  let longest: Uint8Array | undefined
  for (const { setup, result } of transfers) {
    if (!setup || setup.requestType !== IN_DEVICE || setup.request !== GET_DESCRIPTOR) continue
    if (setup.value !== ((type << 8) | index) || result?.status !== 'ok') continue
    if (language !== undefined && setup.index !== language) continue
    if (!longest || result.data.length > longest.length) longest = result.data
  }
  return longest
}

/** usbmon cuts data off where its buffer ends. @throws UsbError CAPTURE_INCOMPLETE */
function checkWhole({ number, setup, endpoint, data, length, result }: RecordedTransfer): void {
  const isIn = ((setup ? setup.requestType : endpoint) & 0x80) !== 0
  const [has, needs] = isIn ? [result?.data.length ?? 0, result?.actual ?? 0] : [data.length, length]
  if (has >= needs) return
  throw new UsbError('CAPTURE_INCOMPLETE', `of the ${needs} bytes of transfer ${number} the capture has ${has} only`)
}
