// Writes assembly/crypto/aes-kernel.ts: `node scripts/gen/aes-kernel.mjs` (`--print`: to the terminal instead). The
// text is long because AssemblyScript has neither macros nor multi-value returns, so eight planes cannot come back from
// a function.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checkCircuits, conjugate, FORWARD, INVERSE, rotateRows, shiftRows } from './aes-circuit.mjs'

const OUTPUT = fileURLToPath(new URL('../../assembly/crypto/aes-kernel.ts', import.meta.url))

const BITS = [0, 1, 2, 3, 4, 5, 6, 7]
const xor = (a, b) => `v128.xor(${a}, ${b})`
const swizzle = (a, p) => `i8x16.swizzle(${a}, ${p})`

/** A body under construction: lines, and short names for the constant permutations it uses. */
class Body {
  lines = []
  next = 0

  /** Declares a temporary and answers its name. */
  let(expression) {
    const name = `t${this.next++}`
    this.lines.push(`const ${name} = ${expression}`)
    return name
  }
}

const permutations = new Map()
/** The name of the module constant that holds a byte permutation. */
function permutation(p) {
  const text = p.join(', ')
  const name = permutations.get(text) ?? `P${permutations.size}`
  permutations.set(text, name)
  return name
}

/** SubBytes or its inverse on the planes q0..q7 (index = bit): the names of the eight results. */
function substitute(body, circuit) {
  const wires = new Map(BITS.map((i) => [`x${i}`, `q${7 - i}`]))
  if (circuit === FORWARD) wires.set('y0', 'q0')
  for (const { to, a, op, b } of circuit) {
    wires.set(to, body.let(`v128.${op === '^' ? 'xor' : 'and'}(${wires.get(a)}, ${wires.get(b)})`))
  }
  return BITS.map((i) => wires.get(`s${7 - i}`))
}

/** Multiplication by x of every byte: planes c, c7 is carried into bits 0, 1, 3 and 4. */
const double = (body, c) => [
  c[7],
  body.let(xor(c[0], c[7])),
  c[1],
  body.let(xor(c[2], c[7])),
  body.let(xor(c[3], c[7])),
  c[4],
  c[5],
  c[6],
]

/** MixColumns, the row rotations by one and two rows being the permutations p1 and p2. */
function mixColumns(body, a, p1, p2) {
  const b = a.map((x) => body.let(swizzle(x, p1)))
  const c = a.map((x, i) => body.let(xor(x, b[i])))
  const d = double(body, c)
  return d.map((x, i) => {
    const y = body.let(xor(x, b[i]))
    const z = body.let(swizzle(c[i], p2))
    return xor(y, z)
  })
}

/** InvMixColumns = MixColumns after adding 4 * (a + a rotated by two rows). */
function invMixColumns(body, a, p1, p2) {
  const c = a.map((x) => body.let(xor(x, body.let(swizzle(x, p2)))))
  const c67 = body.let(xor(c[6], c[7]))
  const f = [c[6], c67, xor(c[0], c[7]), xor(c[1], c[6]), xor(c[2], c67), xor(c[3], c[7]), c[4], c[5]]
  const g = a.map((x, i) => body.let(xor(x, f[i].startsWith('v128') ? body.let(f[i]) : f[i])))
  return mixColumns(body, g, p1, p2)
}

const addKey = (results, round) => results.map((x, i) => `q${i} = ${xor(x, `v128.load(rk, ${128 * round + 16 * i})`)}`)
const indent = (lines, by) => lines.map((line) => ' '.repeat(by) + line)

/** Round `phase` of four: afterwards the state is held with ShiftRows undone (decryption: done) `phase` times. */
function round(phase, decrypt) {
  const body = new Body()
  const sign = decrypt ? -1 : 1
  const p1 = permutation(conjugate(rotateRows(1), sign * phase))
  const p2 = permutation(conjugate(rotateRows(2), sign * phase))
  const s = substitute(body, decrypt ? INVERSE : FORWARD)
  const mixed = (decrypt ? invMixColumns : mixColumns)(body, s, p1, p2)
  return ['{', ...indent([...body.lines, ...addKey(mixed, phase)], 2), '}']
}

/** The last round: no MixColumns; the state is brought back to plain row order (for 192-bit keys it is there). */
function lastRound(decrypt) {
  const body = new Body()
  const s = substitute(body, decrypt ? INVERSE : FORWARD)
  const p = permutation(shiftRows(2))
  return [
    '{',
    ...indent([...body.lines, ...s.map((x, i) => `q${i} = ${x}`)], 2),
    '}',
    'if (rounds !== 12) {',
    ...indent(
      BITS.map((i) => `q${i} = ${swizzle(`q${i}`, p)}`),
      2,
    ),
    '}',
    ...BITS.map((i) => `q${i} = ${xor(`q${i}`, `v128.load(rk, ${16 * i})`)}`),
  ]
}

/** 8 x 8 bit transposition within each byte position: block l, bit b <-> plane b, bit l. It is its own inverse. */
function transpose() {
  const lines = []
  const swap = (a, b, n, mask) => {
    lines.push(`t = v128.and(${xor(`i64x2.shr_u(${a}, ${n})`, b)}, i8x16.splat(${mask}))`)
    lines.push(`${b} = ${xor(b, 't')}`, `${a} = ${xor(a, `i64x2.shl(t, ${n})`)}`)
  }
  for (const i of [0, 2, 4, 6]) swap(`q${i}`, `q${i + 1}`, 1, '0x55')
  for (const i of [0, 1, 4, 5]) swap(`q${i}`, `q${i + 2}`, 2, '0x33')
  for (const i of [0, 1, 2, 3]) swap(`q${i}`, `q${i + 4}`, 4, '0x0f')
  return lines
}

const load = (from) => BITS.map((i) => `let q${i} = v128.load(${from}, ${16 * i})`)
const store = (to) => BITS.map((i) => `v128.store(${to}, q${i}, ${16 * i})`)
const procedure = (head, body) => [`export function ${head}: void {`, ...indent(body, 2), '}']

function kernel(decrypt) {
  const keys = decrypt ? 'AES_DECRYPT_KEYS' : 'AES_ENCRYPT_KEYS'
  return procedure(`aes${decrypt ? 'Decrypt' : 'Encrypt'}Planes(ctx: usize, planes: usize)`, [
    ...load('planes'),
    'const rounds = load<i32>(ctx)',
    'let left = rounds',
    `let rk = ctx + ${keys}`,
    ...BITS.map((i) => `q${i} = ${xor(`q${i}`, `v128.load(rk, ${16 * i})`)}`),
    'while (true) {',
    ...indent(
      [
        ...round(1, decrypt),
        'if (left === 2) {',
        '  rk += 256',
        '  break',
        '}',
        ...round(2, decrypt),
        ...round(3, decrypt),
        'if (left === 4) {',
        '  rk += 512',
        '  break',
        '}',
        ...round(4, decrypt),
        'rk += 512',
        'left -= 4',
      ],
      2,
    ),
    '}',
    ...lastRound(decrypt),
    ...store('planes'),
  ])
}

const TRANSPOSITION = procedure('transpose8(src: usize, dst: usize)', [
  ...load('src'),
  'let t: v128',
  ...transpose(),
  ...store('dst'),
])

/** Blocks in, blocks out. */
const onBlocks = (name) =>
  procedure(`aes${name}8(ctx: usize, src: usize, dst: usize)`, [
    'transpose8(src, dst)',
    `aes${name}Planes(ctx, dst)`,
    'transpose8(dst, dst)',
  ])

/** The whole text of assembly/crypto/aes-kernel.ts. */
function generate() {
  checkCircuits()
  permutations.clear()
  const encrypt = kernel(false)
  const decrypt = kernel(true)
  return `${[
    '// GENERATED by scripts/gen/aes-kernel.mjs: change that file and run it again. A test compares the two.',
    '//',
    '// AES on eight blocks at once: plane b, byte p, bit l = bit b of byte p of block l, so SubBytes is a Boolean circuit',
    '// over eight v128 and nothing here depends on data: no table, no branch, no address. "Fixsliced" (A. Adomnicai,',
    '// T. Peyrin, 2021): ShiftRows is never done; each round works on a state held in the row order of its phase instead,',
    '// and round keys are stored in that order (aes.ts). The four NOTs of the S-box live in the round keys as well.',
    '// Keep these functions apart from their loops: a loop inside a call stays in the slow tier of the engine.',
    '',
    "import { AES_DECRYPT_KEYS, AES_ENCRYPT_KEYS } from './aes-context'",
    '',
    ...[...permutations].map(([text, name]) => `const ${name} = i8x16(${text})`),
    '',
    '/** Eight blocks (128 bytes) as their planes, or planes as their blocks; `dst` may equal `src`. */',
    ...TRANSPOSITION,
    '',
    '/** Encrypts eight blocks that are held as their planes, in place. */',
    ...encrypt,
    '',
    '/** Decrypts eight blocks that are held as their planes, in place. */',
    ...decrypt,
    '',
    '/** Encrypts 8 consecutive blocks (128 bytes); `dst` may equal `src`. */',
    ...onBlocks('Encrypt'),
    '',
    '/** Decrypts 8 consecutive blocks (128 bytes); `dst` may equal `src`. */',
    ...onBlocks('Decrypt'),
  ].join('\n')}\n`
}

if (process.argv.includes('--print')) process.stdout.write(generate())
else writeFileSync(OUTPUT, generate())
