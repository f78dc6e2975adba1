// The user-space client against servers that do not keep to the protocol.
import { createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { importDevice, listDevices, UsbError, UsbTransport } from '../../host/usb/index.js'
import { encodeDevice, encodeDeviceList, encodeOp, encodeReturn, encodeUnlinked } from '../../host/usb/usbip-wire.js'
import { BUS_ID, serve, until } from './cables.js'
import { EchoDoor, rejects } from './support.js'

const test = suite('usb: USB/IP client')
const HOST = '127.0.0.1'
const DEVICE = {
  path: '/sys/x',
  busId: BUS_ID,
  busNumber: 1,
  deviceNumber: 1,
  speed: 3,
  vendorId: 1,
  productId: 2,
  deviceVersion: 3,
  deviceClass: 0,
  deviceSubclass: 0,
  deviceProtocol: 0,
  configurationValue: 0,
  configurations: 1,
  interfaceCount: 1,
}
const TOKEN = { interfaceClass: 0xff, interfaceSubclass: 0x4d, interfaceProtocol: 0x4c }
const LISTED = { ...DEVICE, interfaces: [TOKEN] }

const servers: Server[] = []
const sockets = new Set<Socket>()

/** A server of bytes; `answer` gets everything that has come on a connection whenever more comes. */
function liar(answer: (socket: Socket, got: Buffer) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket)
    let got = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      got = Buffer.concat([got, bytes])
      answer(socket, got)
    })
  })
  servers.push(server)
  return new Promise((resolve) => {
    server.listen(0, HOST, () => {
      const address = server.address()
      resolve(address !== null && typeof address === 'object' ? address.port : 0)
    })
  })
}

test.after.each(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})

const always = (bytes: Uint8Array, end = true): Promise<number> =>
  liar((socket) => {
    if (end) socket.end(bytes)
    else socket.write(bytes)
  })

/** Gives a device away, then answers URBs by the script. */
function afterImport(script: (socket: Socket, urb: Buffer) => void): Promise<number> {
  return liar((socket, got) => {
    if (got.length === 40) socket.write(Buffer.concat([encodeOp(3), encodeDevice(DEVICE)]))
    else if (got.length >= 88) script(socket, got.subarray(40))
  })
}

test('lists that make no sense', async () => {
  const list = encodeDeviceList([LISTED])
  const endless = encodeDevice(DEVICE)
  endless.fill(0x41, 0, 256)
  const count = (value: number): Buffer => {
    const bytes = Buffer.from(list)
    bytes.writeUInt32BE(value, 8)
    return bytes
  }
  for (const bytes of [
    Buffer.concat([Buffer.from('0107', 'hex'), list.subarray(2)]),
    Buffer.concat([encodeOp(3), list.subarray(8)]),
    count(0xffffffff),
    Buffer.concat([list.subarray(0, 12), endless, list.subarray(-4)]),
  ]) {
    await rejects('USBIP_PROTOCOL', listDevices({ host: HOST, port: await always(bytes) }))
  }
  for (const bytes of [Buffer.alloc(0), list.subarray(0, 11), list.subarray(0, -1), count(2)]) {
    await rejects('USBIP_CONNECT', listDevices({ host: HOST, port: await always(bytes) }))
  }
  await rejects('USBIP_NO_DEVICE', listDevices({ host: HOST, port: await always(encodeOp(5, 1)) }))
  assert.equal(await listDevices({ host: HOST, port: await always(list) }), [LISTED])
})

test('nobody there, nobody who answers', async () => {
  const port = await always(Buffer.alloc(0))
  await new Promise((resolve) => servers.pop()?.close(resolve))
  await rejects('USBIP_CONNECT', listDevices({ host: HOST, port }))
  const silent = await liar(() => undefined)
  await rejects('USBIP_CONNECT', importDevice(HOST, silent, { busId: BUS_ID, timeout: 5 }))
  await rejects('USBIP_CONNECT', importDevice(HOST, silent, { timeout: 5 }))
  await rejects('USBIP_NO_DEVICE', importDevice(HOST, silent, { busId: '1'.repeat(40) }))
})

test('none, and more than one', async () => {
  await rejects('USBIP_NO_DEVICE', importDevice(HOST, await always(encodeDeviceList([]))))
  const two = encodeDeviceList([LISTED, { ...LISTED, busId: '1-2' }])
  const error = await rejects('USBIP_NO_DEVICE', importDevice(HOST, await always(two)))
  assert.match(error.message, '1-1, 1-2')
  const mouse = { ...LISTED, interfaces: [{ ...TOKEN, interfaceSubclass: 1 }] }
  await rejects('USBIP_NO_DEVICE', importDevice(HOST, await always(encodeDeviceList([mouse]))))
})

test('imports that are refused, or give another device', async () => {
  for (const [status, code] of [
    [1, 'USBIP_NO_DEVICE'],
    [2, 'USBIP_BUSY'],
    [4, 'USBIP_NO_DEVICE'],
    [77, 'USBIP_NO_DEVICE'],
  ] as const) {
    await rejects(code, importDevice(HOST, await always(encodeOp(3, status)), { busId: BUS_ID }))
  }
  const other = Buffer.concat([encodeOp(3), encodeDevice({ ...DEVICE, busId: '2-2' })])
  await rejects('USBIP_PROTOCOL', importDevice(HOST, await always(other), { busId: BUS_ID }))
})

test('answers that nobody asked for, more data than there is room for, silence: an error, and the connection ends', async () => {
  const answers: readonly ((socket: Socket, urb: Buffer) => void)[] = [
    (socket) => socket.write(encodeReturn(77, 0, 18)),
    (socket, urb) => socket.write(encodeReturn(urb.readUInt32BE(4), 0, 0xffffffff)),
    (socket, urb) => socket.write(Buffer.concat([encodeReturn(urb.readUInt32BE(4), 0, 19), Buffer.alloc(19)])),
    (socket, urb) => socket.write(encodeUnlinked(urb.readUInt32BE(4), 0)),
    (socket) => socket.write(Buffer.alloc(48, 0xff)),
    (socket, urb) => socket.write(encodeReturn(urb.readUInt32BE(4), -32, 0)),
    (socket, urb) => socket.write(encodeReturn(urb.readUInt32BE(4), -999, 0)),
    (socket) => socket.destroy(),
  ]
  for (const answer of answers) {
    let ended = false
    const port = await afterImport((socket, urb) => {
      socket.on('close', () => {
        ended = true
      })
      answer(socket, urb)
    })
    const error = await rejects('USB_OPEN', importDevice(HOST, port, { busId: BUS_ID }))
    assert.match(error.message, 'does not give its descriptors')
    await until(() => ended)
  }
  const silent = await afterImport(() => undefined)
  // On a busy machine the import itself may take longer than the first of these times.
  for (let timeout = 5, code = ''; code !== 'USB_OPEN'; timeout *= 2) {
    const error: unknown = await importDevice(HOST, silent, { busId: BUS_ID, timeout }).catch(
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof UsbError && ['USB_OPEN', 'USBIP_CONNECT'].includes(error.code), String(error))
    code = error instanceof UsbError ? error.code : ''
  }
})

test('descriptors that make no sense', async () => {
  const device = Buffer.from('12010002000000400912484c000100000001', 'hex')
  const head = Buffer.from('09022000010100c000', 'hex')
  for (const [first, second, third] of [
    [device.subarray(0, 17), head, head],
    [Buffer.alloc(18, 9), head, head],
    [device, head.subarray(0, 8), head],
    [device, head, head],
    [device, head, Buffer.concat([head, Buffer.alloc(23)])],
    [device, head, Buffer.concat([head, Buffer.from('09040000', 'hex'), Buffer.alloc(19, 0xff)])],
    [device, head, Buffer.concat([head, Buffer.from('0304000202', 'hex'), Buffer.alloc(18, 2)])],
  ]) {
    const port = await afterImport((socket, urbs) => {
      const at = urbs.length - 48
      const data = [first, second, third][at / 48] ?? Buffer.alloc(0)
      socket.write(Buffer.concat([encodeReturn(urbs.readUInt32BE(at + 4), 0, data.length), data]))
    })
    await rejects('USB_DESCRIPTOR', importDevice(HOST, port, { busId: BUS_ID }))
  }
})

test('what the descriptors say is what the device shows', async () => {
  const { server } = await serve(new EchoDoor())
  try {
    const device = await importDevice(HOST, server.port)
    assert.equal(
      [device.vendorId, device.productId, device.usbVersionMajor, device.usbVersionMinor, device.usbVersionSubminor],
      [0x1209, 0x4c48, 2, 0, 1],
    )
    assert.equal([device.manufacturerName, device.serialNumber], ['Moonlet', '700101'])
    assert.is(device.configuration, null)
    const [only] = device.configurations[0]?.interfaces ?? []
    assert.equal([only?.interfaceNumber, only?.claimed, only?.alternate.endpoints.length], [0, false, 3])
    await device.open()
    await device.selectConfiguration(1)
    await device.claimInterface(0)
    assert.ok(only?.claimed)
    await device.detach()
    assert.not(device.opened)
    await rejects('NotFoundError', device.open())
  } finally {
    await server.close()
  }
})

test('a lost connection is a device that is gone', async () => {
  const { server } = await serve(new EchoDoor())
  const device = await importDevice(HOST, server.port)
  const transport = await UsbTransport.open(device)
  await server.close()
  await transport.closed
  await device.closed
  await rejects('NotFoundError', device.transferIn(1, 512))
})

test.run()
