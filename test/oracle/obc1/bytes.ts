// Byte strings as OBC-1 writes them: big-endian, joined by ∥.
import { timingSafeEqual } from 'node:crypto'

/** Joins byte strings; a text stands for its ASCII bytes. */
export const cat = (...parts: (Uint8Array | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))

export const u8 = (value: number): Buffer => Buffer.of(value)

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)
export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** Reads fields one after the other; `fail` is called where there are too few bytes, or some left at the end. */
export class FieldReader {
  #at = 0

  constructor(
    private readonly body: Buffer,
    private readonly fail: (what: string) => never,
  ) {}

  bytes(length: number): Buffer {
    if (this.#at + length > this.body.length) return this.fail('truncated')
    this.#at += length
    return this.body.subarray(this.#at - length, this.#at)
  }

  u8 = (): number => this.bytes(1).readUInt8()
  u16 = (): number => this.bytes(2).readUInt16BE()
  u32 = (): number => this.bytes(4).readUInt32BE()
  u64 = (): bigint => this.bytes(8).readBigUInt64BE()
  rest = (): Buffer => this.bytes(this.body.length - this.#at)

  end(): void {
    if (this.#at !== this.body.length) this.fail('trailing bytes')
  }
}
