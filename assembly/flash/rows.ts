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

/** Sorted chains of one row, of two, of four … */
const CHAINS: usize = memory.data(128, 4)

/** Two chains in handle order become one. Only `next` counts. */
function merge(a: u32, b: u32): u32 {
  let head: u32 = 0
  let tail: u32 = 0
  while (a !== 0 && b !== 0) {
    const takeA = row(a).handle <= row(b).handle
    const least = takeA ? a : b
    if (takeA) a = row(a).next
    else b = row(b).next
    if (tail === 0) head = least
    else row(tail).next = least
    tail = least
  }
  const rest = a !== 0 ? a : b
  if (tail === 0) return rest
  row(tail).next = rest
  return head
}

/** The chain that begins with row `first`, in handle order; its new first row. `prev` is left to the caller. */
export function sortByHandle(first: u32): u32 {
  memory.fill(CHAINS, 0, 128)
  let i = first
  while (i !== 0) {
    const next = row(i).next
    row(i).next = 0
    let chain = i
    let cell = CHAINS
    while (load<u32>(cell) !== 0) {
      chain = merge(load<u32>(cell), chain)
      store<u32>(cell, 0)
      cell += 4
    }
    store<u32>(cell, chain)
    i = next
  }
  let sorted: u32 = 0
  for (let cell = CHAINS; cell < CHAINS + 128; cell += 4) sorted = merge(load<u32>(cell), sorted)
  return sorted
}
