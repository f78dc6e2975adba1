import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ACTIVATION_POWER_OFF,
  BATTERY_ACTIVATION,
  BATTERY_KEK,
  FLASH_SECTOR,
  MAX_FRAME,
  PED_HEADER,
  PED_ID_LOCAL,
  PED_ID_REMOTE,
  PED_LINE_LOCAL,
  PED_LINE_REMOTE,
  PKA_EC_GENERATE,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_TIMEOUT,
} from '../../assembly/protocol.js'
import { type Board, BoardError, type FrameLink, frameCable } from '../../host/board/index.js'
import { newBoard, park, pedFrame, START } from './board-support.js'
import { fails, parse, request, submit, u32 } from './support.js'
import { PARK_TIMEOUT, TEST } from './test-firmware.js'

const test = suite('board: board')

/** A PED at the end of a cable that answers by a rule, or keeps silent. */
function ped(
  reply: (text: string) => string | undefined,
  id: number,
): { link: FrameLink; seen: string[]; end: FrameLink } {
  const [link, end] = frameCable()
  const seen: string[] = []
  end.onFrame((frame) => {
    const text = Buffer.from(frame).toString('utf8', PED_HEADER)
    seen.push(text)
    const answer = reply(text)
    if (answer !== undefined) end.send(pedFrame(id, answer))
  })
  return { link, seen, end }
}

// ---- command frames -------------------------------------------------------------------------------------------------

test('a frame goes in, its answer comes out with the same tag', async () => {
  const { board } = newBoard()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 0xffffffff }), async (body, tag) => {
      const answer = await submit(board, TEST.echo, body, tag)
      assert.is(answer.code, 0)
      assert.is(answer.tag, tag)
      assert.equal(answer.body, Buffer.from(body))
    }),
  )
  const largest = Buffer.alloc(MAX_FRAME - 16, 0xa5)
  assert.equal((await submit(board, TEST.echo, largest)).body, largest)
  assert.is((await submit(board, 0x6fff)).code, RC_FUNCTION_NOT_SUPPORTED)
})

test('what is not one whole frame does not go in', async () => {
  const { board } = newBoard()
  const echo = request(TEST.echo, Buffer.from('body'))
  const bad = [
    Buffer.alloc(0),
    echo.subarray(0, 15),
    echo.subarray(0, -1),
    Buffer.concat([echo, Buffer.alloc(1)]),
    request(TEST.echo, Buffer.alloc(MAX_FRAME - 15)),
  ]
  for (const frame of bad) {
    await fails('FRAME_MALFORMED', () => {
      board.submit(frame, (result) => {
        if (result instanceof BoardError) throw result
      })
    })
  }
  assert.is((await submit(board, TEST.echo, Buffer.from('still there'))).body.toString(), 'still there')
})

test('clients that use the same tags get their own answers, parked ones included', async () => {
  const { board } = newBoard()
  const device = ped((text) => text.toUpperCase(), PED_ID_LOCAL)
  board.attachPed('local', device.link)
  const parked = submit(board, TEST.park, park(PED_ID_LOCAL, 'parked'), 5)
  const others = Array.from({ length: 20 }, (_, i) => submit(board, TEST.echo, Buffer.from(`client ${i}`), 5))
  assert.equal(
    (await Promise.all(others)).map(({ tag, body }) => `${tag} ${body}`),
    others.map((_, i) => `5 client ${i}`),
  )
  const answer = await parked
  assert.is(`${answer.tag} ${answer.body}`, '5 PARKED')
})

test('a request from inside an answer is served', async () => {
  const { board } = newBoard()
  const second = await new Promise((resolve) => {
    board.submit(request(TEST.echo), () => {
      board.submit(request(TEST.echo, Buffer.from('second')), resolve)
    })
  })
  assert.instance(second, Uint8Array)
})

test('the firmware is served until it has nothing more to do at once', async () => {
  const { board } = newBoard()
  const order: string[] = []
  await Promise.all([
    submit(board, TEST.again, u32(100)).then(() => order.push('long')),
    submit(board, TEST.echo).then(() => order.push('short')),
  ])
  assert.equal(order, ['long', 'short'])
})

// ---- PED ------------------------------------------------------------------------------------------------------------

test('PED frames are routed by their id', async () => {
  const { board } = newBoard()
  const local = ped((text) => `local ${text}`, PED_ID_LOCAL)
  const remote = ped((text) => `remote ${text}`, PED_ID_REMOTE)
  board.attachPed('local', local.link)
  board.attachPed('remote', remote.link)
  assert.is((await submit(board, TEST.park, park(PED_ID_REMOTE, 'a'))).body.toString(), 'remote a')
  assert.is((await submit(board, TEST.park, park(PED_ID_LOCAL, 'b'))).body.toString(), 'local b')
  assert.equal([local.seen, remote.seen], [['b'], ['a']])
})

test('noise, and frames under the other connector’s id, do not reach the firmware', async () => {
  const { board, clock } = newBoard()
  const liar = ped(() => 'lie', PED_ID_REMOTE)
  board.attachPed('local', liar.link)
  liar.end.send(Buffer.from('noise'))
  liar.end.send(Buffer.concat([pedFrame(PED_ID_LOCAL, 'x'), Buffer.from('tail')]))
  const parked = submit(board, TEST.park, park(PED_ID_LOCAL, 'who is there'))
  // Everything on the cable has arrived once these turns are over.
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  assert.equal(liar.seen, ['who is there'])
  clock.advance(PARK_TIMEOUT)
  board.tick()
  assert.is((await parked).code, RC_TIMEOUT)
})

test('the line shows what is plugged in, from either end', async () => {
  const { board } = newBoard()
  const line = async (): Promise<number> => (await submit(board, TEST.lines)).body.readUInt32BE(16)
  const [local, remote] = [ped(() => undefined, PED_ID_LOCAL), ped(() => undefined, PED_ID_REMOTE)]
  assert.is(await line(), 0)
  board.attachPed('local', local.link)
  assert.is(await line(), PED_LINE_LOCAL)
  board.attachPed('remote', remote.link)
  assert.is(await line(), PED_LINE_LOCAL | PED_LINE_REMOTE)
  await fails('PED_IN_USE', () => board.attachPed('local', ped(() => undefined, PED_ID_LOCAL).link))
  let closed = false
  local.end.onClose(() => {
    closed = true
  })
  board.detachPed('local')
  assert.is(await line(), PED_LINE_REMOTE)
  assert.ok(closed, 'the PED sees that it was unplugged')
  remote.end.close()
  await Promise.resolve()
  assert.is(await line(), 0)
  board.attachPed('local', ped(() => undefined, PED_ID_LOCAL).link)
  assert.is(await line(), PED_LINE_LOCAL)
})

test('a parked command ends by time, also when no PED is there', async () => {
  const { board } = newBoard()
  const parked = submit(board, TEST.park, park(PED_ID_LOCAL, 'anybody?'))
  board.advance(PARK_TIMEOUT - 1)
  assert.is((await submit(board, TEST.echo)).code, 0)
  board.advance(1)
  assert.is((await parked).code, RC_TIMEOUT)
})

// ---- peripherals ----------------------------------------------------------------------------------------------------

test('flash, counter, battery and split keep over a power cycle, RAM does not', async () => {
  const { board } = newBoard()
  await submit(board, TEST.program, Buffer.concat([u32(10), Buffer.from('abc')]))
  await submit(board, TEST.program, Buffer.concat([u32(11), Buffer.of(0)]))
  await submit(board, TEST.count)
  await submit(board, TEST.batteryWrite, Buffer.concat([u32(BATTERY_KEK), Buffer.from('kek')]))
  await submit(board, TEST.splitWrite, Buffer.alloc(32, 3))
  await submit(board, TEST.remember, u32(42))
  assert.is((await submit(board, TEST.remember, u32(43))).body.readUInt32BE(), 42)
  board.powerOff()
  assert.not(board.powered)
  board.powerOn()
  assert.equal(
    (await submit(board, TEST.read, Buffer.concat([u32(9), u32(5)]))).body,
    Buffer.from('\xffa\0c\xff', 'latin1'),
  )
  assert.is((await submit(board, TEST.count)).body.readBigUInt64BE(), 2n)
  assert.is((await submit(board, TEST.batteryRead, u32(BATTERY_KEK))).body.toString(), 'kek')
  assert.equal((await submit(board, TEST.splitRead)).body, Buffer.alloc(32, 3))
  assert.is((await submit(board, TEST.remember, u32(0))).body.readUInt32BE(), 0)
  await submit(board, TEST.batteryZeroize, u32(BATTERY_KEK))
  assert.is((await submit(board, TEST.batteryRead, u32(BATTERY_KEK))).body.length, 0)
  await submit(board, TEST.erase, u32(0))
  assert.equal((await submit(board, TEST.read, Buffer.concat([u32(10), u32(3)]))).body, Buffer.alloc(3, 0xff))
  assert.is((await submit(board, TEST.flashSize)).body.readUInt32BE(), 2 * FLASH_SECTOR)
})

test('a new board has an empty battery and no split', async () => {
  const { board } = newBoard()
  assert.is((await submit(board, TEST.batteryRead, u32(BATTERY_ACTIVATION))).body.length, 0)
  assert.is((await submit(board, TEST.splitRead)).body.length, 0)
})

test('activation survives two hours without power, and no longer', async () => {
  for (const [off, kept] of [
    [ACTIVATION_POWER_OFF, true],
    [ACTIVATION_POWER_OFF + 1, false],
  ] as const) {
    const { board } = newBoard()
    for (const region of [BATTERY_ACTIVATION, BATTERY_KEK]) {
      await submit(board, TEST.batteryWrite, Buffer.concat([u32(region), Buffer.from('secret')]))
    }
    board.advance(3 * ACTIVATION_POWER_OFF)
    board.powerOff()
    board.advance(off)
    board.powerOn()
    const read = async (region: number): Promise<string> =>
      (await submit(board, TEST.batteryRead, u32(region))).body.toString()
    assert.is(await read(BATTERY_ACTIVATION), kept ? 'secret' : '')
    assert.is(await read(BATTERY_KEK), 'secret')
  }
})

test('uptime counts from power-up, the clock goes on', async () => {
  const { board } = newBoard()
  const times = async (): Promise<[number, number]> => {
    const { body } = await submit(board, TEST.lines)
    return [Number(body.readBigUInt64BE()), Number(body.readBigUInt64BE(8))]
  }
  assert.equal(await times(), [START / 1000, 0])
  board.advance(5_500)
  assert.equal(await times(), [START / 1000 + 5, 5_500])
  board.powerOff()
  board.advance(500)
  board.powerOn()
  assert.equal(await times(), [START / 1000 + 6, 0])
})

test('the seeded stream goes on over power cycles', async () => {
  const draw = async (board: Board): Promise<Buffer> => (await submit(board, TEST.random, u32(16))).body
  const { board: whole } = newBoard()
  const expected = [await draw(whole), await draw(whole)]
  const { board: cycled } = newBoard()
  const first = await draw(cycled)
  cycled.powerOff()
  cycled.powerOn()
  assert.equal([first, await draw(cycled)], expected)
})

test('the accelerator is reached through memory, and bad operands are a status', async () => {
  const { board } = newBoard()
  const good = (await submit(board, TEST.pka, Buffer.concat([u32(PKA_EC_GENERATE), Buffer.of(1)]))).body
  assert.is(good.readInt32BE(), 97)
  assert.is(good.length, 4 + 97)
  const bad = (await submit(board, TEST.pka, Buffer.concat([u32(PKA_EC_GENERATE), Buffer.of(9)]))).body
  assert.is(bad.readInt32BE(), -2)
})

test('every frame of a long random exchange is answered once', async () => {
  const { board } = newBoard()
  const seen = new Map<number, number>()
  for (let i = 0; i < 500; i++) {
    board.submit(request(TEST.echo, u32(i), i % 7), (result) => {
      assert.instance(result, Uint8Array)
      if (!(result instanceof Uint8Array)) return
      const { tag, body } = parse(result)
      assert.is(tag, body.readUInt32BE() % 7)
      seen.set(body.readUInt32BE(), (seen.get(body.readUInt32BE()) ?? 0) + 1)
    })
  }
  assert.is(seen.size, 500)
  assert.ok([...seen.values()].every((count) => count === 1))
})

test.run()
