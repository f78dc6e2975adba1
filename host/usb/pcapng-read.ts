import { UsbError } from './errors.js'
import { BYTE_ORDER_MAGIC, INTERFACE_BLOCK, PACKET_BLOCK, SECTION_BLOCK, SIMPLE_PACKET_BLOCK } from './pcapng-write.js'

export interface CapturedPacket {
  readonly linkType: number
  /** Byte order of the machine that captured it. */
  readonly little: boolean
  readonly bytes: Uint8Array
}

export interface CaptureFile {
  readonly packets: readonly CapturedPacket[]
  /** Comments of the sections. */
  readonly comments: readonly string[]
  /** The last block is not whole: whoever wrote the file was ended. */
  readonly cutOff: boolean
}

const SMALLEST_BLOCK = 12
const COMMENT = 1
/** First word of a classic pcap file, times in micro- or nanoseconds. */
const PCAP_MAGIC: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xa1b23c4d])
const PCAP_HEADER = 24
const PCAP_RECORD = 16

const malformed = (what: string, at: number): UsbError =>
  new UsbError('CAPTURE_FORMAT', `the capture is damaged at byte ${at}: ${what}`)

/** Reads a pcapng or a classic pcap file; blocks that say nothing of packets are passed over. @throws UsbError CAPTURE_FORMAT */
export function readCapture(bytes: Uint8Array): CaptureFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < SMALLEST_BLOCK) throw new UsbError('CAPTURE_FORMAT', 'this is no capture: it is too short')
  if (view.getUint32(0) === SECTION_BLOCK) return readBlocks(bytes, view)
  for (const little of [true, false]) {
    if (PCAP_MAGIC.has(view.getUint32(0, little))) return readRecords(bytes, view, little)
  }
  throw new UsbError('CAPTURE_FORMAT', 'this is no capture: it is neither a pcapng nor a pcap file')
}

function readBlocks(bytes: Uint8Array, view: DataView): CaptureFile {
  const packets: CapturedPacket[] = []
  const comments: string[] = []
  let linkTypes: number[] = []
  let little = true
  for (let at = 0; at < bytes.length; ) {
    const left = bytes.length - at
    if (left < SMALLEST_BLOCK) return { packets, comments, cutOff: true }
    // The type of a section block is the same in either order; its body tells the order of what follows.
    if (view.getUint32(at) === SECTION_BLOCK) {
      little = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC
      if (!little && view.getUint32(at + 8) !== BYTE_ORDER_MAGIC) throw malformed('a section without a byte order', at)
      linkTypes = []
    }
    const [type, length] = [view.getUint32(at, little), view.getUint32(at + 4, little)]
    if (length < SMALLEST_BLOCK || length % 4 !== 0) throw malformed(`a block of ${length} bytes`, at)
    if (length > left) return { packets, comments, cutOff: true }
    if (view.getUint32(at + length - 4, little) !== length) throw malformed('a block with two lengths', at)
    const body = new DataView(bytes.buffer, bytes.byteOffset + at + 8, length - SMALLEST_BLOCK)
    if (type === SECTION_BLOCK) comments.push(...commentsOf(body, 16, little))
    else if (type === INTERFACE_BLOCK) {
      if (body.byteLength < 8) throw malformed('an interface that is too short', at)
      linkTypes.push(body.getUint16(0, little))
    } else if (type === PACKET_BLOCK || type === SIMPLE_PACKET_BLOCK) {
      packets.push(packetOf(body, { type, linkTypes, little, at }))
    }
    at += length
  }
  return { packets, comments, cutOff: false }
}

interface Place {
  readonly type: number
  readonly linkTypes: readonly number[]
  readonly little: boolean
  readonly at: number
}

function packetOf(body: DataView, { type, linkTypes, little, at }: Place): CapturedPacket {
  const simple = type === SIMPLE_PACKET_BLOCK
  const head = simple ? 4 : 20
  if (body.byteLength < head) throw malformed('a packet that is too short', at)
  // A simple packet is as long as its block, or as it was on the wire.
  const length = simple ? Math.min(body.getUint32(0, little), body.byteLength - head) : body.getUint32(12, little)
  const linkType = linkTypes[simple ? 0 : body.getUint32(0, little)]
  if (linkType === undefined) throw malformed('a packet of an interface that is not there', at)
  if (length > body.byteLength - head) throw malformed('a packet that is longer than its block', at)
  return { linkType, little, bytes: new Uint8Array(body.buffer, body.byteOffset + head, length) }
}

function commentsOf(body: DataView, from: number, little: boolean): string[] {
  const comments: string[] = []
  for (let at = from; at + 4 <= body.byteLength; ) {
    const [code, length] = [body.getUint16(at, little), body.getUint16(at + 2, little)]
    if (code === 0 || at + 4 + length > body.byteLength) break
    if (code === COMMENT) comments.push(Buffer.from(body.buffer, body.byteOffset + at + 4, length).toString())
    at += 4 + Math.ceil(length / 4) * 4
  }
  return comments
}

function readRecords(bytes: Uint8Array, view: DataView, little: boolean): CaptureFile {
  const packets: CapturedPacket[] = []
  if (bytes.length < PCAP_HEADER) return { packets, comments: [], cutOff: true }
  // Above are bits that say whether there is a checksum.
  const linkType = view.getUint32(20, little) & 0xffff
  for (let at = PCAP_HEADER; at < bytes.length; ) {
    if (bytes.length - at < PCAP_RECORD) return { packets, comments: [], cutOff: true }
    const length = view.getUint32(at + 8, little)
    at += PCAP_RECORD
    if (length > bytes.length - at) return { packets, comments: [], cutOff: true }
    packets.push({ linkType, little, bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return { packets, comments: [], cutOff: false }
}
