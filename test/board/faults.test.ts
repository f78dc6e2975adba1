import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import {
  Board,
  BoardError,
  FaultyMemory,
  NonVolatileMemory,
  SeededTrng,
  State,
  VirtualClock,
} from '../../host/board/index.js'
import { image } from './board-support.js'
import { fails, submit, u32 } from './support.js'
import { TEST } from './test-firmware.js'

const test = suite('board: power cuts')

function newBoard(): { board: Board; faults: FaultyMemory } {
  const faults = new FaultyMemory(new NonVolatileMemory(State.blank(FLASH_SECTOR)))
  const trng = new SeededTrng('faults', faults)
  const board = new Board(image, { memory: faults, clock: new VirtualClock(0), trng })
  board.powerOn()
  faults.cut()
  return { board, faults }
}

/** Three programs, a counter step and their syncs. */
async function script(board: Board): Promise<void> {
  for (const i of [0, 1, 2]) await submit(board, TEST.program, Buffer.concat([u32(8 * i), Buffer.alloc(8)]))
  await submit(board, TEST.count)
}

const zeros = (state: State): number => state.flash.image.filter((byte) => byte === 0).length

test('a run without a cut counts its operations', async () => {
  const { board, faults } = newBoard()
  await script(board)
  assert.is(faults.operations, 8)
})

test('a cut at each operation leaves what was done before it, and the board boots again', async () => {
  for (let at = 1; at <= 8; at++) {
    const { board, faults } = newBoard()
    faults.cut({ at })
    await fails('POWER_CUT', () => script(board))
    assert.not(board.powered)
    await fails('BOARD_OFF', () => submit(board, TEST.echo))
    // Operations alternate: a change, its sync; the last two are the counter's.
    assert.is(zeros(faults.state), 8 * Math.min(3, Math.floor(at / 2)))
    assert.is(faults.state.counter, at === 8 ? 1n : 0n)
    board.powerOn()
    assert.is((await submit(board, TEST.echo)).code, 0)
  }
})

test('a torn program clears the chosen bits only', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      async (data, mask) => {
        const { board, faults } = newBoard()
        faults.cut({ at: 1, torn: (i) => mask[i] ?? 0 })
        await fails('POWER_CUT', () => submit(board, TEST.program, Buffer.concat([u32(16), data])))
        const expected = [...data].map((byte, i) => 0xff & ~(~byte & (mask[i] ?? 0)))
        assert.equal([...faults.state.flash.read(16, 8)], expected)
        board.powerOn()
        await submit(board, TEST.program, Buffer.concat([u32(16), data]))
        assert.equal([...faults.state.flash.read(16, 8)], [...data])
      },
    ),
    { numRuns: 30 },
  )
})

test('a torn erase sets the chosen bits only', () => {
  const { faults } = newBoard()
  faults.apply({ kind: 'program', offset: 0, data: Uint8Array.of(0x00, 0x5a, 0xff, 0x0f) })
  faults.cut({ at: 1, torn: (i) => (i < 2 ? 0x81 : 0) })
  assert.throws(
    () => faults.apply({ kind: 'erase', sector: 0 }),
    (error: unknown) => error instanceof BoardError && error.code === 'POWER_CUT',
  )
  assert.equal([...faults.state.flash.read(0, 5)], [0x81, 0xdb, 0xff, 0x0f, 0xff])
})

test('every request under way fails with the cut', async () => {
  const { board, faults } = newBoard()
  const parked = fails('POWER_CUT', () => submit(board, TEST.park, Buffer.from('\0\0waits')))
  faults.cut({ at: 1 })
  await fails('POWER_CUT', () => submit(board, TEST.count))
  await parked
  assert.is(board.crash, undefined, 'a cut is no crash')
})

test('the seeded stream does not repeat what a cut command drew', async () => {
  const { board, faults } = newBoard()
  const before = (await submit(board, TEST.random, u32(16))).body
  faults.cut({ at: 1 })
  await fails('POWER_CUT', () => submit(board, TEST.count))
  board.powerOn()
  const after = (await submit(board, TEST.random, u32(16))).body
  assert.not.equal(after, before)
  assert.is(faults.state.randomPosition, 32n)
})

test.run()
