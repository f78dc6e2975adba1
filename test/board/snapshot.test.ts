import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BATTERY_KEK, FLASH_SECTOR, PED_ID_LOCAL, RC_OK, RC_TIMEOUT } from '../../assembly/protocol.js'
import {
  Board,
  BoardError,
  decodeSnapshot,
  encodeSnapshot,
  FirmwareImage,
  frameCable,
  NonVolatileMemory,
  type OpenBoard,
  restoreBoard,
  SeededTrng,
  State,
  VirtualClock,
} from '../../host/board/index.js'
import { PAGE, type PageRun } from '../../host/board/pages.js'
import { newBoard, park, pedFrame, START } from './board-support.js'
import { fails, request, submit, u32 } from './support.js'
import { PARK_TIMEOUT, PLACES, TEST, testFirmware } from './test-firmware.js'

const test = suite('board: snapshots')
const firmware = await testFirmware()

const restore = (snapshot: Uint8Array): Promise<OpenBoard> => restoreBoard({ snapshot, firmware })

/** A board with something in each of its places. */
async function usedBoard(): Promise<{ board: Board; clock: VirtualClock }> {
  const { board, clock } = newBoard()
  await submit(board, TEST.program, Buffer.concat([u32(FLASH_SECTOR + 100), Buffer.from('in flash')]))
  await submit(board, TEST.batteryWrite, Buffer.concat([u32(BATTERY_KEK), Buffer.from('in the battery')]))
  await submit(board, TEST.splitWrite, Buffer.alloc(32, 7))
  await submit(board, TEST.count)
  await submit(board, TEST.remember, u32(42))
  await submit(board, TEST.random, u32(100))
  clock.advance(61_234)
  return { board, clock }
}

/** What commands say of each place; changes them the same way on every board. */
async function sightOf(board: Board): Promise<string[]> {
  const asks: readonly (readonly [number, Buffer?])[] = [
    [TEST.read, Buffer.concat([u32(FLASH_SECTOR + 100), u32(10)])],
    [TEST.batteryRead, u32(BATTERY_KEK)],
    [TEST.splitRead],
    [TEST.count],
    [TEST.remember, u32(43)],
    [TEST.random, u32(200)],
    [TEST.lines],
  ]
  const answers: string[] = []
  for (const [command, body] of asks) answers.push((await submit(board, command, body)).body.toString('hex'))
  return answers
}

test('a restored board goes on where the other one stood, and the other one goes on as well', async () => {
  const { board } = await usedBoard()
  const snapshot = board.snapshot()
  const [one, two] = [await restore(snapshot), await restore(snapshot)]
  const expected = await sightOf(board)
  assert.equal(await sightOf(one.board), expected)
  assert.equal(await sightOf(two.board), expected)
  assert.is(Number(BigInt(`0x${expected[6]?.slice(16, 32)}`)), 61_234, 'the time since power-up goes on')
})

test('taking it changes nothing, and a restored board has the same snapshot, byte for byte', async () => {
  const { board } = await usedBoard()
  const first = board.snapshot()
  assert.equal(board.snapshot(), first)
  assert.equal((await restore(first)).board.snapshot(), first)
  assert.ok(first.length < 100_000, `${first.length} bytes for 512 KiB of memory and 128 KiB of flash, nearly empty`)
})

test('forks share nothing', async () => {
  const { board } = await usedBoard()
  const snapshot = board.snapshot()
  const untouched = Uint8Array.from(snapshot)
  const fork = (await restore(snapshot)).board
  await submit(fork, TEST.erase, u32(1))
  await submit(fork, TEST.batteryZeroize, u32(BATTERY_KEK))
  await submit(fork, TEST.remember, u32(7))
  for (let i = 0; i < 5; i++) await submit(fork, TEST.count)
  fork.powerOff()
  assert.equal(snapshot, untouched)
  const sight = await sightOf(board)
  assert.is(Buffer.from(sight[0] ?? '', 'hex').toString('latin1'), 'in flash\xff\xff')
  assert.equal(await sightOf((await restore(snapshot)).board), sight)
})

test('the tamper line, an injected fault and what boot said are part of it', async () => {
  const { board } = newBoard()
  board.tamper(9)
  board.injectSelfTestFault(3)
  const { board: fork } = await restore(board.snapshot())
  assert.is((await submit(fork, TEST.lines)).body.readUInt32BE(20), 9)
  await submit(fork, TEST.trapAt, u32(PLACES.indexOf('inject')))
  fork.powerOff()
  assert.is(fork.powerOn(), RC_OK)
  assert.equal(decodeSnapshot(board.snapshot()).selfTestFault, 3)
})

test('a parked command is part of it; its answer goes to nobody, and no other command gets it', async () => {
  const { board, clock } = newBoard()
  const parked = submit(board, TEST.park, park(PED_ID_LOCAL, 'prompt'), 77)
  const snapshot = board.snapshot()
  assert.equal(decodeSnapshot(snapshot).pending, [{ inner: 1, tag: 77 }])
  clock.advance(PARK_TIMEOUT)
  board.tick()
  assert.is((await parked).code, RC_TIMEOUT)

  const { board: fork } = await restore(snapshot)
  const [near, far] = frameCable()
  fork.attachPed('local', near)
  far.send(pedFrame(PED_ID_LOCAL, 'from the PED'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.is((await submit(fork, TEST.echo, Buffer.from('mine'), 77)).body.toString(), 'mine')
  assert.is(fork.crash, undefined, 'the firmware answered what a request of before had asked')
  assert.equal(decodeSnapshot(fork.snapshot()).pending, [])

  const { board: alone } = await restore(snapshot)
  alone.advance(PARK_TIMEOUT)
  assert.equal(decodeSnapshot(alone.snapshot()).pending, [], 'its time is over')
  assert.is(alone.crash, undefined)
})

test('a frame on its way to the PED is not part of it', async () => {
  const { board } = newBoard()
  const frames: Uint8Array[] = []
  const [near, far] = frameCable()
  far.onFrame((frame) => frames.push(frame))
  const parked = fails('BOARD_OFF', () => submit(board, TEST.park, park(PED_ID_LOCAL, 'no PED yet')))
  const { board: fork } = await restore(board.snapshot())
  fork.attachPed('local', near)
  await submit(fork, TEST.echo)
  assert.equal(frames, [])
  board.powerOff()
  await parked
})

test('clock and random source are the snapshot’s, or others if wanted', async () => {
  const { board, clock } = await usedBoard()
  const snapshot = board.snapshot()
  const rtc = async (opened: OpenBoard): Promise<number> =>
    Number((await submit(opened.board, TEST.lines)).body.readBigUInt64BE())
  const random = async (opened: OpenBoard): Promise<string> =>
    (await submit(opened.board, TEST.random, u32(32))).body.toString('hex')
  const at = Math.floor(clock.now() / 1000)
  assert.is(await rtc(await restore(snapshot)), at)
  const never = await restoreBoard({ snapshot, firmware, clock: { virtualFrom: START - 1_000_000 } })
  assert.is(await rtc(never), at, 'never back')
  const later = await restoreBoard({ snapshot, firmware, clock: { virtualFrom: clock.now() + 86_400_000 } })
  assert.is(await rtc(later), at + 86_400)
  const real = await restoreBoard({ snapshot, firmware, clock: 'real' })
  await fails('CLOCK_NOT_VIRTUAL', () => real.board.advance(1))

  const same = [await random(await restore(snapshot)), await random(await restore(snapshot))]
  assert.is(same[0], same[1])
  const other = await restoreBoard({ snapshot, firmware, trng: { seed: 'another' } })
  const system = await restoreBoard({ snapshot, firmware, trng: 'system' })
  assert.is(new Set([same[0], await random(other), await random(system)]).size, 3)
})

test('a board that is off, dead or in the middle of something has no snapshot', async () => {
  const { board } = newBoard()
  board.powerOff()
  await fails('BOARD_OFF', () => board.snapshot())
  board.powerOn()
  let inside: unknown
  board.submit(request(TEST.echo), () => {
    try {
      board.snapshot()
    } catch (thrown) {
      inside = thrown
    }
  })
  assert.is(inside instanceof Error && 'code' in inside ? inside.code : undefined, 'BOARD_BUSY')
  assert.ok(board.snapshot().length > 0)
  await submit(board, TEST.badBoots, u32(7))
  await fails('BOARD_RESET', () => submit(board, TEST.trap))
  await fails('BOARD_DEAD', () => board.snapshot())
})

test('a firmware whose globals are not exported has none', async () => {
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR))
  const image = FirmwareImage.load(await testFirmware('sealed'))
  const chips = { memory, clock: new VirtualClock(START), trng: new SeededTrng('s', memory) }
  const board = new Board(image, chips)
  board.powerOn()
  await fails('SNAPSHOT_UNSUPPORTED', () => board.snapshot())
  assert.is((await submit(board, TEST.echo)).code, RC_OK, 'and goes on')
})

// ---- files that are refused -----------------------------------------------------------------------------------------

/** The bytes with another hash at their end: what only somebody who wants it so can make. */
function sealed(bytes: Uint8Array): Uint8Array {
  const body = Buffer.from(bytes.subarray(0, -48))
  return Buffer.concat([body, createHash('sha384').update(body).digest()])
}

test('another build refuses it', async () => {
  const { board } = newBoard()
  const snapshot = board.snapshot()
  const { message } = await fails('SNAPSHOT_FOREIGN', async () =>
    restoreBoard({ snapshot, firmware: await testFirmware('other') }),
  )
  assert.match(message, /taken by moonlet test from firmware [0-9a-f]{16}/)
})

test('a newer format and a newer board are refused, whatever else is in the file', async () => {
  const { board } = newBoard()
  const newer = Buffer.from(board.snapshot())
  newer.writeUInt32BE(2, 4)
  await fails('SNAPSHOT_NEWER', () => restore(newer))
  await fails('SNAPSHOT_NEWER', () => restore(newer.subarray(0, 40)))
  const layout = Buffer.from(board.snapshot())
  layout.writeUInt32BE(2, 16 + 48)
  await fails('SNAPSHOT_NEWER', () => restore(sealed(layout)))
})

test('one bit anywhere is found, and so is an end anywhere', async () => {
  const { board } = newBoard()
  const snapshot = board.snapshot()
  const codes = new Set<string>()
  for (let at = 0; at < snapshot.length; at += at < 400 ? 1 : 379) {
    const flipped = Uint8Array.from(snapshot)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
    codes.add(await refusal(flipped))
    const code = await refusal(snapshot.subarray(0, at))
    assert.is(code, at < 4 ? 'SNAPSHOT_INVALID' : 'SNAPSHOT_TRUNCATED', `${at} bytes`)
  }
  assert.equal([...codes].sort(), ['SNAPSHOT_DAMAGED', 'SNAPSHOT_INVALID', 'SNAPSHOT_NEWER', 'SNAPSHOT_TRUNCATED'])
  await fails('SNAPSHOT_DAMAGED', () => restore(Buffer.concat([snapshot, Buffer.of(0)])))
  for (const nothing of ['', 'MLJ1 is a journal', 'x'.repeat(1000)]) {
    await fails('SNAPSHOT_INVALID', () => restore(Buffer.from(nothing)))
  }
})

async function refusal(snapshot: Uint8Array): Promise<string> {
  try {
    decodeSnapshot(snapshot)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') return thrown.code
    throw thrown
  }
  return 'taken'
}

test('a whole file with fields that cannot be is damaged', async () => {
  const { board } = newBoard()
  const good = board.snapshot()
  const parts = decodeSnapshot(good)
  assert.equal(encodeSnapshot(parts), good)
  const { globals, memory } = parts
  const page = (first: number): PageRun => ({ first, bytes: Buffer.alloc(PAGE, 1) })
  const twisted = [
    { ...parts, globals: globals.slice(1) },
    { ...parts, globals: globals.map((value) => (typeof value === 'bigint' ? 0 : value)) },
    { ...parts, memorySize: parts.memorySize / 2 },
    { ...parts, memorySize: parts.memorySize - 1 },
    { ...parts, memory: [page(9), page(3)] },
    { ...parts, memory: [page(3), page(3)] },
    { ...parts, memory: [{ first: 3, bytes: Buffer.alloc(0) }] },
    { ...parts, memory: [...memory, page(parts.memorySize / PAGE)] },
    { ...parts, madeBy: 'x'.repeat(300) },
  ]
  for (const snapshot of twisted) await fails('SNAPSHOT_DAMAGED', () => restore(encodeSnapshot(snapshot)))
})

test('a page that it leaves out is zero, also where the firmware module itself puts something', async () => {
  const { board } = newBoard()
  const parts = decodeSnapshot(board.snapshot())
  const { board: empty } = await restore(encodeSnapshot({ ...parts, memory: [] }))
  assert.ok(board.memoryImage()?.some((byte) => byte !== 0))
  assert.ok(empty.memoryImage()?.every((byte) => byte === 0))
})

test('bytes with a right hash are a board, or refused as they should be', async () => {
  const { board } = await usedBoard()
  const snapshot = board.snapshot()
  // Most of what can be wrong is in the first bytes; the rest is memory.
  const place = fc.oneof(fc.integer({ min: 16, max: 700 }), fc.integer({ min: 16, max: snapshot.length - 49 }))
  const change = fc.record({ at: place, byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })) })
  const outcomes = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const changed = Uint8Array.from(snapshot)
      for (const { at, byte } of changes) changed[at] = byte
      const outcome = await restore(sealed(changed)).then(
        () => 'a board',
        (error: unknown) => (error instanceof BoardError ? error.code : String(error)),
      )
      outcomes.add(outcome)
      assert.ok(/^(a board|SNAPSHOT_(DAMAGED|NEWER|FOREIGN))$/.test(outcome), outcome)
    }),
    { numRuns: 300 },
  )
  assert.ok(outcomes.has('SNAPSHOT_DAMAGED'))
})

test.run()
