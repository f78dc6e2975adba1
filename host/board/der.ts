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
