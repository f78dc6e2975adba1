// test-timeout: 120
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME_HEADER, MAX_BODY } from '../../assembly/protocol.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { type UsbEvent, UsbTransport } from '../../host/usb/index.js'
import { CABLES, type Cable, changed, type PluggedIn, until } from './cables.js'
import { bodyOf, EchoDoor, frame, isPending, rejects } from './support.js'

/** Throws where a second transfer starts on an endpoint that is busy, as some hosts do; `overlaps` counts them. */
function strict(device: USBDevice): { device: USBDevice; overlaps(): number } {
  const busy = new Set<string>()
  let overlaps = 0
  const alone = async <Result>(pipe: string, run: () => Promise<Result>): Promise<Result> => {
    if (busy.has(pipe)) {
      overlaps += 1
      throw new Error('endpoint not found')
    }
    busy.add(pipe)
    try {
      return await run()
    } finally {
      busy.delete(pipe)
    }
  }
  const stricter = changed(device, (inner) => ({
    transferIn: (endpoint, length) => alone(`in ${endpoint}`, () => inner.transferIn(endpoint, length)),
    transferOut: (endpoint, data) => alone(`out ${endpoint}`, () => inner.transferOut(endpoint, data)),
  }))
  return { device: stricter, overlaps: () => overlaps }
}

/** A device whose IN pipe gives what the test says. */
function scripted(device: USBDevice): { device: USBDevice; say(bytes: Uint8Array, status: USBTransferStatus): void } {
  let waiting: ((result: USBInTransferResult) => void) | undefined
  const saying = changed(device, (inner) => ({
    transferIn: (endpoint, length) => {
      if (endpoint !== 1) return inner.transferIn(endpoint, length)
      return new Promise((resolve) => {
        waiting = resolve
      })
    },
  }))
  const say = (bytes: Uint8Array, status: USBTransferStatus): void =>
    waiting?.({ status, data: new DataView(Uint8Array.from(bytes).buffer) })
  return { device: saying, say }
}

for (const cable of CABLES) driverOver(cable)

function driverOver(cable: Cable): void {
  const test = suite(`usb: driver, ${cable.name}`)
  const open: PluggedIn[] = []
  const plug = async (door = new EchoDoor()): Promise<PluggedIn> => {
    const plugged = await cable.plug(door)
    open.push(plugged)
    return plugged
  }
  test.after.each(async () => {
    for (const plugged of open.splice(0)) await plugged.close()
  })

  test('frames of any size go through, and come back under their own tag', async () => {
    const transport = await UsbTransport.open((await plug()).device)
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat({ max: 3000 }), fc.constantFrom(488, 1000, 512 * 9 - 24, MAX_BODY)),
        fc.nat({ max: 0xffffffff }),
        async (length, tag) => {
          const body = Buffer.alloc(length, length)
          const answer = Buffer.from(await transport.exchange(frame(7, body, tag)))
          assert.is(answer.readUInt32BE(8), tag)
          assert.equal(bodyOf(answer), body)
        },
      ),
      { numRuns: 50 },
    )
    await transport.close()
  })

  test('many exchanges at a time, one tag, never two transfers on an endpoint', async () => {
    const { device, overlaps } = strict((await plug()).device)
    const transport = await UsbTransport.open(device)
    const bodies = Array.from({ length: 200 }, (_, i) => `request ${i}${'.'.repeat(7 * i)}`)
    const answers = await Promise.all(bodies.map((body) => transport.exchange(frame(7, Buffer.from(body), 1))))
    assert.equal(
      answers.map((answer) => bodyOf(answer).toString()),
      bodies,
    )
    assert.is(overlaps(), 0)
    await transport.close()
  })

  test('a transfer of whole packets is followed by an empty one, others are not', async () => {
    const sizes: number[] = []
    const counting = changed((await plug()).device, (inner) => ({
      transferOut: (endpoint, data) => {
        sizes.push(data.byteLength)
        return inner.transferOut(endpoint, data)
      },
    }))
    const transport = await UsbTransport.open(counting)
    for (const size of [1024, 1025]) await transport.exchange(frame(7, Buffer.alloc(size - 24)))
    assert.equal(sizes, [1024, 0, 1025])
    await transport.close()
  })

  test('answers may come in any order', async () => {
    const door = new EchoDoor()
    const transport = await UsbTransport.open((await plug(door)).device)
    door.held = []
    const exchanges = ['a', 'b', 'c'].map((body) => transport.exchange(frame(7, Buffer.from(body), 4)))
    await until(() => door.held?.length === 3)
    const [first, second, third] = door.held
    third?.()
    assert.is(bodyOf((await exchanges[2]) ?? Buffer.alloc(0)).toString(), 'c')
    first?.()
    second?.()
    assert.equal(
      (await Promise.all(exchanges)).map((answer) => bodyOf(answer).toString()),
      ['a', 'b', 'c'],
    )
    await transport.close()
  })

  test('more than the device takes at a time only waits', async () => {
    const door = new EchoDoor()
    const transport = await UsbTransport.open((await plug(door)).device)
    door.held = []
    const exchanges = Array.from({ length: 100 }, (_, i) => transport.exchange(frame(7, Buffer.of(i))))
    await until(() => door.seen.length >= 16)
    assert.ok(await isPending(Promise.all(exchanges)))
    assert.ok(door.seen.length < 100, `${door.seen.length} were taken`)
    for (const release of door.held.splice(0)) release()
    door.held = undefined
    assert.is((await Promise.all(exchanges)).length, 100)
    await transport.close()
  })

  test('a malformed frame is refused and nothing is sent', async () => {
    const door = new EchoDoor()
    const transport = await UsbTransport.open((await plug(door)).device)
    for (const bad of [Buffer.alloc(0), frame(7).subarray(1), Buffer.concat([frame(7), Buffer.alloc(1)])]) {
      await rejects('TRANSPORT_FRAME', transport.exchange(bad))
    }
    assert.is(door.seen.length, 0)
    assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('fine')))).toString(), 'fine')
    await transport.close()
  })

  test('unplugging ends what is under way, and is noticed when nothing is', async () => {
    const door = new EchoDoor()
    const { device, unplug } = await plug(door)
    const transport = await UsbTransport.open(device)
    door.held = []
    const ended = [1, 2, 3].map((tag) => rejects('TRANSPORT_REMOVED', transport.exchange(frame(7, Buffer.of(1), tag))))
    await until(() => door.held?.length === 3)
    await unplug()
    await Promise.all(ended)
    await transport.closed
    await rejects('TRANSPORT_REMOVED', transport.exchange(frame(7)))
    await transport.close()

    const idle = await plug()
    const other = await UsbTransport.open(idle.device)
    await idle.unplug()
    await other.closed
    await rejects('TRANSPORT_REMOVED', UsbTransport.open(idle.device))
  })

  test('close ends what is under way and gives the device back', async () => {
    const door = new EchoDoor()
    const { device } = await plug(door)
    const transport = await UsbTransport.open(device)
    door.held = []
    const ended = rejects('TRANSPORT_CLOSED', transport.exchange(frame(7, Buffer.from('old'))))
    await until(() => door.held?.length === 1)
    await transport.close()
    await ended
    await transport.closed
    await rejects('TRANSPORT_CLOSED', transport.exchange(frame(7)))
    assert.not(device.opened)

    // The next user does not see what the last one left behind.
    const next = await UsbTransport.open(device)
    const exchange = next.exchange(frame(7, Buffer.from('new')))
    await until(() => door.held?.length === 2)
    for (const release of door.held.splice(0)) release()
    assert.is(bodyOf(await exchange).toString(), 'new')
    await next.close()
  })

  test('a device that does not keep to the framing ends the transport', async () => {
    const short = frame(7)
    short.writeUInt32BE(1, 12)
    const cases: readonly (readonly [Uint8Array, USBTransferStatus])[] = [
      [Buffer.from('HTTP/1.1'), 'ok'],
      [encodeTransfer(frame(7, Buffer.alloc(0), 77)), 'ok'],
      [encodeTransfer(short), 'ok'],
      [Buffer.alloc(FRAME_HEADER), 'babble'],
      [Buffer.alloc(0), 'stall'],
    ]
    for (const [bytes, status] of cases) {
      const door = new EchoDoor()
      const { device, say } = scripted((await plug(door)).device)
      const transport = await UsbTransport.open(device)
      const ended = rejects('TRANSPORT_FRAME', transport.exchange(frame(7)))
      await until(() => door.seen.length === 1)
      say(bytes, status)
      await ended
      await transport.closed
      assert.not(device.opened)
    }
  })

  test('a device that halts its OUT pipe ends the transport', async () => {
    const halted = changed((await plug()).device, () => ({
      transferOut: async () => ({ status: 'stall', bytesWritten: 0 }),
    }))
    const transport = await UsbTransport.open(halted)
    await rejects('TRANSPORT_FRAME', transport.exchange(frame(7)))
    await transport.closed
  })

  test('a host that throws while the device is not configured, and one that is configured already', async () => {
    const throwing = changed((await plug()).device, (inner) => ({
      get configuration() {
        if (!inner.configuration) throw new Error('not configured')
        return inner.configuration
      },
    }))
    const transport = await UsbTransport.open(throwing)
    assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('x')))).toString(), 'x')
    await transport.close()

    const { device } = await plug()
    await device.open()
    await device.selectConfiguration(1)
    await (await UsbTransport.open(device)).close()
  })

  test('a device without the token interface is refused and closed', async () => {
    const mouse = changed((await plug()).device, () => ({
      configuration: { configurationValue: 1, configurationName: null, interfaces: [] },
    }))
    await rejects('USB_UNSUITABLE', UsbTransport.open(mouse))
    assert.not(mouse.opened)
    const forbidden = changed((await plug()).device, () => ({
      open: () => Promise.reject(new DOMException('access denied', 'SecurityError')),
    }))
    await rejects('USB_OPEN', UsbTransport.open(forbidden))
  })

  test('what happens at the device is told, in order, and once', async () => {
    const { device, model } = await plug()
    const transport = await UsbTransport.open(device)
    const told: UsbEvent[] = []
    transport.onEvent((event) => told.push(event))
    // What happens before the host could have heard of the first one counts once.
    for (const cause of [1, 1, 4]) model.notify('tamper', cause)
    model.notify('attend')
    await until(() => told.length >= 3)
    assert.equal(
      told.filter(({ event }) => event === 'attend'),
      [{ event: 'attend', detail: 0 }],
    )
    assert.equal(told.at(-1), { event: 'attend', detail: 0 })
    assert.equal([...new Set(told.filter(({ event }) => event === 'tamper').map(({ detail }) => detail))], [1, 4])
    model.notify('removal')
    await until(() => told.at(-1)?.event === 'removal')
    assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('still here')))).toString(), 'still here')
    await transport.close()
  })

  test.run()
}
