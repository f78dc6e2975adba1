// Tables that are indexed by secrets: every entry is read, whichever is wanted, so that no address and no branch depends on the index.

/** Sixteen bytes of a table of 256, by sixteen indices. What is too large for sixteen entries finds zero there. */
export function lookupBytes(table: usize, at: v128): v128 {
  let found = i8x16.splat(0)
  for (let i: usize = 0; i < 256; i += 16) {
    found = v128.or(found, i8x16.swizzle(v128.load(table + i), at))
    at = i8x16.sub(at, i8x16.splat(16))
  }
  return found
}

/** One byte of a table of 256. */
export function lookupByte(table: usize, at: u32): u32 {
  return <u32>i8x16.extract_lane_u(lookupBytes(table, i8x16.splat(<i8>at)), 0)
}

/** One of 256 words of four bytes. */
export function lookupWord(table: usize, at: u32): u32 {
  const wanted = i32x4.splat(at)
  let here = i32x4(0, 1, 2, 3)
  let found = i32x4.splat(0)
  for (let i: usize = 0; i < 1024; i += 16) {
    found = v128.or(found, v128.and(v128.load(table + i), i32x4.eq(here, wanted)))
    here = i32x4.add(here, i32x4.splat(4))
  }
  found = v128.or(found, i8x16.shuffle(found, found, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
  return i32x4.extract_lane(found, 0) | i32x4.extract_lane(found, 1)
}

/** One of 64 words of two bytes. */
export function lookupHalf(table: usize, at: u32): u32 {
  const wanted = i16x8.splat(<i16>at)
  let here = i16x8(0, 1, 2, 3, 4, 5, 6, 7)
  let found = i16x8.splat(0)
  for (let i: usize = 0; i < 128; i += 16) {
    found = v128.or(found, v128.and(v128.load(table + i), i16x8.eq(here, wanted)))
    here = i16x8.add(here, i16x8.splat(8))
  }
  const pair = i64x2.extract_lane(found, 0) | i64x2.extract_lane(found, 1)
  const both = <u32>(pair | (pair >>> 32))
  return (both | (both >>> 16)) & 0xffff
}

/** Writes one byte of a table of 256. */
export function storeByte(table: usize, at: u32, value: u32): void {
  const wanted = i8x16.splat(<i8>at)
  const byte = i8x16.splat(<i8>value)
  let here = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  for (let i: usize = 0; i < 256; i += 16) {
    v128.store(table + i, v128.bitselect(byte, v128.load(table + i), i8x16.eq(here, wanted)))
    here = i8x16.add(here, i8x16.splat(16))
  }
}
