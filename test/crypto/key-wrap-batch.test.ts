import { createCipheriv, createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, arbitraryKey, Core, equalBytes, seedProperties } from './core.js'

const test = suite('AES key wrap in batches')
const core = new Core()
seedProperties()

const KW_IV = Buffer.alloc(8, 0xa6)
const KWP_IV = Buffer.from('a65959a6', 'hex')

const semiblocks = (min: number, max: number) => fc.integer({ min, max }).chain((n) => arbitraryBytes(8 * n, 8 * n))

const wrapped = (key: Uint8Array, plaintext: Uint8Array, padded: boolean): Buffer =>
  createCipheriv(`id-aes${key.length * 8}-wrap${padded ? '-pad' : ''}`, key, padded ? KWP_IV : KW_IV).update(plaintext)

interface Batch {
  readonly ctx: number
  readonly rows: number
  readonly at: readonly number[]
}

/** Objects in memory, each behind 8 bytes for its check value, and the rows that name them: `length` is what a row says. */
function batch(key: Uint8Array, objects: readonly Uint8Array[], length: (object: Uint8Array) => number): Batch {
  const rows = core.room(8 * objects.length)
  const view = new DataView(core.memory.buffer)
  const at = objects.map((object, i) => {
    const address = core.put(object)
    view.setUint32(rows + 8 * i, address, true)
    view.setUint32(rows + 8 * i + 4, length(object), true)
    return address
  })
  return { ctx: core.aesKey(key), rows, at }
}

/** A plaintext behind room for the check value, and filled up with what KWP must overwrite. */
const withRoom = (plaintext: Uint8Array): Buffer =>
  Buffer.concat([Buffer.alloc(8), plaintext, Buffer.alloc((8 - (plaintext.length % 8)) % 8, 0x77)])
const semiblocksOf = (object: Uint8Array): number => object.length / 8 - 1

test(
  'a ragged batch of any size is wrapped as object by object',
  core.checked(() => {
    const objects = fc.array(fc.oneof(semiblocks(2, 6), semiblocks(2, 60)), { maxLength: 30 })
    fc.assert(
      fc.property(arbitraryKey, objects, (key, plaintexts) => {
        const { ctx, rows, at } = batch(key, plaintexts.map(withRoom), semiblocksOf)
        core.call.kwWrapMany(ctx, rows, plaintexts.length)
        plaintexts.forEach((plaintext, i) => {
          equalBytes(core.take(at[i] ?? 0, plaintext.length + 8), wrapped(key, plaintext, false), `object ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

/** The last byte wrong, or the bytes as they are. */
function damage(bytes: Buffer, wrong: boolean): Buffer {
  const copy = Buffer.from(bytes)
  if (wrong) copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 0x20
  return copy
}

test(
  'a ragged batch is unwrapped; a wrong object fails alone and is wiped',
  core.checked(() => {
    const object = fc.tuple(semiblocks(2, 40), fc.boolean())
    fc.assert(
      fc.property(arbitraryKey, fc.array(object, { maxLength: 30 }), (key, cases) => {
        const objects = cases.map(([plaintext, damaged]) => damage(wrapped(key, plaintext, false), damaged))
        const { ctx, rows, at } = batch(key, objects, semiblocksOf)
        const ok = core.room(cases.length, 0x77)
        core.call.kwUnwrapMany(ctx, rows, cases.length, ok)
        cases.forEach(([plaintext, damaged], i) => {
          const address = at[i] ?? 0
          assert.is(core.memory[ok + i], damaged ? 0 : 1, `object ${i}`)
          core.assertZero(address, 8, 'the check value')
          if (damaged) core.assertZero(address, plaintext.length + 8, 'a refused object')
          else equalBytes(core.take(address + 8, plaintext.length), plaintext, `object ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

/** Runs of objects of one length, some of which go through the kernel in step: how many semiblocks, how many objects. */
const runs = fc.array(
  fc.tuple(
    fc.oneof(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 130 }), fc.constantFrom(511, 512, 513)),
    fc.integer({ min: 1, max: 20 }),
  ),
  { minLength: 1, maxLength: 4 },
)

test(
  'objects of one length, with others between them, are wrapped and unwrapped as object by object',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, runs, fc.nat(100), (key, lengths, spoilt) => {
        const plaintexts = lengths.flatMap(([n, count], run) =>
          Array.from({ length: count }, (_, i) =>
            createHash('shake256', { outputLength: 8 * n })
              .update(`${run} ${i}`)
              .digest(),
          ),
        )
        const there = batch(key, plaintexts.map(withRoom), semiblocksOf)
        core.call.kwWrapMany(there.ctx, there.rows, plaintexts.length)
        plaintexts.forEach((plaintext, i) => {
          equalBytes(core.take(there.at[i] ?? 0, plaintext.length + 8), wrapped(key, plaintext, false), `object ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
        const objects = plaintexts.map((plaintext, i) => damage(wrapped(key, plaintext, false), i === spoilt))
        const back = batch(key, objects, semiblocksOf)
        const ok = core.room(objects.length, 0x77)
        core.call.kwUnwrapMany(back.ctx, back.rows, objects.length, ok)
        plaintexts.forEach((plaintext, i) => {
          const address = back.at[i] ?? 0
          assert.is(core.memory[ok + i], i === spoilt ? 0 : 1, `object ${i}`)
          if (i === spoilt) core.assertZero(address, plaintext.length + 8, 'a refused object')
          else equalBytes(core.take(address + 8, plaintext.length), plaintext, `object ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'a row of fewer than two semiblocks traps before anything is done',
  core.checked(() => {
    const objects = [Buffer.alloc(16, 1), Buffer.alloc(8, 2)]
    const { ctx, rows, at } = batch(Buffer.alloc(32), objects.map(withRoom), semiblocksOf)
    const before = core.take(at[0] ?? 0, 24)
    assert.throws(() => core.call.kwWrapMany(ctx, rows, 2), /unreachable/)
    assert.throws(() => core.call.kwUnwrapMany(ctx, rows, 2, core.room(2)), /unreachable/)
    equalBytes(core.take(at[0] ?? 0, 24), before)
  }),
)

test(
  'KWP: a ragged batch of any size, short keys included, is wrapped as object by object',
  core.checked(() => {
    const objects = fc.array(fc.oneof(arbitraryBytes(1, 8), arbitraryBytes(1, 40), arbitraryBytes(1, 400)), {
      maxLength: 30,
    })
    fc.assert(
      fc.property(arbitraryKey, objects, (key, plaintexts) => {
        const { ctx, rows, at } = batch(key, plaintexts.map(withRoom), () => 0)
        const view = new DataView(core.memory.buffer)
        plaintexts.forEach((plaintext, i) => {
          view.setUint32(rows + 8 * i + 4, plaintext.length, true)
        })
        core.call.kwpWrapMany(ctx, rows, plaintexts.length)
        plaintexts.forEach((plaintext, i) => {
          const expected = wrapped(key, plaintext, true)
          equalBytes(core.take(at[i] ?? 0, expected.length), expected, `object ${i}`)
          assert.is(view.getUint32(rows + 8 * i + 4, true), semiblocksOf(expected), `row ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'KWP: a ragged batch is unwrapped; a wrong object fails alone and is wiped',
  core.checked(() => {
    const object = fc.tuple(fc.oneof(arbitraryBytes(1, 8), arbitraryBytes(1, 200)), fc.boolean())
    fc.assert(
      fc.property(arbitraryKey, fc.array(object, { maxLength: 30 }), (key, cases) => {
        const objects = cases.map(([plaintext, damaged]) => damage(wrapped(key, plaintext, true), damaged))
        const { ctx, rows, at } = batch(key, objects, semiblocksOf)
        const lengths = core.room(4 * cases.length, 0x77)
        core.call.kwpUnwrapMany(ctx, rows, cases.length, lengths)
        const view = new DataView(core.memory.buffer)
        cases.forEach(([plaintext, damaged], i) => {
          const [address, length] = [at[i] ?? 0, objects[i]?.length ?? 0]
          assert.is(view.getInt32(lengths + 4 * i, true), damaged ? -1 : plaintext.length, `object ${i}`)
          core.assertZero(address, 8, 'the check value')
          if (damaged) core.assertZero(address, length, 'a refused object')
          else equalBytes(core.take(address + 8, plaintext.length), plaintext, `object ${i}`)
        })
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'KWP: an empty row traps before anything is done',
  core.checked(() => {
    const { ctx, rows, at } = batch(Buffer.alloc(32), [Buffer.alloc(16, 1), Buffer.alloc(8, 2)], semiblocksOf)
    const before = core.take(at[0] ?? 0, 16)
    assert.throws(() => core.call.kwpUnwrapMany(ctx, rows, 2, core.room(8)), /unreachable/)
    equalBytes(core.take(at[0] ?? 0, 16), before)
    assert.throws(() => core.call.kwpWrapMany(ctx, rows + 8, 1), /unreachable/)
  }),
)

test.run()
