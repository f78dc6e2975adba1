// The rows of a batch of key wrap.

/** Bytes of a batch row: u32 address of an object (8 bytes for the check value A, then n times 8 bytes R), u32 n. */
export const KW_ROW = 8

/** The address of the object of row k. */
export function rowObject(rows: usize, k: i32): usize {
  return load<u32>(rows + k * KW_ROW)
}

/** The semiblocks of the object of row k, the check value not counted. */
export function rowLength(rows: usize, k: i32): u32 {
  return load<u32>(rows + k * KW_ROW, 4)
}
