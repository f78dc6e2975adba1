// AES key wrap of eight objects of one length, in step: all of them are at the same place and counter, so they stay as the
// planes of the AES kernel (aes-kernel.ts) from the first step to the last, and nothing has to be kept of each.
import { AES_GROUP, AES_LANES, aesDecryptPlanes, aesEncryptPlanes, transpose8 } from './aes'
import { rowLength, rowObject } from './key-wrap-rows'
import { wipe } from './util'

/** Semiblocks, the check value not counted, of the longest objects that go in step; 16 bits hold every counter. */
const MOST: i32 = 512

/** Bytes of one semiblock of eight objects: eight half planes. */
const PLACE_LENGTH: i32 = 64
const PLACE: usize = <usize>PLACE_LENGTH
const PLACES_LENGTH: i32 = (MOST + 1) * PLACE_LENGTH
/** The check values (place 0) and all semiblocks. */
const PLACES: usize = memory.data(PLACES_LENGTH, 16)
/** Of PLACES, bytes from the first on that hold something. */
let used: i32 = 0
/** Eight blocks A ∥ Ri as planes. */
const PLANES: usize = memory.data(AES_GROUP, 16)

/** Bit of a byte. */
const BIT = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)

/** Whether the next eight objects go in step. */
export function areEven(rows: usize, count: i32): bool {
  if (count < AES_LANES) return false
  const n = rowLength(rows, 0)
  for (let k = 1; k < AES_LANES; k++) if (rowLength(rows, k) !== n) return false
  return n > 1 && n <= <u32>MOST
}

/** Runs W (SP 800-38F §6.1), or its inverse, over eight rows in place, for which `areEven` holds. */
export function keyWrapInStep(ctx: usize, rows: usize, decrypt: bool): void {
  const n = <usize>rowLength(rows, 0)
  used = max(used, (<i32>n + 1) * PLACE_LENGTH)
  gather(rows, n)
  if (decrypt) unwrap(ctx, n)
  else wrap(ctx, n)
  scatter(rows, n)
}

/** Nothing of the objects stays. */
export function wipeInStep(): void {
  wipe(PLACES, used)
  used = 0
  wipe(PLANES, AES_GROUP)
}

function wrap(ctx: usize, n: usize): void {
  const last = PLACES + n * PLACE
  let place = PLACES + PLACE
  begin(place, 0)
  for (let t: u64 = 1; t < 6 * n; t++) {
    aesEncryptPlanes(ctx, PLANES)
    const next = place === last ? PLACES + PLACE : place + PLACE
    step(place, next, t)
    place = next
  }
  aesEncryptPlanes(ctx, PLANES)
  end(place, 6 * n)
}

function unwrap(ctx: usize, n: usize): void {
  const last = PLACES + n * PLACE
  let place = last
  begin(place, 6 * n)
  for (let t: u64 = 6 * n - 1; t > 0; t--) {
    aesDecryptPlanes(ctx, PLANES)
    const next = place === PLACES + PLACE ? last : place - PLACE
    step(place, next, t)
    place = next
  }
  aesDecryptPlanes(ctx, PLANES)
  end(place, 0)
}

/** Bit by bit of the counter's last two bytes, 00 or FF. */
function marksOf(t: u64): v128 {
  const bytes = i64x2.replace_lane(i64x2.splat((t & 0xff) * 0x0101010101010101), 1, (t >> 8) * 0x0101010101010101)
  return i8x16.eq(v128.and(bytes, BIT), BIT)
}

/** What a step has made goes to its place, and the next one begins. */
function step(place: usize, next: usize, t: u64): void {
  const marks = marksOf(t)
  // Plane b has bit b of the counter, a big-endian number in the first eight bytes of a block.
  turn(0, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 8, 0, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(1, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 9, 1, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(2, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 10, 2, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(3, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 11, 3, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(4, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 12, 4, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(5, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 13, 5, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(6, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 14, 6, -1, -1, -1, -1, -1, -1, -1, -1)))
  turn(7, place, next, i8x16.swizzle(marks, i8x16(-1, -1, -1, -1, -1, -1, 15, 7, -1, -1, -1, -1, -1, -1, -1, -1)))
}

/** Plane b of `step`; whole planes are stored, because two halves that were stored apart are slow to load together. */
function turn(b: usize, place: usize, next: usize, counter: v128): void {
  const plane = PLANES + (b << 4)
  const made = v128.load(plane)
  v128.store_lane<u64>(place + (b << 3), made, 1)
  v128.store(plane, v128.load_lane<u64>(next + (b << 3), v128.xor(made, counter), 1))
}

/** The check values, the counter XORed, and the semiblocks of a place. */
function begin(place: usize, t: u64): void {
  for (let b: usize = 0; b < 8; b++) {
    store<u64>(PLANES + (b << 4), load<u64>(PLACES + (b << 3)) ^ counterPlane(b, t))
    store<u64>(PLANES + (b << 4), load<u64>(place + (b << 3)), 8)
  }
}

/** The last step goes to its place, and to the check values with the counter XORed. */
function end(place: usize, t: u64): void {
  for (let b: usize = 0; b < 8; b++) {
    store<u64>(PLACES + (b << 3), load<u64>(PLANES + (b << 4)) ^ counterPlane(b, t))
    store<u64>(place + (b << 3), load<u64>(PLANES + (b << 4), 8))
  }
}

/** Half plane b of a counter. */
function counterPlane(b: usize, t: u64): u64 {
  return (((t >> b) & 1) * 0xff00000000000000) | (((t >> (8 + b)) & 1) * 0x00ff000000000000)
}

/** All semiblocks become half planes, two places at a time. */
function gather(rows: usize, n: usize): void {
  for (let i: usize = 0; i <= n; i += 2) {
    for (let l = 0; l < AES_LANES; l++) {
      const from = rowObject(rows, l) + (i << 3)
      v128.store(PLANES + (l << 4), i < n ? v128.load(from) : v128.load64_zero(from))
    }
    transpose8(PLANES, PLANES)
    const place = PLACES + i * PLACE
    for (let b: usize = 0; b < 8; b++) {
      const plane = v128.load(PLANES + (b << 4))
      v128.store_lane<u64>(place + (b << 3), plane, 0)
      if (i < n) v128.store_lane<u64>(place + PLACE + (b << 3), plane, 1)
    }
  }
}

/** The inverse of `gather`. */
function scatter(rows: usize, n: usize): void {
  for (let i: usize = 0; i <= n; i += 2) {
    const place = PLACES + i * PLACE
    for (let b: usize = 0; b < 8; b++) {
      store<u64>(PLANES + (b << 4), load<u64>(place + (b << 3)))
      store<u64>(PLANES + (b << 4), i < n ? load<u64>(place + PLACE + (b << 3)) : 0, 8)
    }
    transpose8(PLANES, PLANES)
    for (let l = 0; l < AES_LANES; l++) {
      const to = rowObject(rows, l) + (i << 3)
      const block = v128.load(PLANES + (l << 4))
      if (i < n) v128.store(to, block)
      else v128.store_lane<u64>(to, block, 0)
    }
  }
}
