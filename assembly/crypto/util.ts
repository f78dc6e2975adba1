// Big-endian memory access, wiping, and comparison without an early exit.

/** Whether `n` bytes at `a` and `b` are equal; the time depends on `n` alone. */
export function ctEqual(a: usize, b: usize, n: i32): bool {
  let difference: u32 = 0
  for (let i = 0; i < n; i++) difference |= load<u8>(a + i) ^ load<u8>(b + i)
  return difference === 0
}

/** Sets `n` bytes at `p` to zero. Memory is visible from outside the module, so the stores cannot be optimized away. */
export function wipe(p: usize, n: i32): void {
  memory.fill(p, 0, n)
}

export function load16be(p: usize): u32 {
  return bswap<u16>(load<u16>(p))
}

export function load32be(p: usize): u32 {
  return bswap<u32>(load<u32>(p))
}

export function load64be(p: usize): u64 {
  return bswap<u64>(load<u64>(p))
}

export function store16be(p: usize, v: u32): void {
  store<u16>(p, bswap<u16>(<u16>v))
}

export function store32be(p: usize, v: u32): void {
  store<u32>(p, bswap<u32>(v))
}

export function store64be(p: usize, v: u64): void {
  store<u64>(p, bswap<u64>(v))
}

/** dst = a XOR b, `n` bytes; `dst` may equal `a` or `b`. */
export function xorBytes(a: usize, b: usize, dst: usize, n: i32): void {
  let i = 0
  for (; i + 16 <= n; i += 16) v128.store(dst + i, v128.xor(v128.load(a + i), v128.load(b + i)))
  for (; i < n; i++) store<u8>(dst + i, load<u8>(a + i) ^ load<u8>(b + i))
}
