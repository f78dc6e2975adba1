// The little of DER that PKCS #1 keys need (RFC 8017 appendix A.1): INTEGER and SEQUENCE.

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
