// Reading a mechanism's parameter (SPEC.md §2.4) field by field.

import { load32be } from '../crypto/util'
import { parameter, parameterLength } from './crypt-operation'

let at: usize = 0
let end: usize = 0
let bad: bool = false
let length: i32 = 0

export function fieldsBegin(): void {
  at = parameter
  end = parameter + <usize>parameterLength
  bad = false
}

/** True where every field was there and nothing is left over. */
export function fieldsDone(): bool {
  return !bad && at === end
}

export function fieldsOk(): bool {
  return !bad
}

function take(n: u32): usize {
  if (bad || <usize>n > end - at) {
    bad = true
    return parameter
  }
  const p = at
  at += <usize>n
  return p
}

export function field8(): u32 {
  const p = take(1)
  return bad ? 0 : <u32>load<u8>(p)
}

export function field32(): u32 {
  const p = take(4)
  return bad ? 0 : load32be(p)
}

/** A `bytes` field: its address; `fieldLength` is its length. */
export function fieldBytes(): usize {
  const n = field32()
  const p = take(n)
  length = bad ? 0 : <i32>n
  return p
}

export function fieldLength(): i32 {
  return length
}
