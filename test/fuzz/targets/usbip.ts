// What a USB/IP host says once it has a device: messages that are nearly right, cut anywhere. What has to come back is worked out
// here from SPEC.md §9.1, byte for byte, without the server's code.
import { Writable } from 'node:stream'
import { ByteQueue } from '../../../host/usb/byte-queue.js'
import { UsbError } from '../../../host/usb/index.js'
import { type Complete, NO_DATA, OVER, outcome, type Urb, type UrbPort, type UrbStatus } from '../../../host/usb/urb.js'
import { DEFAULT_USBIP_LIMITS } from '../../../host/usb/usbip-limits.js'
import { UsbipSession } from '../../../host/usb/usbip-session.js'
import { cat, u32 } from '../../oracle/obc1/bytes.js'
import { type Input, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trialOfBytes } from '../engine/target.js'

const HEADER = 48
const DEVICE = 0x10001
const NOT_ISOCHRONOUS = 0xffffffff
const MOST_PACKETS = 1024
const PACKET_DESCRIPTOR = 16
const SHORT_NOT_OK = 1
/** Small, so that they are reached. */
const LIMITS = { ...DEFAULT_USBIP_LIMITS, urbs: 6, urb: 200, held: 300 }
/** Endpoints of the imagined device: an echo, one that takes and never ends, one that always stalls. */
const [ECHO, HOLDS, STALLS] = [1, 2, 3]
const PORT_RESET = Buffer.from('230304', 'hex')

interface Waiting {
  readonly urb: Urb
  readonly complete: Complete
}

class ImaginedDevice implements UrbPort {
  #waiting: Waiting[] = []
  #said: Uint8Array[] = []

  submit(urb: Urb, complete: Complete) {
    const { endpoint, data, length, setup } = urb
    if (setup) {
      const isIn = (setup.requestType & 0x80) !== 0
      const answer = new Uint8Array(isIn ? Math.min(setup.length, length) : 0).fill(setup.request)
      complete({ status: 'ok', data: answer, actual: isIn ? answer.length : data.length })
      return OVER
    }
    const number = endpoint & 0xf
    if (number !== ECHO && number !== HOLDS) {
      complete(outcome(number === STALLS ? 'stall' : 'absent'))
      return OVER
    }
    if (endpoint === ECHO) {
      this.#said.push(data)
      complete(outcome('ok', data.length))
      this.#answer()
      return OVER
    }
    const one = { urb, complete }
    this.#waiting.push(one)
    this.#answer()
    return () => {
      const at = this.#waiting.indexOf(one)
      if (at >= 0) this.#waiting.splice(at, 1)
      return at >= 0
    }
  }

  reset(): void {
    this.#said = []
    for (const { complete } of this.#waiting.splice(0)) complete(outcome('reset'))
  }

  #answer(): void {
    for (;;) {
      const reader = this.#waiting.find(({ urb }) => urb.endpoint === (ECHO | 0x80))
      const said = reader && this.#said.shift()
      if (!said) return
      this.#waiting.splice(this.#waiting.indexOf(reader), 1)
      const data = said.slice(0, reader.urb.length)
      reader.complete({ status: 'ok', data, actual: data.length })
    }
  }
}

// ---- what SPEC.md says ------------------------------------------------------------------------------------------------

const ERRORS: Readonly<Partial<Record<UrbStatus | 'short' | 'given up', number>>> = {
  stall: -32,
  absent: -2,
  refused: -12,
  reset: -104,
  short: -121,
  'given up': -104,
}

const answer = (
  kind: 3 | 4,
  sequence: number,
  status: string,
  actual = 0,
  data: Uint8Array = NO_DATA,
  packets = NOT_ISOCHRONOUS,
): Buffer => {
  const error = Object.entries(ERRORS).find(([name]) => name === status)?.[1] ?? 0
  const [third, fourth] = kind === 3 ? [u32(actual), u32(0)] : [u32(0), u32(0)]
  const rest = kind === 3 ? cat(u32(packets), Buffer.alloc(12)) : Buffer.alloc(16)
  return cat(u32(kind), u32(sequence), Buffer.alloc(12), u32(error >>> 0), third, fourth, rest, data)
}

interface Read {
  readonly sequence: number
  readonly length: number
  readonly flags: number
}

/** The answers to a stream, and whether it breaks a rule at its end. */
function expected(stream: Buffer): { answers: Buffer; broken: boolean } {
  const answers: Buffer[] = []
  const waiting = new Map<number, { read: Read; isEcho: boolean; held: number }>()
  let said: Buffer[] = []
  const give = ({ sequence, length, flags }: Read, data: Buffer): void => {
    const status = data.length < length && (flags & SHORT_NOT_OK) !== 0 ? 'short' : 'ok'
    answers.push(answer(3, sequence, status, data.length, data))
  }
  const serve = (): void => {
    for (const [sequence, { read, isEcho }] of waiting) {
      if (!isEcho) continue
      const data = said.shift()
      if (!data) return
      waiting.delete(sequence)
      give(read, data.subarray(0, read.length))
    }
  }
  let at = 0
  while (stream.length - at >= HEADER) {
    const number = (offset: number): number => stream.readUInt32BE(at + offset)
    const [kind, sequence, endpoint, flags, length] = [number(0), number(4), number(16), number(20), number(24)]
    if (kind === 2) {
      answers.push(answer(4, sequence, waiting.delete(number(20)) ? 'given up' : 'ok'))
      at += HEADER
      continue
    }
    const packets = number(32) === NOT_ISOCHRONOUS ? 0 : number(32)
    const isFine = kind === 1 && number(8) === DEVICE && endpoint <= 15 && packets <= MOST_PACKETS
    if (!isFine || waiting.has(sequence)) return { answers: Buffer.concat(answers), broken: true }
    const isIn = number(12) === 1
    const size = isIn ? 0 : length
    if (packets > 0) {
      answers.push(answer(3, sequence, 'absent', 0, NO_DATA, 0))
      at += HEADER + size + packets * PACKET_DESCRIPTOR
      continue
    }
    const held = [...waiting.values()].reduce((sum, one) => sum + one.held, 0)
    if (waiting.size >= LIMITS.urbs || held + size > LIMITS.held || size > LIMITS.urb) {
      answers.push(answer(3, sequence, 'refused'))
      at += HEADER + size
      continue
    }
    if (stream.length - at < HEADER + size) break
    const setup = stream.subarray(at + 40, at + 48)
    const data = stream.subarray(at + HEADER, at + HEADER + size)
    const read = { sequence, length, flags }
    at += HEADER + size
    if (endpoint === 0 && setup.subarray(0, 2).equals(PORT_RESET.subarray(0, 2)) && setup.readUInt16LE(2) === 4) {
      said = []
      for (const other of waiting.keys()) answers.push(answer(3, other, 'reset'))
      waiting.clear()
      give({ ...read, flags: isIn ? flags : 0 }, Buffer.alloc(0))
    } else if (endpoint === 0) {
      const isAnswered = (setup.readUInt8(0) & 0x80) !== 0
      const count = isAnswered ? Math.min(setup.readUInt16LE(6), isIn ? length : 0) : size
      // What goes back follows the message's direction, which a wrong host may have other than its SETUP packet.
      const back = Buffer.alloc(isIn && isAnswered ? count : 0, setup.readUInt8(1))
      const isShort = isIn && count < length && (flags & SHORT_NOT_OK) !== 0
      answers.push(answer(3, sequence, isShort ? 'short' : 'ok', count, back))
    } else if (endpoint === ECHO && !isIn) {
      said.push(data)
      answers.push(answer(3, sequence, 'ok', size))
      serve()
    } else if (endpoint === ECHO || endpoint === HOLDS) {
      waiting.set(sequence, { read, isEcho: endpoint === ECHO, held: size })
      serve()
    } else answers.push(answer(3, sequence, endpoint === STALLS ? 'stall' : 'absent'))
  }
  return { answers: Buffer.concat(answers), broken: false }
}

// ---- the fuzzer -------------------------------------------------------------------------------------------------------

function anyMessage(random: Random): Buffer {
  const sequence = u32(random.oneIn(8) ? random.u32() : random.between(1, 12))
  if (random.oneIn(6))
    return cat(u32(2), sequence, u32(DEVICE), Buffer.alloc(8), u32(random.between(1, 12)), Buffer.alloc(24))
  const isIn = random.oneIn(2)
  const endpoint = random.pick([0, ECHO, ECHO, ECHO, HOLDS, STALLS, 7])
  const data = random.bytes(isIn ? 0 : random.pick([0, 0, 8, 64, 150, 201]))
  const length = isIn ? random.pick([0, 8, 64, 512, 70_000]) : data.length
  const requestType = isIn ? 0x80 : 0
  const setup = random.oneIn(5)
    ? Buffer.from('2303040001000000', 'hex')
    : Buffer.of(requestType, random.below(13), 0, 1, 0, 0, random.below(70), 0)
  const isochronous = random.oneIn(12) ? random.pick([1, 2, 30, MOST_PACKETS, MOST_PACKETS + 1]) : 0
  const packets = u32(isochronous || (random.oneIn(3) ? 0 : NOT_ISOCHRONOUS))
  const flags = u32(random.oneIn(4) ? SHORT_NOT_OK : 0)
  const head = cat(
    u32(1),
    sequence,
    u32(DEVICE),
    u32(isIn ? 1 : 0),
    u32(endpoint),
    flags,
    u32(length),
    u32(0),
    packets,
    u32(0),
  )
  return cat(head, setup, data, Buffer.alloc(isochronous * PACKET_DESCRIPTOR))
}

function check(stream: Buffer, random: Random): void {
  const got: Buffer[] = []
  const socket = new Writable({
    write: (bytes: Buffer, _encoding, done) => {
      got.push(bytes)
      done()
    },
  })
  const session = new UsbipSession(socket, new ImaginedDevice(), DEVICE, LIMITS)
  const queue = new ByteQueue()
  let refused = false
  for (let at = 0; at < stream.length && !refused; ) {
    const piece = stream.subarray(at, at + random.pick([1, 3, 47, 48, 49, 100, 1000]))
    at += piece.length
    queue.push(piece)
    try {
      session.take(queue)
    } catch (error) {
      if (!(error instanceof UsbError) || error.code !== 'USBIP_PROTOCOL') throw error
      refused = true
    }
  }
  const { answers, broken } = expected(stream)
  const shown = stream.toString('hex', 0, 200)
  if (refused !== broken) throw new Finding('usbip', 'rules', `refused ${refused}, by SPEC.md ${broken}: ${shown}`)
  const all = Buffer.concat(got)
  if (!all.equals(answers)) {
    const at = all.findIndex((byte, i) => byte !== answers[i])
    throw new Finding(
      'usbip',
      'answers',
      `other answers from byte ${at} of ${all.length} on, ${answers.length} expected: ${shown}`,
    )
  }
}

const usbip: Fuzzer = {
  generate(random: Random): Input {
    const messages = Array.from({ length: random.between(1, 20) }, () => anyMessage(random))
    const damaged = random.oneIn(2) ? messages : messages.map((one) => (random.oneIn(8) ? mutate(random, one) : one))
    return [step('stream', [random.u32()], Buffer.concat(damaged))]
  },
  run(input: Input) {
    return trialOfBytes(input, check)
  },
}

export const usbipTarget: Target = {
  name: 'usbip',
  summary: 'what a USB/IP host says to a device that it has, cut anywhere',
  usesFirmware: false,
  prepare: async () => usbip,
}
