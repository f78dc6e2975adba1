// The DER (X.690) of public keys and certificate requests that is written here.

const tagged = (tag: number, ...content: readonly Uint8Array[]): Buffer => {
  const size = content.reduce((sum, { length }) => sum + length, 0)
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), ...content])
}

export const sequence = (...content: readonly Uint8Array[]): Buffer => tagged(0x30, ...content)
export const nothing = Buffer.of(5, 0)
/** `[0]` of attributes that are left out. */
export const noAttributes = tagged(0xa0)
export const bitString = (content: Uint8Array): Buffer => tagged(3, Buffer.of(0), content)
export const objectId = (encoded: readonly number[]): Buffer => tagged(6, Buffer.from(encoded))

/** A non-negative INTEGER from its big-endian bytes. */
export function unsigned(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? Buffer.of(0) : bytes.subarray(start)
  return (digits[0] ?? 0) >= 0x80 ? tagged(2, Buffer.of(0), digits) : tagged(2, digits)
}

/** Contents of OBJECT IDENTIFIERs (RFC 8017 App. C, RFC 5480, RFC 5758); those of pkcs1 and ecdsaSha2 want one number more. */
export const OID = {
  rsa: [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1],
  pkcs1: [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1],
  ec: [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
  ecdsaSha2: [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3],
} as const

/** r ∥ s as X.509 carries it (RFC 3279 §2.2.3). */
export function ecdsaSignature(rs: Uint8Array): Buffer {
  const half = rs.length / 2
  return sequence(unsigned(rs.subarray(0, half)), unsigned(rs.subarray(half)))
}

export function pem(name: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)
  return `-----BEGIN ${name}-----\n${(lines ?? []).join('\n')}\n-----END ${name}-----\n`
}
