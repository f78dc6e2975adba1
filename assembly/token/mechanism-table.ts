// The mechanism table (PKCS#11 3.0 §6; flags CKF_…). Its rows are in mechanism-rows.ts.

export const ENCRYPT: u32 = 0x100
export const DECRYPT: u32 = 0x200
export const DIGEST: u32 = 0x400
export const SIGN: u32 = 0x800
export const VERIFY: u32 = 0x2000
export const GENERATE: u32 = 0x8000
export const GENERATE_PAIR: u32 = 0x10000
export const WRAP: u32 = 0x20000
export const UNWRAP: u32 = 0x40000
export const DERIVE: u32 = 0x80000

export const CRYPT: u32 = ENCRYPT | DECRYPT
export const SIGNING: u32 = SIGN | VERIFY
export const WRAPPING: u32 = WRAP | UNWRAP

/** In the place of a key type: any secret key will do. */
export const ANY_SECRET: u32 = 0xfffffffe

@unmanaged
export class Mechanism {
  number: u32
  /** Least and greatest key size: bits for RSA and EC, bytes else. */
  least: u32
  greatest: u32
  /** What it does, and what of it is left where non-FIPS algorithms are off. */
  flags: u32
  approved: u32
  family: u32
  hash: i32
  /** CKK_… of its keys, or ANY_SECRET. */
  keyType: u32
  general: u32
}

const ROW: usize = 36
const TABLE: usize = memory.data(11520, 16)
const ROWS_MAX: i32 = 320
let count: i32 = 0

export function mechanismCount(): i32 {
  return count
}

/** Row i. */
export function rowAt(i: i32): Mechanism {
  return changetype<Mechanism>(TABLE + <usize>i * ROW)
}

export function row(
  number: u32,
  least: u32,
  greatest: u32,
  flags: u32,
  approved: u32,
  family: u32,
  hash: i32,
  keyType: u32,
  general: u32,
): void {
  if (count === ROWS_MAX) unreachable()
  const r = rowAt(count)
  r.number = number
  r.least = least
  r.greatest = greatest
  r.flags = flags
  r.approved = approved
  r.family = family
  r.hash = hash
  r.keyType = keyType
  r.general = general
  count++
}

/** Power-up: before the rows are written. */
export function tableBegin(): void {
  count = 0
}
