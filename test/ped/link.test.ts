import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { frameCable } from '../../host/board/frame-link.js'
import { PedError } from '../../host/ped/index.js'
import { insert, press, Script, secretOf, withDesk } from './desk.js'
import { alertReason, HsmSide } from './hsm-side.js'

const test = suite('ped: link')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }

test('a local link needs no person, and its requests are answered in order', () =>
  withDesk(new Script(insert('blue'), insert('blue')), async ({ plug }) => {
    const hsm = plug()
    assert.ok(await hsm.hello())
    for (const sequence of [1, 2]) {
      const answer = await hsm.request(PRESENT_SO)
      assert.equal(answer, { sequence, status: protocol.PED_STATUS_OK, flags: 0, secret: secretOf('blue') })
    }
  }))

test('a remote link is good with the vector of the orange key', () => {
  const operator = new Script(insert('orange'), insert('blue'))
  return withDesk(operator, async ({ plug, ped }) => {
    const hsm = plug({ remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    assert.match(operator.screens[0] ?? '', /Insert a Remote PED PED Key \(orange\)/)
    assert.equal(ped.lcd.slice(0, 2), ['Remote PED mode', 'Awaiting command...'])
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
  })
})

test('another vector gives another tag and other keys', () =>
  withDesk(new Script(insert('orange')), async ({ plug }) => {
    const hsm = plug({ remote: true, vector: secretOf('another orange key') })
    assert.not(await hsm.hello())
    hsm.ask(PRESENT_SO)
    assert.is(alertReason(await hsm.next()), protocol.PED_STATUS_ERROR)
  }))

test('the orange key is asked for until it comes', () => {
  const operator = new Script(insert('blue'), insert('blank-1'), insert('orange'))
  return withDesk(operator, async ({ plug }) => {
    assert.ok(await plug({ remote: true, vector: secretOf('orange') }).hello())
    assert.equal(
      operator.prompts.map(({ question, attempt }) => [question, attempt]),
      [
        ['key', 0],
        ['key', 1],
        ['key', 2],
      ],
    )
  })
})

test('no orange key: an alert, once the time is over or the person gives up', async () => {
  const waiting = new Script()
  await withDesk(waiting, async ({ plug, clock }) => {
    const hsm = plug({ remote: true })
    const refused = hsm.hello().then(
      () => 'accepted',
      (error: Error) => error.message,
    )
    await waiting.waiting
    clock.advance(protocol.PED_KEY_TIMEOUT)
    const alert = hsm.frame(protocol.PED_ALERT, 0, Uint8Array.of(protocol.PED_STATUS_TIMEOUT))
    assert.is(await refused, `not a HELLO_ACK: ${alert.toString('hex')}`)
  })
  await withDesk(new Script(press('cancel')), async ({ plug }) => {
    const hsm = plug({ remote: true })
    const alert = hsm.frame(protocol.PED_ALERT, 0, Uint8Array.of(protocol.PED_STATUS_CANCELLED))
    await hsm.hello().then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, `not a HELLO_ACK: ${alert.toString('hex')}`),
    )
  })
})

test('one PED serves one HSM at a time', () =>
  withDesk(new Script(insert('blue')), async ({ plug, ped }) => {
    plug()
    const [, second] = frameCable()
    try {
      ped.connect(second)
      assert.unreachable('two HSMs on one PED')
    } catch (error) {
      assert.instance(error, PedError)
      assert.is(error instanceof PedError && error.code, 'PED_IN_USE')
    }
    ped.disconnect()
    const hsm = plug()
    assert.ok(await hsm.hello())
    assert.is((await hsm.request(PRESENT_SO)).status, protocol.PED_STATUS_OK)
  }))

test('a changed bit anywhere in a request: nobody is asked, and the next request is served', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat({ max: 7 }), async (at, bit) => {
      const operator = new Script(insert('blue'))
      await withDesk(operator, async ({ plug }) => {
        const hsm = plug()
        await hsm.hello()
        const frame = hsm.seal(++hsm.sequence, hsm.plaintext(PRESENT_SO))
        const index = at % frame.length
        frame.writeUInt8(frame.readUInt8(index) ^ (1 << bit), index)
        hsm.send(frame)
        hsm.ask(PRESENT_SO)
        const first = await hsm.next()
        const answer = hsm.open(alertReason(first) === undefined ? first : await hsm.next())
        assert.equal([answer.sequence, answer.status], [2, protocol.PED_STATUS_OK])
        assert.is(operator.prompts.length, 1)
      })
    }),
    { numRuns: 100 },
  )
})

test('a changed ciphertext, tag or length of a request is told to the HSM that waits', () =>
  withDesk(new Script(), async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    for (const change of [
      (frame: Buffer) => frame.writeUInt8(frame.readUInt8(20) ^ 1, 20),
      (frame: Buffer) => frame.subarray(-16).fill(0),
    ]) {
      const frame = hsm.seal(++hsm.sequence, hsm.plaintext(PRESENT_SO))
      change(frame)
      hsm.send(frame)
      const alert = await hsm.next()
      assert.is(alertReason(alert), protocol.PED_STATUS_ERROR)
      assert.is(alert.readUInt32BE(8), hsm.sequence, 'it names the request')
    }
  }))

test('replayed and reordered requests are not looked at', () => {
  const operator = new Script(insert('blue'), insert('blue'), insert('blue'))
  return withDesk(operator, async ({ plug, events }) => {
    const hsm = plug()
    await hsm.hello()
    const first = hsm.ask(PRESENT_SO)
    assert.is((await hsm.answer()).sequence, 1)
    const [second, third] = [hsm.seal(2, hsm.plaintext(PRESENT_SO)), hsm.seal(3, hsm.plaintext(PRESENT_SO))]
    hsm.send(third)
    assert.is((await hsm.answer()).sequence, 3)
    for (const old of [first, second, third, hsm.seal(0, hsm.plaintext(PRESENT_SO))]) hsm.send(old)
    hsm.send(hsm.seal(4, hsm.plaintext(PRESENT_SO)))
    assert.is((await hsm.answer()).sequence, 4, 'nothing came between')
    assert.is(operator.prompts.length, 3)
    assert.is(events.filter(({ event }) => event === 'fault').length, 4)
  })
})

test('a request of an earlier link does not open on the next', () =>
  withDesk(new Script(insert('blue'), insert('blue')), async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    const old = hsm.ask(PRESENT_SO)
    await hsm.answer()
    assert.ok(await hsm.hello(), 'an HSM that restarted says hello again on the same cable')
    hsm.send(old)
    assert.is(alertReason(await hsm.next()), protocol.PED_STATUS_ERROR)
    assert.is((await hsm.request(PRESENT_SO)).status, protocol.PED_STATUS_OK)
  }))

test('a new request takes the place of the one under way', () => {
  const operator = new Script()
  return withDesk(operator, async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    hsm.ask(PRESENT_SO)
    await operator.waiting
    operator.more(insert('blue'))
    const answer = await hsm.request(PRESENT_SO)
    assert.equal([answer.sequence, answer.status], [2, protocol.PED_STATUS_OK])
  })
})

test('noise on the line changes nothing, not even for the request under way', () => {
  const operator = new Script()
  return withDesk(operator, async ({ plug, events, clock }) => {
    const hsm = plug()
    await hsm.hello()
    const request = hsm.ask({ ...PRESENT_SO, seconds: 5 })
    await operator.waiting
    const otherVersion = hsm.frame(protocol.PED_CLOSE, 0, new Uint8Array(0))
    otherVersion.writeUInt8(2, 5)
    const otherConnector = hsm.frame(protocol.PED_CLOSE, 0, new Uint8Array(0))
    otherConnector.writeUInt16BE(7, 6)
    const noise = [
      ...[Buffer.alloc(0), randomBytes(16), request, request.subarray(0, -1), otherVersion, otherConnector],
      hsm.frame(protocol.PED_REQUEST, 9, Buffer.alloc(protocol.PED_MAX_FRAME)),
      hsm.frame(protocol.PED_CANCEL, 1, Buffer.alloc(1)),
      hsm.frame(protocol.PED_CLOSE, 1, Buffer.alloc(1)),
    ]
    for (const frame of noise) hsm.send(frame)
    // From a PED, and of no type there is: not for this end of the cable.
    for (const type of [protocol.PED_ANSWER, protocol.PED_HELLO_ACK, protocol.PED_ALERT, 99])
      hsm.send(hsm.frame(type, 1, Buffer.alloc(1)))
    await new Promise(setImmediate)
    assert.is(events.filter(({ event }) => event === 'fault').length, noise.length)
    clock.advance(5000)
    assert.is((await hsm.answer()).status, protocol.PED_STATUS_TIMEOUT)
  })
})

test('a request before any hello is told that it comes to nothing', () =>
  withDesk(new Script(), async ({ plug }) => {
    const hsm = plug()
    hsm.send(hsm.frame(protocol.PED_REQUEST, 3, Buffer.alloc(72)))
    const alert = await hsm.next()
    assert.equal([alertReason(alert), alert.readUInt32BE(8)], [protocol.PED_STATUS_ERROR, 3])
    assert.ok(await hsm.hello())
  }))

test('a hello that is not right ends in an alert, and the link that stood goes on', () =>
  withDesk(new Script(insert('blue')), async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    const noPoint = hsm.frame(
      protocol.PED_HELLO,
      0,
      Buffer.concat([Buffer.alloc(12), randomBytes(32), Buffer.alloc(97, 4)]),
    )
    const numbered = Buffer.from(noPoint)
    numbered.writeUInt32BE(1, 8)
    const reserved = Buffer.from(noPoint)
    reserved.writeUInt8(1, 17)
    for (const hello of [noPoint, numbered, reserved, hsm.frame(protocol.PED_HELLO, 0, Buffer.alloc(140))]) {
      hsm.send(hello)
      assert.is(alertReason(await hsm.next()), protocol.PED_STATUS_ERROR)
    }
    assert.is((await hsm.request(PRESENT_SO)).status, protocol.PED_STATUS_OK)
  }))

test('a hello whose mode does not fit the connector is refused', () =>
  withDesk(new Script(), async ({ plug }) => {
    const hsm = plug()
    const [remote] = frameCable()
    const body = Buffer.alloc(141)
    for (const [frame, mode] of [
      [hsm.frame(protocol.PED_HELLO, 0, body), 1],
      [new HsmSide(remote, { remote: true }).frame(protocol.PED_HELLO, 0, body), 0],
      [hsm.frame(protocol.PED_HELLO, 0, body), 2],
    ] as const) {
      frame.writeUInt8(mode, protocol.PED_HEADER)
      hsm.send(frame)
      assert.is(alertReason(await hsm.next()), protocol.PED_STATUS_ERROR)
    }
  }))

test('a request that opens but makes no sense is answered as an error, and the link goes on', () =>
  withDesk(new Script(insert('blue')), async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    const good = hsm.plaintext(PRESENT_SO)
    const secret = secretOf('misplaced')
    const bad = [
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      hsm.plaintext({ ...PRESENT_SO, secret }),
      hsm.plaintext({ op: 9, kind: protocol.PED_KIND_SO }),
      hsm.plaintext({ op: protocol.PED_OP_PRESENT, kind: 7 }),
      hsm.plaintext({ op: protocol.PED_OP_MAKE, kind: 0, secret }),
      hsm.plaintext({ op: protocol.PED_OP_SHOW, text: 'x'.repeat(200) }),
    ]
    for (const plaintext of bad) {
      hsm.send(hsm.seal(++hsm.sequence, plaintext))
      assert.is((await hsm.answer()).status, protocol.PED_STATUS_ERROR)
    }
    assert.is((await hsm.request(PRESENT_SO)).status, protocol.PED_STATUS_OK)
  }))

test('the HSM gives up: no answer, and the next request is served', () => {
  const operator = new Script()
  return withDesk(operator, async ({ plug, ped }) => {
    const hsm = plug()
    await hsm.hello()
    hsm.ask(PRESENT_SO)
    await operator.waiting
    hsm.cancel()
    operator.more(insert('blue'))
    const answer = await hsm.request(PRESENT_SO)
    assert.is(answer.sequence, 2)
    assert.is(answer.status, protocol.PED_STATUS_OK)
    assert.ok(ped.events.some((event) => event.event === 'given-up' && event.sequence === 1))
    hsm.cancel()
    operator.more(insert('blue'))
    assert.is((await hsm.request(PRESENT_SO)).sequence, 3, 'a CANCEL that crosses the answer means nothing')
  })
})

test('CLOSE ends the link; a remote one lets the PED go', async () => {
  await withDesk(new Script(), async ({ plug, ped }) => {
    const hsm = plug()
    await hsm.hello()
    hsm.close()
    hsm.send(hsm.seal(1, hsm.plaintext(PRESENT_SO)))
    assert.is(alertReason(await hsm.next()), protocol.PED_STATUS_ERROR)
    assert.ok(ped.connected)
  })
  await withDesk(new Script(insert('orange')), async ({ plug, ped, events }) => {
    const hsm = plug({ remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    hsm.close()
    await new Promise(setImmediate)
    assert.not(ped.connected)
    assert.is(events.at(-1)?.event, 'disconnected')
  })
})

test('a pulled cable ends the question that stands', () => {
  const operator = new Script()
  return withDesk(operator, async ({ plug, ped }) => {
    const hsm = plug()
    await hsm.hello()
    hsm.ask(PRESENT_SO)
    await operator.waiting
    ped.disconnect()
    assert.not(ped.connected)
    assert.equal(ped.lcd.slice(0, 2), ['PED', 'Not connected'])
    operator.more(insert('blue'))
    const next = plug()
    await next.hello()
    assert.is((await next.request(PRESENT_SO)).status, protocol.PED_STATUS_OK)
  })
})

test.run()
