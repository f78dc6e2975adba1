import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR, PED_ID_LOCAL } from '../../assembly/protocol.js'
import {
  BOOT_ATTEMPTS,
  Board,
  CRASH_FILE,
  CRASHES_KEPT,
  type CrashRecord,
  FileCrashLog,
  NonVolatileMemory,
  openBoard,
  State,
  VirtualClock,
} from '../../host/board/index.js'
import { image, newBoard, park, START } from './board-support.js'
import { fails, newBoardFolder, submit, u32 } from './support.js'
import { PLACES, TEST, testFirmware } from './test-firmware.js'

const test = suite('board: crashes')
const firmware = await testFirmware()

/** What makes the board call the function. */
const CALLS: Readonly<Record<(typeof PLACES)[number], (board: Board) => unknown>> = {
  deliver: (board) => submit(board, TEST.echo),
  service: (board) => submit(board, TEST.echo),
  take: (board) => submit(board, TEST.echo),
  tick: (board) => board.tick(),
  tamper: (board) => board.tamper(7),
  inject: (board) => board.injectSelfTestFault(7),
}

test('a trap in any function of the firmware is a reset, with a record of where', async () => {
  for (const [number, place] of PLACES.entries()) {
    const { board, clock } = newBoard()
    clock.advance(1234)
    const parked = fails('BOARD_RESET', () => submit(board, TEST.park, park(PED_ID_LOCAL, 'waits')))
    await submit(board, TEST.remember, u32(1))
    await submit(board, TEST.trapAt, u32(number))
    const called = CALLS[place](board)
    if (called instanceof Promise) await fails('BOARD_RESET', () => called)
    // A tamper line that is up would have reset the board by itself.
    board.tamper(0)
    await parked
    const { code, message, time, uptime, entry, command, stack, firmware: sha384 } = board.crash ?? fail(place)
    assert.is(code, 'FIRMWARE_TRAP', place)
    assert.match(message, /unreachable/)
    assert.equal([time, uptime, entry], [START + 1234, 1234, place])
    assert.is(command, called instanceof Promise ? TEST.echo : TEST.trapAt, place)
    assert.ok(stack.length > 0 && stack.every((at) => at.function > 0 && at.offset > 0), place)
    assert.is(sha384, image.info.sha384)
    assert.is(board.crashes.count, 1, place)
    assert.is((await submit(board, TEST.remember, u32(2))).body.readUInt32BE(), 0, `${place}: RAM is new`)
  }
})

function fail(place: string): never {
  throw new Error(`a trap in ${place} left no record`)
}

test('a trap in `tamper` under a peripheral that takes every error for its own is a reset as well', async () => {
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR))
  const trng = {
    fill: (target: Uint8Array): void => {
      board.tamper(7)
      target.fill(1)
    },
  }
  const board: Board = new Board(image, { memory, clock: new VirtualClock(START), trng })
  board.powerOn()
  await submit(board, TEST.trapAt, u32(PLACES.indexOf('tamper')))
  await fails('BOARD_RESET', () => submit(board, TEST.random, u32(4)))
  assert.is(board.crash?.entry, 'tamper')
  assert.is(board.crash?.code, 'FIRMWARE_TRAP')
})

test('a firmware that boots at the second or third attempt is up', async () => {
  for (let bad = 1; bad < BOOT_ATTEMPTS; bad++) {
    const { board } = newBoard()
    await submit(board, TEST.badBoots, u32(bad))
    await fails('BOARD_RESET', () => submit(board, TEST.trap))
    assert.is(board.crashes.count, 1 + bad)
    assert.is(board.crash?.entry, 'boot')
    assert.is(board.crash?.command, undefined, 'no command ran yet')
    assert.is((await submit(board, TEST.echo)).code, 0)
  }
})

test('a board that crashes at every boot is dead, and says why; switching it on tries again', async () => {
  const { board } = newBoard()
  await submit(board, TEST.badBoots, u32(2 * BOOT_ATTEMPTS))
  await fails('BOARD_RESET', () => submit(board, TEST.trap))
  assert.not(board.powered)
  const { message } = await fails('BOARD_DEAD', () => submit(board, TEST.echo))
  assert.match(message, /the board is dead: unreachable/)
  board.tick()
  const refused = await fails('BOARD_DEAD', () => board.powerOn())
  assert.match(refused.message, new RegExp(`does not boot, ${BOOT_ATTEMPTS} times in a row: unreachable`))
  assert.is(board.crashes.count, 1 + 2 * BOOT_ATTEMPTS)
  assert.is(board.powerOn(), 0)
  assert.is((await submit(board, TEST.echo)).code, 0)
})

test('the records outlive the process, in a file for its owner only', async () => {
  const dir = newBoardFolder()
  const clock = { virtualFrom: START }
  const first = await openBoard({ dir, firmware, clock })
  await fails('BOARD_RESET', () => submit(first.board, TEST.abort))
  await first.close()
  assert.is(statSync(join(dir, CRASH_FILE)).mode & 0o777, 0o600)
  const second = await openBoard({ dir, firmware, clock })
  assert.is(second.board.crash, undefined, 'this board has not crashed yet')
  assert.equal(summary(second.board.crashes), [1, ['on demand at somewhere.ts:7:9']])
  await fails('BOARD_RESET', () => submit(second.board, TEST.trap))
  assert.equal(summary(second.board.crashes), [2, ['on demand at somewhere.ts:7:9', 'unreachable']])
  await second.close()
  assert.equal(summary(new FileCrashLog(dir)), [2, ['on demand at somewhere.ts:7:9', 'unreachable']])
})

const summary = ({ count, records }: FileCrashLog | Board['crashes']): [number, string[]] => [
  count,
  records.map(({ message }) => message),
]

const record = (message: string): CrashRecord => ({ code: 'FIRMWARE_TRAP', message, time: START, stack: [] })

test('the last ones are kept, all are counted', () => {
  const log = new FileCrashLog(newBoardFolder())
  const messages = Array.from({ length: CRASHES_KEPT + 3 }, (_, i) => `crash ${i}`)
  for (const message of messages) log.add(record(message))
  assert.equal(summary(log), [messages.length, messages.slice(3)])
})

test('no secret of a command gets into the file, nor anything that is not a line of text', async () => {
  const dir = newBoardFolder()
  const { board, close } = await openBoard({ dir, firmware })
  const secret = 'Tr0ub4dor and three'
  await submit(board, TEST.echo, Buffer.from(secret))
  for (const command of [TEST.trap, TEST.abort, TEST.stranger]) {
    await fails('BOARD_RESET', () => submit(board, command, Buffer.from(secret)))
  }
  await close()
  const text = readFileSync(join(dir, CRASH_FILE), 'utf8')
  for (const form of [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')]) {
    assert.not(text.includes(form))
  }
})

test('a file of crashes that says nothing keeps no board from starting', async () => {
  for (const content of [
    '',
    '{',
    '[]',
    '{"format":2,"count":3,"crashes":[]}',
    '{"format":1,"crashes":[7,{"code":1}]}',
  ]) {
    const dir = newBoardFolder()
    writeFileSync(join(dir, CRASH_FILE), content)
    const { board, close } = await openBoard({ dir, firmware })
    assert.equal(summary(board.crashes), [0, []], content)
    await fails('BOARD_RESET', () => submit(board, TEST.trap))
    assert.equal(summary(board.crashes), [1, ['unreachable']], content)
    await close()
  }
})

test('where the record cannot be written the board restarts all the same', async () => {
  const dir = newBoardFolder()
  const { board, close } = await openBoard({ dir, firmware })
  mkdirSync(join(dir, `${CRASH_FILE}.new`))
  await fails('BOARD_RESET', () => submit(board, TEST.trap))
  assert.is(board.crash?.message, 'unreachable')
  assert.is(board.crashes.count, 0)
  assert.is((await submit(board, TEST.echo)).code, 0)
  await close()
  assert.not(readdirSync(dir).includes(CRASH_FILE))
})

test('a board that does not boot cannot be opened, and its folder is free again', async () => {
  const dir = newBoardFolder()
  const options = { dir, firmware }
  const { board, close } = await openBoard(options)
  await submit(board, TEST.badBoots, u32(BOOT_ATTEMPTS))
  await close()
  await fails('BOARD_DEAD', () => openBoard(options))
  assert.is(new FileCrashLog(dir).count, BOOT_ATTEMPTS)
  const again = await openBoard(options)
  assert.ok(again.board.powered)
  await again.close()
})

test.run()
