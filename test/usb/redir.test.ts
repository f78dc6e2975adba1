// test-timeout: 120
// The usbredir server: what it says, what it takes, and what it does with guests that say anything.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeTransfer } from '../../host/usb/framing.js'
import { type RedirEvent, RedirServer, TokenDevice, type UsbipLimits, usbIdentity } from '../../host/usb/index.js'
import { BUS_ID, until } from './cables.js'
import { ALL_CAPABILITIES, bulk, control, hello, packet, RedirGuest, TYPES } from './redir-guest.js'
import { EchoDoor, frame, rejects } from './support.js'

const SEED = Number(process.env.USB_SEED ?? Math.floor(Math.random() * 2 ** 31))
const MESSAGES = 5000
const test = suite(`usb: usbredir server, seed ${SEED} (USB_SEED)`)

const [SUCCESS, CANCELLED, INVALID, FAILED, STALL] = [0, 1, 2, 3, 4]
const GET_DEVICE = '8006000100001200'

interface Bench {
  readonly server: RedirServer
  readonly port: number
  readonly door: EchoDoor
  readonly model: TokenDevice
  readonly events: RedirEvent[]
}

const open: RedirServer[] = []

async function bench(limits: Partial<UsbipLimits> = {}): Promise<Bench> {
  const events: RedirEvent[] = []
  const onEvent = (event: RedirEvent): void => {
    events.push(event)
  }
  const server = await RedirServer.listen({ host: '127.0.0.1', port: 0, limits, onEvent })
  open.push(server)
  const door = new EchoDoor()
  const model = new TokenDevice(door, usbIdentity('700101'))
  server.plug(BUS_ID, model)
  return { server, port: server.port, door, model, events }
}

test.after.each(async () => {
  for (const server of open.splice(0)) await server.close()
})

const names = (events: readonly RedirEvent[]): string[] => events.map(({ event }) => event)

async function configured(port: number, capabilities = ALL_CAPABILITIES): Promise<RedirGuest> {
  const guest = await RedirGuest.attached(port, capabilities)
  guest.send(TYPES.setConfiguration, 1, Buffer.of(1))
  assert.equal([...(await guest.next(TYPES.configurationStatus)).body], [SUCCESS, 1])
  return guest
}

// ---- what a guest hears ---------------------------------------------------------------------------------------------

test('a guest is told the interfaces, the endpoints, the device', async () => {
  const { port } = await bench()
  const guest = await RedirGuest.attached(port)
  assert.equal(
    guest.packets.map(({ type }) => type),
    [TYPES.hello, TYPES.interfaces, TYPES.endpoints, TYPES.connect],
  )
  const [greeting, interfaces, endpoints, connect] = guest.packets.map(({ body }) => body)
  assert.is(greeting?.toString('latin1', 0, 7), 'Moonlet')
  assert.is(greeting?.readUInt32LE(64), ALL_CAPABILITIES)
  assert.is(interfaces?.length, 132)
  assert.equal(
    [1, 0, 0xff, 0x4d, 0x4c],
    [0, 4, 36, 68, 100].map((at) => interfaces?.[at]),
  )
  assert.is(endpoints?.length, 160)
  // Types: control at 0 and 16, bulk OUT at 1, bulk IN at 17, interrupt IN at 18, nothing anywhere else.
  const types = [...(endpoints?.subarray(0, 32) ?? [])]
  assert.equal(
    types.flatMap((type, i) => (type === 255 ? [] : [[i, type]])),
    [
      [0, 0],
      [1, 2],
      [16, 0],
      [17, 2],
      [18, 3],
    ],
  )
  assert.equal(
    [512, 512, 8],
    [1, 17, 18].map((slot) => endpoints?.readUInt16LE(96 + 2 * slot)),
  )
  assert.is(connect?.toString('hex'), '02000000' + '0912' + '484c' + '0001')
})

test('a guest that can do less is told less', async () => {
  const { port } = await bench()
  const guest = await RedirGuest.attached(port, 0)
  assert.is((await guest.next(TYPES.connect)).body.length, 8)
  assert.is((await guest.next(TYPES.endpoints)).body.length, 96)
  guest.send(TYPES.control, 7, control(GET_DEVICE, 0x80))
  const { id, body } = await guest.next(TYPES.control)
  assert.equal([id, body[3], body.readUInt16LE(8), body.length], [7n, SUCCESS, 18, 28])
})

test('control requests: data, a stall', async () => {
  const { port } = await bench()
  const guest = await RedirGuest.attached(port)
  guest.send(TYPES.control, 1, control(GET_DEVICE, 0x80))
  guest.send(TYPES.control, 2, control('c099000000000400', 0x80))
  const [device, none] = [await guest.next(TYPES.control), await guest.next(TYPES.control)]
  assert.equal([device.body[3], device.body.length], [SUCCESS, 28])
  assert.equal([none.id, none.body[3], none.body.readUInt16LE(8), none.body.length], [2n, STALL, 0, 10])
})

test('bulk: a command and its answer; a read that is cancelled is answered once, and its answer is for the next', async () => {
  const { port } = await bench()
  const guest = await configured(port)
  guest.send(TYPES.bulk, 10, bulk(0x81, 4096))
  guest.send(TYPES.cancel, 10)
  guest.send(TYPES.cancel, 10)
  const given = await guest.next(TYPES.bulk)
  assert.equal([given.id, given.body[1], given.body.length], [10n, CANCELLED, 10])
  const command = encodeTransfer(frame(7, Buffer.from('hello')))
  guest.send(TYPES.bulk, 11, bulk(1, command.length, command))
  guest.send(TYPES.bulk, 12, bulk(0x81, 4096))
  const [out, answer] = [await guest.next(TYPES.bulk), await guest.next(TYPES.bulk)]
  assert.equal([out.id, out.body[1], out.body.readUInt16LE(2), out.body.length], [11n, SUCCESS, command.length, 10])
  assert.equal([answer.id, answer.body[1], answer.body.length], [12n, SUCCESS, 10 + command.length])
  assert.is(answer.body.toString('latin1', 10, 14), 'MLU1')
})

test('an endpoint of another kind, a stream, isochronous: invalid; too much under way: failed', async () => {
  const { port } = await bench({ urbs: 1 })
  const guest = await configured(port)
  for (const body of [bulk(0x82, 8), bulk(0x83, 8), bulk(0x81, 8, undefined, 1)]) {
    guest.send(TYPES.bulk, 1, body)
    assert.is((await guest.next(TYPES.bulk)).body[1], INVALID)
  }
  guest.send(TYPES.startIsochronous, 2, Buffer.of(0x81, 1, 1))
  assert.equal([...(await guest.next(TYPES.isochronousStatus)).body], [INVALID, 0x81])
  guest.send(TYPES.startInterrupt, 3, Buffer.of(0x81))
  assert.equal([...(await guest.next(TYPES.interruptStatus)).body], [INVALID, 0x81])
  guest.send(TYPES.bulk, 4, bulk(0x81, 512))
  guest.send(TYPES.bulk, 5, bulk(0x81, 512))
  const refused = await guest.next(TYPES.bulk)
  assert.equal([refused.id, refused.body[1]], [5n, FAILED])
})

test('interrupts come from when they are asked for until they are not', async () => {
  const { port, model } = await bench()
  const guest = await configured(port)
  guest.send(TYPES.startInterrupt, 1, Buffer.of(0x82))
  assert.equal([...(await guest.next(TYPES.interruptStatus)).body], [SUCCESS, 0x82])
  model.notify('attend')
  model.notify('tamper', 3)
  const [first, second] = [await guest.next(TYPES.interrupt), await guest.next(TYPES.interrupt)]
  assert.equal([...first.body], [0x82, SUCCESS, 4, 0, 1, 0, 0, 0])
  assert.equal([second.id - first.id, second.body[4]], [1n, 2])
  guest.send(TYPES.stopInterrupt, 2, Buffer.of(0x82))
  await guest.next(TYPES.interruptStatus)
  model.notify('attend', 1)
  guest.send(TYPES.control, 3, control(GET_DEVICE, 0x80))
  await guest.next(TYPES.control)
  assert.ok(guest.packets.every(({ type }) => type !== TYPES.interrupt))
})

test('a reset ends what is under way and leaves the device unconfigured', async () => {
  const { port, model } = await bench()
  const guest = await configured(port)
  guest.send(TYPES.bulk, 10, bulk(0x81, 4096))
  guest.send(TYPES.reset, 0)
  assert.is((await guest.next(TYPES.bulk)).body[1], CANCELLED)
  assert.is(model.configuration, 0)
})

// ---- plugging, filters ----------------------------------------------------------------------------------------------

test('a guest stays while the device is pulled out, and gets it again once it has acknowledged that', async () => {
  const { server, port, model, events } = await bench()
  const guest = await configured(port)
  await server.unplug(BUS_ID)
  await guest.next(TYPES.disconnect)
  await rejects(
    'USB_ONE_DEVICE',
    (async () => {
      server.plug(BUS_ID, model)
      server.plug('1-2', model)
    })(),
  )
  await guest.until(() => guest.hasDevice)
  assert.is(model.configuration, 0)
  assert.equal(names(events), ['plugged', 'connected', 'imported', 'released', 'unplugged', 'plugged', 'imported'])
})

test("packets that were on their way when the device was pulled out are nobody's", async () => {
  const { server, port, door, model } = await bench()
  // No acknowledgement comes from this one by itself.
  const guest = await configured(port, ALL_CAPABILITIES & ~(1 << 3))
  await server.unplug(BUS_ID)
  const command = encodeTransfer(frame(7))
  guest.send(TYPES.bulk, 11, bulk(1, command.length, command))
  guest.send(TYPES.control, 12, control(GET_DEVICE, 0x80))
  server.plug(BUS_ID, model)
  await guest.until(() => guest.hasDevice)
  assert.is(door.seen.length, 0)
})

test('one guest at a time; the next one has a device as after plugging in', async () => {
  const { port, events, model } = await bench()
  const first = await configured(port)
  const second = await RedirGuest.open(port)
  // Not for its silence.
  second.greet()
  await second.closed
  first.socket.destroy()
  await until(() => names(events).includes('released'))
  assert.is(model.configuration, 0)
  await RedirGuest.attached(port)
})

test('a filter keeps the device out, and so does a guest that rejects it', async () => {
  const { port, events } = await bench()
  for (const [rules, lets] of [
    ['0x03,-1,-1,-1,0|-1,-1,-1,-1,1', true],
    ['0xff,0x1209,0x4c48,-1,1', true],
    ['0xff,0x1209,0x4c49,-1,1', false],
    ['-1,-1,-1,-1,0', false],
  ] as const) {
    events.splice(0)
    const guest = await RedirGuest.open(port)
    guest.greet()
    guest.send(TYPES.filter, 0, Buffer.from(`${rules}\0`))
    // It may have the device before its filter has come.
    if (lets) {
      await guest.until(() => guest.hasDevice)
      guest.send(TYPES.control, 1, control(GET_DEVICE, 0x80))
      await guest.next(TYPES.control)
    } else await until(() => names(events).includes('rejected'))
    assert.is(guest.hasDevice, lets, rules)
    assert.is(names(events).includes('rejected'), !lets, rules)
    guest.socket.destroy()
    await until(() => names(events).includes('disconnected'))
  }
  events.splice(0)
  const guest = await RedirGuest.attached(port)
  guest.send(TYPES.reject, 0)
  await until(() => names(events).includes('released'))
  assert.ok(names(events).includes('rejected'))
})

// ---- guests that break the rules --------------------------------------------------------------------------------------

test('what no guest may say ends the connection', async () => {
  const { port, events } = await bench()
  for (const [type, body] of [
    [TYPES.hello, hello().subarray(12)],
    [TYPES.connect, Buffer.alloc(10)],
    [999, Buffer.alloc(0)],
    [TYPES.setConfiguration, Buffer.alloc(0)],
    [TYPES.control, Buffer.alloc(4)],
    [TYPES.control, control('8006000100001200', 0x80, Buffer.alloc(18))],
    [TYPES.control, control('0009010000000400', 0, Buffer.alloc(3))],
    [TYPES.bulk, bulk(1, 5, Buffer.alloc(4))],
    [TYPES.bulk, bulk(0x81, 5, Buffer.alloc(5))],
    [TYPES.interrupt, Buffer.of(0x82, 0, 0, 0)],
    [TYPES.filter, Buffer.from('no zero')],
    [TYPES.filter, Buffer.from('1,2,3\0')],
  ] as const) {
    events.splice(0)
    const guest = await configured(port)
    guest.send(type, 9, body)
    await guest.closed
    await until(() => names(events).includes('disconnected'))
    const last = events.find((one) => one.event === 'disconnected')
    assert.is(last && 'why' in last && last.why, 'malformed', `packet ${type}`)
  }
})

test('a length is judged before its bytes come; the same number twice; silence', async () => {
  const { port } = await bench({ greeting: 50, message: 50, urb: 1000 })
  const long = await configured(port)
  const header = packet(TYPES.bulk, 1, Buffer.alloc(0), true)
  header.writeUInt32LE(0xffffffff, 4)
  long.socket.write(header)
  await long.closed
  const twice = await configured(port)
  twice.send(TYPES.bulk, 1, bulk(0x81, 512))
  twice.send(TYPES.bulk, 1, bulk(0x81, 512))
  await twice.closed
  const slow = await configured(port)
  slow.socket.write(header.subarray(0, 5))
  await slow.closed
  const silent = await RedirGuest.open(port)
  await silent.closed
})

test(`${MESSAGES} packets of any kind: no crash, and the next guest has a device that works`, async () => {
  const { port, events } = await bench({ message: 1000 })
  const byte = fc.nat(255)
  const setup = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(setup, fc.constantFrom(0, 0x80), fc.uint8Array({ maxLength: 20 }))
      .map(([s, ep, data]) => control(s, ep, data)),
    fc.tuple(fc.constantFrom(1, 0x81, 0x82, 3), fc.nat(600), fc.nat(1)).map(([ep, n, s]) => bulk(ep, n, undefined, s)),
    fc.uint8Array({ maxLength: 60 }).map((data) => bulk(1, data.length, data)),
  )
  const kind = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...Object.values(TYPES)) },
    { weight: 1, arbitrary: byte },
  )
  const messages = fc.sample(fc.tuple(kind, fc.nat(50), body, fc.nat(30)), { seed: SEED, numRuns: MESSAGES })
  let guest = await configured(port)
  for (const [type, id, bytes, cut] of messages) {
    if (guest.over) {
      await until(() => names(events).at(-1) === 'disconnected' || names(events).at(-1) === 'released')
      events.splice(0)
      guest = await RedirGuest.open(port)
      guest.greet()
    }
    // Now and then not all of it.
    const whole = packet(type, id, bytes, true)
    guest.socket.write(cut === 0 ? whole.subarray(0, whole.length >> 1) : whole)
    if (id % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  guest.socket.destroy()
  await guest.closed
  await new Promise((resolve) => setImmediate(resolve))
  let fresh: RedirGuest | undefined
  while (!fresh) fresh = await configured(port).catch(() => undefined)
  const command = encodeTransfer(frame(7, Buffer.from('after all')))
  fresh.send(TYPES.bulk, 1000, bulk(1, command.length, command))
  fresh.send(TYPES.bulk, 1001, bulk(0x81, 4096))
  const answers = [await fresh.next(TYPES.bulk), await fresh.next(TYPES.bulk)]
  assert.equal(
    answers.map(({ body: [, status] }) => status),
    [SUCCESS, SUCCESS],
  )
})

test.run()
