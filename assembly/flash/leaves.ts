// What is known of the leaves of the directory hash (SPEC.md §6.2): the directory says which leaf changes, directory-hash.ts fills in.

/** Handles of a leaf, as a power of two. */
export const LEAF_BITS: u32 = 9

/** A leaf whose hash is known, in the place that its partition and number give it. */
@unmanaged
export class Leaf {
  /** Partition + 1, 0 = nothing is known here. */
  owner: u32
  number: u32
  /** Row of its last object. */
  last: u32
  unused: u32
  digest0: u64
  digest1: u64
  digest2: u64
  digest3: u64
  digest4: u64
  digest5: u64
}

const COUNT: u32 = 4096
const SIZE: usize = 64
const TABLE: usize = memory.data(262144, 16)

/** How far the hash of one leaf has been taken that more objects may still join at its end (directory-hash.ts keeps the hash itself). */
@unmanaged
export class Prefix {
  /** Partition + 1, 0 = none. */
  owner: u32
  number: u32
  /** Row and handle of the last object in it. */
  last: u32
  handle: u32
}

const PREFIX: usize = memory.data(16, 16)

export function prefix(): Prefix {
  return changetype<Prefix>(PREFIX)
}

/** How far the hash over the leaves has been taken: to the last but one, because an object that is made is in the last. */
@unmanaged
export class Trunk {
  /** Partition + 1, 0 = none. */
  owner: u32
  /** Of its last leaf. */
  number: u32
  /** Row of the last object in it. */
  last: u32
  leaves: u32
}

const TRUNK: usize = memory.data(16, 16)

export function trunk(): Trunk {
  return changetype<Trunk>(TRUNK)
}

export function leafAt(partition: u32, number: u32): Leaf {
  return changetype<Leaf>(TABLE + <usize>((number + partition * 0x9e3779b1) % COUNT) * SIZE)
}

export function digestOf(leaf: Leaf): usize {
  return changetype<usize>(leaf) + offsetof<Leaf>('digest0')
}

/** Nothing is known any more. */
export function leavesClear(): void {
  memory.fill(TABLE, 0, <usize>COUNT * SIZE)
  prefix().owner = 0
  trunk().owner = 0
}

/** An object of this leaf came, went or has another record. */
export function leafChanged(partition: u32, handle: u32): void {
  const number = handle >>> LEAF_BITS
  const leaf = leafAt(partition, number)
  if (leaf.owner === partition + 1 && leaf.number === number) leaf.owner = 0
  const before = prefix()
  if (before.owner === partition + 1 && before.number === number && handle <= before.handle) before.owner = 0
  const kept = trunk()
  if (kept.owner === partition + 1 && number <= kept.number) kept.owner = 0
}
