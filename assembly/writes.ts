// The board's peripherals that keep something, as the rest of the firmware writes to them: nothing here reads.

import {
  mono_inc as advance,
  flash_erase as eraseFlash,
  mono_get,
  flash_program as programFlash,
  battery_write as writeBattery,
  split_write as writeSplit,
} from './board'

/**
 * A tamper came while the firmware was at work: whatever that still wants to keep is made with keys that are gone. As if the power
 * had been cut at that moment, nothing more is written until the work ends; zeroizing is not held up.
 */
let held: bool = false

export function holdWrites(on: bool): void {
  held = on
}

export function flash_program(offset: u32, source: usize, length: i32): void {
  if (!held) programFlash(offset, source, length)
}

export function flash_erase(sector: i32): void {
  if (!held) eraseFlash(sector)
}

export function mono_inc(): i64 {
  return held ? mono_get() : advance()
}

export function battery_write(region: i32, source: usize, length: i32): void {
  if (!held) writeBattery(region, source, length)
}

export function split_write(source: usize): void {
  if (!held) writeSplit(source)
}
