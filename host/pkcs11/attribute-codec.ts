// Attributes on the RPC. In this house a value has the bytes of a caller on a 64-bit little-endian computer, whatever its kind.

import { FrameError } from '../client/index.js'
import { type Codec, LIBRARY, type RpcReader, type RpcWriter } from './codec.js'

/** How p11-kit carries the values of a type. */
export type AttributeKind = 'byte' | 'ulong' | 'date' | 'mechanisms' | 'template' | 'bytes'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

// Numbers of PKCS#11 2.40; those that protocol.ts lacks are no attributes of this token.
const BYTES_OF_ONE: ReadonlySet<number> = new Set([
  ...[0x001, 0x002, 0x086, 0x103, 0x162, 0x163, 0x164, 0x165, 0x170, 0x171, 0x200, 0x202, 0x210, 0x301, 0x302, 0x406],
  ...range(0x104, 0x10c),
])
const ULONGS: ReadonlySet<number> = new Set([
  ...[0x000, 0x080, 0x087, 0x088, 0x100, 0x121, 0x133, 0x134, 0x160, 0x161, 0x166, 0x201, 0x300, 0x500],
  ...range(0x400, 0x405),
])
const TEMPLATES: ReadonlySet<number> = new Set([0x40000211, 0x40000212, 0x40000213])
const DATES: ReadonlySet<number> = new Set([0x110, 0x111])
const ALLOWED_MECHANISMS = 0x40000600

export function kindOf(type: number): AttributeKind {
  if (BYTES_OF_ONE.has(type)) return 'byte'
  if (ULONGS.has(type)) return 'ulong'
  if (DATES.has(type)) return 'date'
  if (TEMPLATES.has(type)) return 'template'
  return type === ALLOWED_MECHANISMS ? 'mechanisms' : 'bytes'
}

/** Our own library sends the caller's bytes as they are, unless there are pointers among them. */
function kindFrom(type: number, { offered }: RpcReader): AttributeKind {
  const kind = kindOf(type)
  return offered === LIBRARY && kind !== 'template' ? 'bytes' : kind
}

/** Bytes of a CK_ULONG, a CK_ATTRIBUTE and a CK_DATE of the caller. */
const ULONG = 8
const ATTRIBUTE = 24
const DATE = 8
/** Least bytes of an attribute, and of a request for one, on the wire. */
const LEAST = 5
const REQUEST = 8
const NULL_LENGTH = 0xffffffff

/** An attribute that the caller gives; undefined = it gives no value (a length of all ones, or a null pointer). */
export interface CkAttribute {
  readonly type: number
  readonly value: Uint8Array | undefined
}

/** An attribute that is asked for, and how much room there is; 0 = its length is asked for. */
export interface AttributeRequest {
  readonly type: number
  readonly capacity: number
}

/** The answer for one: the value, its length alone, or (undefined) that there is none to be had. */
export interface AttributeAnswer {
  readonly type: number
  readonly value: Uint8Array | { readonly missing: number } | undefined
}

function malformed(what: string): FrameError {
  return new FrameError('FRAME_MALFORMED', what)
}

export function ulongBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(ULONG)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, value >= 2 ** 64 ? NULL_LENGTH : value % 2 ** 32, true)
  view.setUint32(4, value >= 2 ** 64 ? NULL_LENGTH : Math.floor(value / 2 ** 32), true)
  return bytes
}

/** The number of a CK_ULONG, also of one that the caller made shorter; undefined = it is none. */
export function ulongFrom(value: Uint8Array): number | undefined {
  if (value.length !== ULONG) return undefined
  const view = new DataView(value.buffer, value.byteOffset, ULONG)
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
}

/** The value behind an attribute's length: `natural` bytes of which the caller says how many count. */
function cut(value: Uint8Array, length: number): Uint8Array {
  if (length > value.length) throw malformed('an attribute is longer than its kind')
  return value.subarray(0, length)
}

/** A null pointer with a length is a length alone. */
type Value = Uint8Array | { readonly missing: number }

function readValue(reader: RpcReader, type: number, length: number, depth: number): Value {
  const kind = kindFrom(type, reader)
  if (kind === 'byte') return cut(Uint8Array.of(reader.u8()), length)
  if (kind === 'ulong') return cut(ulongBytes(reader.ulong()), length)
  if (kind === 'mechanisms') {
    const numbers = Array.from({ length: reader.count(ULONG) }, () => ulongBytes(reader.ulong()))
    return Uint8Array.from(numbers.flatMap((one) => [...one]))
  }
  if (kind === 'template') {
    // No token of ours has one: its length is all that is needed to say so.
    const nested = readList(reader, depth + 1)
    return new Uint8Array(nested.length * ATTRIBUTE)
  }
  const value = reader.array()
  if (value === undefined) return length === 0 ? new Uint8Array(0) : { missing: length }
  if (value.length !== length) throw malformed('an attribute has two lengths')
  if (kind === 'date' && length !== 0 && length !== DATE) throw malformed('a date has 8 bytes or none')
  return value
}

function readList(reader: RpcReader, depth: number): AttributeAnswer[] {
  // p11-kit nests one deep; more is made to exhaust the stack.
  if (depth > 2) throw malformed('templates in templates')
  return Array.from({ length: reader.count(LEAST) }, () => {
    const type = reader.u32()
    if (reader.u8() === 0) return { type, value: undefined }
    return { type, value: readValue(reader, type, reader.u32(), depth) }
  })
}

function writeNumbers(writer: RpcWriter, value: Uint8Array): void {
  writer.u32(value.length / ULONG)
  for (let at = 0; at < value.length; at += ULONG) writer.ulong(ulongFrom(value.subarray(at, at + ULONG)) ?? 0)
}

function writeAnswer(writer: RpcWriter, { type, value }: AttributeAnswer): void {
  writer.u32(type).u8(value === undefined ? 0 : 1)
  if (value === undefined) return
  const known = value instanceof Uint8Array ? value : undefined
  writer.u32(value instanceof Uint8Array ? value.length : value.missing)
  const kind = writer.offered === LIBRARY ? 'bytes' : kindOf(type)
  if (kind === 'byte') writer.u8(known?.[0] ?? 0)
  else if (kind === 'ulong') writer.ulong((known && ulongFrom(known)) ?? 0)
  else if (kind === 'mechanisms') writeNumbers(writer, known ?? new Uint8Array(0))
  else if (kind === 'template') writer.u32(0)
  else if (known) writer.bytes(known)
  else writer.u32(NULL_LENGTH)
}

function writeList(writer: RpcWriter, list: readonly AttributeAnswer[]): void {
  writer.u32(list.length)
  for (const one of list) writeAnswer(writer, one)
}

/** `aA` of a request. */
export const template: Codec<readonly CkAttribute[]> = {
  signature: 'aA',
  read: (reader) =>
    readList(reader, 0).map(({ type, value }) => ({ type, value: value instanceof Uint8Array ? value : undefined })),
  write: writeList,
}

/** `aA` of an answer. */
export const answers: Codec<readonly AttributeAnswer[]> = {
  signature: 'aA',
  read: (reader) => readList(reader, 0),
  write: writeList,
}

/** `fA`. */
export const requests: Codec<readonly AttributeRequest[]> = {
  signature: 'fA',
  read: (reader) =>
    Array.from({ length: reader.count(REQUEST) }, () => ({ type: reader.u32(), capacity: reader.u32() })),
  write: (writer, list) => {
    writer.u32(list.length)
    for (const { type, capacity } of list) writer.u32(type).u32(capacity)
  },
}
