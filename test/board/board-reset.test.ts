import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BATTERY_REGIONS, FLASH_SECTOR, PED_ID_LOCAL } from '../../assembly/protocol.js'
import { Board, BoardError, NonVolatileMemory, SeededTrng, State, VirtualClock } from '../../host/board/index.js'
import { image, newBoard, park, START } from './board-support.js'
import { fails, request, submit, u32 } from './support.js'
import { TEST } from './test-firmware.js'

const test = suite('board: resets')
const TAMPER_CAUSE = 7

test('a trap, an abort and a bad access reset the board, and the next command works', async () => {
  const faults: readonly (readonly [number, Buffer, string, RegExp])[] = [
    [TEST.trap, Buffer.alloc(0), 'FIRMWARE_TRAP', /unreachable/],
    [TEST.abort, Buffer.alloc(0), 'FIRMWARE_ABORT', /on demand at somewhere\.ts:7:9/],
    [TEST.read, Buffer.concat([u32(2 * FLASH_SECTOR), u32(1)]), 'PERIPHERAL_ACCESS', /outside/],
    [TEST.read, Buffer.concat([u32(0), u32(0xffffffff)]), 'PERIPHERAL_ACCESS', /outside/],
    [TEST.erase, u32(2), 'PERIPHERAL_ACCESS', /outside/],
    [TEST.batteryRead, u32(BATTERY_REGIONS), 'PERIPHERAL_ACCESS', /region/],
    [TEST.stranger, Buffer.alloc(0), 'FIRMWARE_TRAP', /nobody/],
  ]
  for (const [command, body, code, message] of faults) {
    const { board } = newBoard()
    await submit(board, TEST.remember, u32(1))
    const parked = fails('BOARD_RESET', () => submit(board, TEST.park, park(PED_ID_LOCAL, 'waits')))
    await fails('BOARD_RESET', () => submit(board, command, body))
    await parked
    assert.is(board.crash?.code, code)
    assert.match(board.crash?.message ?? '', message)
    assert.is((await submit(board, TEST.remember, u32(2))).body.readUInt32BE(), 0, 'RAM is new')
  }
})

test('tamper: parked commands get their answer, then the board restarts with the line up', async () => {
  const { board } = newBoard()
  await submit(board, TEST.remember, u32(1))
  const parked = submit(board, TEST.park, park(PED_ID_LOCAL, 'waits'))
  board.tamper(TAMPER_CAUSE)
  assert.is((await parked).code, TAMPER_CAUSE)
  const line = async (): Promise<number> => (await submit(board, TEST.lines)).body.readUInt32BE(20)
  assert.is(await line(), TAMPER_CAUSE)
  assert.is((await submit(board, TEST.remember, u32(2))).body.readUInt32BE(), 0, 'RAM is new')
  assert.is(board.crash, undefined)
  board.tamper(0)
  assert.is(await line(), 0)
  assert.is((await submit(board, TEST.remember, u32(3))).body.readUInt32BE(), 2, 'no restart')
})

test('tamper may come while a command runs', async () => {
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR))
  const trng = {
    fill: (target: Uint8Array): void => {
      board.tamper(TAMPER_CAUSE)
      target.fill(1)
    },
  }
  const board: Board = new Board(image, { memory, clock: new VirtualClock(START), trng })
  board.powerOn()
  await submit(board, TEST.remember, u32(1))
  assert.equal((await submit(board, TEST.random, u32(4))).body, Buffer.alloc(4, 1), 'it ends in its own way')
  assert.is((await submit(board, TEST.lines)).body.readUInt32BE(20), TAMPER_CAUSE)
  assert.is((await submit(board, TEST.remember, u32(2))).body.readUInt32BE(), 0, 'then the board restarts')
})

test('RAM is overwritten when the power goes', async () => {
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR))
  let ram: ArrayBufferLike | undefined
  // The firmware hands its random source a place in its own memory.
  const trng = {
    fill: (target: Uint8Array): void => {
      ram = target.buffer
      target.fill(0xa5)
    },
  }
  const board = new Board(image, { memory, clock: new VirtualClock(START), trng })
  board.powerOn()
  await submit(board, TEST.random, u32(64))
  const isEmpty = (): boolean => new Uint8Array(ram ?? new ArrayBuffer(0)).every((byte) => byte === 0)
  assert.not(isEmpty())
  board.powerOff()
  assert.ok(ram && isEmpty())
})

test('a board without power answers nothing', async () => {
  const { board } = newBoard()
  const parked = fails('BOARD_OFF', () => submit(board, TEST.park, park(PED_ID_LOCAL, 'waits')))
  board.powerOff()
  await parked
  await fails('BOARD_OFF', () => submit(board, TEST.echo))
  board.tick()
  board.powerOff()
  assert.is(board.powerOn(), 0)
  assert.is(board.powerOn(), 0)
  assert.is((await submit(board, TEST.echo)).code, 0)
})

test('an answer leaves only after what it rests on is durable', () => {
  const state = State.blank(FLASH_SECTOR)
  const log: string[] = []
  const memory = new NonVolatileMemory(state, {
    commit: (changes) => log.push(`commit ${changes.filter(({ kind }) => kind === 'program').length}`),
  })
  const board = new Board(image, { memory, clock: new VirtualClock(START), trng: new SeededTrng('s', memory) })
  board.powerOn()
  board.submit(request(TEST.programOnly, Buffer.concat([u32(0), Buffer.of(0)])), () => log.push('answer'))
  assert.equal(log, ['commit 1', 'answer'])
})

test('a board whose state can no longer be written acknowledges nothing', async () => {
  let full = false
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR), {
    commit: () => {
      if (full) throw new BoardError('STATE_IO', 'no space left')
    },
  })
  const board = new Board(image, { memory, clock: new VirtualClock(START), trng: new SeededTrng('s', memory) })
  board.powerOn()
  assert.is((await submit(board, TEST.count)).code, 0)
  full = true
  await fails('BOARD_RESET', () => submit(board, TEST.count))
  await fails('BOARD_DEAD', () => submit(board, TEST.count))
  assert.is(board.crash?.code, 'STATE_IO')
})

test.run()
