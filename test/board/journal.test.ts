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

test.run()
