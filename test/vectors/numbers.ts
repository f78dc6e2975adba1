/** Bytes of text in hexadecimal; undefined where it is none. An empty text is no bytes. */
export function hexBytes(text: string): Uint8Array | undefined {
  return /^([0-9a-f]{2})*$/i.test(text) ? Buffer.from(text, 'hex') : undefined
}

/** A number in hexadecimal, of any number of digits; undefined where it is none. */
export function hexInteger(text: string): bigint | undefined {
  return /^[0-9a-f]+$/i.test(text) ? BigInt(`0x${text}`) : undefined
}

export const toInteger = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).toString('hex')}`)

/** Big-endian bytes of a number: as many as it needs, but at least `least`, with zeros before it. */
export function toBytes(value: bigint, least = 1): Uint8Array {
  const digits = value.toString(16)
  return Buffer.from(digits.padStart(Math.max(2 * least, digits.length + (digits.length % 2)), '0'), 'hex')
}

export const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length)

/** The parts behind each other; of no part, no bytes. */
export const joined = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)

export const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ (b[i] ?? 0))
