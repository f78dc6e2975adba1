/** A big-endian number. */
export function toInt(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}

/** Big-endian, exactly `length` bytes; the value has to fit. */
export function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex')
}

/** The rest in 0 … m − 1. */
export function mod(a: bigint, m: bigint): bigint {
  const rest = a % m
  return rest < 0n ? rest + m : rest
}

export function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b)
}

/** base^exponent modulo m, for an exponent of 0 or more. Not in constant time. */
export function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let result = 1n % m
  for (const digit of exponent.toString(2)) {
    result = (result * result) % m
    if (digit === '1') result = (result * base) % m
  }
  return result
}

/** a⁻¹ modulo m, for a prime to m. */
export function inverse(a: bigint, m: bigint): bigint {
  let [r0, r1, s0, s1] = [m, mod(a, m), 0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1, s0, s1] = [r1, r0 - quotient * r1, s1, s0 - quotient * s1]
  }
  return mod(s0, m)
}
