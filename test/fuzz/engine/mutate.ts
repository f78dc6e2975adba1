// Damage to byte strings: what goes wrong on cables and in files, and what somebody tries who knows that there are length fields.
import type { Random } from './random.js'

/** Numbers at the edges of fields. */
export const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 48, 63, 64, 127, 128, 255, 256, 512, 1023, 1024, 4095, 4096, 8192, 0x7fff,
  0x8000, 0xffff, 0x10000, 0x10400, 0x10401, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffff8, 0xfffffffc, 0xffffffff,
] as const

/** A number near one that means something, or one at the edge of a field. */
export function oddNumber(random: Random, known: readonly number[] = []): number {
  if (known.length > 0 && random.below(3) > 0) return (random.pick(known) + random.between(-1, 1)) >>> 0
  return random.oneIn(4) ? random.u32() : random.pick(EDGES)
}

type Mutator = (random: Random, bytes: Buffer, other: Buffer) => Buffer

const splice = (bytes: Buffer, at: number, removed: number, added: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])

function withNumber(random: Random, bytes: Buffer, width: 1 | 2 | 4): Buffer {
  if (bytes.length < width) return random.bytes(width)
  const copy = Buffer.from(bytes)
  const at = random.below(bytes.length - width + 1)
  const old = copy.readUIntBE(at, width)
  const value = random.oneIn(2) ? oddNumber(random, [old, bytes.length, bytes.length - at - width]) : random.pick(EDGES)
  copy.writeUIntBE((width === 4 ? value : value % 2 ** (8 * width)) >>> 0, at, width)
  return copy
}

const MUTATORS: readonly Mutator[] = [
  (random, bytes) => {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) {
      const at = random.below(copy.length)
      copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.below(8)), at)
    }
    return copy
  },
  (random, bytes) => withNumber(random, bytes, 1),
  (random, bytes) => withNumber(random, bytes, 2),
  (random, bytes) => withNumber(random, bytes, 4),
  (random, bytes) => withNumber(random, bytes, 4),
  (random, bytes) => bytes.subarray(0, random.below(bytes.length)),
  (random, bytes) => bytes.subarray(0, Math.max(0, bytes.length - random.between(1, 8))),
  (random, bytes) => Buffer.concat([bytes, random.bytes(random.between(1, random.oneIn(4) ? 300 : 8))]),
  (random, bytes) => splice(bytes, random.below(bytes.length + 1), 0, random.bytes(random.between(1, 8))),
  (random, bytes) => splice(bytes, random.below(bytes.length), random.between(1, 8), Buffer.alloc(0)),
  (random, bytes) => {
    const at = random.below(bytes.length)
    return splice(bytes, at, 0, bytes.subarray(at, at + random.between(1, 64)))
  },
  (random, bytes, other) => {
    const at = random.below(Math.min(bytes.length, other.length))
    return Buffer.concat([bytes.subarray(0, at), other.subarray(at)])
  },
]

/** The bytes with one to four things done to them. `other` is something of the same kind to splice with. */
export function mutate(random: Random, bytes: Buffer, other: Buffer = bytes): Buffer {
  let changed = bytes
  for (let left = random.oneIn(3) ? random.between(2, 4) : 1; left > 0; left--) {
    changed = random.pick(MUTATORS)(random, changed, other)
  }
  return Buffer.from(changed)
}
