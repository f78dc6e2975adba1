// The loop of AES key wrap over many objects at once. Wrapping is serial by design, so speed comes from the batch: each
// of the eight lanes of the AES kernel works on an object of its own. Eight of one length go in step; all others have lanes of
// their own pace, where one that has finished takes the next object.
import { AES_GROUP, AES_LANES, aesDecrypt8, aesEncrypt8 } from './aes'
import { areEven, keyWrapInStep, wipeInStep } from './key-wrap-in-step'
import { KW_ROW, rowLength, rowObject } from './key-wrap-rows'
import { wipe } from './util'

@unmanaged
class Lane {
  object: u32
  /** Addresses of the semiblock to work on, of the first and of the last one. */
  at: u32
  first: u32
  last: u32
  /** The step counter, and where it stands behind the last step. */
  t: u32
  end: u32
  unused0: u32
  unused1: u32
}

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
  while (areEven(rows, count)) {
    keyWrapInStep(ctx, rows, decrypt)
    rows += <usize>(AES_LANES * KW_ROW)
    count -= AES_LANES
  }
  wipeInStep()
  if (count > 0) atTheirPace(ctx, rows, count, decrypt)
}

function atTheirPace(ctx: usize, rows: usize, count: i32, decrypt: bool): void {
  const busy = min(count, AES_LANES)
  for (let l = 0; l < AES_LANES; l++) {
    if (l < busy) take(l, rows, l, decrypt)
    else idle(l)
  }
  if (decrypt) unwrapLanes(ctx, rows, count, busy)
  else wrapLanes(ctx, rows, count, busy)
  wipe(BLOCKS, AES_GROUP)
  wipe(LANES, LANES_LENGTH)
  wipe(IDLE, 16)
}

function wrapLanes(ctx: usize, rows: usize, count: i32, busy: i32): void {
  let next = busy
  while (busy > 0) {
    aesEncrypt8(ctx, BLOCKS, BLOCKS)
    for (let l = 0; l < AES_LANES; l++) {
      const state = lane(l)
      const block = BLOCKS + (l << 4)
      const text = v128.load(block)
      const at = state.at
      v128.store_lane<u64>(at, text, 1)
      const t = state.t
      const sum = counted(text, t)
      state.t = t + 1
      if (t + 1 !== state.end) step(state, block, sum, at === state.last ? state.first : at + 8)
      else if (done(state, l, rows, next, count, sum, false)) next++
      else busy--
    }
  }
}

function unwrapLanes(ctx: usize, rows: usize, count: i32, busy: i32): void {
  let next = busy
  while (busy > 0) {
    aesDecrypt8(ctx, BLOCKS, BLOCKS)
    for (let l = 0; l < AES_LANES; l++) {
      const state = lane(l)
      const block = BLOCKS + (l << 4)
      const text = v128.load(block)
      const at = state.at
      v128.store_lane<u64>(at, text, 1)
      // The counter of the step to come; after the last step it is 0 and changes nothing.
      const t = state.t - 1
      const sum = counted(text, t)
      state.t = t
      if (t !== state.end) step(state, block, sum, at === state.first ? state.last : at - 8)
      else if (done(state, l, rows, next, count, sum, true)) next++
      else busy--
    }
  }
}

/** A block whose first half is XORed with the step counter. */
function counted(block: v128, t: u32): v128 {
  return v128.xor(block, i64x2.replace_lane(i64x2.splat(0), 0, bswap<u64>(<u64>t)))
}

/** The lane goes on with the semiblock at `at`; whole blocks, because two halves that were stored apart are slow to load together. */
function step(state: Lane, block: usize, sum: v128, at: u32): void {
  state.at = at
  v128.store(block, v128.load_lane<u64>(at, sum, 1))
}

/** The lane's object is through; true where it has taken the next one. */
function done(state: Lane, l: i32, rows: usize, next: i32, count: i32, sum: v128, decrypt: bool): bool {
  v128.store_lane<u64>(state.object, sum, 0)
  if (next < count) take(l, rows, next, decrypt)
  else idle(l)
  return next < count
}

function lane(l: i32): Lane {
  return changetype<Lane>(LANES + (l << 5))
}

/** Puts the object of row k into a lane. */
function take(l: i32, rows: usize, k: i32, decrypt: bool): void {
  const state = lane(l)
  const object = rowObject(rows, k)
  const n = rowLength(rows, k)
  const once: u32 = n === 1 ? 1 : 0
  const steps = once !== 0 ? 1 : 6 * n
  state.object = <u32>object
  state.first = <u32>object + 8
  state.last = <u32>object + (n << 3)
  state.at = decrypt ? state.last : state.first
  // The counter is XORed before a step back and behind a step forward: with 1 there and 0 here one step alone sees none.
  state.t = decrypt ? steps : 1 - once
  state.end = decrypt ? 0 : steps + 1 - once
  const check = load<u64>(object)
  store<u64>(BLOCKS + (l << 4), decrypt && once === 0 ? check ^ bswap<u64>(<u64>steps) : check)
  store<u64>(BLOCKS + (l << 4), load<u64>(state.at), 8)
}

/** A counter that is never where it ends. */
function idle(l: i32): void {
  const state = lane(l)
  state.at = state.first = state.last = <u32>IDLE
  state.t = state.end = 0
}
