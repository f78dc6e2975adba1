// The directory hash of a partition (SPEC.md §6.2): a hash over leaves of LEAF handles each, so that a change costs one leaf and the
// list of leaves. The hash of a leaf is kept until one of its objects changes, of the last one that was hashed how far that went, and
// the list up to the last but one: an object that is made has the highest handle, so nothing before it is hashed again.

import { HASH_CTX, HASH_SHA384, hashFinal, hashInit, hashUpdate } from '../crypto/sha2'
import { store32be } from '../crypto/util'
import { firstOf, row, tagOf } from './directory'
import { digestOf, LEAF_BITS, Leaf, leafAt, prefix, trunk } from './leaves'

/** "OBDH": begins what more than one leaf is hashed to; no handle is so large. */
const TREE_MAGIC: u32 = 0x4f424448

const TREE: usize = memory.data(HASH_CTX, 16)
const PART: usize = memory.data(HASH_CTX, 16)
/** The hash over the objects that `prefix` tells of. */
const HASHED: usize = memory.data(HASH_CTX, 16)
/** The hash over the leaves that `trunk` tells of. */
const LISTED: usize = memory.data(HASH_CTX, 16)
const ENTRY: usize = memory.data(24, 16)

/** The leaf that begins with row `first`, its hash computed where it is not known. */
function leafFrom(partition: u32, first: u32): Leaf {
  const number = row(first).handle >>> LEAF_BITS
  const leaf = leafAt(partition, number)
  if (leaf.owner === partition + 1 && leaf.number === number) return leaf
  leaf.owner = partition + 1
  leaf.number = number
  let i = first
  const before = prefix()
  if (before.owner === partition + 1 && before.number === number) i = row(before.last).next
  else hashInit(HASHED, HASH_SHA384)
  leaf.last = before.last
  while (i !== 0 && row(i).handle >>> LEAF_BITS === number) {
    const r = row(i)
    store32be(ENTRY, r.handle)
    store32be(ENTRY + 4, r.generation)
    memory.copy(ENTRY + 8, tagOf(r), 16)
    hashUpdate(HASHED, ENTRY, 24)
    leaf.last = i
    i = r.next
  }
  before.owner = partition + 1
  before.number = number
  before.last = leaf.last
  before.handle = row(leaf.last).handle
  memory.copy(PART, HASHED, HASH_CTX)
  hashFinal(PART, digestOf(leaf))
  return leaf
}

/** The list is in TREE up to a leaf, which only one more follows. */
function keep(partition: u32, number: u32, last: u32, leaves: u32): void {
  const kept = trunk()
  kept.owner = partition + 1
  kept.number = number
  kept.last = last
  kept.leaves = leaves
  memory.copy(LISTED, TREE, HASH_CTX)
}

/** 48 bytes to `out`: H of no bytes for no object, the hash of the leaf for one, else H("OBDH" ∥ number ∥ hash of every leaf). */
export function directoryHash(partition: u32, out: usize): void {
  const kept = trunk()
  let leaves: u32 = 0
  let number: u32 = 0
  let last: u32 = 0
  let i = firstOf(partition)
  // Only where a leaf follows: one alone is no list.
  if (kept.owner === partition + 1 && row(kept.last).next !== 0) {
    leaves = kept.leaves
    number = kept.number
    last = kept.last
    i = row(last).next
    memory.copy(TREE, LISTED, HASH_CTX)
  } else {
    hashInit(TREE, HASH_SHA384)
    store32be(ENTRY, TREE_MAGIC)
    hashUpdate(TREE, ENTRY, 4)
  }
  while (i !== 0) {
    const leaf = leafFrom(partition, i)
    i = row(leaf.last).next
    leaves++
    if (i === 0) {
      if (leaves === 1) {
        memory.copy(out, digestOf(leaf), 48)
        return
      }
      keep(partition, number, last, leaves - 1)
    }
    store32be(ENTRY, leaf.number)
    hashUpdate(TREE, ENTRY, 4)
    hashUpdate(TREE, digestOf(leaf), 48)
    number = leaf.number
    last = leaf.last
  }
  if (leaves === 0) hashInit(TREE, HASH_SHA384)
  hashFinal(TREE, out)
}
