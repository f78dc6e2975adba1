// Padding to whole blocks (RFC 5652 §6.3, known as PKCS#7): 1 to 16 (AES) or 1 to 8 bytes, each of them their number.

/** Pads `n` bytes at `p`, which has room for 16 more; the length with the padding. */
export function pad(p: usize, n: i32): i32 {
  return padTo(p, n, 16)
}

/** The same to blocks of `size` bytes, a power of two. */
export function padTo(p: usize, n: i32, size: i32): i32 {
  const total = (n + size) & ~(size - 1)
  memory.fill(p + n, <u8>(total - n), total - n)
  return total
}

/**
 * Length without padding of `n` decrypted bytes (a multiple of 16, at least 16) at `p`, -1 where the padding is wrong; looks at
 * all 16 bytes whatever they are.
 */
export function unpadded(p: usize, n: i32): i32 {
  return unpaddedFrom(p, n, 16)
}

/** The same of blocks of `size` bytes. */
export function unpaddedFrom(p: usize, n: i32, size: u32): i32 {
  const length = <u32>load<u8>(p + n - 1)
  let wrong: u32 = (length - 1) >>> 31
  wrong |= (size - length) >>> 31
  for (let i: u32 = 0; i < size; i++) {
    const inside: u32 = (i - length) >>> 31
    wrong |= (0 - inside) & (<u32>load<u8>(p + n - 1 - i) ^ length)
  }
  return wrong === 0 ? n - <i32>length : -1
}
