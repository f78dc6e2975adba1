import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BATTERY_KEK, FLASH_SECTOR, PED_HEADER, PED_ID_LOCAL } from '../../assembly/protocol.js'
import {
  createBoardFolder,
  FolderLock,
  frameCable,
  openBoard,
  restoreBoard,
  Token,
  type TokenOptions,
  type TokenRestoreOptions,
} from '../../host/board/index.js'
import { readJournal } from '../../host/board/journal.js'
import { ask, fails, newBoardFolder, request, SMALL_FLASH, scratch, u16, u32 } from './support.js'
import { TEST, testFirmware } from './test-firmware.js'

const test = suite('board: snapshots, folders and threads')
const firmware = await testFirmware()
const START = 1_700_000_000_000
const open = new Set<Token>()

const keep = (token: Token): Token => {
  open.add(token)
  return token
}
const seeded = { clock: { virtualFrom: START }, trng: { seed: 'snapshots' } }
const start = async (options: Partial<TokenOptions> = {}): Promise<Token> =>
  keep(await Token.open({ dir: newBoardFolder(), firmware, ...seeded, ...options }))
const restore = async (options: TokenRestoreOptions): Promise<Token> =>
  keep(await Token.restore({ firmware, ...options }))

test.after.each(async () => {
  await Promise.all([...open].map((token) => token.close()))
  open.clear()
})

const FILES = ['flash.img', 'battery.bin', 'counter', 'split.bin', 'standby.bin']
const filesOf = (dir: string): string[] => FILES.map((name) => readFileSync(join(dir, name)).toString('hex'))

const text = (token: Token): Promise<string> => ask(token, TEST.read, Buffer.concat([u32(0), u32(6)])).then(String)
const write = (token: Token, content: string): Promise<Buffer> =>
  ask(token, TEST.program, Buffer.concat([u32(0), Buffer.from(content)]))

/** A token with something in each of its places. */
async function usedToken(options?: Partial<TokenOptions>): Promise<Token> {
  const token = await start(options)
  await write(token, 'before')
  await ask(token, TEST.batteryWrite, Buffer.concat([u32(BATTERY_KEK), Buffer.from('battery')]))
  await ask(token, TEST.splitWrite, Buffer.alloc(32, 3))
  await ask(token, TEST.count)
  await ask(token, TEST.remember, u32(42))
  await ask(token, TEST.random, u32(40))
  await token.advance(5000)
  return token
}

test('a token in a thread is taken down and set up in another one, in memory', async () => {
  const token = await usedToken()
  const snapshot = await token.snapshot()
  const forks = await Promise.all(Array.from({ length: 3 }, () => restore({ snapshot })))
  const drawn = await ask(token, TEST.random, u32(32))
  for (const fork of forks) {
    assert.equal(await ask(fork, TEST.random, u32(32)), drawn)
    assert.is((await ask(fork, TEST.remember, u32(1))).readUInt32BE(), 42)
    assert.is(Number((await ask(fork, TEST.count)).readBigUInt64BE()), 2)
    await fork.close()
    await fails('BOARD_CLOSED', () => fork.snapshot())
  }
  assert.is(Number((await ask(token, TEST.count)).readBigUInt64BE()), 2)
})

test('what is under way is through before the snapshot, or parked in it', async () => {
  const token = await start()
  const parked = fails('BOARD_OFF', () => token.exchange(request(TEST.park, u16(PED_ID_LOCAL))))
  const [, snapshot] = await Promise.all([write(token, 'before'), token.snapshot()])
  const fork = await restore({ snapshot })
  assert.is(await text(fork), 'before')
  const [link, end] = frameCable()
  end.onFrame((frame) => {
    const answer = Buffer.from(frame)
    answer.write('ANSWER', PED_HEADER)
    end.send(answer)
  })
  fork.attachPed('local', link)
  await fork.advance(1000)
  assert.is(String(await ask(fork, TEST.park, Buffer.concat([u16(PED_ID_LOCAL), Buffer.from('prompt')]))), 'ANSWER')
  await token.close()
  await parked
})

test('in a new folder: the board is there when it is opened again', async () => {
  const token = await usedToken()
  const snapshot = await token.snapshot()
  const dir = join(scratch(), 'deep', 'fork')
  const fork = await restore({ snapshot, dir })
  assert.is((await ask(fork, TEST.remember, u32(1))).readUInt32BE(), 42, 'it is running')
  const { message } = await fails('STATE_LOCKED', () => Token.open({ dir, firmware }))
  assert.ok(message.includes(dir))
  await fork.close()
  const again = await start({ dir })
  assert.is(await text(again), 'before')
  assert.is(String(await ask(again, TEST.batteryRead, u32(BATTERY_KEK))), 'battery')
  assert.equal(await ask(again, TEST.splitRead), Buffer.alloc(32, 3))
  assert.is(Number((await ask(again, TEST.count)).readBigUInt64BE()), 2)
})

test('the folder of a fork is that of a board that did the same, byte for byte', async () => {
  const dir = newBoardFolder()
  const token = await usedToken({ dir })
  const forkDir = join(scratch(), 'fork')
  const fork = await restore({ snapshot: await token.snapshot(), dir: forkDir })
  for (const one of [token, fork]) {
    await ask(one, TEST.erase, u32(1))
    await write(one, 'BE')
    await ask(one, TEST.random, u32(17))
    await one.advance(60_000)
    await one.close()
  }
  assert.equal(filesOf(forkDir), filesOf(dir))
})

test('a folder with anything in it is left alone', async () => {
  const snapshot = await (await usedToken()).snapshot()
  const dir = newBoardFolder()
  const before = filesOf(dir)
  await fails('STATE_EXISTS', () => restore({ snapshot, dir }))
  assert.equal(filesOf(dir), before)
  const other = scratch()
  writeFileSync(join(other, 'note'), 'mine')
  await fails('STATE_EXISTS', () => restore({ snapshot, dir: other }))
  assert.equal(readdirSync(other), ['note'])
})

test('a board can be put back to where it was: everything, also what only counts up', async () => {
  const dir = newBoardFolder()
  const token = await usedToken({ dir })
  const snapshot = await token.snapshot()
  await ask(token, TEST.erase, u32(0))
  await write(token, 'after ')
  await ask(token, TEST.batteryZeroize, u32(BATTERY_KEK))
  for (let i = 0; i < 4; i++) await ask(token, TEST.count)
  await fails('STATE_LOCKED', () => restore({ snapshot, dir, replace: true }))
  await token.close()
  const back = await restore({ snapshot, dir, replace: true })
  assert.is(await text(back), 'before')
  await back.close()
  const again = await start({ dir })
  assert.is(await text(again), 'before')
  assert.is(String(await ask(again, TEST.batteryRead, u32(BATTERY_KEK))), 'battery')
  assert.is(Number((await ask(again, TEST.count)).readBigUInt64BE()), 2)
})

test('a process that dies while it puts a board back leaves the one or the other', async () => {
  const dir = newBoardFolder()
  const token = await usedToken({ dir })
  const snapshot = await token.snapshot()
  await write(token, 'BE')
  await token.close()
  const before = filesOf(dir)
  const image = join(scratch(), 'copy')
  // A copy of a folder that is open is what a kill leaves behind.
  const opened = await restoreBoard({ snapshot, dir, replace: true, firmware })
  cpSync(dir, image, { recursive: true, filter: (path) => !path.endsWith('lock') })
  await opened.close()
  const after = filesOf(dir)
  assert.not.equal(after, before)
  const file = readFileSync(join(image, 'journal'))
  const { frames, length: whole } = readJournal(file)
  assert.is(frames.length, 1, 'the change is one frame')
  assert.ok(whole > FLASH_SECTOR)
  // The last with the room behind it.
  for (const length of [0, 1, 100, whole - 1, whole, file.length]) {
    const torn = join(scratch(), `torn-${length}`)
    cpSync(image, torn, { recursive: true })
    // The files follow the journal: as long as its frame is not whole they are as they were.
    if (length < whole) for (const [i, name] of FILES.entries()) writeFileSync(join(torn, name), before[i] ?? '', 'hex')
    writeFileSync(join(torn, 'journal'), file.subarray(0, length))
    const { board, close } = await openBoard({ dir: torn, firmware, ...seeded })
    assert.ok(board.powered)
    await close()
    const expected = length < whole ? before : after
    assert.equal(filesOf(torn).slice(0, 4), expected.slice(0, 4), `${length} bytes of journal`)
  }
})

test('a board that is not made for it is refused and stays as it is', async () => {
  const snapshot = await (await usedToken()).snapshot()
  const larger = join(scratch(), 'larger')
  createBoardFolder(larger, { flashSize: 2 * SMALL_FLASH, madeBy: 'test' })
  const before = filesOf(larger)
  await fails('SNAPSHOT_MISFIT', () => restore({ snapshot, dir: larger, replace: true }))
  assert.equal(filesOf(larger), before)
  const blank = await (await start()).snapshot()
  const made = newBoardFolder()
  const token = await usedToken({ dir: made })
  await token.close()
  await fails('SNAPSHOT_MISFIT', () => restore({ snapshot: blank, dir: made, replace: true }))
  await start({ dir: made })
})

test('a snapshot that is refused makes no folder and touches none', async () => {
  const snapshot = await (await usedToken()).snapshot()
  const broken = Uint8Array.from(snapshot)
  broken[300] = (broken[300] ?? 0) ^ 1
  const dir = join(scratch(), 'never')
  await fails('SNAPSHOT_DAMAGED', () => restore({ snapshot: broken, dir }))
  await fails('SNAPSHOT_FOREIGN', async () => restore({ snapshot, dir, firmware: await testFirmware('other') }))
  assert.not(existsSync(dir))
  const kept = newBoardFolder()
  const before = filesOf(kept)
  await fails('SNAPSHOT_TRUNCATED', () => restore({ snapshot: snapshot.subarray(0, -1), dir: kept, replace: true }))
  assert.equal(filesOf(kept), before)
  const lock = await FolderLock.acquire(kept)
  await lock.release()
})

test('a place where no folder can be made', async () => {
  const snapshot = await (await usedToken()).snapshot()
  const file = join(scratch(), 'a file')
  writeFileSync(file, '')
  await fails('STATE_IO', () => restore({ snapshot, dir: join(file, 'board') }))
})

test('a restored token that hangs: with a folder it is reset, without one it is gone', async () => {
  const snapshot = await (await usedToken()).snapshot()
  const watchdog = 1500
  const kept = await restore({ snapshot, dir: join(scratch(), 'kept'), watchdog })
  const drawn = await ask(kept, TEST.random, u32(16))
  await fails('BOARD_RESET', () => kept.exchange(request(TEST.hang)))
  assert.is(await text(kept), 'before')
  assert.is(Number((await ask(kept, TEST.lines)).readBigUInt64BE()), START / 1000 + 5)
  const next = await ask(kept, TEST.random, u32(16))
  const twin = await restore({ snapshot })
  assert.equal(await ask(twin, TEST.random, u32(32)), Buffer.concat([drawn, next]), 'its random stream goes on')
  const memory = await restore({ snapshot, watchdog })
  const { message } = await fails('BOARD_DEAD', () => memory.exchange(request(TEST.hang)))
  assert.match(message, /in memory only/)
  await memory.closed
})

test.run()
