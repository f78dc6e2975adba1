import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ACTIVATION_POWER_OFF,
  BATTERY_ACTIVATION,
  PED_HEADER,
  PED_ID_LOCAL,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_TIMEOUT,
} from '../../assembly/protocol.js'
import { type BoardOptions, frameCable, Token } from '../../host/board/index.js'
import { ask, fails, newBoardFolder, parse, request, scratch, u16, u32 } from './support.js'
import { PARK_TIMEOUT, TEST, testFirmware } from './test-firmware.js'

const test = suite('board: token')
const open = new Set<Token>()
const START = 1_700_000_000_000

async function start(options: Partial<BoardOptions> = {}): Promise<Token> {
  const token = await Token.open({ dir: newBoardFolder(), firmware: await testFirmware(), ...options })
  open.add(token)
  return token
}

test.after.each(async () => {
  await Promise.all([...open].map((token) => token.close()))
  open.clear()
})

const virtual = { clock: { virtualFrom: START } }
const park = (text: string): Buffer => Buffer.concat([u16(PED_ID_LOCAL), Buffer.from(text)])

test('frames go to the thread and come back, many at a time with one tag', async () => {
  const token = await start()
  const bodies = Array.from({ length: 50 }, (_, i) => `request ${i}`)
  const answers = await Promise.all(bodies.map((body) => ask(token, TEST.echo, Buffer.from(body), 9)))
  assert.equal(answers.map(String), bodies)
})

test('the caller’s buffer stays its own', async () => {
  const token = await start()
  const parts = [Buffer.from('before'), request(TEST.echo, Buffer.from('body')), Buffer.from('after')]
  const pool = Uint8Array.from(Buffer.concat(parts))
  const answer = await token.exchange(pool.subarray(6, -5))
  assert.is(parse(answer).body.toString(), 'body')
  assert.equal(pool, Uint8Array.from(Buffer.concat(parts)))
})

test('errors keep their code and cause across the thread', async () => {
  const token = await start()
  await fails('FRAME_MALFORMED', () => token.exchange(Buffer.alloc(3)))
  const error = await fails('BOARD_RESET', () => token.exchange(request(TEST.abort)))
  assert.instance(error.cause, Error)
  const crash = await token.crash()
  assert.is(crash?.code, 'FIRMWARE_ABORT')
  assert.is(crash?.message, 'on demand at somewhere.ts:7:9')
  assert.is(crash?.command, TEST.abort)
  assert.is(parse(await token.exchange(request(0x6fff))).code, RC_FUNCTION_NOT_SUPPORTED)
  await fails('CLOCK_NOT_VIRTUAL', () => token.advance(1))
})

test('one process, one token per folder; the folder is free after close', async () => {
  const dir = newBoardFolder()
  const token = await start({ dir })
  const { message } = await fails('STATE_LOCKED', () => start({ dir }))
  assert.ok(message.includes(dir) && message.includes(String(process.pid)), message)
  await ask(token, TEST.program, Buffer.concat([u32(0), Buffer.from('kept')]))
  await token.close()
  await token.close()
  assert.not(existsSync(join(dir, 'lock')))
  const again = await start({ dir })
  assert.is(String(await ask(again, TEST.read, Buffer.concat([u32(0), u32(4)]))), 'kept')
})

test('a folder that cannot be opened refuses the token and stays free', async () => {
  await fails('STATE_MISSING', () => start({ dir: join(scratch(), 'nowhere') }))
  const dir = scratch()
  await fails('STATE_MISSING', () => start({ dir }))
  await fails('STATE_MISSING', () => start({ dir }))
  await fails('FIRMWARE_MISSING', () => start({ firmware: join(dir, 'none.wasm') }))
})

test('after close everything is refused, and what was under way fails', async () => {
  const token = await start()
  const parked = fails('BOARD_OFF', () => token.exchange(request(TEST.park, park('waits'))))
  await token.close()
  await parked
  await token.closed
  await fails('BOARD_CLOSED', () => token.exchange(request(TEST.echo)))
  await fails('BOARD_CLOSED', () => token.attachPed('local', frameCable()[0]))
})

test('a PED on this thread serves the board on the other', async () => {
  const token = await start()
  const [link, end] = frameCable()
  end.onFrame((frame) => {
    const answer = Buffer.from(frame)
    answer.write('ANSWER', PED_HEADER)
    end.send(answer)
  })
  token.attachPed('local', link)
  await fails('PED_IN_USE', () => token.attachPed('local', frameCable()[0]))
  assert.is(String(await ask(token, TEST.park, park('prompt'))), 'ANSWER')
  const unplugged = new Promise<void>((resolve) => end.onClose(resolve))
  token.detachPed('local')
  await unplugged
  assert.is((await ask(token, TEST.lines)).readUInt32BE(16), 0)
  token.attachPed('local', frameCable()[0])
  assert.is((await ask(token, TEST.lines)).readUInt32BE(16), 1)
})

test('a PED cable ends with the token', async () => {
  const token = await start()
  const [link, end] = frameCable()
  const unplugged = new Promise<void>((resolve) => end.onClose(resolve))
  token.attachPed('local', link)
  await token.close()
  await unplugged
})

test('virtual time passes when told', async () => {
  const token = await start(virtual)
  const parked = token.exchange(request(TEST.park, park('waits')))
  await token.advance(PARK_TIMEOUT)
  assert.is(parse(await parked).code, RC_TIMEOUT)
})

test('on a real clock a parked command times out by itself', async () => {
  const token = await start()
  assert.is(parse(await token.exchange(request(TEST.park, park('waits')))).code, RC_TIMEOUT)
})

test('tamper and power cycle reach the board', async () => {
  const token = await start()
  await ask(token, TEST.remember, u32(5))
  await token.tamper(3)
  assert.is((await ask(token, TEST.lines)).readUInt32BE(20), 3)
  await token.tamper(0)
  assert.is((await ask(token, TEST.remember, u32(6))).readUInt32BE(), 0)
  const parked = fails('BOARD_OFF', () => token.exchange(request(TEST.park, park('waits'))))
  await token.powerCycle()
  await parked
  assert.is((await ask(token, TEST.remember, u32(7))).readUInt32BE(), 0)
})

test('a seeded board goes on where it stopped, and two with one seed are alike', async () => {
  const options = { ...virtual, trng: { seed: 'token test' } }
  const draw = (token: Token): Promise<Buffer> => ask(token, TEST.random, u32(32))
  const whole = await start(options)
  const expected = [await draw(whole), await draw(whole)]
  const dir = newBoardFolder()
  const first = await start({ ...options, dir })
  const drawn = [await draw(first)]
  await first.close()
  const second = await start({ ...options, dir })
  drawn.push(await draw(second))
  assert.equal(drawn, expected)
})

test('a virtual clock goes on where the board last had power; activation ages while it is off', async () => {
  const dir = newBoardFolder()
  const rtc = async (token: Token): Promise<number> => Number((await ask(token, TEST.lines)).readBigUInt64BE())
  const first = await start({ ...virtual, dir })
  await ask(first, TEST.batteryWrite, Buffer.concat([u32(BATTERY_ACTIVATION), Buffer.from('active')]))
  await first.advance(60_000)
  await first.close()
  const second = await start({ ...virtual, dir })
  assert.is(await rtc(second), START / 1000 + 60)
  assert.is(String(await ask(second, TEST.batteryRead, u32(BATTERY_ACTIVATION))), 'active')
  await second.close()
  const later = START + 60_000 + ACTIVATION_POWER_OFF + 1
  const third = await start({ dir, clock: { virtualFrom: later } })
  assert.is((await ask(third, TEST.batteryRead, u32(BATTERY_ACTIVATION))).length, 0)
})

test.run()
