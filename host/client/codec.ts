import { ANSWER, FRAME_HEADER, MAX_BODY } from '../../assembly/protocol.js'
import { FrameError } from './errors.js'

const decoder = new TextDecoder()
const encoder = new TextEncoder()
const U64_MAX = (1n << 64n) - 1n

function malformed(what: string): FrameError {
  return new FrameError('FRAME_MALFORMED', what)
}

function notUnsigned(bits: number): FrameError {
  return new FrameError('ARGUMENT_RANGE', `not an unsigned ${bits}-bit number`)
}

/** Joins byte strings. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Bytes that most bodies fit. */
const SMALL = 2048
/** Memory that writers build in, kept for the next ones: to have new memory costs more than to fill it. */
const spares: Uint8Array<ArrayBuffer>[] = []
const SPARES = 16
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0)
/** Bytes up to which an array has no memory of its own outside the heap. */
const ON_HEAP = 64

/** So many bytes to be filled, of Buffer's pool where they are few; never to be handed to another thread as they are. */
function room(length: number): Uint8Array<ArrayBuffer> {
  if (length <= ON_HEAP) return new Uint8Array(length)
  const { buffer, byteOffset } = Buffer.allocUnsafe(length)
  return new Uint8Array(buffer, byteOffset, length)
}

/** Builds a body in the notation of SPEC.md: u8 u16 u32 u64, `b32` = fixed, `bytes` = u32 length and the bytes. */
export class Writer {
  #bytes = spares.pop() ?? new Uint8Array(SMALL)
  /** Behind the body, which begins behind room for the head of its frame. */
  #end = FRAME_HEADER

  u8(value: number): this {
    if ((value & 0xff) !== value) throw notUnsigned(8)
    const at = this.#take(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    if ((value & 0xffff) !== value) throw notUnsigned(16)
    const at = this.#take(2)
    const bytes = this.#bytes
    bytes[at] = value >>> 8
    bytes[at + 1] = value
    return this
  }

  u32(value: number): this {
    if (value >>> 0 !== value) throw notUnsigned(32)
    const at = this.#take(4)
    putU32(this.#bytes, at, value)
    return this
  }

  u64(value: bigint): this {
    if (value < 0n || value > U64_MAX) throw notUnsigned(64)
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffffffffn))
  }

  fixed(value: Uint8Array, length: number): this {
    if (value.length !== length) throw new FrameError('ARGUMENT_RANGE', `${length} bytes wanted, ${value.length} given`)
    const at = this.#take(length)
    this.#bytes.set(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    return this.u32(value.length).fixed(value, value.length)
  }

  text(value: string): this {
    return this.bytes(encoder.encode(value))
  }

  attributes(list: readonly Attribute[]): this {
    const sorted = [...list].sort((a, b) => a.type - b.type)
    this.u32(sorted.reduce((sum, { value }) => sum + 8 + value.length + padding(value.length), 0))
    putAttributes(this, sorted)
    return this
  }

  /** The body; what else it was built in is overwritten, since some of it may be secret. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#finish(0)
  }

  /** The frame of this body (SPEC.md §2), as `finish` does. @throws FrameError ARGUMENT_RANGE for a body over MAX_BODY */
  frame(head: FrameHead): Uint8Array<ArrayBuffer> {
    const length = this.#end - FRAME_HEADER
    if (length > MAX_BODY) throw new FrameError('ARGUMENT_RANGE', `a body holds at most ${MAX_BODY} bytes`)
    return putHead(this.#finish(FRAME_HEADER), head, length)
  }

  /** @param before bytes that are left in front, FRAME_HEADER at most */
  #finish(before: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes
    const [from, to] = [FRAME_HEADER - before, this.#end]
    this.#bytes = NOTHING
    this.#end = FRAME_HEADER
    // A long one has memory of its own already.
    if (bytes.length > SMALL) return bytes.subarray(from, to)
    const body = room(to - from)
    body.set(bytes.subarray(from, to))
    bytes.fill(0, 0, to)
    if (bytes.length === SMALL && spares.length < SPARES) spares.push(bytes)
    return body
  }

  /** Room for so many bytes more. @returns where it begins */
  #take(length: number): number {
    const at = this.#end
    const end = at + length
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes.fill(0, 0, at)
      this.#bytes = larger
    }
    this.#end = end
    return at
  }
}

// Byte by byte: a DataView for a short array costs more than all that is read of it.

function u16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function u32At(bytes: Uint8Array, at: number): number {
  return ((u16At(bytes, at) << 16) | u16At(bytes, at + 2)) >>> 0
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Takes a body apart; every read is checked against what is left. @throws FrameError FRAME_MALFORMED */
export class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#bytes[this.#advance(1)] ?? 0
  }

  u16(): number {
    return u16At(this.#bytes, this.#advance(2))
  }

  u32(): number {
    return u32At(this.#bytes, this.#advance(4))
  }

  u64(): bigint {
    const at = this.#advance(8)
    return (BigInt(u32At(this.#bytes, at)) << 32n) | BigInt(u32At(this.#bytes, at + 4))
  }

  fixed(length: number): Uint8Array {
    const from = this.#advance(length)
    return this.#bytes.slice(from, from + length)
  }

  bytes(): Uint8Array {
    return this.fixed(this.u32())
  }

  /** As `fixed`, in place: for whoever owns what is read. */
  view(length: number): Uint8Array {
    const from = this.#advance(length)
    return this.#bytes.subarray(from, from + length)
  }

  /** UTF-8. Labels are whatever some client once wrote, so what is not UTF-8 becomes replacement characters. */
  text(): string {
    return decoder.decode(this.bytes())
  }

  attributes(): Attribute[] {
    return decodeAttributes(this.bytes())
  }

  /** A counted row of equal items: `n u16, n × {…}`. */
  rows<Row>(item: (reader: Reader) => Row): Row[] {
    const count = this.u16()
    const rows: Row[] = []
    for (let i = 0; i < count; i++) rows.push(item(this))
    return rows
  }

  /** Nothing may follow. */
  end(): void {
    if (this.left !== 0) throw malformed(`${this.left} bytes too many`)
  }

  #advance(length: number): number {
    if (length > this.left) throw malformed(`${length} bytes wanted, ${this.left} left`)
    const from = this.#at
    this.#at += length
    return from
  }
}

/** Reads one whole value. @throws FrameError FRAME_MALFORMED, also where bytes are left over */
export function decode<Value>(body: Uint8Array, read: (reader: Reader) => Value): Value {
  const reader = new Reader(body)
  const value = read(reader)
  reader.end()
  return value
}

/** One attribute, its value as on the wire (SPEC.md §4). */
export interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

export const attribute = {
  ulong: (type: number, value: number): Attribute => ({ type, value: new Writer().u32(value).finish() }),
  bool: (type: number, value: boolean): Attribute => ({ type, value: Uint8Array.of(value ? 1 : 0) }),
  text: (type: number, value: string): Attribute => ({ type, value: encoder.encode(value) }),
  bytes: (type: number, value: Uint8Array): Attribute => ({ type, value }),
} as const

/** A CK_ULONG value. */
export function ulongValue(value: Uint8Array): number {
  return decode(value, (reader) => reader.u32())
}

/** A CK_BBOOL value: one byte, 0 or 1. */
export function boolValue(value: Uint8Array): boolean {
  const byte = decode(value, (reader) => reader.u8())
  if (byte > 1) throw malformed('a CK_BBOOL is 0 or 1')
  return byte === 1
}

/** A text value such as CKA_LABEL. */
export function textValue(value: Uint8Array): string {
  return decoder.decode(value)
}

/** The attribute list of SPEC.md §4, sorted by type. @throws FrameError ARGUMENT_RANGE where a type occurs twice */
export function encodeAttributes(list: readonly Attribute[]): Uint8Array {
  return putAttributes(
    new Writer(),
    [...list].sort((a, b) => a.type - b.type),
  ).finish()
}

function putAttributes(writer: Writer, sorted: readonly Attribute[]): Writer {
  let previous = -1
  for (const { type, value } of sorted) {
    if (type === previous) throw new FrameError('ARGUMENT_RANGE', `attribute 0x${type.toString(16)} occurs twice`)
    previous = type
    writer.u32(type).bytes(value)
    for (let i = padding(value.length); i > 0; i--) writer.u8(0)
  }
  return writer
}

/** @throws FrameError FRAME_MALFORMED: order, duplicates, padding or length are not as in SPEC.md §4 */
export function decodeAttributes(bytes: Uint8Array): Attribute[] {
  const reader = new Reader(bytes)
  const list: Attribute[] = []
  let previous = -1
  while (reader.left > 0) {
    const type = reader.u32()
    if (type <= previous) throw malformed('attributes are not in ascending order')
    previous = type
    const value = reader.bytes()
    if (reader.fixed(padding(value.length)).some((byte) => byte !== 0)) throw malformed('attribute padding is not zero')
    list.push({ type, value })
  }
  return list
}

function padding(length: number): number {
  return (4 - (length % 4)) % 4
}

/** Header of a command frame. `word` is the session of a request and the return code of an answer. */
export interface FrameHead {
  readonly command: number
  readonly flags: number
  readonly word: number
  readonly tag: number
}

/** A command frame taken apart. */
export interface Frame extends FrameHead {
  readonly body: Uint8Array
}

/** Writes the 16-byte header in front of a body that is there already. */
function putHead<Bytes extends Uint8Array>(
  frame: Bytes,
  { command, flags, word, tag }: FrameHead,
  length: number,
): Bytes {
  if ((command & 0xffff) !== command || (flags & 0xffff) !== flags) throw notUnsigned(16)
  if (word >>> 0 !== word || tag >>> 0 !== tag) throw notUnsigned(32)
  putU32(frame, 0, ((command << 16) | flags) >>> 0)
  putU32(frame, 4, word)
  putU32(frame, 8, tag)
  putU32(frame, 12, length)
  return frame
}

/** The 16-byte header and the body (SPEC.md §2). @throws FrameError ARGUMENT_RANGE for a body over MAX_BODY */
export function encodeFrame(frame: Frame): Uint8Array {
  const { body } = frame
  if (body.length > MAX_BODY) throw new FrameError('ARGUMENT_RANGE', `a body holds at most ${MAX_BODY} bytes`)
  const bytes = room(FRAME_HEADER + body.length)
  bytes.set(body, FRAME_HEADER)
  return putHead(bytes, frame, body.length)
}

/** @throws FrameError FRAME_MALFORMED where the length is not exactly what the header says */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < FRAME_HEADER) throw malformed('shorter than a frame header')
  const length = u32At(bytes, 12)
  if (length > MAX_BODY) throw malformed(`a body holds at most ${MAX_BODY} bytes`)
  const left = bytes.length - FRAME_HEADER
  if (left < length) throw malformed(`${length} bytes wanted, ${left} left`)
  if (left > length) throw malformed(`${left - length} bytes too many`)
  return {
    command: u16At(bytes, 0),
    flags: u16At(bytes, 2),
    word: u32At(bytes, 4),
    tag: u32At(bytes, 8),
    body: bytes.subarray(FRAME_HEADER),
  }
}

/** Whether a frame is the answer to a command. */
export function isAnswerTo(frame: Frame, command: number, tag: number): boolean {
  return frame.command === command + ANSWER && frame.tag === tag
}
