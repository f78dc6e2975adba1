// The key that DERIVE makes: its base, how long it is wanted, and how much of it there is.

import { KDF_OUT } from '../arena'
import { RC_KEY_SIZE_RANGE, RC_OK } from '../protocol'

/** The base key's value, out of the way of what is made. */
export const BASE: usize = KDF_OUT
export const BASE_MAX: i32 = 1024
/** Bytes of a key at most. */
export const MOST: i32 = 512

/** Bytes of the base. */
export let base: i32 = 0
/** Bytes of the key to be made, 0 = as many as there are. */
export let wanted: i32 = 0
/** Bytes in PLAIN2. */
export let made: i32 = 0

export function setBase(n: i32): void {
  base = n
}

export function setWanted(n: i32): void {
  wanted = n
}

export function setMade(n: i32): void {
  made = n
}

/** So many bytes are there; those wanted are the first. */
export function cut(n: i32): u32 {
  made = wanted === 0 ? n : wanted
  return made >= 1 && made <= n && made <= MOST ? RC_OK : RC_KEY_SIZE_RANGE
}
