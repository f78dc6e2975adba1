// The serial port of a Backup HSM that has one (CDC-ACM): what it says it is, what goes over its line, and that the token's own interface
// does not notice.
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AcmDevice,
  importDevice,
  RedirServer,
  TokenDevice,
  type UrbResult,
  UsbipServer,
  UsbTransport,
  usbIdentity,
} from '../../host/usb/index.js'
import { NO_DATA, type SetupPacket } from '../../host/usb/urb.js'
import { AcmHost, openAcm, setLines } from './acm-host.js'
import { BUS_ID, until } from './cables.js'
import { RedirGuest, TYPES } from './redir-guest.js'
import { EchoDoor, frame, isPending } from './support.js'

const SEED = Number(process.env.USB_SEED ?? Math.floor(Math.random() * 2 ** 31))
const REQUESTS = 3000
const test = suite(`usb: serial port, seed ${SEED} (USB_SEED)`)

const port = (): AcmDevice => new AcmDevice(new TokenDevice(new EchoDoor(), usbIdentity('700101')))

/** A SETUP packet from its eight bytes. */
function setupOf(hex: string): SetupPacket {
  const bytes = Buffer.from(hex, 'hex')
  return {
    requestType: bytes.readUInt8(0),
    request: bytes.readUInt8(1),
    value: bytes.readUInt16LE(2),
    index: bytes.readUInt16LE(4),
    length: bytes.readUInt16LE(6),
  }
}

function control(device: AcmDevice, hex: string, data: Uint8Array = NO_DATA): Promise<UrbResult> {
  const setup = setupOf(hex)
  const length = setup.requestType & 0x80 ? setup.length : 0
  return new Promise((resolve) => device.submit({ endpoint: 0, setup, data, length }, resolve))
}

function transfer(device: AcmDevice, endpoint: number, data: Uint8Array | number): Promise<UrbResult> {
  const urb = typeof data === 'number' ? { data: NO_DATA, length: data } : { data, length: 0 }
  return new Promise((resolve) => device.submit({ endpoint, ...urb }, resolve))
}

const CONFIGURE = '0009010000000000'
const [OPEN, SHUT] = ['2122030001000000', '2122000001000000']
const text = ({ data }: UrbResult): string => Buffer.from(data).toString()

async function configured(): Promise<{ device: AcmDevice; end: Duplex; got: string[] }> {
  const device = port()
  const end = device.openLine()
  const got: string[] = []
  end.on('data', (bytes: Buffer) => got.push(bytes.toString()))
  assert.is((await control(device, CONFIGURE)).status, 'ok')
  return { device, end, got }
}

test('descriptors of a device with two functions, at both speeds', async () => {
  const device = port()
  const { data } = await control(device, '8006000100001200')
  assert.equal([...data.subarray(4, 7)], [0xef, 2, 1])
  assert.equal([...(await control(device, '8006000600000a00')).data.subarray(4, 7)], [0xef, 2, 1])
  for (const [request, packet] of [
    ['8006000200000002', 512],
    ['8006000700000002', 64],
  ] as const) {
    const configuration = Buffer.from((await control(device, request)).data)
    assert.equal([configuration.length, configuration[4]], [configuration.readUInt16LE(2), 3])
    const added = configuration.subarray(9 + 9 + 3 * 7)
    assert.is(added.subarray(0, 17).toString('hex'), '080b010202020005' + '090401000102020005')
    assert.is(added.subarray(17, 36).toString('hex'), '0524001001' + '0524010002' + '04240206' + '0524060102')
    const endpoints = [36, 52, 59].map((at) => added.subarray(at, at + 7))
    assert.equal(
      endpoints.map((one) => [one[0], one[1], one[2], one[3], one.readUInt16LE(4)]),
      [
        [7, 5, 0x83, 3, 16],
        [7, 5, 0x02, 2, packet],
        [7, 5, 0x84, 2, packet],
      ],
    )
    assert.is(added.subarray(43, 52).toString('hex'), '0904020002' + '0a000000')
    assert.is(added.length, 66)
  }
  const name = Buffer.from((await control(device, '800605030904ff00')).data)
  assert.is(name.subarray(2).toString('utf16le'), 'PED port')
})

test('Windows is told that WinUSB is for the token alone', async () => {
  const device = port()
  const set = Buffer.from((await control(device, 'c02000000700ff00')).data)
  const bos = Buffer.from((await control(device, '8006000f0000ff00')).data)
  assert.equal([set.readUInt16LE(8), bos.readUInt16LE(5 + 24)], [set.length, set.length])
  // Header, then the subset of configuration 0, of the function that begins at interface 0, and in it what stands for it.
  const rest = set.length - 10
  assert.is(set.subarray(10, 18).toString('hex'), `080001000000${word(rest)}`)
  assert.is(set.subarray(18, 26).toString('hex'), `080002000000${word(rest - 8)}`)
  assert.is(set.toString('latin1', 30, 38), 'WINUSB\0\0')
})

const word = (value: number): string => Buffer.of(value & 0xff, value >> 8).toString('hex')

test('the line: settings are kept, what is no request to it stalls', async () => {
  const { device } = await configured()
  const coding = 'a121000001000700'
  assert.is(Buffer.from((await control(device, coding)).data).toString('hex'), '00c20100000008')
  const other = Buffer.from('80250000000107', 'hex')
  assert.is((await control(device, '2120000001000700', other)).status, 'ok')
  assert.is(Buffer.from((await control(device, coding)).data).toString('hex'), '80250000000107')
  for (const [request, data] of [
    ['2120000001000600', other.subarray(1)],
    ['2120000002000700', other],
    ['2120000001000700', other.subarray(1)],
    ['2122030002000000', NO_DATA],
    ['a121000002000700', NO_DATA],
    ['2199000001000000', NO_DATA],
    ['010b010001000000', NO_DATA],
    ['0201010083000000', NO_DATA],
  ] as const) {
    assert.is((await control(device, request, data)).status, 'stall', request)
  }
  for (const request of ['2123100001000000', '010b000001000000', '010b000002000000', OPEN, SHUT]) {
    assert.is((await control(device, request)).status, 'ok', request)
  }
  assert.equal([...(await control(device, '8100000001000200')).data], [0, 0])
  assert.equal([...(await control(device, '810a000002000100')).data], [0])
  await control(device, CONFIGURE)
  assert.is(Buffer.from((await control(device, coding)).data).toString('hex'), '00c20100000008', 'a host begins anew')
})

test('nothing of it is there before the device is configured, nor when it is pulled out', async () => {
  const device = port()
  assert.is((await transfer(device, 0x84, 64)).status, 'absent')
  assert.is((await control(device, OPEN)).status, 'stall')
  await control(device, CONFIGURE)
  const waiting = [0x84, 0x84, 0x02].map((endpoint) => transfer(device, endpoint, endpoint === 2 ? Buffer.of(1) : 64))
  const reset = transfer(device, 0x84, 64)
  device.reset()
  assert.equal(
    (await Promise.all([...waiting, reset])).map(({ status }) => status),
    ['reset', 'reset', 'ok', 'reset'],
    'out: nothing is plugged in, and it is lost',
  )
  assert.is((await transfer(device, 0x84, 64)).status, 'absent')
  await control(device, CONFIGURE)
  const pulled = transfer(device, 0x84, 64)
  await device.detach()
  assert.equal([(await pulled).status, (await transfer(device, 0x84, 64)).status], ['gone', 'gone'])
  assert.is((await control(device, '8006000100001200')).status, 'gone')
})

test('bytes go both ways while the host has the port open, and are lost while it has not', async () => {
  const { device, end, got } = await configured()
  end.write('nobody hears this')
  await control(device, OPEN)
  end.write('hello, ')
  end.write('host')
  assert.equal([text(await transfer(device, 0x84, 8)), text(await transfer(device, 0x84, 512))], ['hello, h', 'ost'])
  const later = transfer(device, 0x84, 512)
  end.write('later')
  assert.is(text(await later), 'later')
  assert.is((await transfer(device, 0x02, Buffer.from('hello, device'))).actual, 13)
  assert.is((await transfer(device, 0x02, NO_DATA)).status, 'ok')
  await until(() => got.join('') === 'hello, device')
  end.write('left over')
  await control(device, SHUT)
  await control(device, OPEN)
  assert.ok(await isPending(transfer(device, 0x84, 512)))
})

test('a host that does not fetch loses what comes after 64 KiB, and no more', async () => {
  const { device, end } = await configured()
  await control(device, OPEN)
  for (let i = 0; i < 80; i++) end.write(Buffer.alloc(1024, i))
  const all = Buffer.from((await transfer(device, 0x84, 100_000)).data)
  assert.equal([all.length, all[0], all.at(-1)], [65_536, 0, 63])
})

test('a host is held up where what is plugged in does not read', async () => {
  const device = port()
  const end = device.openLine()
  await control(device, CONFIGURE)
  const writes = Array.from({ length: 200 }, (_, i) => transfer(device, 0x02, Buffer.alloc(1024, i)))
  assert.ok(await isPending(Promise.all(writes)))
  let length = 0
  end.on('data', (bytes: Buffer) => {
    length += bytes.length
  })
  await Promise.all(writes)
  await until(() => length === 200 * 1024)
})

test('halts: told, and lifted', async () => {
  const { device } = await configured()
  const waiting = transfer(device, 0x84, 64)
  await control(device, '0203000084000000')
  assert.equal([(await waiting).status, (await transfer(device, 0x84, 64)).status], ['stall', 'stall'])
  assert.equal([...(await control(device, '8200000084000200')).data], [1, 0])
  await control(device, '0201000084000000')
  assert.equal([...(await control(device, '8200000084000200')).data], [0, 0])
  assert.ok(await isPending(transfer(device, 0x84, 64)))
})

test('the carrier is told of: there while something is plugged in', async () => {
  const { device, end } = await configured()
  const there = Buffer.from((await transfer(device, 0x83, 16)).data)
  assert.is(there.toString('hex'), 'a120000001000200' + '0300')
  const next = transfer(device, 0x83, 16)
  end.destroy()
  await once(end, 'close')
  assert.is(Buffer.from((await next).data).toString('hex'), 'a120000001000200' + '0000')
  const again = transfer(device, 0x83, 16)
  device.openLine()
  assert.is(Buffer.from((await again).data).readUInt8(8), 3)
  // The next host has not heard of it.
  await control(device, CONFIGURE)
  assert.is(Buffer.from((await transfer(device, 0x83, 16)).data).readUInt8(8), 3)
})

test('over USB/IP: commands and the line at the same time, each as if it were alone; pulled out, both are gone', async () => {
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
  const device = port()
  const end = device.openLine()
  server.plug(BUS_ID, device)
  try {
    const host = await importDevice('127.0.0.1', server.port)
    const transport = await UsbTransport.open(host)
    const line = await openAcm(host)
    end.on('data', (bytes: Buffer) => end.write(bytes))
    let heard = Buffer.alloc(0)
    line.on('data', (bytes: Buffer) => {
      heard = Buffer.concat([heard, bytes])
    })
    const said = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 1500 }), { seed: SEED, numRuns: 60 })
    const answers = said.map(async (bytes, i) => {
      line.write(bytes)
      return (await transport.exchange(frame(7, bytes, i))).length
    })
    assert.equal(
      await Promise.all(answers),
      said.map(({ length }) => 16 + length),
    )
    const whole = Buffer.concat(said)
    await until(() => heard.length >= whole.length)
    assert.ok(heard.equals(whole))
    const closed = once(line, 'close')
    await server.unplug(BUS_ID)
    await Promise.all([closed, transport.closed])
    server.plug(BUS_ID, device)
    const next = await importDevice('127.0.0.1', server.port)
    await (await UsbTransport.open(next)).close()
    await next.open()
    await next.selectConfiguration(1)
    assert.ok((await openAcm(next)) instanceof AcmHost, 'the next host has the port')
    assert.is(await setLines(next, 0), 'ok')
  } finally {
    await server.close()
  }
})

test('a usbredir guest is told of three interfaces and six endpoints', async () => {
  const server = await RedirServer.listen({ host: '127.0.0.1', port: 0 })
  server.plug(BUS_ID, port())
  try {
    const guest = await RedirGuest.attached(server.port)
    const interfaces = (await guest.next(TYPES.interfaces)).body
    assert.equal([interfaces[0], ...interfaces.subarray(36, 39)], [3, 0xff, 2, 0x0a])
    const types = [...(await guest.next(TYPES.endpoints)).body.subarray(0, 32)]
    assert.equal(
      types.flatMap((type, i) => (type === 255 ? [] : [i])),
      [0, 1, 2, 16, 17, 18, 19, 20],
    )
    guest.socket.destroy()
  } finally {
    await server.close()
  }
})

test(`${REQUESTS} transfers and requests of any kind: each is answered or waits, and the line works afterwards`, async () => {
  const { device, end, got } = await configured()
  const byte = fc.nat(255)
  const setup = fc
    .tuple(
      fc.constantFrom(0x00, 0x01, 0x02, 0x21, 0x41, 0x80, 0x81, 0x82, 0xa1, 0xc0, 0xc1),
      fc.oneof(fc.constantFrom(0, 1, 3, 6, 9, 10, 11, 0x20, 0x21, 0x22, 0x23), byte),
      fc.oneof(fc.nat(3), fc.nat(0xffff)),
      fc.constantFrom(0, 1, 2, 3, 0x02, 0x83, 0x84, 0x03, 7, 0x101),
      fc.nat(80),
    )
    .map(([requestType, request, value, index, length]) => ({ requestType, request, value, index, length }))
  const urb = fc.oneof(
    fc.tuple(setup, fc.uint8Array({ maxLength: 80 }), fc.boolean()).map(([one, bytes, isRight]) => ({
      endpoint: 0,
      setup: one,
      data: one.requestType & 0x80 ? NO_DATA : isRight ? bytes.slice(0, one.length) : bytes,
      length: one.requestType & 0x80 ? one.length : 0,
    })),
    fc.tuple(fc.constantFrom(0x83, 0x84, 0x85), fc.nat(600)).map(([endpoint, length]) => ({
      endpoint,
      data: NO_DATA,
      length,
    })),
    fc.uint8Array({ maxLength: 600 }).map((data) => ({ endpoint: 0x02, data: Uint8Array.from(data), length: 0 })),
  )
  let answered = 0
  let given = 0
  for (const one of fc.sample(urb, { seed: SEED, numRuns: REQUESTS })) {
    let times = 0
    const cancel = device.submit(one, () => {
      times += 1
    })
    end.write('x')
    if (times === 0 && cancel()) given += 1
    else answered += 1
    assert.ok(times <= 1, JSON.stringify(one))
  }
  assert.is(answered + given, REQUESTS)
  await control(device, CONFIGURE)
  await control(device, OPEN)
  await new Promise((resolve) => setImmediate(resolve))
  got.splice(0)
  end.write('after all')
  assert.is(text(await transfer(device, 0x84, 512)), 'after all')
  await transfer(device, 0x02, Buffer.from('and back'))
  await until(() => got.join('') === 'and back')
})

test.run()
