// test-timeout: 400
import { createHash } from 'node:crypto'
import { cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BATTERY_KEK, BATTERY_MTK, BATTERY_REGIONS, FLASH_SECTOR } from '../../assembly/protocol.js'
import { BoardFolder, JOURNAL_LIMIT } from '../../host/board/board-folder.js'
import { BATTERY_CAPACITY, type Change, SPLIT_SIZE } from '../../host/board/changes.js'
import { readJournal } from '../../host/board/journal.js'
import { NonVolatileMemory, type State } from '../../host/board/non-volatile.js'
import { fails, scratch } from './support.js'

const test = suite('board: state folder')
const FLASH = 2 * FLASH_SECTOR
const FILES = ['flash.img', 'battery.bin', 'counter', 'split.bin', 'standby.bin', 'journal', 'board.json']

function fingerprint(state: State): string {
  const hash = createHash('sha256').update(state.flash.image)
  for (let region = 0; region < BATTERY_REGIONS; region++) {
    hash.update(`|${state.battery(region).length}|`).update(state.battery(region))
  }
  hash.update(state.split ?? '-')
  return hash.update(`${state.counter} ${state.randomPosition} ${state.aliveAt}`).digest('hex')
}

function newFolder(): string {
  const dir = join(scratch(), 'board')
  BoardFolder.create(dir, { flashSize: FLASH, madeBy: 'test' })
  return dir
}

function copyOf(dir: string): string {
  const copy = join(scratch(), 'copy')
  cpSync(dir, copy, { recursive: true })
  return copy
}

/** Opens, looks and closes. */
function stateOf(dir: string): string {
  const folder = BoardFolder.open(dir)
  const result = fingerprint(folder.state)
  folder.close()
  return result
}

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant('program' as const),
    offset: fc.integer({ min: 0, max: FLASH - 40 }),
    data: bytes(0, 40),
  }),
  fc.record({ kind: fc.constant('erase' as const), sector: fc.integer({ min: 0, max: 1 }) }),
  fc.record({ kind: fc.constant('counter' as const), value: u64 }),
  fc.record({
    kind: fc.constant('battery' as const),
    region: fc.integer({ min: 0, max: BATTERY_REGIONS - 1 }),
    data: bytes(1, 40),
  }),
  fc.record({ kind: fc.constant('split' as const), data: bytes(SPLIT_SIZE, SPLIT_SIZE) }),
  fc.record({ kind: fc.constant('random' as const), position: u64 }),
  fc.record({ kind: fc.constant('alive' as const), time: u64 }),
)
const transactions = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 })

interface Run {
  /** The folder as it lay on the disk after each commit, the first before any. */
  readonly copies: readonly string[]
  readonly states: readonly string[]
  /** Bytes of the journal's frames after each commit. */
  readonly lengths: readonly number[]
}

function run(work: readonly (readonly Change[])[]): Run {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  const copies: string[] = []
  const states: string[] = []
  const lengths: number[] = []
  const note = (): void => {
    copies.push(copyOf(dir))
    states.push(fingerprint(folder.state))
    lengths.push(readJournal(readFileSync(join(dir, 'journal'))).length)
  }
  note()
  for (const changes of work) {
    for (const one of changes) memory.apply(one)
    memory.sync()
    note()
  }
  folder.close()
  return { copies, states, lengths }
}

test('a journal cut at every byte gives the state after the last whole frame', () => {
  const seed = 20240117
  fc.assert(
    fc.property(transactions, (work) => {
      const { copies, states, lengths } = run(work)
      const [first, last] = [copies[0] ?? '', copies.at(-1) ?? '']
      const file = readFileSync(join(last, 'journal'))
      const journal = file.subarray(0, lengths.at(-1))
      assert.ok(file.length > journal.length && file.subarray(journal.length).every((byte) => byte === 0))
      for (let cut = 0; cut <= journal.length; cut++) {
        // Nothing reached the other files: the worst that a power loss of the host can leave.
        const dir = copyOf(first)
        // The room behind a torn frame may be there or not.
        const room = Buffer.alloc(cut % 2 === 0 ? 0 : 100)
        writeFileSync(join(dir, 'journal'), Buffer.concat([journal.subarray(0, cut), room]))
        const frames = lengths.filter((length) => length > 0 && length <= cut).length
        assert.is(stateOf(dir), states[frames], `seed ${seed}, cut at ${cut}`)
        assert.is(statSync(join(dir, 'journal')).size, 0)
        if (lengths.includes(cut)) assert.is(stateOf(dir), states[frames], 'replayed once, the same without a journal')
        rmSync(dir, { recursive: true })
      }
    }),
    { seed, numRuns: 3 },
  )
})

test('short frames go into room that the journal has already, and never beyond it', () => {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  const sizes: number[] = []
  for (let i = 0; i < 100; i++) {
    memory.apply({ kind: 'program', offset: i, data: Buffer.alloc(3000, i) })
    memory.sync()
    const journal = readFileSync(join(dir, 'journal'))
    const { length, frames } = readJournal(journal)
    assert.is(frames.length, i + 1)
    assert.ok(journal.subarray(length).every((byte) => byte === 0))
    sizes.push(journal.length)
  }
  assert.ok(new Set(sizes).size < 8, `${[...new Set(sizes)]}`)
  // A long one takes what it needs.
  const size = sizes.at(-1) ?? 0
  for (let i = 0; i * FLASH < 2 * size; i++) memory.apply({ kind: 'program', offset: 0, data: Buffer.alloc(FLASH, i) })
  memory.sync()
  const journal = readFileSync(join(dir, 'journal'))
  assert.ok(journal.length > size)
  assert.is(readJournal(journal).length, journal.length)
  assert.is(stateOf(copyOf(dir)), fingerprint(folder.state))
  folder.close()
})

test('a whole journal gives the last state, however far the other files had followed', () => {
  fc.assert(
    fc.property(transactions, fc.infiniteStream(fc.nat()), (work, choices) => {
      const { copies, states } = run(work)
      const dir = copyOf(copies.at(-1) ?? '')
      for (const name of FILES.filter((file) => file !== 'journal')) {
        const from = copies[(choices.next().value ?? 0) % copies.length] ?? dir
        cpSync(join(from, name), join(dir, name))
      }
      assert.is(stateOf(dir), states.at(-1))
    }),
    { numRuns: 20 },
  )
})

test('a broken frame before a whole one is damage, not a torn tail', async () => {
  const { copies, lengths } = run([
    [{ kind: 'counter', value: 1n }],
    [{ kind: 'counter', value: 2n }],
    [{ kind: 'counter', value: 3n }],
  ])
  const last = copies.at(-1) ?? ''
  const journal = readFileSync(join(last, 'journal'))
  for (const at of [0, 5, 17, (lengths[1] ?? 0) + 20]) {
    const dir = copyOf(last)
    const broken = Buffer.from(journal)
    broken[at] = (broken[at] ?? 0) ^ 1
    writeFileSync(join(dir, 'journal'), broken)
    await fails('STATE_DAMAGED', () => BoardFolder.open(dir))
    assert.equal(readFileSync(join(dir, 'journal')), broken, 'left as it was')
  }
  const dir = copyOf(last)
  const broken = Buffer.from(journal)
  const end = (lengths.at(-1) ?? 0) - 1
  broken[end] = (broken[end] ?? 0) ^ 1
  writeFileSync(join(dir, 'journal'), broken)
  const folder = BoardFolder.open(dir)
  assert.is(folder.state.counter, 2n, 'the last frame is a torn tail')
  folder.close()
})

test('a frame that this board cannot have made is damage', async () => {
  const { copies } = run([[{ kind: 'counter', value: 1n }]])
  const dir = copyOf(copies[0] ?? '')
  const { encodeJournalFrame } = await import('../../host/board/journal.js')
  writeFileSync(join(dir, 'journal'), encodeJournalFrame(1n, [{ kind: 'erase', sector: 99 }]))
  await fails('STATE_DAMAGED', () => BoardFolder.open(dir))
})

test('a clean close leaves the state in the files and an empty journal', () => {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  memory.apply({ kind: 'program', offset: FLASH_SECTOR, data: Buffer.from('stays') })
  memory.apply({ kind: 'battery', region: BATTERY_MTK, data: Buffer.from('key') })
  memory.sync()
  assert.ok(statSync(join(dir, 'journal')).size > 0)
  folder.close()
  assert.is(statSync(join(dir, 'journal')).size, 0)
  assert.is(readFileSync(join(dir, 'flash.img')).toString('latin1', FLASH_SECTOR, FLASH_SECTOR + 5), 'stays')
  const again = BoardFolder.open(dir)
  assert.is(Buffer.from(again.state.battery(BATTERY_MTK)).toString(), 'key')
  again.close()
})

/** Programs of all lengths, some of them nearly blank, which are kept as their words; erases between them. */
const flashChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('erase' as const), sector: fc.integer({ min: 0, max: 1 }) }),
  fc
    .tuple(fc.integer({ min: 0, max: FLASH - 1 }), fc.integer({ min: 0, max: 12_000 }), fc.boolean(), bytes(1, 4))
    .map(([offset, length, blank, mark]): Change => {
      const data = Buffer.alloc(Math.min(length, FLASH - offset), blank ? 0xff : 0x5a)
      data.set(mark.subarray(0, data.length), Math.max(0, (data.length >> 1) - mark.length))
      return { kind: 'program', offset, data }
    }),
)

test('the flash in the files is that of the board, wherever it was changed', () => {
  fc.assert(
    fc.property(fc.array(fc.array(flashChange, { maxLength: 4 }), { maxLength: 6 }), (work) => {
      const dir = newFolder()
      const folder = BoardFolder.open(dir)
      const memory = new NonVolatileMemory(folder.state, folder)
      const model = Buffer.alloc(FLASH, 0xff)
      for (const changes of work) {
        for (const one of changes) {
          memory.apply(one)
          if (one.kind === 'erase') model.fill(0xff, one.sector * FLASH_SECTOR, (one.sector + 1) * FLASH_SECTOR)
          else if (one.kind === 'program') {
            for (const [i, byte] of one.data.entries()) model[one.offset + i] = (model[one.offset + i] ?? 0) & byte
          }
        }
        memory.sync()
      }
      folder.close()
      assert.ok(readFileSync(join(dir, 'flash.img')).equals(model))
      rmSync(dir, { recursive: true })
    }),
  )
})

test('what was not synced is not there after a reopen', () => {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  memory.apply({ kind: 'counter', value: 5n })
  assert.ok(memory.dirty)
  folder.close()
  const again = BoardFolder.open(dir)
  assert.is(again.state.counter, 0n)
  again.close()
})

test('a journal beyond its limit starts again', () => {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  let longest = 0
  for (let i = 0; i * FLASH_SECTOR < 2 * JOURNAL_LIMIT; i++) {
    memory.apply({ kind: 'erase', sector: 0 })
    memory.apply({ kind: 'program', offset: 0, data: Buffer.alloc(FLASH_SECTOR, i) })
    memory.sync()
    longest = Math.max(longest, statSync(join(dir, 'journal')).size)
  }
  assert.ok(longest <= JOURNAL_LIMIT)
  assert.is(stateOf(copyOf(dir)), fingerprint(folder.state))
  folder.close()
})

test('what a battery zeroize removed is in no file', () => {
  const dir = newFolder()
  const secret = Buffer.from('thirty-two bytes of a secret key')
  const found = (): string[] => FILES.filter((name) => readFileSync(join(dir, name)).includes(secret))
  const first = BoardFolder.open(dir)
  const kept = new NonVolatileMemory(first.state, first)
  kept.apply({ kind: 'battery', region: BATTERY_KEK, data: secret })
  kept.sync()
  assert.equal(found(), ['journal'])
  first.close()
  assert.equal(found(), ['battery.bin'])
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  memory.apply({ kind: 'battery', region: BATTERY_KEK, data: secret })
  memory.sync()
  assert.equal(found(), ['battery.bin', 'journal'])
  memory.apply({ kind: 'battery', region: BATTERY_KEK, data: new Uint8Array(0) })
  memory.sync()
  assert.equal(found(), [])
  folder.close()
})

test('changes outside the peripherals are refused', async () => {
  const dir = newFolder()
  const folder = BoardFolder.open(dir)
  const memory = new NonVolatileMemory(folder.state, folder)
  const bad: Change[] = [
    { kind: 'program', offset: FLASH, data: Uint8Array.of(0) },
    { kind: 'erase', sector: 2 },
    { kind: 'battery', region: BATTERY_REGIONS, data: Uint8Array.of(0) },
    { kind: 'battery', region: 0, data: new Uint8Array(BATTERY_CAPACITY + 1) },
    { kind: 'split', data: new Uint8Array(SPLIT_SIZE - 1) },
  ]
  for (const one of bad) await fails('PERIPHERAL_ACCESS', () => memory.apply(one))
  assert.not(memory.dirty)
  folder.close()
})

test('a missing file is said by name', async () => {
  for (const name of FILES) {
    const dir = newFolder()
    rmSync(join(dir, name))
    const { message } = await fails('STATE_MISSING', () => BoardFolder.open(dir))
    assert.ok(message.includes(join(dir, name)), message)
  }
  await fails('STATE_MISSING', () => BoardFolder.open(join(scratch(), 'nowhere')))
})

test('a file of a wrong length is damage', async () => {
  for (const name of ['flash.img', 'battery.bin', 'counter', 'split.bin', 'standby.bin']) {
    for (const by of [-1, 1]) {
      const dir = newFolder()
      const path = join(dir, name)
      truncateSync(path, statSync(path).size + by)
      const { message } = await fails('STATE_DAMAGED', () => BoardFolder.open(dir))
      assert.ok(message.includes(path), message)
    }
  }
})

test('contents that cannot be are damage', async () => {
  const spoil: readonly (readonly [string, Buffer])[] = [
    ['battery.bin', Buffer.of(0xff)],
    ['split.bin', Buffer.of(2)],
  ]
  for (const [name, start] of spoil) {
    const dir = newFolder()
    const content = readFileSync(join(dir, name))
    content.set(start)
    writeFileSync(join(dir, name), content)
    await fails('STATE_DAMAGED', () => BoardFolder.open(dir))
  }
})

test('a description of a newer format is refused, whatever else is in the folder', async () => {
  const dir = newFolder()
  writeFileSync(join(dir, 'board.json'), JSON.stringify({ format: 2, madeBy: 'moonlet 9.9' }))
  rmSync(join(dir, 'counter'))
  const { message } = await fails('STATE_NEWER', () => BoardFolder.open(dir))
  assert.ok(message.includes('moonlet 9.9'), message)
})

test('a description that says nothing useful is damage', async () => {
  const contents = [
    '',
    'x',
    'null',
    '{}',
    '{"format":0}',
    '{"format":"1"}',
    '{"format":1}',
    '{"format":1,"flashSize":7}',
  ]
  for (const content of contents) {
    const dir = newFolder()
    writeFileSync(join(dir, 'board.json'), content)
    await fails('STATE_DAMAGED', () => BoardFolder.open(dir))
  }
})

test('a folder with anything in it is not made a board', async () => {
  const dir = newFolder()
  const before = stateOf(dir)
  await fails('STATE_EXISTS', () => BoardFolder.create(dir, { flashSize: FLASH, madeBy: 'test' }))
  assert.is(stateOf(dir), before)
  await fails('OPTION_INVALID', () => BoardFolder.create(join(scratch(), 'x'), { flashSize: 1, madeBy: 'test' }))
})

test.run()
