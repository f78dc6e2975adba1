import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeTransfer } from '../../host/usb/framing.js'
import {
  importDevice,
  listDevices,
  TokenDevice,
  type UsbipEvent,
  type UsbipLimits,
  UsbipServer,
  UsbTransport,
  usbIdentity,
} from '../../host/usb/index.js'
import { encodeImportRequest, encodeOp, OP_REQ_DEVLIST } from '../../host/usb/usbip-wire.js'
import { BUS_ID, until } from './cables.js'
import { getDescriptor, RawPeer, setConfiguration, submit, unlink } from './raw-peer.js'
import { bodyOf, EchoDoor, frame, isPending, rejects } from './support.js'

const test = suite('usb: USB/IP server')

const [STALL, NO_ENDPOINT, NO_MEMORY, OVERFLOW, SHORT, RESET] = [-32, -2, -12, -75, -121, -104]

interface Bench {
  readonly server: UsbipServer
  readonly port: number
  readonly door: EchoDoor
  readonly model: TokenDevice
  readonly events: UsbipEvent[]
}

const open: UsbipServer[] = []

/** A server with devices at 1-1, 1-2 …; the door is that of the first. */
async function bench(limits: Partial<UsbipLimits> = {}, devices = 1): Promise<Bench> {
  const events: UsbipEvent[] = []
  const onEvent = (event: UsbipEvent): void => {
    events.push(event)
  }
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0, limits, onEvent })
  open.push(server)
  const door = new EchoDoor()
  const model = new TokenDevice(door, usbIdentity('700101'))
  server.plug(BUS_ID, model)
  for (let i = 2; i <= devices; i++) server.plug(`1-${i}`, new TokenDevice(new EchoDoor(), usbIdentity(`70010${i}`)))
  return { server, port: server.port, door, model, events }
}

test.after.each(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function imported(port: number, busId = BUS_ID): Promise<RawPeer> {
  const { peer } = await RawPeer.import(port, busId)
  peer.send(setConfiguration(1))
  assert.equal(await peer.answer(), { kind: 3, sequence: 1, status: 0, actual: 0, data: Buffer.alloc(0) })
  return peer
}

// ---- operations -----------------------------------------------------------------------------------------------------

test('the list, byte for byte', async () => {
  const { port } = await bench({}, 2)
  const peer = await RawPeer.open(port)
  peer.send(Buffer.from('0111800500000000', 'hex'))
  const reply = await peer.rest()
  assert.is(reply.toString('hex', 0, 12), '01110005' + '00000000' + '00000002')
  assert.is(reply.length, 12 + 2 * (312 + 4))
  const record = reply.subarray(12, 12 + 316)
  assert.is(record.toString('latin1', 0, 35), '/sys/devices/platform/moonlet.0/usb')
  assert.is(record.toString('latin1', 256, 260), '1-1\0')
  // bus, device, speed high; ids, version; class of the device; configuration, configurations, interfaces; the interface
  const [numbers, ids] = ['00000001' + '00000001' + '00000003', '12094c480100']
  assert.is(record.toString('hex', 288), `${numbers}${ids}${'000000' + '000101'}${'ff4d4c00'}`)
  const listed = await listDevices({ host: '127.0.0.1', port })
  assert.equal(
    listed.map(({ busId, deviceNumber }) => [busId, deviceNumber]),
    [
      ['1-1', 1],
      ['1-2', 2],
    ],
  )
})

test('a device is imported by one host at a time, by the next one after it', async () => {
  const { port, events } = await bench({}, 2)
  const { peer, record } = await RawPeer.import(port, BUS_ID)
  assert.is(record.toString('hex', 288, 300), '00000001' + '00000001' + '00000003')
  const second = await RawPeer.open(port)
  second.send(encodeImportRequest(BUS_ID))
  assert.is((await second.rest()).toString('hex'), '01110003' + '00000002', 'busy')
  const unknown = await RawPeer.open(port)
  unknown.send(encodeImportRequest('9-9'))
  assert.is((await unknown.rest()).toString('hex'), '01110003' + '00000004', 'no such device')
  assert.equal(
    (await listDevices({ host: '127.0.0.1', port })).map(({ busId }) => busId),
    ['1-2'],
  )
  await rejects('USBIP_BUSY', importDevice('127.0.0.1', port, { busId: BUS_ID }))
  peer.end()
  const releases = (): number => events.filter(({ event }) => event === 'released').length
  for (let turn = 1; turn <= 3; turn++) {
    await until(() => releases() === turn)
    const device = await importDevice('127.0.0.1', port, { busId: BUS_ID })
    const transport = await UsbTransport.open(device)
    assert.is(bodyOf(await transport.exchange(frame(7, Buffer.from('again')))).toString(), 'again')
    await device.detach()
    await transport.closed
  }
})

test('a device that is pulled out is gone for its host, others are not', async () => {
  const { port, server } = await bench({}, 2)
  const first = await UsbTransport.open(await importDevice('127.0.0.1', port, { busId: '1-1' }))
  const second = await UsbTransport.open(await importDevice('127.0.0.1', port, { busId: '1-2' }))
  await server.unplug('1-1')
  await first.closed
  await rejects('TRANSPORT_REMOVED', first.exchange(frame(7)))
  assert.is(bodyOf(await second.exchange(frame(7, Buffer.from('here')))).toString(), 'here')
  await rejects('USBIP_NO_DEVICE', importDevice('127.0.0.1', port, { busId: '1-1' }))
})

test('what is no operation ends the connection', async () => {
  const { port } = await bench()
  for (const bytes of ['0110800500000000', '0111800700000000', '0111000500000000', 'ffffffffffffffff']) {
    const peer = await RawPeer.open(port)
    peer.send(Buffer.from(bytes, 'hex'))
    assert.is((await peer.rest()).length, 0)
  }
  const endless = await RawPeer.open(port)
  endless.send(encodeOp(0x8003), Buffer.alloc(32, 0x31))
  assert.is((await endless.rest()).length, 0)
})

// ---- transfers ------------------------------------------------------------------------------------------------------

test('descriptors, stalls, endpoints that are not there', async () => {
  const { port } = await bench()
  const { peer } = await RawPeer.import(port, BUS_ID)
  peer.send(getDescriptor(7, 1, 18))
  const { data, ...answer } = await peer.answer()
  assert.equal(answer, { kind: 3, sequence: 7, status: 0, actual: 18 })
  assert.is(data.toString('hex', 8, 12), '0912484c')
  peer.send(submit({ sequence: 8, isIn: true, endpoint: 1, length: 512 }))
  assert.is((await peer.answer()).status, NO_ENDPOINT, 'not configured')
  peer.send(
    setConfiguration(9),
    getDescriptor(10, 0x22, 18),
    submit({ sequence: 11, isIn: true, endpoint: 5, length: 8 }),
  )
  assert.is((await peer.answer()).status, 0)
  assert.is((await peer.answer()).status, STALL)
  assert.is((await peer.answer()).status, NO_ENDPOINT)
  // wLength 255, room for 18: a short packet is an error where the host says so.
  peer.send(submit({ sequence: 12, isIn: true, flags: 1, length: 255, setup: '800600010000ff00' }))
  assert.is((await peer.answer()).status, SHORT)
  peer.send(submit({ sequence: 13, isIn: true, length: 8, setup: '8006000100001200' }))
  const { status, actual } = await peer.answer()
  assert.equal([status, actual], [OVERFLOW, 8])
})

test('several transfers under way on all pipes; unlinked ones are never answered', async () => {
  const { port, door } = await bench()
  const peer = await imported(port)
  door.held = []
  const read = (sequence: number): Buffer => submit({ sequence, isIn: true, endpoint: 1, length: 4096 })
  peer.send(read(20), read(21), read(22), submit({ sequence: 23, isIn: true, endpoint: 2, length: 8 }))
  for (const [sequence, text] of [
    [30, 'one'],
    [31, 'two'],
  ] as const) {
    peer.send(submit({ sequence, endpoint: 1, data: encodeTransfer(frame(7, Buffer.from(text), sequence)) }))
    assert.is((await peer.answer()).sequence, sequence)
  }
  peer.send(unlink(40, 20), unlink(41, 30), unlink(42, 999), getDescriptor(43, 1, 18))
  assert.equal({ ...(await peer.answer()), data: 0 }, { kind: 4, sequence: 40, status: RESET, actual: 0, data: 0 })
  assert.equal([(await peer.answer()).status, (await peer.answer()).status], [0, 0], 'over, or never there')
  assert.is((await peer.answer()).sequence, 43)
  for (const release of door.held.splice(0)) release()
  const answers = [await peer.answer(), await peer.answer()]
  assert.equal(
    answers.map(({ sequence, data }) => [sequence, bodyOf(data.subarray(8)).toString()]),
    [
      [21, 'one'],
      [22, 'two'],
    ],
  )
})

test('a reset of the port resets the device', async () => {
  const { port, model } = await bench()
  const peer = await imported(port)
  assert.is(model.configuration, 1)
  peer.send(
    submit({ sequence: 5, isIn: true, endpoint: 1, length: 512 }),
    submit({ sequence: 6, setup: '2303040001000000' }),
  )
  const answers = [await peer.answer(), await peer.answer()]
  assert.equal(
    answers.map(({ sequence, status }) => [sequence, status]),
    [
      [5, RESET],
      [6, 0],
    ],
  )
  assert.is(model.configuration, 0)
})

test('an isochronous transfer is refused, with all that belongs to it', async () => {
  const { port } = await bench()
  const peer = await imported(port)
  const packets = (count: number): Buffer => Buffer.alloc(16 * count, 1)
  for (const [sequence, message] of [
    [2, Buffer.concat([submit({ sequence: 2, isIn: true, endpoint: 3, length: 512, packets: 8 }), packets(8)])],
    [
      3,
      Buffer.concat([submit({ sequence: 3, endpoint: 3, data: Buffer.alloc(100, 1), packets: 1024 }), packets(1024)]),
    ],
  ] as const) {
    // In two pieces, each of which ends in the middle of something.
    peer.send(message.subarray(0, 60), message.subarray(60))
    const header = await peer.read(48)
    assert.equal(
      [0, 4, 20, 24, 32].map((at) => header.readInt32BE(at)),
      [3, sequence, -2, 0, 0],
    )
  }
  peer.send(getDescriptor(4, 1, 18))
  assert.equal((await peer.answer()).data.length, 18)
})

test('what is no transfer ends the connection, and only it', async () => {
  const { port, events } = await bench({}, 2)
  const honest = await UsbTransport.open(await importDevice('127.0.0.1', port, { busId: '1-2' }))
  const bad: Buffer[] = [
    Buffer.alloc(48, 0xff),
    submit({ sequence: 2, deviceId: 0x10002, setup: '8006000100001200' }),
    submit({ sequence: 2, endpoint: 16 }),
    submit({ sequence: 2, isIn: true, endpoint: 1, length: 512, packets: 1025 }),
    Buffer.concat([2, 2].map((sequence) => submit({ sequence, isIn: true, endpoint: 1, length: 512 }))),
  ]
  for (const bytes of bad) {
    const peer = await imported(port)
    const before = events.length
    peer.send(bytes)
    await peer.closed
    await until(() => events.slice(before).some(({ event }) => event === 'released'))
    assert.ok(events.slice(before).some((one) => one.event === 'disconnected' && one.why === 'malformed'))
  }
  assert.is(bodyOf(await honest.exchange(frame(7, Buffer.from('here')))).toString(), 'here')
})

// ---- limits ---------------------------------------------------------------------------------------------------------

test('too much data is refused and skipped, too many transfers are refused', async () => {
  const { port } = await bench({ urb: 1000, urbs: 3, held: 2000 })
  const peer = await imported(port)
  peer.send(submit({ sequence: 2, endpoint: 1, data: Buffer.alloc(1001, 1) }), getDescriptor(3, 1, 18))
  assert.equal([(await peer.answer()).status, (await peer.answer()).status], [NO_MEMORY, 0])
  const read = (sequence: number): Buffer => submit({ sequence, isIn: true, endpoint: 1, length: 0xffffffff })
  peer.send(read(10), read(11), read(12), read(13))
  assert.equal({ ...(await peer.answer()), data: 0 }, { kind: 3, sequence: 13, status: NO_MEMORY, actual: 0, data: 0 })
  peer.send(unlink(14, 10), getDescriptor(15, 1, 18))
  assert.equal([(await peer.answer()).status, (await peer.answer()).status], [RESET, 0])
})

test('a length that does not come takes no memory', async () => {
  const { port, server } = await bench()
  const peers: RawPeer[] = []
  const before = process.memoryUsage().arrayBuffers
  const { peer } = await RawPeer.import(port, BUS_ID)
  peers.push(peer)
  peer.send(submit({ sequence: 2, endpoint: 1, length: 0xffffffff }))
  assert.is((await peer.answer()).status, NO_MEMORY)
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
  assert.is(server.connections, 1)
})

test('a peer that says nothing, or half of something, is not waited for', async () => {
  const { port, events } = await bench({ greeting: 1, message: 1 })
  const silent = await RawPeer.open(port)
  await silent.closed
  const greeting = await RawPeer.open(port)
  greeting.send(Buffer.from('0111', 'hex'))
  await greeting.closed
  assert.equal(
    events.flatMap((one) => (one.event === 'disconnected' ? [one.why] : [])),
    ['slow', 'slow'],
  )
})

test('half a message ends the connection after a while; a host at rest stays', async () => {
  const { port } = await bench({ message: 1 })
  const peer = await imported(port)
  peer.send(submit({ sequence: 4, isIn: true, endpoint: 1, length: 512 }))
  assert.ok(await isPending(peer.closed))
  peer.send(getDescriptor(5, 1, 18))
  assert.is((await peer.answer()).sequence, 5)
  peer.send(setConfiguration(6).subarray(0, 20))
  await peer.closed
})

test('a host that fetches no answers is not read from', async () => {
  const { port, server } = await bench({ unsent: 10_000 })
  let asked = 0
  const inner = new TokenDevice(new EchoDoor(), usbIdentity('700102'))
  server.plug('1-2', {
    submit(urb, complete) {
      asked += 1
      return inner.submit(urb, complete)
    },
    reset: () => inner.reset(),
    descriptor: (type, index) => inner.descriptor(type, index),
    attach: () => inner.attach(),
    detach: () => inner.detach(),
    notify: (event) => inner.notify(event),
  })
  const { peer } = await RawPeer.import(port, '1-2')
  peer.socket.pause()
  const total = 500_000
  const thousand = Buffer.concat(
    Array.from({ length: 1000 }, (_, i) =>
      submit({ sequence: i, deviceId: 0x10002, isIn: true, length: 255, setup: '800600020000ff00' }),
    ),
  )
  for (let sent = 0; sent < total; sent += 1000) peer.socket.write(thousand)
  // Once it stands still it does so for good: the buffers of the kernel in between are full.
  for (let last = -1, still = 0; still < 200; still = asked === last ? still + 1 : 0) {
    last = asked
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(asked > 0 && asked < total / 2, `${asked} of ${total} were answered`)
  peer.end()
})

test('the next host waits until nothing is left of the last one', async () => {
  const { port, server } = await bench()
  const inner = new TokenDevice(new EchoDoor(), usbIdentity('700102'))
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  server.plug('1-2', {
    submit: (urb, complete) => inner.submit(urb, complete),
    reset: () => inner.reset(),
    descriptor: (type, index) => inner.descriptor(type, index),
    attach: () => inner.attach(),
    detach: async () => {
      await inner.detach()
      await held
    },
    notify: (event) => inner.notify(event),
  })
  const waiting = RawPeer.import(port, '1-2')
  // It is not in the list once the import has come.
  while ((await listDevices({ host: '127.0.0.1', port })).length > 1) {}
  assert.ok(await isPending(waiting))
  release()
  ;(await waiting).peer.end()
  await until(() => server.connections === 0)
})

test('a host that fetches no answers is not read from, and ends', async () => {
  const { port, events } = await bench({ unsent: 10_000, message: 50 })
  const { peer } = await RawPeer.import(port, BUS_ID)
  peer.socket.pause()
  const ask = Buffer.concat(Array.from({ length: 1000 }, (_, i) => getDescriptor(1000 + i, 2, 255)))
  let ended = false
  peer.closed.then(() => {
    ended = true
  })
  // The buffers of the kernel in between hold some megabytes.
  while (!ended && !events.some((one) => one.event === 'disconnected')) {
    if (peer.socket.writableLength < 1_000_000) peer.socket.write(ask)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => events.some((one) => one.event === 'disconnected'))
  peer.end()
  const [last] = events.flatMap((one) => (one.event === 'disconnected' ? [one.why] : []))
  assert.is(last, 'slow')
})

test('only so many connections', async () => {
  const { port, server } = await bench({ connections: 2 })
  const peers = [await RawPeer.open(port), await RawPeer.open(port)]
  await until(() => server.connections === 2)
  const third = await RawPeer.open(port)
  await third.closed
  for (const peer of peers) peer.end()
  await until(() => server.connections === 0)
  assert.is((await listDevices({ host: '127.0.0.1', port })).length, 1)
})

test('an address that cannot be listened on is an error of its own; two devices at one bus id are refused', async () => {
  const { port, server, model } = await bench()
  await rejects('USBIP_LISTEN', UsbipServer.listen({ host: '127.0.0.1', port }))
  assert.throws(() => server.plug(BUS_ID, model), /there is a device at 1-1 already/)
})

test('a list that is asked for in pieces', async () => {
  const { port } = await bench()
  const peer = await RawPeer.open(port)
  for (const byte of encodeOp(OP_REQ_DEVLIST)) {
    peer.send(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.is((await peer.rest()).length, 12 + 316)
})

test.run()
