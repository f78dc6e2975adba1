// The CEKs of a cloning batch, wrapped and unwrapped through the lanes: objects whose CEKs are under the same key go together.

import { BATCH_CEK, BATCH_CEKS, BATCH_MAX, BATCH_SEEDS } from '../arena'
import { AES_CTX, aesKey } from '../crypto/aes'
import { KW_ROW, kwUnwrapMany, kwWrapMany } from '../crypto/key-wrap'
import { wipe } from '../crypto/util'
import { fresh } from './random'

const KEY: usize = memory.data(AES_CTX, 16)
const ROWS: usize = memory.data(8192, 16)
const MEMBERS: usize = memory.data(4096, 16)
const OPENED: usize = memory.data(1024, 16)
/** By object: its CEK was unwrapped. */
const GOOD: usize = memory.data(1024, 16)
/** Semiblocks of a CEK. */
const LENGTH: u32 = 4

let members: i32 = 0

/** Where the check value and CEK of object i stand. */
export function cekSlot(i: i32): usize {
  return BATCH_CEKS + <usize>i * BATCH_CEK
}

/** CEK of object i. */
export function cekOf(i: i32): usize {
  return cekSlot(i) + 8
}

/** A fresh batch of seeds: 32 TRNG bytes per object in one reading. False = the TRNG failed. */
export function cekSeeds(count: i32): bool {
  memory.fill(GOOD, 0, BATCH_MAX)
  return fresh(BATCH_SEEDS, count << 5)
}

export function cekSeed(i: i32): usize {
  return BATCH_SEEDS + ((<usize>i) << 5)
}

/** Begins a group of objects whose CEKs are under one key. */
export function cekGroup(): void {
  members = 0
}

export function cekJoin(i: i32): void {
  const row = ROWS + <usize>(members * KW_ROW)
  store<u32>(row, <u32>cekSlot(i))
  store<u32>(row, LENGTH, 4)
  store<u32>(MEMBERS + ((<usize>members) << 2), i)
  members++
}

/** Unwraps the group's slots; `cekIsGood` then tells which. */
export function cekUnwrap(key: usize): void {
  if (members === 0) return
  aesKey(KEY, key, 32)
  kwUnwrapMany(KEY, ROWS, members, OPENED)
  for (let k = 0; k < members; k++) {
    store<u8>(GOOD + <usize>load<u32>(MEMBERS + ((<usize>k) << 2)), load<u8>(OPENED + <usize>k))
  }
  wipe(KEY, AES_CTX)
}

export function cekIsGood(i: i32): bool {
  return load<u8>(GOOD + <usize>i) === 1
}

/**
 * Wraps the group's CEKs: the slots then hold what is stored or sent. The CEKs themselves are gone: callers that seal with them
 * keep them where `cekKeep` has put them.
 */
export function cekWrap(key: usize): void {
  if (members === 0) return
  aesKey(KEY, key, 32)
  kwWrapMany(KEY, ROWS, members)
  wipe(KEY, AES_CTX)
}

/** Puts the CEK of object i into its seed's place, which is used up: it outlives the wrapping there. */
export function cekKeep(i: i32): void {
  memory.copy(cekSeed(i), cekOf(i), 32)
}
