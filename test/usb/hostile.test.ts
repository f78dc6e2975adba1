// test-timeout: 180
// Hosts that say anything: 10,000 USB/IP messages and 10,000 control requests.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeTransfer } from '../../host/usb/framing.js'
import {
  importDevice,
  type SetupPacket,
  TokenDevice,
  type UrbResult,
  type UsbipEvent,
  UsbipServer,
  UsbTransport,
  usbIdentity,
} from '../../host/usb/index.js'
import { NO_DATA } from '../../host/usb/urb.js'
import { encodeImportRequest } from '../../host/usb/usbip-wire.js'
import { BUS_ID, until } from './cables.js'
import { getDescriptor, RawPeer, setConfiguration, submit, unlink } from './raw-peer.js'
import { bodyOf, EchoDoor, frame } from './support.js'

const SEED = Number(process.env.USB_SEED ?? Math.floor(Math.random() * 2 ** 31))
const MESSAGES = 10_000

const test = suite(`usb: hostile hosts, seed ${SEED} (USB_SEED)`)

const word = fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(0x7fffffff, 0x80000000, 0xffffffff), fc.nat(0xffffffff))
const byte = fc.nat(255)
/** SETUP packets, most of them near to what a device knows. */
const setup = fc
  .tuple(
    fc.oneof(fc.constantFrom(0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x41, 0xc1, 0xc0, 0x40, 0x23, 0xa1), byte),
    fc.oneof(fc.nat(12), fc.constantFrom(0x20, 0x30), byte),
    fc.oneof(fc.nat(3), fc.constantFrom(0x100, 0x200, 0x300, 0x302, 0x600, 0x700, 0xf00), fc.nat(0xffff)),
    fc.oneof(fc.nat(8), fc.constantFrom(0x80, 0x81, 0x82, 0x83), fc.nat(0xffff)),
    fc.oneof(fc.constantFrom(0, 0, 2, 18, 255, 4096), fc.nat(0xffff)),
  )
  .map(([requestType, request, value, index, length]) => ({ requestType, request, value, index, length }))
const setupBytes = setup.map(({ requestType, request, value, index, length }) => {
  const bytes = Buffer.of(requestType, request, 0, 0, 0, 0, 0, 0)
  for (const [i, number] of [value, index, length].entries()) bytes.writeUInt16LE(number, 2 + 2 * i)
  return bytes.toString('hex')
})
/** Numbers that come again, so that some are used twice and unlinked. */
const sequence = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 10, max: 200 }) }, { weight: 1, arbitrary: word })
const outData = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.uint8Array({ maxLength: 80 }).map((body) => encodeTransfer(frame(7, body, 5))),
  fc.nat(3000).map((length) => encodeTransfer(frame(7, Buffer.alloc(length), 6))),
)

const control = fc
  .tuple(sequence, setupBytes, fc.boolean(), fc.oneof(fc.nat(512), word), fc.uint8Array({ maxLength: 64 }))
  .map(([number, bytes, isIn, length, data]) =>
    isIn
      ? submit({ sequence: number, setup: bytes, isIn, length })
      : submit({ sequence: number, setup: bytes, isIn, data }),
  )
const bulkOut = fc
  .tuple(sequence, fc.constantFrom(1, 1, 1, 2, 3, 15), outData)
  .map(([number, endpoint, data]) => submit({ sequence: number, endpoint, data }))
const bulkIn = fc
  .tuple(sequence, fc.constantFrom(1, 1, 2, 3, 15), fc.oneof(fc.constantFrom(0, 8, 512, 70_000), word), fc.nat(1))
  .map(([number, endpoint, length, flags]) => submit({ sequence: number, isIn: true, endpoint, length, flags }))
const giveUp = fc.tuple(sequence, sequence).map(([number, target]) => unlink(number, target))
const anything = fc
  .record({ sequence, deviceId: word, isIn: fc.boolean(), endpoint: word, flags: word, length: word, packets: word })
  .map((one) => submit(one))
const garbage = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes))
/** A message with some of its bytes changed. */
const damaged = fc
  .tuple(
    fc.oneof(control, bulkOut, bulkIn, giveUp),
    fc.array(fc.tuple(fc.nat(47), byte), { minLength: 1, maxLength: 3 }),
  )
  .map(([message, changes]) => {
    const bytes = Buffer.from(message)
    for (const [at, value] of changes) bytes.writeUInt8(value, at)
    return bytes
  })

const message = fc.oneof(
  { weight: 30, arbitrary: control },
  { weight: 15, arbitrary: bulkOut },
  { weight: 15, arbitrary: bulkIn },
  { weight: 10, arbitrary: giveUp },
  { weight: 2, arbitrary: damaged },
  { weight: 1, arbitrary: anything },
  { weight: 1, arbitrary: garbage },
)
const beginning = fc.oneof(
  { weight: 9, arbitrary: fc.constant(encodeImportRequest(BUS_ID)) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
)

/** What does not come back within this many turns of the event loop hangs; only ever counted while the machine works for us. */
const TURNS = 200_000

async function soon(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < TURNS, `${what} never came`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test(`${MESSAGES} hostile messages: the server goes on, another device does not notice, the next host gets the device`, async () => {
  const events: UsbipEvent[] = []
  const onEvent = (event: UsbipEvent): void => {
    events.push(event)
  }
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0, onEvent })
  const bystander = new TokenDevice(new EchoDoor(), usbIdentity('700102'))
  server.plug(BUS_ID, new TokenDevice(new EchoDoor(), usbIdentity('700101')))
  server.plug('1-2', bystander)
  const honest = await UsbTransport.open(await importDevice('127.0.0.1', server.port, { busId: '1-2' }))
  let sent = 0
  let imports = 0
  let malformed = 0
  const run = async (first: Uint8Array, messages: readonly Uint8Array[]): Promise<void> => {
    events.length = 0
    const peer = await RawPeer.open(server.port)
    peer.send(first)
    if (Buffer.from(first).equals(encodeImportRequest(BUS_ID))) {
      await peer.read(320)
      imports += 1
      peer.send(setConfiguration(1))
    }
    peer.send(...messages)
    sent += messages.length
    // Meanwhile another device is used as ever.
    const body = Buffer.from(`${sent}`)
    assert.equal(bodyOf(await honest.exchange(frame(7, body))), body)
    // All of it is worked off before the server sees the end.
    peer.socket.end()
    await soon('the end of the connection', () => events.some(({ event }) => event === 'disconnected'))
    if (events.some((one) => one.event === 'disconnected' && one.why === 'malformed')) malformed += 1
    if (events.some(({ event }) => event === 'imported')) {
      await soon('the device', () => events.some(({ event }) => event === 'released'))
    }
    // The next host finds the device as after plugging in.
    const { peer: next } = await RawPeer.import(server.port, BUS_ID)
    next.send(submit({ sequence: 1, isIn: true, length: 1, setup: '8008000000000100' }), getDescriptor(2, 1, 18))
    assert.equal([...(await next.answer()).data], [0], 'not configured')
    assert.is((await next.answer()).actual, 18)
    const over = events.length
    next.end()
    await soon('the device', () => events.slice(over).some(({ event }) => event === 'released'))
  }
  const perConnection = 50
  await fc.assert(
    fc.asyncProperty(
      beginning,
      fc.array(message, { minLength: perConnection, maxLength: perConnection, size: 'max' }),
      run,
    ),
    { numRuns: MESSAGES / perConnection, seed: SEED, endOnFailure: true },
  )
  assert.is(sent, MESSAGES)
  // The test tests something: most connections got far, some were ended by the server.
  assert.ok(imports > MESSAGES / perConnection / 2 && malformed > 5, `${imports} imports, ${malformed} malformed`)
  await honest.close()
  await server.close()
})

test(`${MESSAGES} control requests: each is answered once, no more than was asked for, and the pipes still work`, async () => {
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  const ask = (one: SetupPacket, data: Uint8Array, room: number): UrbResult => {
    const results: UrbResult[] = []
    model.submit({ endpoint: 0, setup: one, data, length: room }, (result) => results.push(result))
    assert.is(results.length, 1)
    const [result] = results
    if (!result) throw new Error('unreachable')
    return result
  }
  let stalls = 0
  fc.assert(
    fc.property(setup, fc.boolean(), fc.nat(600), (one, honestly, room) => {
      const isIn = (one.requestType & 0x80) !== 0
      const data = isIn ? NO_DATA : new Uint8Array(honestly ? one.length : room)
      const { status, data: got, actual } = ask(one, data, isIn ? (honestly ? one.length : room) : 0)
      if (status === 'stall') stalls += 1
      assert.ok(['ok', 'stall', 'babble'].includes(status), status)
      if (isIn) assert.ok(got.length === actual && actual <= one.length && (honestly || actual <= room))
      else assert.ok(got.length === 0 && actual <= data.length)
    }),
    { numRuns: MESSAGES, seed: SEED },
  )
  assert.ok(stalls > MESSAGES / 10 && stalls < MESSAGES, `${stalls} stalls`)
  model.reset()
  assert.is(ask({ requestType: 0, request: 9, value: 1, index: 0, length: 0 }, NO_DATA, 0).status, 'ok')
  let answer: UrbResult | undefined
  model.submit({ endpoint: 0x81, data: NO_DATA, length: 4096 }, (result) => {
    answer = result
  })
  model.submit({ endpoint: 0x01, data: encodeTransfer(frame(7, Buffer.from('fine'))), length: 0 }, () => undefined)
  await until(() => answer !== undefined)
  assert.is(bodyOf(Buffer.from(answer?.data ?? NO_DATA).subarray(8)).toString(), 'fine')
})

test.run()
