// Values of p11-kit's RPC: how each letter of a signature is read and written. All numbers are big-endian.

import { FrameError, Reader, Writer } from '../client/index.js'

/** CK_UNAVAILABLE_INFORMATION: all ones. Numbers above 2^53 lose their low bits here; nothing has such a handle or size. */
export const UNAVAILABLE = 2 ** 64
/** What our own library offers as its version, and is answered: no p11-kit will ever have so high a one. */
export const LIBRARY = 0x55
/** A length that stands for a null pointer. */
export const NULL_LENGTH = 0xffffffff
/** What lengths stay below. */
const LENGTH_LIMIT = 0x7fffffff
const U32 = 2 ** 32

/** Takes a body apart. `offered` is the highest protocol version that the client knows: some encodings depend on it. */
export class RpcReader extends Reader {
  constructor(
    bytes: Uint8Array,
    readonly offered: number,
  ) {
    super(bytes)
  }

  ulong(): number {
    const high = this.u32()
    return high * U32 + this.u32()
  }

  /** A counted string in place; undefined = a null pointer. */
  array(): Uint8Array | undefined {
    const length = this.u32()
    return length === NULL_LENGTH ? undefined : this.view(checkedLength(length))
  }

  /** A count of items that take at least `size` bytes each: no more than what follows can hold. */
  count(size: number): number {
    const count = this.u32()
    if (count * size > this.left) throw malformed(`${count} items do not fit in ${this.left} bytes`)
    return count
  }
}

export class RpcWriter extends Writer {
  constructor(readonly offered: number) {
    super()
  }

  ulong(value: number): this {
    if (value >= UNAVAILABLE) return this.u32(0xffffffff).u32(0xffffffff)
    return this.u32(Math.floor(value / U32)).u32(value % U32)
  }
}

function malformed(what: string): FrameError {
  return new FrameError('FRAME_MALFORMED', what)
}

function checkedLength(length: number): number {
  if (length >= LENGTH_LIMIT) throw malformed('a length is over its limit')
  return length
}

/** One value, or several in a row, and the letters of their signature. */
export interface Codec<Value> {
  readonly signature: string
  read(reader: RpcReader): Value
  write(writer: RpcWriter, value: Value): void
}

/** Bytes, or only how many there would be: a null pointer in a request, a length that was asked for in an answer. */
export type Bytes = Uint8Array | Missing
export interface Missing {
  readonly missing: number
}

/** Room that the caller has. `query`: it has none and wants to know how much is needed. */
export interface Room {
  readonly capacity: number
  readonly query: boolean
}

export interface Version {
  readonly major: number
  readonly minor: number
}

const fromByte = (flag: number): boolean => {
  if (flag > 1) throw malformed('a flag is 0 or 1')
  return flag === 1
}

export const byte: Codec<number> = {
  signature: 'y',
  read: (reader) => reader.u8(),
  write: (writer, value) => writer.u8(value),
}

export const ulong: Codec<number> = {
  signature: 'u',
  read: (reader) => reader.ulong(),
  write: (writer, value) => writer.ulong(value),
}

export const version: Codec<Version> = {
  signature: 'v',
  read: (reader) => ({ major: reader.u8(), minor: reader.u8() }),
  write: (writer, { major, minor }) => writer.u8(major).u8(minor),
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** UTF-8 padded with spaces; what is too long is cut between characters. */
function padded(text: string, length: number): Uint8Array {
  const field = new Uint8Array(length).fill(0x20)
  encoder.encodeInto(text, field)
  const { written } = encoder.encodeInto(text, new Uint8Array(length))
  return field.fill(0x20, written)
}

/** A field of a C structure of fixed length. */
export function text(length: number): Codec<string> {
  return {
    signature: 's',
    read: (reader) => {
      if (reader.u32() !== length) throw malformed(`a field of ${length} bytes has another length`)
      return decoder.decode(reader.view(length)).trimEnd()
    },
    write: (writer, value) => writer.bytes(padded(value, length)),
  }
}

/** Bytes of a field of fixed length. */
export function fixed(length: number): Codec<Uint8Array> {
  return {
    signature: 's',
    read: (reader) => {
      if (reader.u32() !== length) throw malformed(`a field of ${length} bytes has another length`)
      return reader.view(length)
    },
    write: (writer, value) => writer.u32(length).fixed(value, length),
  }
}

export const cstring: Codec<string> = {
  signature: 'z',
  read: (reader) => decoder.decode(reader.array() ?? new Uint8Array(0)),
  write: (writer, value) => writer.text(value),
}

export const bytes: Codec<Bytes> = {
  signature: 'ay',
  read: (reader) => {
    if (!fromByte(reader.u8())) return { missing: reader.u32() }
    return reader.array() ?? { missing: 0 }
  },
  write: (writer, value) => {
    if (value instanceof Uint8Array) writer.u8(1).bytes(value)
    else writer.u8(0).u32(value.missing)
  },
}

export const ulongs: Codec<readonly number[] | Missing> = {
  signature: 'au',
  read: (reader) => {
    if (!fromByte(reader.u8())) return { missing: reader.u32() }
    return Array.from({ length: reader.count(8) }, () => reader.ulong())
  },
  write: (writer, value) => {
    if ('missing' in value) writer.u8(0).u32(value.missing)
    else {
      writer.u8(1).u32(value.length)
      for (const one of value) writer.ulong(one)
    }
  },
}

function roomFor(signature: string): Codec<Room> {
  return {
    signature,
    read: (reader) => {
      const capacity = reader.u32()
      // Clients of version 0 send 0 for a buffer of no bytes too.
      return capacity === NULL_LENGTH ? { capacity: 0, query: false } : { capacity, query: capacity === 0 }
    },
    write: (writer, { capacity, query }) => {
      writer.u32(query ? 0 : capacity === 0 && writer.offered > 0 ? NULL_LENGTH : capacity)
    },
  }
}

export const byteRoom = roomFor('fy')
export const ulongRoom = roomFor('fu')

export const nothing: Codec<void> = { signature: '', read: () => undefined, write: () => undefined }

/** Values in a row. */
export function row<A, B>(a: Codec<A>, b: Codec<B>): Codec<[A, B]>
export function row<A, B, C>(a: Codec<A>, b: Codec<B>, c: Codec<C>): Codec<[A, B, C]>
export function row<A, B, C, D>(a: Codec<A>, b: Codec<B>, c: Codec<C>, d: Codec<D>): Codec<[A, B, C, D]>
export function row<A, B, C, D, E>(
  a: Codec<A>,
  b: Codec<B>,
  c: Codec<C>,
  d: Codec<D>,
  e: Codec<E>,
): Codec<[A, B, C, D, E]>
export function row(...codecs: Codec<unknown>[]): Codec<unknown[]> {
  return {
    signature: codecs.map(({ signature }) => signature).join(''),
    read: (reader) => codecs.map((codec) => codec.read(reader)),
    write: (writer, values) => {
      let at = 0
      for (const codec of codecs) codec.write(writer, values[at++])
    },
  }
}
