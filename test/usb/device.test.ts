import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import type { CommandDoor } from '../../host/board/index.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { PRODUCT_ID, usbIdentity, VENDOR_ID, VirtualUsbDevice } from '../../host/usb/index.js'
import { CABLES, type Cable, type PluggedIn, until } from './cables.js'
import { bodyOf, EchoDoor, frame, isPending, rejects } from './support.js'

const abort = { requestType: 'vendor', recipient: 'interface', request: 1, value: 0, index: 0 } as const
const getDescriptor = (type: number, index = 0) =>
  ({ requestType: 'standard', recipient: 'device', request: 6, value: (type << 8) | index, index: 0 }) as const
const bytesOf = ({ data }: USBInTransferResult): Buffer =>
  data ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.alloc(0)

/** Whether a transfer is still open after everything before it has been answered. */
async function waits(device: USBDevice, transfer: Promise<unknown>): Promise<boolean> {
  await device.controlTransferIn(getDescriptor(1), 18)
  return isPending(transfer)
}

for (const cable of CABLES) deviceOver(cable)

function deviceOver(cable: Cable): void {
  const test = suite(`usb: device, ${cable.name}`)
  const open: PluggedIn[] = []
  const plug = async (door: CommandDoor): Promise<PluggedIn> => {
    const plugged = await cable.plug(door)
    open.push(plugged)
    return plugged
  }
  const newDevice = async (): Promise<PluggedIn & { door: EchoDoor }> => {
    const door = new EchoDoor()
    return { ...(await plug(door)), door }
  }
  const ready = async (): Promise<PluggedIn & { door: EchoDoor }> => {
    const made = await newDevice()
    await configure(made.device)
    return made
  }
  const configure = async (device: USBDevice): Promise<void> => {
    await device.open()
    await device.selectConfiguration(1)
    await device.claimInterface(0)
  }
  test.after.each(async () => {
    for (const plugged of open.splice(0)) await plugged.close()
  })

  // ---- description ----------------------------------------------------------------------------------------------------

  test('descriptors, byte for byte', async () => {
    const { device } = await newDevice()
    await device.open()
    const descriptor = async (type: number, index?: number): Promise<string> =>
      bytesOf(await device.controlTransferIn(getDescriptor(type, index), 255)).toString('hex')
    assert.is(await descriptor(1), '12010102000000400912484c000101020301')
    const [configuration, endpoints] = [
      '27000101' + '00c000' + '0904000003ff4d4c04',
      '07050102000200' + '07058102000200',
    ]
    assert.is(await descriptor(2), `0902${configuration}${endpoints}07058203080007`)
    assert.is(await descriptor(6), '0a060102000000400100')
    assert.is(await descriptor(7), `0907${configuration}${'07050102400000' + '07058102400000'}07058203080008`)
    assert.is(await descriptor(3), '04030904')
    assert.is(await descriptor(3, 3), `0e03${Buffer.from('700101', 'utf16le').toString('hex')}`)
    const cut = await device.controlTransferIn(getDescriptor(2), 9)
    assert.is(bytesOf(cut).length, 9)
    for (const [type, index] of [
      [3, 5],
      [2, 1],
      [1, 1],
      [0x22, 0],
    ] as const) {
      assert.is((await device.controlTransferIn(getDescriptor(type, index), 255)).status, 'stall')
    }
  })

  test('the attributes say what the descriptors say', async () => {
    const { device } = await newDevice()
    assert.equal([device.vendorId, device.productId, device.serialNumber], [VENDOR_ID, PRODUCT_ID, '700101'])
    assert.equal([device.usbVersionMajor, device.usbVersionMinor, device.deviceVersionMajor], [2, 0, 1])
    assert.is(device.usbVersionSubminor, 1)
    assert.is(device.configuration, null)
    const [endpointOut, endpointIn, events] = device.configurations[0]?.interfaces[0]?.alternate.endpoints ?? []
    assert.equal(endpointOut, { endpointNumber: 1, direction: 'out', type: 'bulk', packetSize: 512 })
    assert.equal(endpointIn, { endpointNumber: 1, direction: 'in', type: 'bulk', packetSize: 512 })
    assert.equal(events, { endpointNumber: 2, direction: 'in', type: 'interrupt', packetSize: 8 })
    const other = new VirtualUsbDevice(new EchoDoor(), usbIdentity('1', { vendorId: 7, productId: 8 }))
    assert.equal([other.vendorId, other.productId], [7, 8])
  })

  test('Windows is told that its driver is WinUSB', async () => {
    const { device } = await newDevice()
    await device.open()
    const bos = bytesOf(await device.controlTransferIn(getDescriptor(15), 255))
    assert.is(bos.readUInt16LE(2), bos.length)
    const platform = bos.subarray(bos.indexOf('1c1005', 'hex'))
    assert.is(
      platform.toString('hex', 4, 20),
      'df60ddd88945c74c9cd2659d9e648a9f',
      'D8DD60DF-4589-4CC7-9CD2-659D9E648A9F',
    )
    const [length, request] = [platform.readUInt16LE(24), platform[26] ?? 0]
    const setup = { requestType: 'vendor', recipient: 'device', request, value: 0, index: 7 } as const
    const set = bytesOf(await device.controlTransferIn(setup, 4096))
    assert.equal([set.length, set.readUInt16LE(8)], [length, length])
    const features = new Map<number, Buffer>()
    for (let at = set.readUInt16LE(0); at < set.length; at += set.readUInt16LE(at)) {
      features.set(set.readUInt16LE(at + 2), set.subarray(at + 4, at + set.readUInt16LE(at)))
    }
    assert.is(features.get(3)?.toString('latin1'), `WINUSB${'\0'.repeat(10)}`)
    assert.match(features.get(4)?.toString('utf16le') ?? '', /DeviceInterfaceGUIDs\0.\{[0-9A-F-]{36}\}\0\0$/)
    assert.is((await device.controlTransferIn({ ...setup, index: 6 }, 4096)).status, 'stall')
  })

  // ---- states ---------------------------------------------------------------------------------------------------------

  test('nothing works before open, configuration and claim', async () => {
    const { device } = await newDevice()
    const transfers = (): Promise<unknown>[] => [
      device.transferIn(1, 512),
      device.transferOut(1, new Uint8Array(1)),
      device.clearHalt('in', 1),
      device.controlTransferOut(abort),
    ]
    const refused = async (): Promise<void> => {
      for (const transfer of transfers()) await rejects('InvalidStateError', transfer)
    }
    await refused()
    await rejects('InvalidStateError', device.selectConfiguration(1))
    await rejects('InvalidStateError', device.controlTransferIn(getDescriptor(1), 18))
    await rejects('InvalidStateError', device.reset())
    await device.open()
    await device.open()
    await refused()
    await rejects('InvalidStateError', device.claimInterface(0))
    await rejects('NotFoundError', device.selectConfiguration(2))
    await device.selectConfiguration(1)
    await refused()
    await rejects('NotFoundError', device.claimInterface(1))
    await device.claimInterface(0)
    assert.ok(device.configuration?.interfaces[0]?.claimed)
    await rejects('NotFoundError', device.transferIn(3, 512))
    await rejects('NotFoundError', device.transferOut(2, new Uint8Array(1)))
    await rejects('NotFoundError', device.selectAlternateInterface(0, 1))
    await device.selectAlternateInterface(0, 0)
    assert.is((await device.controlTransferOut(abort)).status, 'ok')
    await device.releaseInterface(0)
    await refused()
  })

  test('standard requests on the control pipe', async () => {
    const { device } = await ready()
    const get = async (recipient: USBRecipient, request: number, index: number, length = 2): Promise<string> =>
      bytesOf(
        await device.controlTransferIn({ requestType: 'standard', recipient, request, value: 0, index }, length),
      ).toString('hex')
    assert.is(await get('device', 0, 0), '0100')
    assert.is(await get('device', 8, 0, 1), '01')
    assert.is(await get('interface', 0, 0), '0000')
    assert.is(await get('interface', 10, 0, 1), '00')
    const halt = { requestType: 'standard', recipient: 'endpoint', request: 3, value: 0, index: 0x81 } as const
    assert.is((await device.controlTransferOut(halt)).status, 'ok')
    assert.is(await get('endpoint', 0, 0x81), '0100')
    assert.is((await device.transferIn(1, 512)).status, 'stall')
    await device.clearHalt('in', 1)
    assert.is(await get('endpoint', 0, 0x81), '0000')
    const unknown = { requestType: 'vendor', recipient: 'device', request: 9, value: 0, index: 0 } as const
    assert.is((await device.controlTransferIn(unknown, 1)).status, 'stall')
    assert.equal(await device.controlTransferOut(unknown, new Uint8Array(3)), { status: 'stall', bytesWritten: 0 })
  })

  // ---- transfers ------------------------------------------------------------------------------------------------------

  test('a command goes out in packets of any size, its answer comes back', async () => {
    const { device, door } = await ready()
    const transfer = encodeTransfer(frame(7, Buffer.from('hello'), 3))
    for (let at = 0; at < transfer.length; at += 5) {
      const piece = transfer.slice(at, at + 5)
      assert.equal(await device.transferOut(1, piece), { status: 'ok', bytesWritten: piece.length })
    }
    assert.equal(door.seen, [frame(7, Buffer.from('hello'), 3)])
    const answer = bytesOf(await device.transferIn(1, 1024))
    assert.is(answer.toString('latin1', 0, 4), 'MLU1')
    assert.is(bodyOf(answer.subarray(8)).toString(), 'hello')
  })

  test('a read ends with a short packet, empty where the transfer is whole packets', async () => {
    const { device } = await ready()
    const send = (size: number): Promise<unknown> =>
      device.transferOut(1, encodeTransfer(frame(7, Buffer.alloc(size - 24))))
    const read = async (room: number): Promise<string> => {
      const { status, data } = await device.transferIn(1, room)
      return `${status} ${data?.byteLength}`
    }
    await send(1024)
    assert.is(await read(4096), 'ok 1024', 'the empty packet ended it')
    await send(1024)
    assert.is(await read(1024), 'ok 1024')
    assert.is(await read(1024), 'ok 0', 'the empty packet was left')
    await send(700)
    assert.is(await read(512), 'ok 512')
    assert.is(await read(512), 'ok 188')
    await send(700)
    assert.is(await read(700), 'ok 700')
    await send(700)
    assert.is(await read(100), `${cable.cutsBabble ? 'ok' : 'babble'} 100`)
    assert.is(await read(512), 'ok 188', 'the rest of the packet is lost')
    await send(100)
    await send(100)
    assert.is(await read(4096), 'ok 100', 'one transfer per read')
    assert.is(await read(4096), 'ok 100')
  })

  test('garbage halts the OUT pipe until it is cleared', async () => {
    const { device, door } = await ready()
    const badFrame = frame(7, Buffer.alloc(4))
    badFrame.writeUInt32BE(5, 12)
    for (const garbage of [
      Buffer.from('GARBAGE!'),
      Buffer.from('MLU1\xff\xff\xff\xff', 'latin1'),
      encodeTransfer(badFrame),
    ]) {
      assert.equal(await device.transferOut(1, garbage), { status: 'stall', bytesWritten: 0 })
      assert.is((await device.transferOut(1, encodeTransfer(frame(7)))).status, 'stall')
      await device.clearHalt('out', 1)
      assert.is((await device.transferOut(1, encodeTransfer(frame(7)))).status, 'ok')
      assert.is((await device.transferIn(1, 512)).status, 'ok')
    }
    assert.is(door.seen.length, 3)
  })

  test('an abort drops half a transfer and answers that nobody fetched', async () => {
    const { device, door } = await ready()
    door.held = []
    await device.transferOut(1, encodeTransfer(frame(1, Buffer.from('under way'))))
    await device.transferOut(1, encodeTransfer(frame(2)).slice(0, 10))
    await device.controlTransferOut(abort)
    const [release] = door.held
    door.held = undefined
    release?.()
    await device.transferOut(1, encodeTransfer(frame(3, Buffer.from('fresh'))))
    assert.is(bodyOf(bytesOf(await device.transferIn(1, 512)).subarray(8)).toString(), 'fresh')
    const more = device.transferIn(1, 512)
    more.catch(() => undefined)
    assert.ok(await waits(device, more))
  })

  test('the device makes the host wait when too much is under way', async () => {
    const { device, door } = await ready()
    let sent = 0
    let writing = device.transferOut(1, encodeTransfer(frame(1)))
    while (!(await waits(device, writing))) {
      sent += 1
      assert.ok(sent < 1000)
      writing = device.transferOut(1, encodeTransfer(frame(1)))
    }
    assert.is(door.seen.length, sent)
    await device.transferIn(1, 512)
    assert.is((await writing).status, 'ok')
    assert.is(door.seen.length, sent + 1)
  })

  test('a board that breaks is a device error, not a silence', async () => {
    const door = { exchange: () => Promise.reject(new Error('reset')) }
    const { device } = await plug(door)
    await configure(device)
    await device.transferOut(1, encodeTransfer(frame(7, Buffer.from('x'), 5)))
    const answer = bytesOf(await device.transferIn(1, 512)).subarray(8)
    assert.equal([answer.readUInt32BE(4), answer.readUInt32BE(8), answer.length], [RC_DEVICE_ERROR, 5, 16])
  })

  test('close, reset and release end pending transfers; unplugging ends everything', async () => {
    const ends: readonly (readonly [string, (plugged: PluggedIn) => unknown])[] = [
      ['AbortError', ({ device }) => device.close()],
      ['AbortError', ({ device }) => device.reset()],
      ['AbortError', ({ device }) => device.releaseInterface(0)],
      ['NotFoundError', ({ unplug }) => unplug()],
    ]
    for (const [name, end] of ends) {
      const plugged = await ready()
      const { device } = plugged
      const pending = [device.transferIn(1, 512), device.transferIn(1, 512)]
      const rejected = pending.map((transfer) => rejects(name, transfer))
      await end(plugged)
      await Promise.all(rejected)
    }
    const { device, unplug } = await ready()
    await unplug()
    await until(() => !device.opened)
    assert.not(device.opened)
    for (const call of [
      device.open(),
      device.close(),
      device.reset(),
      device.selectConfiguration(1),
      device.claimInterface(0),
      device.transferIn(1, 512),
      device.transferOut(1, new Uint8Array(1)),
      device.controlTransferIn(getDescriptor(1), 18),
    ]) {
      await rejects('NotFoundError', call)
    }
  })

  test('a reset device is configured and clean', async () => {
    const { device, door } = await ready()
    await device.transferOut(1, encodeTransfer(frame(2)).slice(0, 10))
    await device.reset()
    await device.transferOut(1, encodeTransfer(frame(3, Buffer.from('fresh'))))
    assert.is(bodyOf(bytesOf(await device.transferIn(1, 512)).subarray(8)).toString(), 'fresh')
    assert.is(door.seen.length, 1)
  })

  test.run()
}
