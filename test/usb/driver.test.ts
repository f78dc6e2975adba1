import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME_HEADER, MAX_BODY } from '../../assembly/protocol.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { UsbTransport, usbIdentity, VirtualUsbDevice } from '../../host/usb/index.js'
import { bodyOf, EchoDoor, frame, isPending, rejects } from './support.js'

const test = suite('usb: driver')

const newDevice = (door = new EchoDoor()): VirtualUsbDevice => new VirtualUsbDevice(door, usbIdentity('700101'))

/** Throws where a second transfer starts on an endpoint that is busy, as some hosts do, and counts transfers. */
class StrictDevice extends VirtualUsbDevice {
  readonly #busy = new Set<string>()
  overlaps = 0

  async #alone<Result>(pipe: string, run: () => Promise<Result>): Promise<Result> {
    if (this.#busy.has(pipe)) {
      this.overlaps += 1
      throw new Error('endpoint not found')
    }
    this.#busy.add(pipe)
    try {
      return await run()
    } finally {
      this.#busy.delete(pipe)
    }
  }

  override transferIn(endpoint: number, length: number): Promise<USBInTransferResult> {
    return this.#alone(`in ${endpoint}`, () => super.transferIn(endpoint, length))
  }

  override transferOut(endpoint: number, data: BufferSource): Promise<USBOutTransferResult> {
    return this.#alone(`out ${endpoint}`, () => super.transferOut(endpoint, data))
  }
}

/** A device whose IN pipe gives what the test says. */
class ScriptedDevice extends VirtualUsbDevice {
  script: USBInTransferResult[] = []
  #waiting: ((result: USBInTransferResult) => void) | undefined

  say(bytes: Uint8Array, status: USBTransferStatus = 'ok'): void {
    this.#waiting?.({ status, data: new DataView(Uint8Array.from(bytes).buffer) })
  }

  override transferIn(endpoint: number, length: number): Promise<USBInTransferResult> {
    if (endpoint !== 1) return super.transferIn(endpoint, length)
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }
}

test('frames of any size go through, and come back under their own tag', async () => {
  const transport = await UsbTransport.open(newDevice())
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
  const device = new StrictDevice(new EchoDoor(), usbIdentity('1'))
  const transport = await UsbTransport.open(device)
  const bodies = Array.from({ length: 200 }, (_, i) => `request ${i}${'.'.repeat(7 * i)}`)
  const answers = await Promise.all(bodies.map((body) => transport.exchange(frame(7, Buffer.from(body), 1))))
  assert.equal(
    answers.map((answer) => bodyOf(answer).toString()),
    bodies,
  )
  assert.is(device.overlaps, 0)
  await transport.close()
})

test('a transfer of whole packets is followed by an empty one, others are not', async () => {
  const sizes: number[] = []
  class Counting extends VirtualUsbDevice {
    override transferOut(endpoint: number, data: BufferSource): Promise<USBOutTransferResult> {
      sizes.push(data.byteLength)
      return super.transferOut(endpoint, data)
    }
  }
  const transport = await UsbTransport.open(new Counting(new EchoDoor(), usbIdentity('1')))
  for (const size of [1024, 1025]) await transport.exchange(frame(7, Buffer.alloc(size - 24)))
  assert.equal(sizes, [1024, 0, 1025])
  await transport.close()
})

test('answers may come in any order', async () => {
  const door = new EchoDoor()
  const transport = await UsbTransport.open(newDevice(door))
  door.held = []
  const exchanges = ['a', 'b', 'c'].map((body) => transport.exchange(frame(7, Buffer.from(body), 4)))
  await isPending(Promise.all(exchanges))
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
  const transport = await UsbTransport.open(newDevice(door))
  door.held = []
  const exchanges = Array.from({ length: 100 }, (_, i) => transport.exchange(frame(7, Buffer.of(i))))
  assert.ok(await isPending(Promise.all(exchanges)))
  assert.ok(door.seen.length < 100, `${door.seen.length} were taken`)
  for (const release of door.held.splice(0)) release()
  door.held = undefined
  assert.is((await Promise.all(exchanges)).length, 100)
  await transport.close()
})

test('a malformed frame is refused and nothing is sent', async () => {
  const door = new EchoDoor()
  const transport = await UsbTransport.open(newDevice(door))
  for (const bad of [Buffer.alloc(0), frame(7).subarray(1), Buffer.concat([frame(7), Buffer.alloc(1)])]) {
    await rejects('TRANSPORT_FRAME', transport.exchange(bad))
  }
  assert.is(door.seen.length, 0)
  assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('fine')))).toString(), 'fine')
  await transport.close()
})

test('unplugging ends what is under way, and is noticed when nothing is', async () => {
  const door = new EchoDoor()
  const device = newDevice(door)
  const transport = await UsbTransport.open(device)
  door.held = []
  const ended = [1, 2, 3].map((tag) => rejects('TRANSPORT_REMOVED', transport.exchange(frame(7, Buffer.of(1), tag))))
  await isPending(Promise.all(ended))
  device.unplug()
  await Promise.all(ended)
  await transport.closed
  await rejects('TRANSPORT_REMOVED', transport.exchange(frame(7)))
  await transport.close()

  const idle = newDevice()
  const other = await UsbTransport.open(idle)
  idle.unplug()
  await other.closed
  await rejects('TRANSPORT_REMOVED', UsbTransport.open(idle))
})

test('close ends what is under way and gives the device back', async () => {
  const door = new EchoDoor()
  const device = newDevice(door)
  const transport = await UsbTransport.open(device)
  door.held = []
  const ended = rejects('TRANSPORT_CLOSED', transport.exchange(frame(7, Buffer.from('old'))))
  await isPending(ended)
  await transport.close()
  await ended
  await transport.closed
  await rejects('TRANSPORT_CLOSED', transport.exchange(frame(7)))
  assert.not(device.opened)

  // The next user does not see what the last one left behind.
  const next = await UsbTransport.open(device)
  const exchange = next.exchange(frame(7, Buffer.from('new')))
  await isPending(exchange)
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
    const device = new ScriptedDevice(new EchoDoor(), usbIdentity('1'))
    const transport = await UsbTransport.open(device)
    const ended = rejects('TRANSPORT_FRAME', transport.exchange(frame(7)))
    await isPending(ended)
    device.say(bytes, status)
    await ended
    await transport.closed
    assert.not(device.opened)
  }
})

test('a device that halts its OUT pipe ends the transport', async () => {
  class Halted extends VirtualUsbDevice {
    override async transferOut(): Promise<USBOutTransferResult> {
      return { status: 'stall', bytesWritten: 0 }
    }
  }
  const transport = await UsbTransport.open(new Halted(new EchoDoor(), usbIdentity('1')))
  await rejects('TRANSPORT_FRAME', transport.exchange(frame(7)))
  await transport.closed
})

test('a host that throws while the device is not configured, and one that is configured already', async () => {
  class Throwing extends VirtualUsbDevice {
    override get configuration(): USBConfiguration | null {
      const configuration = super.configuration
      if (!configuration) throw new Error('not configured')
      return configuration
    }
  }
  const transport = await UsbTransport.open(new Throwing(new EchoDoor(), usbIdentity('1')))
  assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('x')))).toString(), 'x')
  await transport.close()

  const configured = newDevice()
  await configured.open()
  await configured.selectConfiguration(1)
  await (await UsbTransport.open(configured)).close()
})

test('a device without the token interface is refused and closed', async () => {
  class Mouse extends VirtualUsbDevice {
    override get configuration(): USBConfiguration | null {
      return { configurationValue: 1, configurationName: null, interfaces: [] }
    }
  }
  const mouse = new Mouse(new EchoDoor(), usbIdentity('1'))
  await rejects('USB_UNSUITABLE', UsbTransport.open(mouse))
  assert.not(mouse.opened)
  class Forbidden extends VirtualUsbDevice {
    override open(): Promise<void> {
      return Promise.reject(new DOMException('access denied', 'SecurityError'))
    }
  }
  await rejects('USB_OPEN', UsbTransport.open(new Forbidden(new EchoDoor(), usbIdentity('1'))))
})

test.run()
