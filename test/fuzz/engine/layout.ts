// Body layouts in the notation of SPEC.md (u8 u16 u32 u64, b32, bytes, attrs, n × {…}), read from its text and applied to bytes.
// Nothing here knows how firmware or host read a body.

interface Named {
  /** Such as `password`; empty where the text gives none. */
  readonly name: string
}
export interface NumberField extends Named {
  readonly kind: 'number'
  readonly width: 1 | 2 | 4 | 8
}
export interface FixedField extends Named {
  readonly kind: 'fixed'
  readonly length: number
}
/** A u32 length and that many bytes; `attrs` where they are an attribute list. */
export interface BytesField extends Named {
  readonly kind: 'bytes' | 'attrs'
}
export interface RowsField extends Named {
  readonly kind: 'rows'
  /** Name of the field that counts them. */
  readonly count: string
  readonly row: readonly Field[]
}
export type Field = NumberField | FixedField | BytesField | RowsField
export type Layout = readonly Field[]

/** A text that is not in the notation. */
export class NotationError extends Error {
  override readonly name = 'NotationError'
}

const WIDTHS: Readonly<Record<string, 1 | 2 | 4 | 8>> = { u8: 1, u16: 2, u32: 4, u64: 8 }

function plainField(name: string, type: string): Field | undefined {
  const width = WIDTHS[type]
  if (width) return { kind: 'number', name, width }
  if (type === 'bytes' || type === 'attrs') return { kind: type, name }
  const length = /^b(\d+)$/.exec(type)?.[1]
  return length === undefined ? undefined : { kind: 'fixed', name, length: Number(length) }
}

/** Splits at commas that stand in no braces. */
function parts(text: string): string[] {
  const list: string[] = []
  let [depth, from] = [0, 0]
  for (const [at, letter] of [...text].entries()) {
    if (letter === '{') depth++
    if (letter === '}') depth--
    if (letter !== ',' || depth > 0) continue
    list.push(text.slice(from, at))
    from = at + 1
  }
  return [...list, text.slice(from)].map((part) => part.trim()).filter((part) => part !== '')
}

/**
 * Reads a layout; remarks in parentheses and behind a colon are left out.
 * @param named layouts that may stand for a row, by the words in the braces
 * @throws NotationError
 */
export function parseLayout(text: string, named: ReadonlyMap<string, Layout> = new Map()): Layout {
  const plain = text.replace(/\([^()]*\)/g, '').replace(/:[^,{}]*/g, '')
  return parts(plain).map((part) => {
    const rows = /^(\w+) × (.+)$/s.exec(part)
    if (rows) {
      const [, count = '', of = ''] = rows
      const inner = /^\{(.*)\}$/s.exec(of)?.[1]?.trim() ?? of
      return { kind: 'rows', name: '', count, row: named.get(inner) ?? parseLayout(inner, named) }
    }
    const words = part.split(/\s+/)
    const field = plainField(words.slice(0, -1).join(' '), words.at(-1) ?? '')
    if (!field || words.length > 2) throw new NotationError(`not a field of a body: "${part}" in "${text}"`)
    return field
  })
}

/** Where a field lies in a body: the number that it is or the length that it has, and its bytes. */
export interface Span {
  readonly field: Field
  readonly at: number
  /** Bytes in all, a length field included. */
  readonly length: number
  readonly value: bigint
}

/**
 * Takes a body apart. Undefined = it is malformed: too short, an inner length beyond the end, or bytes left over.
 * Rows are spans of their own, one for each field of each row.
 */
export function takeApart(layout: Layout, body: Buffer): Span[] | undefined {
  const spans: Span[] = []
  const end = readFields(layout, body, 0, spans, new Map())
  return end === body.length ? spans : undefined
}

function readFields(layout: Layout, body: Buffer, from: number, spans: Span[], counts: Map<string, bigint>): number {
  let at = from
  for (const field of layout) {
    if (at < 0) return -1
    if (field.kind === 'rows') {
      const count = counts.get(field.count) ?? 0n
      // Every row has at least one byte, so this ends with the body.
      for (let i = 0n; i < count && at >= 0; i++) at = readFields(field.row, body, at, spans, new Map())
      continue
    }
    const head = field.kind === 'number' ? field.width : field.kind === 'fixed' ? 0 : 4
    if (body.length - at < head) return -1
    let value = 0n
    for (let i = 0; i < head; i++) value = (value << 8n) | BigInt(body.readUInt8(at + i))
    const rest = field.kind === 'number' ? 0n : field.kind === 'fixed' ? BigInt(field.length) : value
    if (rest > BigInt(body.length - at - head)) return -1
    if (field.kind === 'number') counts.set(field.name, value)
    const length = head + Number(rest)
    spans.push({ field, at, length, value })
    at += length
  }
  return at
}

/** Fields of rows are asked for with the number of their row. */
export type ValueOf = (field: NumberField | FixedField | BytesField, row: number) => number | bigint | Uint8Array

/** Puts a body together. Counts of rows are asked for like other numbers; a wrong type of value is a TypeError. */
export function putTogether(layout: Layout, fill: ValueOf): Buffer {
  const pieces: Buffer[] = []
  writeFields(layout, fill, pieces, -1)
  return Buffer.concat(pieces)
}

function writeFields(layout: Layout, fill: ValueOf, pieces: Buffer[], row: number): void {
  const counts = new Map<string, bigint>()
  for (const field of layout) {
    if (field.kind === 'rows') {
      const count = counts.get(field.count) ?? 0n
      for (let i = 0; i < count; i++) writeFields(field.row, fill, pieces, i)
      continue
    }
    const value = fill(field, row)
    if (value instanceof Uint8Array) {
      if (field.kind === 'number') throw new TypeError(`${field.name} is a number`)
      const length = Buffer.alloc(field.kind === 'fixed' ? 0 : 4)
      if (length.length > 0) length.writeUInt32BE(value.length)
      pieces.push(length, Buffer.from(value))
      continue
    }
    if (field.kind !== 'number') throw new TypeError(`${field.name} is no number`)
    const number = BigInt.asUintN(8 * field.width, BigInt(value))
    counts.set(field.name, number)
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(number)
    pieces.push(bytes.subarray(8 - field.width))
  }
}

/** Whether bytes are an attribute list as SPEC.md §4 has it: ascending, no duplicates, zero padding, lengths inside. */
export function isAttributeList(list: Buffer): boolean {
  let last = -1
  for (let at = 0; at < list.length; ) {
    if (list.length - at < 8) return false
    const [type, length] = [list.readUInt32BE(at), list.readUInt32BE(at + 4)]
    const end = at + 8 + length
    const next = at + 8 + 4 * Math.ceil(length / 4)
    if (type <= last || next > list.length || list.subarray(end, next).some((byte) => byte !== 0)) return false
    last = type
    at = next
  }
  return true
}
