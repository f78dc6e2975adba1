// Capture files: damaged ones are refused or read; a device that is made of one takes whatever a host does.
import { ReplayDevice, readRecording, UsbError } from '../../../host/usb/index.js'
import { interfaceBlock, packetBlock, secretsBlock, sectionBlock } from '../../../host/usb/pcapng-write.js'
import type { SetupPacket, Urb } from '../../../host/usb/urb.js'
import {
  encodeUsbmon,
  LINKTYPE_USB_LINUX,
  LINKTYPE_USB_LINUX_MMAPPED,
  type UsbmonPacket,
} from '../../../host/usb/usbmon.js'
import { type Input, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trialOfBytes } from '../engine/target.js'

const DEVICE = Buffer.from('120100020000004034127856000100000001', 'hex')
const CONFIGURATION = Buffer.from('0902200001010080320904000002ff0000000705010200020007058202000200', 'hex')
const ENDPOINTS = [0, 0x80, 1, 0x82, 0x83] as const
const STATUSES: ReadonlySet<string> = new Set(['ok', 'stall', 'babble', 'absent', 'refused', 'reset', 'gone'])
const CODES: ReadonlySet<string> = new Set(['CAPTURE_FORMAT', 'CAPTURE_DEVICE', 'CAPTURE_INCOMPLETE', 'USB_DESCRIPTOR'])

function anySetup(random: Random): SetupPacket {
  const requestType = random.pick([0x80, 0x80, 0x00, 0x41, 0xc1, 0x21])
  const value = random.oneIn(2) ? random.pick([0x100, 0x200, 0x300]) : random.below(0x10000)
  return {
    requestType,
    request: random.pick([0, 3, 6, 6, 9, 11]),
    value,
    index: random.below(3),
    length: random.below(300),
  }
}

type Known = Pick<UsbmonPacket, 'id' | 'event' | 'type' | 'endpoint' | 'data'> & Partial<UsbmonPacket>

/** A capture that is mostly whole: an enumeration, then anything. */
function anyCapture(random: Random): Buffer {
  const none = Buffer.alloc(0)
  const get = (value: number): SetupPacket => ({ requestType: 0x80, request: 6, value, index: 0, length: 255 })
  const known: Known[] = [
    { id: 1n, event: 'S', type: 'control', endpoint: 0x80, setup: get(0x100), data: none },
    { id: 1n, event: 'C', type: 'control', endpoint: 0x80, data: DEVICE },
    { id: 2n, event: 'S', type: 'control', endpoint: 0x80, setup: get(0x200), data: none },
    { id: 2n, event: 'C', type: 'control', endpoint: 0x80, data: CONFIGURATION },
  ]
  for (let left = random.below(20); left > 0; left--) {
    const endpoint = random.pick(ENDPOINTS)
    const control = (endpoint & 0x7f) === 0
    const event = random.pick(['S', 'S', 'C', 'E'] as const)
    const setup = control && event === 'S' ? anySetup(random) : undefined
    const type = control ? 'control' : random.pick(['bulk', 'interrupt'] as const)
    const status = random.pick([0, 0, -2, -32, -71, -75, -104, -108, -121])
    known.push({
      id: BigInt(random.below(4)),
      event,
      type,
      endpoint,
      status,
      setup,
      data: random.bytes(random.below(40)),
    })
  }
  const blocks = known.map((packet, i) => {
    const whole = { bus: 1, device: 2, time: BigInt(i * 10), status: 0, length: packet.data.length, ...packet }
    return packetBlock(0, whole.time, encodeUsbmon(whole), random.oneIn(8) ? 'a comment' : undefined)
  })
  const linkType = random.oneIn(8) ? LINKTYPE_USB_LINUX : LINKTYPE_USB_LINUX_MMAPPED
  const head = [sectionBlock('fuzz', ''), interfaceBlock({ linkType, name: 'usb' })]
  if (random.oneIn(4)) head.push(secretsBlock(random.bytes(20)))
  return Buffer.concat([...head, ...blocks])
}

/** What a host does with a device that is made of the file. */
function drive(device: ReplayDevice, random: Random): void {
  device.attach()
  for (let left = 12; left > 0; left--) {
    const endpoint = random.pick([0, 0, 1, 0x82, 0x83])
    const setup = endpoint === 0 ? anySetup(random) : undefined
    const isIn = ((setup ? setup.requestType : endpoint) & 0x80) !== 0
    const length = setup ? setup.length : random.below(64)
    const urb: Urb = { endpoint, setup, data: isIn ? Buffer.alloc(0) : random.bytes(length), length: isIn ? length : 0 }
    let times = 0
    const cancel = device.submit(urb, ({ status, data, actual }) => {
      times += 1
      if (times > 1) throw new Finding('capture', 'twice', 'a transfer ended twice')
      if (!STATUSES.has(status)) throw new Finding('capture', 'status', `a transfer ended with ${status}`)
      if (isIn && (data.length > length || actual !== data.length))
        throw new Finding('capture', 'room', 'more came than there was room for')
    })
    if (random.oneIn(3) && cancel() && times > 0)
      throw new Finding('capture', 'cancel', 'a transfer that was over was given up')
    if (random.oneIn(20)) device.reset()
  }
  device.detach()
}

function check(file: Buffer, random: Random): void {
  let device: ReplayDevice
  try {
    device = new ReplayDevice(readRecording(file))
  } catch (error) {
    if (!(error instanceof UsbError) || !CODES.has(error.code)) throw error
    return
  }
  drive(device, random)
}

const capture: Fuzzer = {
  generate(random: Random): Input {
    const file = anyCapture(random)
    return [step('file', [random.u32()], random.oneIn(4) ? file : mutate(random, file))]
  },
  run(input: Input) {
    return trialOfBytes(input, check)
  },
}

export const captureTarget: Target = {
  name: 'capture',
  summary: 'files of captured USB traffic, and hosts of a device that is made of one',
  usesFirmware: false,
  prepare: async () => capture,
}
