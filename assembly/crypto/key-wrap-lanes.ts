// The loop of AES key wrap over many objects at once. Wrapping is serial by design, so speed comes from the batch: each
// of the eight lanes of the AES kernel works on an object of its own, of any length, and a lane that has finished takes
// the next one.
import { AES_GROUP, aesDecrypt8, aesEncrypt8 } from './aes'
import { wipe } from './util'

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

@unmanaged
class Lane {
  object: u32
  /** Semiblocks, the one to work on, the step counter and the steps that are left. */
  n: u32
  i: u32
  t: u32
  left: u32
  unused0: u32
  unused1: u32
  unused2: u32
}

const LANE_COUNT = 8
const LANES_LENGTH = 256
const LANES: usize = memory.data(LANES_LENGTH, 16)
/** Eight blocks A ∥ Ri. */
const BLOCKS: usize = memory.data(AES_GROUP, 16)
/** What a lane without an object works on. */
const IDLE: usize = memory.data(16, 16)

/**
 * Runs W (SP 800-38F §6.1), or its inverse, over `count` rows in place; every row has n >= 1. A row of one semiblock goes
 * through the cipher once, as KWP wants it (§6.3); W itself starts at two.
 */
export function keyWrapLanes(ctx: usize, rows: usize, count: i32, decrypt: bool): void {
  let next = 0
  let live = 0
  for (let l = 0; l < LANE_COUNT; l++) {
    if (next < count) {
      take(l, rows, next, decrypt)
      next++
      live++
    } else {
      idle(l)
    }
  }
  while (live > 0) {
    for (let l = 0; l < LANE_COUNT; l++) {
      const state = lane(l)
      store<u64>(BLOCKS + (l << 4), load<u64>(state.object + (state.i << 3)), 8)
    }
    if (decrypt) aesDecrypt8(ctx, BLOCKS, BLOCKS)
    else aesEncrypt8(ctx, BLOCKS, BLOCKS)
    for (let l = 0; l < LANE_COUNT; l++) {
      const state = lane(l)
      const block = BLOCKS + (l << 4)
      const i = state.i
      store<u64>(state.object + (i << 3), load<u64>(block, 8))
      if (decrypt) {
        // The counter of the step to come; after the last step it is 0 and changes nothing.
        state.t -= 1
        state.i = i > 1 ? i - 1 : state.n
        store<u64>(block, load<u64>(block) ^ bswap<u64>(<u64>state.t))
      } else {
        store<u64>(block, load<u64>(block) ^ bswap<u64>(<u64>state.t))
        state.t += 1
        state.i = i < state.n ? i + 1 : 1
      }
      state.left -= 1
      if (state.left === 0) {
        store<u64>(state.object, load<u64>(block))
        if (next < count) {
          take(l, rows, next, decrypt)
          next++
        } else {
          idle(l)
          live--
        }
      }
    }
  }
  wipe(BLOCKS, AES_GROUP)
  wipe(LANES, LANES_LENGTH)
  wipe(IDLE, 16)
}

function lane(l: i32): Lane {
  return changetype<Lane>(LANES + (l << 5))
}

/** Puts the object of row k into a lane. */
function take(l: i32, rows: usize, k: i32, decrypt: bool): void {
  const state = lane(l)
  const n = rowLength(rows, k)
  const once: u32 = n === 1 ? 1 : 0
  const steps = once !== 0 ? 1 : 6 * n
  state.object = <u32>rowObject(rows, k)
  state.n = n
  state.left = steps
  state.i = decrypt ? n : 1
  // The counter is XORed before a step back and behind a step forward: with 1 there and 0 here one step alone sees none.
  state.t = decrypt ? steps : 1 - once
  const check = load<u64>(state.object)
  store<u64>(BLOCKS + (l << 4), decrypt && once === 0 ? check ^ bswap<u64>(<u64>steps) : check)
}

function idle(l: i32): void {
  const state = lane(l)
  state.object = <u32>(IDLE - 8)
  state.n = 1
  state.i = 1
  state.t = 0
  state.left = u32.MAX_VALUE
}
