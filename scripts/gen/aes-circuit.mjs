// The AES S-box and its inverse as Boolean circuits, the byte permutations of the cipher, and a proof by exhaustion
// that the circuits are right (`checkCircuits`, run by the generator before it writes anything).

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 §4.2). */
export function multiply(a, b) {
  let product = 0
  for (let x = a, y = b; y > 0; y >>= 1) {
    if (y & 1) product ^= x
    x = x & 0x80 ? (x << 1) ^ 0x11b : x << 1
  }
  return product
}

/** The inverse in GF(2^8), with 0 for 0: a^254. */
export function inverse(a) {
  let power = a === 0 ? 0 : 1
  for (let i = 0; i < 254; i++) power = multiply(power, a)
  return power
}

const rotate = (x, n) => ((x << n) | (x >> (8 - n))) & 0xff
/** The linear part of the affine transformation of SubBytes (FIPS 197 §5.1.1); the constant is 0x63. */
export const affine = (x) => x ^ rotate(x, 1) ^ rotate(x, 2) ^ rotate(x, 3) ^ rotate(x, 4)

const BYTES = Array.from({ length: 256 }, (_, i) => i)
/** SubBytes and the inverse of `affine` as tables for the generators alone: none of them reaches the firmware. */
const SBOX = BYTES.map((x) => affine(inverse(x)) ^ 0x63)
export const AFFINE_INVERSE = []
for (const x of BYTES) AFFINE_INVERSE[affine(x)] = x

// ---- byte permutations: out[i] = in[p[i]], byte i of a block = row i mod 4 of column i div 4 ------------------------

const POSITIONS = Array.from({ length: 16 }, (_, i) => i)
/** `first` is applied before `then`. */
export const compose = (then, first) => POSITIONS.map((i) => first[then[i]])
const SHIFT_ROWS = POSITIONS.map((i) => (i & 3) + 4 * (((i >> 2) + (i & 3)) & 3))
/** ShiftRows applied `n` times; `n` may be negative, four times is the identity. */
export function shiftRows(n) {
  let p = POSITIONS
  for (let i = 0; i < ((n % 4) + 4) % 4; i++) p = compose(SHIFT_ROWS, p)
  return p
}
/** Every column rotated by `n` rows. */
export const rotateRows = (n) => POSITIONS.map((i) => (((i & 3) + n) & 3) + (i & ~3))
/** `p` as it acts on a state that is held with ShiftRows undone `n` times. */
export const conjugate = (p, n) => compose(shiftRows(-n), compose(p, shiftRows(n)))

// ---- circuits -------------------------------------------------------------------------------------------------------
// J. Boyar, R. Peralta, "A small depth-16 circuit for the AES S-box" (2012): a linear layer on the input, a shared
// non-linear middle, a linear layer on the output. x0 and s0 are the most significant bits. The four NOTs of the
// published program are left out: they live in the round keys. The inverse S-box keeps the middle; its linear layers
// are those of the forward one composed with the inverse of the affine map, put into few gates by greedy search.

const parse = (text) =>
  text
    .split(';')
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const [, to, a, op, b] = /^(\w+) = (\w+) ([&^]) (\w+)$/.exec(line)
      return { to, a, op, b }
    })

const FORWARD_TOP = parse(`
  y14 = x3 ^ x5; y13 = x0 ^ x6; y9 = x0 ^ x3; y8 = x0 ^ x5; t0 = x1 ^ x2; y1 = t0 ^ x7; y4 = y1 ^ x3; y12 = y13 ^ y14;
  y2 = y1 ^ x0; y5 = y1 ^ x6; y3 = y5 ^ y8; t1 = x4 ^ y12; y15 = t1 ^ x5; y20 = t1 ^ x1; y6 = y15 ^ x7; y10 = y15 ^ t0;
  y11 = y20 ^ y9; y7 = x7 ^ y11; y17 = y10 ^ y11; y19 = y10 ^ y8; y16 = t0 ^ y11; y21 = y13 ^ y16; y18 = x0 ^ y16;`)

const MIDDLE = parse(`
  t2 = y12 & y15; t3 = y3 & y6; t4 = t3 ^ t2; t5 = y4 & y0; t6 = t5 ^ t2; t7 = y13 & y16; t8 = y5 & y1; t9 = t8 ^ t7;
  t10 = y2 & y7; t11 = t10 ^ t7; t12 = y9 & y11; t13 = y14 & y17; t14 = t13 ^ t12; t15 = y8 & y10; t16 = t15 ^ t12;
  t17 = t4 ^ t14; t18 = t6 ^ t16; t19 = t9 ^ t14; t20 = t11 ^ t16; t21 = t17 ^ y20; t22 = t18 ^ y19; t23 = t19 ^ y21;
  t24 = t20 ^ y18; t25 = t21 ^ t22; t26 = t21 & t23; t27 = t24 ^ t26; t28 = t25 & t27; t29 = t28 ^ t22; t30 = t23 ^ t24;
  t31 = t22 ^ t26; t32 = t31 & t30; t33 = t32 ^ t24; t34 = t23 ^ t33; t35 = t27 ^ t33; t36 = t24 & t35; t37 = t36 ^ t34;
  t38 = t27 ^ t36; t39 = t29 & t38; t40 = t25 ^ t39; t41 = t40 ^ t37; t42 = t29 ^ t33; t43 = t29 ^ t40; t44 = t33 ^ t37;
  t45 = t42 ^ t41; z0 = t44 & y15; z1 = t37 & y6; z2 = t33 & y0; z3 = t43 & y16; z4 = t40 & y1; z5 = t29 & y7;
  z6 = t42 & y11; z7 = t45 & y17; z8 = t41 & y10; z9 = t44 & y12; z10 = t37 & y3; z11 = t33 & y4; z12 = t43 & y13;
  z13 = t40 & y5; z14 = t29 & y2; z15 = t42 & y9; z16 = t45 & y14; z17 = t41 & y8;`)

const FORWARD_BOTTOM = parse(`
  t46 = z15 ^ z16; t47 = z10 ^ z11; t48 = z5 ^ z13; t49 = z9 ^ z10; t50 = z2 ^ z12; t51 = z2 ^ z5; t52 = z7 ^ z8;
  t53 = z0 ^ z3; t54 = z6 ^ z7; t55 = z16 ^ z17; t56 = z12 ^ t48; t57 = t50 ^ t53; t58 = z4 ^ t46; t59 = z3 ^ t54;
  t60 = t46 ^ t57; t61 = z14 ^ t57; t62 = t52 ^ t58; t63 = t49 ^ t58; t64 = z4 ^ t59; t65 = t61 ^ t62; t66 = z1 ^ t63;
  s0 = t59 ^ t63; s6 = t56 ^ t62; s7 = t48 ^ t60; t67 = t64 ^ t65; s3 = t53 ^ t66; s4 = t51 ^ t66; s5 = t47 ^ t65;
  s1 = t64 ^ s3; s2 = t55 ^ t67;`)

const INVERSE_TOP = parse(`
  y5 = x1 ^ x3; u9 = x6 ^ x7; y9 = x3 ^ x4; u11 = x1 ^ x4; u12 = x0 ^ x5; u13 = x2 ^ y5; y2 = u9 ^ u11; y6 = x0 ^ y5;
  y4 = y5 ^ u9; y8 = x0 ^ x1; y13 = u9 ^ y9; y18 = x2 ^ y9; u20 = x2 ^ u11; y0 = x2 ^ u12; u22 = x6 ^ y9; y19 = x4 ^ x7;
  y17 = x5 ^ u22; y14 = x4 ^ y6; u26 = x7 ^ u11; y12 = u9 ^ y8; y3 = x0 ^ x3; y16 = x6 ^ u20; y15 = x5 ^ u13;
  y1 = x7 ^ y9; y21 = x7 ^ u13; y10 = x0 ^ u26; y11 = u12 ^ y4; y7 = u9 ^ u13; y20 = u12 ^ y2;`)

const INVERSE_BOTTOM = parse(`
  w18 = z6 ^ z15; w19 = z12 ^ w18; w20 = z16 ^ w19; w21 = z13 ^ w20; w22 = z1 ^ z4; w23 = z2 ^ z10; w24 = z8 ^ w21;
  w25 = z4 ^ z7; w26 = z14 ^ w22; w27 = z13 ^ w23; w28 = z9 ^ z17; w29 = z0 ^ w24; w30 = z3 ^ z8; w31 = w26 ^ w30;
  w32 = w23 ^ w31; w33 = z0 ^ z5; w34 = w27 ^ w31; w35 = w18 ^ w34; s1 = w28 ^ w35; w37 = w20 ^ w32; w38 = w21 ^ w25;
  w39 = z5 ^ w22; w40 = w25 ^ w27; w41 = z17 ^ w40; w42 = z11 ^ z15; w43 = z11 ^ w19; w44 = w41 ^ w43; s6 = z3 ^ w38;
  s3 = z2 ^ w29; w47 = z3 ^ z5; s0 = w24 ^ w47; s5 = w29 ^ w39; s2 = z11 ^ w37; s4 = w33 ^ w44; s7 = w28 ^ w42;`)

/** Gates {to, a, op, b} from x0..x7 to s0..s7. `FORWARD` gives SubBytes(x) ^ 0x63; it reads x7 as y0 too. */
export const FORWARD = [...FORWARD_TOP, ...MIDDLE, ...FORWARD_BOTTOM]
/** The inverse of SubBytes(x) ^ 0x63: the caller XORs 0x63 into the input. */
export const INVERSE = [...INVERSE_TOP, ...MIDDLE, ...INVERSE_BOTTOM]

function evaluate(circuit, byte) {
  const wires = new Map()
  for (let i = 0; i < 8; i++) wires.set(`x${i}`, (byte >> (7 - i)) & 1)
  wires.set('y0', byte & 1)
  for (const { to, a, op, b } of circuit) {
    wires.set(to, op === '^' ? wires.get(a) ^ wires.get(b) : wires.get(a) & wires.get(b))
  }
  let out = 0
  for (let i = 0; i < 8; i++) out |= wires.get(`s${i}`) << (7 - i)
  return out
}

/** Evaluates both circuits on all 256 bytes; throws where one is wrong. */
export function checkCircuits() {
  for (const x of BYTES) {
    if (evaluate(FORWARD, x) !== (SBOX[x] ^ 0x63)) throw new Error(`the S-box circuit is wrong at ${x}`)
    if (evaluate(INVERSE, SBOX[x] ^ 0x63) !== x) throw new Error(`the inverse S-box circuit is wrong at ${x}`)
  }
}
