// The little of DER that keys need: PKCS #1 (RFC 8017 appendix A.1), SEC 1 (RFC 5915) and SubjectPublicKeyInfo (RFC 5480).

function element(tag: number, content: Uint8Array): Buffer {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}

/** A non-negative INTEGER from its big-endian bytes. */
function integer(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? Uint8Array.of(0) : bytes.subarray(start)
  const padded = (digits[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits
  const result = element(2, padded)
  if (padded !== digits) padded.fill(0)
  return result
}

/** SEQUENCE of INTEGERs, below 64 KiB in all; every intermediate copy is wiped. */
export function integerSequence(...numbers: readonly Uint8Array[]): Buffer {
  const parts = numbers.map(integer)
  const content = Buffer.concat(parts)
  const result = element(0x30, content)
  for (const copy of [...parts, content]) copy.fill(0)
  return result
}

/** An element of DER: `whole` with its tag and length. */
export interface Element {
  readonly tag: number
  readonly content: Uint8Array
  readonly whole: Uint8Array
}

/** The element at `at`, undefined where none is whole there; lengths of at most two bytes. */
export function readElement(der: Uint8Array, at: number): Element | undefined {
  const [tag, first, high = 0, low = 0] = der.subarray(at)
  if (tag === undefined || first === undefined || first > 0x82 || first === 0x80) return undefined
  const head = first < 0x80 ? 2 : first - 0x80 + 2
  const size = first < 0x80 ? first : first === 0x81 ? high : high * 256 + low
  const end = at + head + size
  if (end > der.length) return undefined
  return { tag, content: der.subarray(at + head, end), whole: der.subarray(at, end) }
}

/** The elements of a SEQUENCE that is all of `der`; undefined where it is none. */
export function readSequence(der: Uint8Array): Element[] | undefined {
  const sequence = readElement(der, 0)
  if (sequence?.tag !== 0x30 || sequence.whole.length !== der.length) return undefined
  const elements: Element[] = []
  for (let at = 0; at < sequence.content.length; ) {
    const element = readElement(sequence.content, at)
    if (!element) return undefined
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

const EC_PUBLIC_KEY = Buffer.from('06072a8648ce3d0201', 'hex')

/** BIT STRING of whole bytes. */
const bits = (bytes: Uint8Array): Buffer => element(3, Buffer.concat([Buffer.of(0), bytes]))

/** SubjectPublicKeyInfo of `04 ∥ X ∥ Y`. @param oid the curve's, encoded */
export function ecPublicKey(oid: Uint8Array, point: Uint8Array): Buffer {
  return element(0x30, Buffer.concat([element(0x30, Buffer.concat([EC_PUBLIC_KEY, oid])), bits(point)]))
}

/** ECPrivateKey without its public key. @param oid the curve's, encoded */
export function ecBareKey(oid: Uint8Array, scalar: Uint8Array): Buffer {
  const secret = element(4, scalar)
  const content = Buffer.concat([Buffer.of(2, 1, 1), secret, element(0xa0, oid)])
  const result = element(0x30, content)
  for (const copy of [secret, content]) copy.fill(0)
  return result
}

/** ECPrivateKey; intermediate copies of the scalar are wiped. @param oid the curve's, encoded */
export function ecPrivateKey(oid: Uint8Array, scalar: Uint8Array, point: Uint8Array): Buffer {
  const secret = element(4, scalar)
  const content = Buffer.concat([Buffer.of(2, 1, 1), secret, element(0xa0, oid), element(0xa1, bits(point))])
  const result = element(0x30, content)
  for (const copy of [secret, content]) copy.fill(0)
  return result
}
