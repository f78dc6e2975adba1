// The DER (X.690) that certificates, public keys and ECDSA signatures need. Everything read here was accepted by OpenSSL
// before; lengths are checked all the same.

export const SEQUENCE = 0x30
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_IDENTIFIER = 0x06

/** One element: its tag, all of its bytes, and what is in it. */
export interface DerElement {
  readonly tag: number
  readonly whole: Buffer
  readonly content: Buffer
}

/** The elements that stand one after the other in `bytes`; undefined where they do not fill it exactly. */
export function derElements(bytes: Buffer): DerElement[] | undefined {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = readHeader(bytes, at)
    if (!header || header.end > bytes.length) return undefined
    const { tag, start, end } = header
    elements.push({ tag, whole: bytes.subarray(at, end), content: bytes.subarray(start, end) })
    at = end
  }
  return elements
}

/** What is inside the one SEQUENCE that `bytes` is. */
export function derSequence(bytes: Buffer): DerElement[] | undefined {
  const [only, ...others] = derElements(bytes) ?? []
  return only?.tag === SEQUENCE && others.length === 0 ? derElements(only.content) : undefined
}

function readHeader(bytes: Buffer, at: number): { tag: number; start: number; end: number } | undefined {
  const [tag, first] = [bytes[at], bytes[at + 1]]
  // Tags above 30 take more bytes; nothing that is read here has one.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first }
  const size = first & 0x7f
  if (size < 1 || size > 4 || at + 2 + size > bytes.length) return undefined
  const start = at + 2 + size
  return { tag, start, end: start + bytes.readUIntBE(at + 2, size) }
}

export function derElement(tag: number, content: Uint8Array): Buffer {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}

/** A non-negative INTEGER from its big-endian bytes. */
export function derInteger(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? Buffer.of(0) : bytes.subarray(start)
  return derElement(INTEGER, (digits[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits)
}

/** The digits of a non-negative INTEGER, without a leading zero. */
export function derDigits({ tag, content }: DerElement): Buffer | undefined {
  if (tag !== INTEGER || content.length === 0) return undefined
  return content[0] === 0 && content.length > 1 ? content.subarray(1) : content
}
