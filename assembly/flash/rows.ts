// Rows of the directory: one in memory per listed object. Links are row numbers, 0 = none.

export const CAPACITY: u32 = 131072
export const ROW: usize = 112

/** One listed object. Numbers are native; the OUID and the GCM tag are bytes. */
@unmanaged
export class Row {
  partition: u32
  handle: u32
  generation: u32
  offset: u32
  length: u32
  objectClass: u32
  keyType: u32
  bits: u32
  ouid0: u32
  ouid1: u32
  ouid2: u32
  slot: u32
  tag0: u64
  tag1: u64
  prev: u32
  next: u32
  nextByHandle: u32
  nextByOuid: u32
  /** Keyed hashes of CKA_LABEL and CKA_ID (name-index.ts); 0 = the object was not opened since power-up. */
  labelHash: u32
  idHash: u32
  nextByLabel: u32
  prevByLabel: u32
  nextById: u32
  prevById: u32
  nextByClass: u32
  prevByClass: u32
}

export const ROWS: usize = memory.data(14680288, 16)

export function row(index: u32): Row {
  return changetype<Row>(ROWS + <usize>index * ROW)
}

export function ouidOf(r: Row): usize {
  return changetype<usize>(r) + offsetof<Row>('ouid0')
}

export function tagOf(r: Row): usize {
  return changetype<usize>(r) + offsetof<Row>('tag0')
}
