import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import type { Change } from '../../host/board/changes.js'
import { encodeJournalFrame, JournalWriter, readJournal } from '../../host/board/journal.js'
import { NonVolatileMemory, State } from '../../host/board/non-volatile.js'
import { memoryNow } from '../ntls/support/memory.js'
import { encodeChanges } from './support/encode-changes.js'

const test = suite('board: journal')

const counter = (value: bigint): readonly Change[] => [{ kind: 'counter', value }]
const frame = (sequence: bigint): Buffer => encodeJournalFrame(sequence, counter(sequence))
const numbers = (...frames: readonly Buffer[]): { sequences: number[]; damaged: boolean } => {
  const content = readJournal(Buffer.concat(frames))
  return { sequences: content.frames.map(({ sequence }) => Number(sequence)), damaged: content.damaged }
}

test('frames follow each other by number', () => {
  assert.equal(numbers(), { sequences: [], damaged: false })
  assert.equal(numbers(frame(1n), frame(2n)), { sequences: [1, 2], damaged: false })
  assert.equal(numbers(frame(7n), frame(8n)), { sequences: [7, 8], damaged: false })
})

test('older frames behind the last one are leftovers, newer ones mean that some are lost', () => {
  assert.equal(numbers(frame(5n), frame(6n), frame(3n)), { sequences: [5, 6], damaged: false })
  assert.equal(numbers(frame(5n), frame(5n)), { sequences: [5], damaged: false })
  assert.equal(numbers(frame(5n), frame(7n)), { sequences: [5], damaged: true })
  assert.equal(numbers(Buffer.alloc(3), frame(1n)), { sequences: [], damaged: true })
})

test('a frame that is whole but says nothing known is not taken', () => {
  const [known] = readJournal(frame(1n)).frames
  assert.equal([...(known?.changes ?? [])], counter(1n))
  const malformed: readonly Change[] = [{ kind: 'split', data: new Uint8Array(31) }]
  assert.equal(readJournal(encodeJournalFrame(1n, malformed)).frames, [])
})

/** A memory, and the journal frames of what it commits. */
function recorded(): { readonly memory: NonVolatileMemory; readonly frames: Buffer[] } {
  const frames: Buffer[] = []
  const commit = (changes: readonly Change[]): void => {
    frames.push(encodeJournalFrame(1n, changes))
  }
  return { memory: new NonVolatileMemory(State.blank(FLASH_SECTOR), { commit }), frames }
}

test('what is pending keeps the bytes it was given', () => {
  const { memory, frames } = recorded()
  const given = [Buffer.from('before'), Buffer.alloc(FLASH_SECTOR - 100, 5), Buffer.alloc(50, 6), Buffer.from('behind')]
  let offset = 0
  for (const data of given) {
    const own = Buffer.from(data)
    memory.apply({ kind: 'program', offset, data: own })
    own.fill(0)
    offset += data.length
  }
  memory.sync()
  const [change] = readJournal(frames[0] ?? Buffer.alloc(0)).frames
  const kept = [...(change?.changes ?? [])].flatMap((one) => (one.kind === 'program' ? [Buffer.from(one.data)] : []))
  assert.equal(kept, given)
  memory.sync()
  assert.is(frames.length, 1)
})

test('a long program of few words is written down as these, and is the same', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 512, maxLength: 512 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 127 }), fc.uint8Array({ minLength: 4, maxLength: 4 })), {
        maxLength: 24,
      }),
      fc.constantFrom(0, 64, FLASH_SECTOR - 512),
      (before, few, offset) => {
        const data = Buffer.alloc(512, 0xff)
        for (const [word, bytes] of few) data.set(bytes, 4 * word)
        const { memory, frames } = recorded()
        for (const change of [before, data]) memory.apply({ kind: 'program', offset, data: change })
        memory.sync()
        const whole = before.map((byte, i) => byte & (data[i] ?? 0))
        assert.equal(memory.state.flash.read(offset, 512), whole)
        const written = frames[0] ?? Buffer.alloc(0)
        const changed = data.filter((_, i) => data.readUInt32BE(i & ~3) !== 0xffffffff).length / 4
        if (changed <= 16) assert.ok(written.length < 512 + 16 * 8 + 100)
        const replayed = State.blank(FLASH_SECTOR)
        for (const change of readJournal(written).frames[0]?.changes ?? []) replayed.apply(change)
        assert.equal(replayed.flash.read(0, FLASH_SECTOR), memory.state.flash.read(0, FLASH_SECTOR))
      },
    ),
  )
})

const LONG = 2048

/** Changes of each frame, as programs of LONG bytes: what one is made of, and the words in which it differs. */
const programs = fc.array(
  fc.array(
    fc.record({
      from: fc.integer({ min: 0, max: 5 }),
      offset: fc.integer({ min: 0, max: (FLASH_SECTOR - LONG) / 4 }).map((word) => 4 * word),
      words: fc.array(fc.tuple(fc.integer({ min: 0, max: LONG / 4 - 1 }), fc.integer()), { maxLength: 80 }),
    }),
    { maxLength: 4 },
  ),
  { maxLength: 8 },
)

test('programs like one before are written as what differs, and read as they were', () => {
  const sources = Array.from({ length: 6 }, (_, i) => Buffer.alloc(LONG - 4 * (i % 3), 17 * i))
  fc.assert(
    fc.property(programs, fc.nat(7), (rows, forgets) => {
      const writer = new JournalWriter()
      let journal = Buffer.alloc(0)
      const expected: Change[][] = []
      for (const [i, row] of rows.entries()) {
        if (i === forgets) {
          // A journal that begins anew knows nothing of the one before.
          writer.forget()
          journal = Buffer.alloc(0)
          expected.length = 0
        }
        const changes = row.map(({ from, offset, words }): Change => {
          const data = Buffer.from(sources[from] ?? Buffer.alloc(LONG))
          for (const [at, value] of words) if (4 * at < data.length) data.writeInt32BE(value, 4 * at)
          return { kind: 'program', offset, data }
        })
        expected.push(changes)
        journal = Buffer.concat([journal, writer.frame(BigInt(i), changes, journal.length)])
      }
      const plain = (changes: Iterable<Change>): string => encodeChanges(changes).toString('hex')
      const { frames, length } = readJournal(journal)
      assert.is(length, journal.length)
      assert.equal(
        frames.map(({ changes }) => plain(changes)),
        expected.map(plain),
      )
    }),
  )
})

test('a program like one before takes few bytes, whatever long ones came between', () => {
  const writer = new JournalWriter()
  const superblock = Buffer.alloc(3120, 7)
  const one = (data: Buffer): readonly Change[] => [{ kind: 'program', offset: 0, data }]
  let place = writer.frame(0n, one(superblock), 0).length
  for (let i = 1; i < 20; i++) {
    superblock.writeUInt32BE(i, 4)
    superblock.fill(i, 3072)
    place += writer.frame(BigInt(2 * i), one(Buffer.alloc(2000 + 4 * i, i)), place).length
    const { length } = writer.frame(BigInt(2 * i + 1), one(Buffer.from(superblock)), place)
    assert.ok(length < 200, `${length} bytes`)
    place += length
  }
})

test('what differs from bytes that do not stand in front of the frame is nothing known', () => {
  const base = writtenAgain({ from: 25 })
  assert.is(readJournal(base).frames.length, 2)
  const wrong = [{ from: 25 + 1024 }, { from: 0xffffff00 }, { length: 1020 }, { length: 4096 }, { place: 1022 }]
  for (const fields of wrong) assert.is(readJournal(writtenAgain({ from: 25, ...fields })).frames.length, 1)
})

test('a journal that stands for much more than it is long is read piece by piece', () => {
  const times = 50_000
  const before = memoryNow().heap
  const { frames } = readJournal(writtenAgain({ from: 25, size: 8192, length: 8192, times }))
  assert.ok(memoryNow().heap - before < (times * 8192) / 8, `${memoryNow().heap - before} bytes are held`)
  let programs = 0
  for (const { kind } of frames[1]?.changes ?? []) if (kind === 'program') programs++
  assert.is(programs, times)
})

interface WrittenAgain {
  /** Bytes of the program in full. */
  readonly size?: number
  readonly from: number
  readonly length?: number
  readonly place?: number
  /** How often in the second frame. */
  readonly times?: number
}

/** Two frames: a program, and the same again but for one word. */
function writtenAgain({ size = 1024, from, length = 1024, place = 4, times = 1 }: WrittenAgain): Buffer {
  const first = encodeJournalFrame(1n, [{ kind: 'program', offset: 0, data: Buffer.alloc(size, 1) }])
  const one = Buffer.alloc(25)
  one[0] = 9
  for (const [i, value] of [0, from, length, 8, place, 0].entries()) one.writeUInt32BE(value, 1 + 4 * i)
  const body = Buffer.concat(Array.from({ length: times }, () => one))
  const head = Buffer.from(first.subarray(0, 16))
  head.writeUInt32BE(body.length, 4)
  head.writeBigUInt64BE(2n, 8)
  const signed = Buffer.concat([head, body])
  return Buffer.concat([first, signed, createHash('sha256').update(signed).digest()])
}

test.run()
