// S-boxes of SEED and ARIA from what defines them: a power in GF(2^8), an affine map over GF(2) behind it. They are made once, when
// the module starts; nothing of that is secret.

const POWERS: usize = memory.data(256, 16)

/** SEED: S1 and S2 (RFC 4269 §2.2). */
export const SEED_BOXES: usize = memory.data(512, 16)
/** ARIA: SB1, SB2, SB3 and SB4, the last two undo the first two (RFC 5794 §2.4.2). */
export const ARIA_BOXES: usize = memory.data(1024, 16)

/** The powers of a generator: g^i at i. */
function powers(polynomial: u32, generator: u32): void {
  let power: u32 = 1
  for (let i: usize = 0; i < 255; i++) {
    store<u8>(POWERS + i, power)
    const twice = (power << 1) ^ ((power >>> 7) * polynomial)
    power = generator === 2 ? twice : twice ^ power
  }
}

/** x to the power `exponent`, then the map whose columns are the bytes of `columns` from the lowest bit on, then a constant. */
function box(out: usize, exponent: u32, columns: u64, constant: u32): void {
  store<u8>(out, constant)
  for (let i: u32 = 0; i < 255; i++) {
    const power = <u32>load<u8>(POWERS + <usize>((i * exponent) % 255))
    let value = constant
    for (let bit: u32 = 0; bit < 8; bit++) {
      value ^= (0 - ((power >>> bit) & 1)) & (<u32>(columns >> ((<u64>bit) << 3)) & 0xff)
    }
    store<u8>(out + <usize>load<u8>(POWERS + <usize>i), value)
  }
}

function inverse(table: usize, out: usize): void {
  for (let i: u32 = 0; i < 256; i++) store<u8>(out + <usize>load<u8>(table + <usize>i), i)
}

function make(): void {
  powers(0x163, 2)
  box(SEED_BOXES, 247, 0xe2584441c269d02c, 0xa9)
  box(SEED_BOXES + 256, 251, 0x6ca230212ce12ad0, 0x38)
  powers(0x11b, 3)
  box(ARIA_BOXES, 254, 0x8fc7e3f1f87c3e1f, 0x63)
  box(ARIA_BOXES + 256, 247, 0xee855f5bcf12c5ac, 0xe2)
  inverse(ARIA_BOXES, ARIA_BOXES + 512)
  inverse(ARIA_BOXES + 256, ARIA_BOXES + 768)
}

make()
