// Keccak-f[1600] (FIPS 202 §3.3): the permutation behind SHA-3, over a state of 25 lanes in memory. Rotation offsets are literals and
// no address depends on data.

/** Bytes of a state: lane x + 5y at 8 (x + 5y), little-endian as WebAssembly's memory is. */
export const KECCAK_STATE = 200

/** Round constants (FIPS 202 §3.2.5). */
const CONSTANTS: usize = memory.data<u64>(
  [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
  ],
  16,
)

/** A state between the steps of a round. */
const TURNED: usize = memory.data(208, 16)

function column(s: usize, x: usize): u64 {
  const p = s + (x << 3)
  return load<u64>(p) ^ load<u64>(p, 40) ^ load<u64>(p, 80) ^ load<u64>(p, 120) ^ load<u64>(p, 160)
}

/** Theta's word and the rotation of rho for lane `from`, which pi puts at lane `to`. */
function move(s: usize, from: usize, d: u64, turn: u64, to: usize): void {
  store<u64>(TURNED + (to << 3), rotl<u64>(load<u64>(s + (from << 3)) ^ d, turn))
}

/** Chi of the row y. */
function row(s: usize, y: usize): void {
  const p = TURNED + y * 40
  const a = load<u64>(p)
  const b = load<u64>(p, 8)
  const c = load<u64>(p, 16)
  const d = load<u64>(p, 24)
  const e = load<u64>(p, 32)
  const q = s + y * 40
  store<u64>(q, a ^ (~b & c))
  store<u64>(q, b ^ (~c & d), 8)
  store<u64>(q, c ^ (~d & e), 16)
  store<u64>(q, d ^ (~e & a), 24)
  store<u64>(q, e ^ (~a & b), 32)
}

/** Permutes the state at `s`. */
export function keccakPermute(s: usize): void {
  for (let round: usize = 0; round < 192; round += 8) {
    const c0 = column(s, 0)
    const c1 = column(s, 1)
    const c2 = column(s, 2)
    const c3 = column(s, 3)
    const c4 = column(s, 4)
    const d0 = c4 ^ rotl<u64>(c1, 1)
    const d1 = c0 ^ rotl<u64>(c2, 1)
    const d2 = c1 ^ rotl<u64>(c3, 1)
    const d3 = c2 ^ rotl<u64>(c4, 1)
    const d4 = c3 ^ rotl<u64>(c0, 1)
    move(s, 0, d0, 0, 0)
    move(s, 1, d1, 1, 10)
    move(s, 2, d2, 62, 20)
    move(s, 3, d3, 28, 5)
    move(s, 4, d4, 27, 15)
    move(s, 5, d0, 36, 16)
    move(s, 6, d1, 44, 1)
    move(s, 7, d2, 6, 11)
    move(s, 8, d3, 55, 21)
    move(s, 9, d4, 20, 6)
    move(s, 10, d0, 3, 7)
    move(s, 11, d1, 10, 17)
    move(s, 12, d2, 43, 2)
    move(s, 13, d3, 25, 12)
    move(s, 14, d4, 39, 22)
    move(s, 15, d0, 41, 23)
    move(s, 16, d1, 45, 8)
    move(s, 17, d2, 15, 18)
    move(s, 18, d3, 21, 3)
    move(s, 19, d4, 8, 13)
    move(s, 20, d0, 18, 14)
    move(s, 21, d1, 2, 24)
    move(s, 22, d2, 61, 9)
    move(s, 23, d3, 56, 19)
    move(s, 24, d4, 14, 4)
    for (let y: usize = 0; y < 5; y++) row(s, y)
    store<u64>(s, load<u64>(s) ^ load<u64>(CONSTANTS + round))
  }
  memory.fill(TURNED, 0, 200)
}
