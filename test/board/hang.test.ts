import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PED_HEADER, PED_ID_LOCAL } from '../../assembly/protocol.js'
import { FileCrashLog, FolderLock, frameCable, Token, type TokenOptions } from '../../host/board/index.js'
import { Monitor, Watch } from '../../host/board/monitor.js'
import { ask, fails, newBoardFolder, request, u16, u32 } from './support.js'
import { HANG, TEST, testFirmware } from './test-firmware.js'

const test = suite('board: hangs')
const firmware = await testFirmware()
const START = 1_700_000_000_000
/** Milliseconds: no step of the test firmware that ends lasts nearly as long, on however busy a machine. */
const LIMIT = 1500
const open = new Set<Token>()

async function start(options: Partial<TokenOptions> = {}): Promise<Token> {
  const token = await Token.open({ dir: newBoardFolder(), firmware, watchdog: LIMIT, ...options })
  open.add(token)
  return token
}

test.after.each(async () => {
  await Promise.all([...open].map((token) => token.close()))
  open.clear()
})

test('firmware that loops for ever is reset; the token goes on with what was durable', async () => {
  const dir = newBoardFolder()
  const seeded = { clock: { virtualFrom: START }, trng: { seed: 'hang' } }
  const token = await start({ dir, ...seeded })
  await ask(token, TEST.program, Buffer.concat([u32(0), Buffer.from('kept')]))
  await ask(token, TEST.remember, u32(5))
  await token.tamper(3)
  await token.advance(60_000)
  const first = await ask(token, TEST.random, u32(32))
  const parked = fails('BOARD_RESET', () => token.exchange(request(TEST.park, u16(PED_ID_LOCAL))))
  const { message } = await fails('BOARD_RESET', () => token.exchange(request(TEST.hang)))
  assert.match(message, new RegExp(`did not come back within ${LIMIT} milliseconds`))
  await parked
  assert.is(String(await ask(token, TEST.read, Buffer.concat([u32(0), u32(4)]))), 'kept')
  assert.is((await ask(token, TEST.remember, u32(6))).readUInt32BE(), 0, 'RAM is new')
  const lines = await ask(token, TEST.lines)
  assert.is(Number(lines.readBigUInt64BE()), START / 1000 + 60, 'virtual time goes on')
  assert.is(lines.readUInt32BE(20), 3, 'the tamper line is still up')
  assert.not.equal(await ask(token, TEST.random, u32(32)), first, 'no random byte is given twice')
  const crash = await token.crash()
  assert.equal([crash?.code, crash?.command], ['FIRMWARE_HANG', TEST.hang])
  await token.close()
  assert.not(existsSync(join(dir, 'lock')))
  assert.equal([new FileCrashLog(dir).count, new FileCrashLog(dir).records[0]], [1, crash])
})

test('a loop that uses peripherals is a hang as well', async () => {
  const token = await start()
  await fails('BOARD_RESET', () => token.exchange(request(TEST.hang, Buffer.of(1))))
  assert.is(String(await ask(token, TEST.echo, Buffer.from('here'))), 'here')
})

test('PEDs stay plugged in', async () => {
  const token = await start()
  const [link, end] = frameCable()
  end.onFrame((frame) => {
    const answer = Buffer.from(frame)
    answer.write('ANSWER', PED_HEADER)
    end.send(answer)
  })
  token.attachPed('local', link)
  await fails('BOARD_RESET', () => token.exchange(request(TEST.hang)))
  assert.is(String(await ask(token, TEST.park, Buffer.concat([u16(PED_ID_LOCAL), Buffer.from('prompt')]))), 'ANSWER')
})

test('a boot that hangs is not tried again: the token is refused, or dead, and its folder free', async () => {
  const dir = newBoardFolder()
  const token = await start({ dir })
  await ask(token, TEST.badBoots, u32(HANG))
  await fails('BOARD_RESET', () => token.exchange(request(TEST.hang)))
  const { message } = await fails('BOARD_DEAD', () => token.exchange(request(TEST.echo)))
  assert.match(message, /at its boot/)
  await token.closed
  await token.close()
  await fails('BOARD_DEAD', () => start({ dir }))
  assert.is(new FileCrashLog(dir).count, 3)
  const lock = await FolderLock.acquire(dir)
  await lock.release()
})

test('closing a token that hangs ends it', async () => {
  const token = await start()
  const hanging = fails('BOARD_RESET', () => token.exchange(request(TEST.hang)))
  await token.close()
  await hanging
  await token.closed
})

test('a time-out that is none is refused', async () => {
  for (const watchdog of [0, -1, 0.5, Number.NaN]) await fails('OPTION_INVALID', () => start({ watchdog }))
})

test('the watchdog counts one step of the firmware, without the accelerator’s time', () => {
  const watch = new Watch(100)
  const monitor = new Monitor(watch.memory)
  let now = 0
  const overdueAfter = (milliseconds: number): boolean => {
    now += milliseconds
    return watch.isOverdue(now)
  }
  assert.not(overdueAfter(1000), 'nothing runs')
  monitor.step(() => {
    assert.not(overdueAfter(1000), 'it may just have begun')
    assert.not(overdueAfter(60))
    monitor.pka(() => {
      assert.not(overdueAfter(60))
      assert.not(overdueAfter(1000))
    })
    monitor.step(() => assert.not(overdueAfter(30), 'a step in a step is the same'))
    assert.ok(overdueAfter(20))
  })
  assert.not(overdueAfter(1000), 'it came back')
  for (let i = 0; i < 5; i++) monitor.step(() => assert.not(overdueAfter(60), 'many short steps'))
})

test.run()
