// What carries command frames: transfers on USB, and what a client of the appliance may say.
import * as protocol from '../../../assembly/protocol.js'
import { isCommandFrame } from '../../../host/board/index.js'
import { Visibility } from '../../../host/ntls/visibility.js'
import { encodeTransfer, TransferReader } from '../../../host/usb/framing.js'
import { UsbError } from '../../../host/usb/index.js'
import { cat, u16, u32, u64 } from '../../oracle/obc1/bytes.js'
import { type Input, type Step, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import { Random } from '../engine/random.js'
import { COMMANDS, commandOf } from '../engine/spec.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import { field, frameOf } from '../firmware/station.js'

const { FRAME_HEADER, MAX_FRAME } = protocol

function anyFrame(random: Random): Buffer {
  const row = random.pick(COMMANDS)
  const body = random.bytes(random.pick([0, 4, 13, 20, 100, 600]))
  return frameOf(row.id, random.oneIn(6) ? 1 : 0, random.pick([0, 0, 101, 102, 103, 999]), random.u32(), body)
}

// ---- USB --------------------------------------------------------------------------------------------------------------

/** A stream cut into frames as SPEC.md §9 has it. */
function transfersIn(stream: Buffer): { frames: Buffer[]; broken: boolean } {
  const frames: Buffer[] = []
  for (let at = 0; at < stream.length; ) {
    const magic = stream.toString('latin1', at, Math.min(at + 4, stream.length))
    if (!'MLU1'.startsWith(magic)) return { frames, broken: true }
    if (stream.length - at < 8) break
    const length = stream.readUInt32BE(at + 4)
    if (length < FRAME_HEADER || length > MAX_FRAME) return { frames, broken: true }
    if (stream.length - at - 8 < length) break
    frames.push(stream.subarray(at + 8, at + 8 + length))
    at += 8 + length
  }
  return { frames, broken: false }
}

const usb: Fuzzer = {
  generate(random: Random): Input {
    const transfers = Array.from({ length: random.between(1, 5) }, () => Buffer.from(encodeTransfer(anyFrame(random))))
    const stream = random.oneIn(3) ? Buffer.concat(transfers) : mutate(random, Buffer.concat(transfers))
    return [step('stream', [random.u32()], stream)]
  },
  run(input: Input) {
    return trial((count) => {
      for (const {
        numbers: [seed = 0],
        bytes,
      } of input) {
        count()
        checkStream(bytes, new Random(seed))
      }
    })
  },
}

function checkStream(stream: Buffer, random: Random): void {
  const { frames, broken } = transfersIn(stream)
  const reader = new TransferReader()
  const got: Uint8Array[] = []
  let refused = false
  for (let at = 0; at < stream.length && !refused; ) {
    const piece = stream.subarray(at, at + random.pick([0, 1, 2, 7, 8, 9, 64, 512, 70_000]))
    at += piece.length
    try {
      got.push(...reader.push(piece))
    } catch (error) {
      if (!(error instanceof UsbError) || error.code !== 'USB_FRAMING') throw error
      refused = true
    }
  }
  const shown = stream.toString('hex', 0, 100)
  if (refused !== broken) throw new Finding('usb', 'framing', `refused ${refused}, by SPEC.md ${broken}: ${shown}`)
  // Frames that the last piece completed before its fault go with it.
  const same = got.every((frame, i) => frames[i]?.equals(frame)) && (broken || got.length === frames.length)
  if (!same) throw new Finding('usb', 'frames', `${got.length} frames, by SPEC.md ${frames.length}: ${shown}`)
}

export const usbTarget: Target = {
  name: 'usb',
  summary: 'transfers on the bulk pipes, cut anywhere',
  usesFirmware: false,
  prepare: async () => usb,
}

// ---- NTLS -------------------------------------------------------------------------------------------------------------

const ASSIGNED: readonly number[] = [1, 3]
const NAMING: readonly number[] = [
  ...[protocol.CMD_SESSION_OPEN, protocol.CMD_PARTITION_INFO, protocol.CMD_PARTITION_POLICIES],
  ...[protocol.CMD_PARTITION_DELETE, protocol.CMD_PARTITION_SET_POLICY, protocol.CMD_PARTITION_RESIZE],
]

const partitionRow = (id: number) =>
  cat(u32(id), u64(1n), u32(0), field(`partition ${id}`), u64(0n), u64(0n), u32(0), Buffer.of(0))

/** The appliance's card, as hostile as its answers are; it notes what reaches it. */
class Card {
  readonly reached: Buffer[] = []
  next: Buffer | undefined
  #sessions = 100

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    const request = Buffer.from(frame)
    this.reached.push(request)
    const { next } = this
    this.next = undefined
    if (next) return next
    const command = request.readUInt16BE()
    const body =
      command === protocol.CMD_SESSION_OPEN
        ? u32(++this.#sessions)
        : command === protocol.CMD_PARTITION_LIST
          ? cat(u16(4), ...[1, 2, 3, 4].map(partitionRow))
          : Buffer.alloc(0)
    return cat(u16(command | protocol.ANSWER), u16(0), u32(0), request.subarray(8, 12), u32(body.length), body)
  }
}

const open = (partition: number) =>
  frameOf(protocol.CMD_SESSION_OPEN, 0, 0, 1, cat(u32(partition), u64(7n), Buffer.of(1)))

const ntls: Fuzzer = {
  generate(random: Random): Input {
    return Array.from({ length: random.between(1, 12) }, (): Step => {
      if (random.oneIn(4)) return step('frame', [], open(random.below(6)))
      const list = frameOf(protocol.CMD_PARTITION_LIST, 0, 0, random.u32(), Buffer.alloc(0))
      if (random.oneIn(4)) {
        const answer = cat(u16(4), ...[1, 2, 3, 4].map(partitionRow))
        return step('list', [], random.oneIn(2) ? mutate(random, answer) : answer)
      }
      const frame = random.oneIn(3) ? list : anyFrame(random)
      return step('frame', [], random.oneIn(3) ? mutate(random, frame) : frame)
    })
  },
  run(input: Input) {
    return trial(async (count) => {
      const card = new Card()
      const door = new Visibility(card).connect({ name: 'client', assigned: (id) => ASSIGNED.includes(id) })
      const own = new Set<number>()
      for (const { what, bytes } of input) {
        count()
        const list = what === 'list'
        const frame = list ? frameOf(protocol.CMD_PARTITION_LIST, 0, 0, 9, Buffer.alloc(0)) : bytes
        if (list)
          card.next = cat(
            u16(protocol.CMD_PARTITION_LIST | protocol.ANSWER),
            u16(0),
            u32(0),
            u32(9),
            u32(bytes.length),
            bytes,
          )
        // The connection gives its frames on only where they are frames.
        if (!isCommandFrame(frame)) continue
        card.reached.length = 0
        checkAnswer(frame, Buffer.from(await door.exchange(frame)), own)
        for (const request of card.reached) checkRequest(request, own)
      }
      await door.close()
    })
  },
}

function checkAnswer(frame: Buffer, answer: Buffer, own: Set<number>): void {
  const fault = (what: string): never => {
    throw new Finding('ntls', what, `${what}: ${answer.toString('hex', 0, 100)} to ${frame.toString('hex', 0, 40)}`)
  }
  if (!isCommandFrame(answer) || !answer.subarray(8, 12).equals(frame.subarray(8, 12)))
    fault('no answer to this request')
  const [command, code] = [frame.readUInt16BE(), answer.readUInt32BE(4)]
  if (code !== protocol.RC_OK) return
  if (command === protocol.CMD_SESSION_OPEN) own.add(answer.readUInt32BE(FRAME_HEADER))
  if (command !== protocol.CMD_PARTITION_LIST) return
  let at = FRAME_HEADER + 2
  for (let left = answer.readUInt16BE(FRAME_HEADER); left > 0; left--) {
    if (!ASSIGNED.includes(answer.readUInt32BE(at))) fault('a partition of somebody else')
    at += 41 + answer.readUInt32BE(at + 16)
  }
  if (at !== answer.length) fault('a list that is none')
}

/** Nothing reaches the card that the client must not say. */
function checkRequest(request: Buffer, own: ReadonlySet<number>): void {
  const [command, flags, session] = [request.readUInt16BE(), request.readUInt16BE(2), request.readUInt32BE(4)]
  const fault = (what: string): never => {
    throw new Finding('ntls', what, `${what}: ${request.toString('hex', 0, 60)}`)
  }
  if (command === protocol.CMD_FACTORY_BEGIN || command === protocol.CMD_FACTORY_FINISH)
    fault('a command of the factory')
  if (session !== 0 && !own.has(session)) fault('a session of somebody else')
  if (session === 0 && commandOf(command)?.session !== false) fault('a command without its session')
  if (!NAMING.includes(command)) return
  if ((flags & protocol.FLAG_SEALED) !== 0) fault('a partition that cannot be read')
  if (!ASSIGNED.includes(request.readUInt32BE(FRAME_HEADER))) fault('a partition of somebody else')
}

export const ntlsTarget: Target = {
  name: 'ntls',
  summary: 'what a client of the appliance says, and what the card answers',
  usesFirmware: false,
  prepare: async () => ntls,
}
