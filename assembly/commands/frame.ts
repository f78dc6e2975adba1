// Reading the body of a request and writing the body of its answer. One request is in hand at a time, so the cursors are globals.

import { load16be, load32be, load64be, store16be, store32be, store64be } from '../crypto/util'
import { MAX_BODY } from '../protocol'

let at: usize = 0
let end: usize = 0
let bad: bool = false
/** Length of the last `bytes` field read. */
let fieldLength: i32 = 0

let out: usize = 0
let outStart: usize = 0

export function readBegin(body: usize, length: i32): void {
  at = body
  end = body + <usize>length
  bad = false
  fieldLength = 0
}

/** Address of the next `n` bytes; an address that is safe to read and a failed request where they are not there. */
export function readFixed(n: i32): usize {
  if (n < 0 || <usize>n > end - at) {
    bad = true
    return outStart
  }
  const p = at
  at += <usize>n
  return p
}

export function read8(): u32 {
  const p = readFixed(1)
  return bad ? 0 : <u32>load<u8>(p)
}

export function read16(): u32 {
  const p = readFixed(2)
  return bad ? 0 : load16be(p)
}

export function read32(): u32 {
  const p = readFixed(4)
  return bad ? 0 : load32be(p)
}

export function read64(): u64 {
  const p = readFixed(8)
  return bad ? 0 : load64be(p)
}

/** A `bytes` field: its address; `readLength()` is its length. */
export function readBytes(): usize {
  const n = read32()
  if (bad || n > <u32>MAX_BODY) {
    bad = true
    fieldLength = 0
    return outStart
  }
  fieldLength = <i32>n
  const p = readFixed(<i32>n)
  if (bad) fieldLength = 0
  return p
}

export function readLength(): i32 {
  return fieldLength
}

/** True where every field was there and nothing is left over. */
export function readDone(): bool {
  return !bad && at === end
}

export function readOk(): bool {
  return !bad
}

export function writeBegin(body: usize): void {
  out = body
  outStart = body
}

export function written(): i32 {
  return <i32>(out - outStart)
}

/** Bytes that still fit. */
export function writeRoom(): i32 {
  return MAX_BODY - written()
}

export function write8(v: u32): void {
  store<u8>(out, <u8>v)
  out++
}

export function write16(v: u32): void {
  store16be(out, v)
  out += 2
}

export function write32(v: u32): void {
  store32be(out, v)
  out += 4
}

export function write64(v: u64): void {
  store64be(out, v)
  out += 8
}

export function writeFixed(p: usize, n: i32): void {
  memory.copy(out, p, n)
  out += <usize>n
}

export function writeBytes(p: usize, n: i32): void {
  write32(<u32>n)
  writeFixed(p, n)
}

/** Reserves `n` bytes and answers where they are. */
export function writeSkip(n: i32): usize {
  const p = out
  out += <usize>n
  return p
}

export function writePosition(): usize {
  return out
}
