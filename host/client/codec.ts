import { ANSWER, FRAME_HEADER, MAX_BODY } from '../../assembly/protocol.js'
import { FrameError } from './errors.js'

const decoder = new TextDecoder()
const encoder = new TextEncoder()
const U64_MAX = (1n << 64n) - 1n

function malformed(what: string): FrameError {
  return new FrameError('FRAME_MALFORMED', what)
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
const SMALL = 128

/** Builds a body in the notation of SPEC.md: u8 u16 u32 u64, `b32` = fixed, `bytes` = u32 length and the bytes. */
export class Writer {
  #bytes = new Uint8Array(SMALL)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  u8(value: number): this {
    return this.#number(value, 1)
  }

  u16(value: number): this {
    return this.#number(value, 2)
  }

  u32(value: number): this {
    return this.#number(value, 4)
  }

  u64(value: bigint): this {
    if (value < 0n || value > U64_MAX) throw new FrameError('ARGUMENT_RANGE', 'not an unsigned 64-bit number')
    const at = this.#take(8)
    this.#view.setBigUint64(at, value)
    return this
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
    return this.bytes(encodeAttributes(list))
  }

  /** The body; what it was built in is overwritten, since some of it may be secret. */
  finish(): Uint8Array {
    const body = this.#bytes.slice(0, this.#length)
    this.#bytes.fill(0, 0, this.#length)
    this.#length = 0
    return body
  }

  #number(value: number, width: 1 | 2 | 4): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new FrameError('ARGUMENT_RANGE', `not an unsigned ${8 * width}-bit number`)
    }
    const at = this.#take(width)
    if (width === 1) this.#view.setUint8(at, value)
    else if (width === 2) this.#view.setUint16(at, value)
    else this.#view.setUint32(at, value)
    return this
  }

  /** Room for so many bytes more. @returns where it begins */
  #take(length: number): number {
    const at = this.#length
    const end = at + length
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes.fill(0, 0, at)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#length = end
    return at
  }
}

/** Takes a body apart; every read is checked against what is left. @throws FrameError FRAME_MALFORMED */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8))
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
  const sorted = [...list].sort((a, b) => a.type - b.type)
  const parts: Uint8Array[] = []
  let previous = -1
  for (const { type, value } of sorted) {
    if (type === previous) throw new FrameError('ARGUMENT_RANGE', `attribute 0x${type.toString(16)} occurs twice`)
    previous = type
    parts.push(new Writer().u32(type).u32(value.length).finish(), value, new Uint8Array(padding(value.length)))
  }
  return concat(...parts)
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

/** A command frame taken apart. `word` is the session of a request and the return code of an answer. */
export interface Frame {
  readonly command: number
  readonly flags: number
  readonly word: number
  readonly tag: number
  readonly body: Uint8Array
}

/** The 16-byte header and the body (SPEC.md §2). @throws FrameError ARGUMENT_RANGE for a body over MAX_BODY */
export function encodeFrame(frame: Frame): Uint8Array {
  if (frame.body.length > MAX_BODY) throw new FrameError('ARGUMENT_RANGE', `a body holds at most ${MAX_BODY} bytes`)
  const { command, flags, word, tag, body } = frame
  const header = new Writer().u16(command).u16(flags).u32(word).u32(tag).u32(body.length)
  return concat(header.finish(), body)
}

/** @throws FrameError FRAME_MALFORMED where the length is not exactly what the header says */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < FRAME_HEADER) throw malformed('shorter than a frame header')
  return decode(bytes, (reader) => {
    const head = { command: reader.u16(), flags: reader.u16(), word: reader.u32(), tag: reader.u32() }
    const length = reader.u32()
    if (length > MAX_BODY) throw malformed(`a body holds at most ${MAX_BODY} bytes`)
    return { ...head, body: reader.view(length) }
  })
}

/** Whether a frame is the answer to a command. */
export function isAnswerTo(frame: Frame, command: number, tag: number): boolean {
  return frame.command === command + ANSWER && frame.tag === tag
}
