import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import type { Change } from '../../host/board/changes.js'
import { encodeJournalFrame, readJournal } from '../../host/board/journal.js'
import { NonVolatileMemory, State } from '../../host/board/non-volatile.js'

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
  assert.equal(known?.changes, counter(1n))
  const malformed: readonly Change[] = [{ kind: 'split', data: new Uint8Array(31) }]
  assert.equal(readJournal(encodeJournalFrame(1n, malformed)).frames, [])
})

test('what is pending keeps the bytes it was given', () => {
  const committed: Change[] = []
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR), {
    commit: (changes) => {
      committed.push(...changes)
    },
  })
  const data = Buffer.from('before')
  memory.apply({ kind: 'program', offset: 0, data })
  data.fill(0)
  memory.sync()
  const [change] = committed
  assert.is(change?.kind === 'program' && Buffer.from(change.data).toString(), 'before')
  memory.sync()
  assert.is(committed.length, 1)
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
        const committed: Change[] = []
        const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR), {
          commit: (changes) => {
            committed.push(...changes)
          },
        })
        for (const change of [before, data]) memory.apply({ kind: 'program', offset, data: change })
        memory.sync()
        const whole = before.map((byte, i) => byte & (data[i] ?? 0))
        assert.equal(memory.state.flash.read(offset, 512), whole)
        const written = encodeJournalFrame(1n, committed)
        const changed = data.filter((_, i) => data.readUInt32BE(i & ~3) !== 0xffffffff).length / 4
        if (changed <= 16) assert.ok(written.length < 512 + 16 * 8 + 100)
        const replayed = State.blank(FLASH_SECTOR)
        for (const change of readJournal(written).frames[0]?.changes ?? []) replayed.apply(change)
        assert.equal(replayed.flash.read(0, FLASH_SECTOR), memory.state.flash.read(0, FLASH_SECTOR))
      },
    ),
  )
})

test.run()
