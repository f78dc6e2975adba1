// A device behind WebUSB's calls as a device that takes URBs: what a bridge relies on, and the package `usb` behind it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UsbBridge, type UsbBridgeEvent } from '../../host/lab/index.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { importDevice, NusbDevice, TokenDevice, UsbError, usbIdentity, WebUsbPort } from '../../host/usb/index.js'
import { NO_DATA, type SetupPacket, type Urb, type UrbResult } from '../../host/usb/urb.js'
import type { WebUsbCalls } from '../../host/usb/web-usb-calls.js'
import { until } from './cables.js'
import { FakeNusb } from './fake-nusb.js'
import { getDescriptor, RawPeer, setConfiguration, submit } from './raw-peer.js'
import { EchoDoor, frame, rejects } from './support.js'

const test = suite('usb: real devices')
const CONFIGURE: SetupPacket = { requestType: 0, request: 9, value: 1, index: 0, length: 0 }

interface Ready {
  readonly port: WebUsbPort
  readonly native: FakeNusb
  readonly model: TokenDevice
}

async function ready(change: (native: FakeNusb) => void = () => undefined): Promise<Ready> {
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  const native = new FakeNusb(model)
  change(native)
  return { port: await WebUsbPort.open(new NusbDevice(native)), native, model }
}

const finished = (port: WebUsbPort, urb: Partial<Urb>): Promise<UrbResult> =>
  new Promise((resolve) => {
    port.submit({ endpoint: 0, data: NO_DATA, length: 0, ...urb }, resolve)
  })

test("the kernel's driver is sent away, and comes back at the end", async () => {
  const { port, native } = await ready(({ driven }) => driven.add(0))
  assert.equal([...native.claimed], [0])
  assert.ok(native.calls.includes('detach 0'))
  await port.close()
  assert.equal([native.claimed.size, ...native.calls.slice(-2)], [0, 'attach 0', 'close'])
})

test('a program that has the interface keeps it', async () => {
  const native = new FakeNusb(new TokenDevice(new EchoDoor(), usbIdentity('1')))
  native.driven.add(0)
  await rejects('USB_OPEN', WebUsbPort.open(new NusbDevice(native, async () => 'usbfs')))
  assert.not(native.calls.includes('detach 0'))
})

test('given back while a read waits: the kernel ends it, and the device, whose other functions go on, is not reset', async () => {
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  const native = new FakeNusb(model)
  const port = await WebUsbPort.open(new NusbDevice(native, async () => (native.claimed.has(0) ? 'usbfs' : undefined)))
  await finished(port, { setup: CONFIGURE })
  const read = finished(port, { endpoint: 0x81, length: 512 })
  await until(() => native.busy.has(0x81))
  await port.close()
  assert.is((await read).status, 'gone')
  assert.not(native.calls.includes('reset'))
  assert.equal(native.calls.slice(-2), ['cut 0', 'close'])
})

test('the same where no driver of an interface is shown: a reset ends it', async () => {
  const { port, native } = await ready()
  await finished(port, { setup: CONFIGURE })
  const read = finished(port, { endpoint: 0x81, length: 512 })
  await until(() => native.busy.has(0x81))
  await port.close()
  assert.is((await read).status, 'gone')
  assert.equal(native.calls.slice(-2), ['reset', 'close'])
})

test('where the package has the device to itself for a moment, it is asked again', async () => {
  const { port, native } = await ready()
  await finished(port, { setup: CONFIGURE })
  const reset = native.reset.bind(native)
  let refused = 0
  native.reset = () => {
    if (refused++ < 2)
      throw new Error('The same native value cannot be borrowed mutably while another borrow is active')
    return reset()
  }
  await port.detach()
  port.attach()
  assert.is(refused, 3)
  assert.is((await finished(port, { setup: CONFIGURE })).status, 'ok')
  await port.close()
})

test('a device that has gone is closed as well, once', async () => {
  for (const notice of [
    (port: WebUsbPort): void => port.lost(),
    async (port: WebUsbPort, model: TokenDevice): Promise<void> => {
      model.detach()
      await finished(port, { endpoint: 0x81, length: 512 })
    },
  ]) {
    const { port, native, model } = await ready()
    await finished(port, { setup: CONFIGURE })
    await notice(port, model)
    await port.closed
    await until(() => native.calls.includes('close'))
    await port.close()
    assert.is(native.calls.filter((call) => call === 'close').length, 1)
  }
})

test('what a transfer that was given up brings belongs to the next one', async () => {
  const { port, model } = await ready()
  await finished(port, { setup: CONFIGURE })
  const heard: UrbResult[] = []
  const giveUp = port.submit({ endpoint: 0x82, data: NO_DATA, length: 8 }, (result) => heard.push(result))
  assert.ok(giveUp())
  assert.not(giveUp(), 'once')
  model.notify('attend', 1)
  const { status, data } = await finished(port, { endpoint: 0x82, length: 8 })
  assert.equal([status, [...data]], ['ok', [1, 1, 0, 0]])
  assert.is(heard.length, 0)
  await port.close()
})

test('several transfers of an endpoint are answered in their order', async () => {
  const { port, model } = await ready()
  await finished(port, { setup: CONFIGURE })
  const order: string[] = []
  const all = [1, 2, 3].map(async (number) => {
    const { data } = await finished(port, { endpoint: 0x82, length: 8 })
    order.push(`${number}:${data[0]}`)
  })
  model.notify('attend')
  model.notify('tamper', 1)
  model.notify('removal')
  await Promise.all(all)
  assert.equal(order, ['1:1', '2:2', '3:3'])
  await port.close()
})

test('an empty packet follows where the host asks for it', async () => {
  const sent: number[] = []
  const { port } = await ready((native) => {
    const send = native.nativeTransferOut.bind(native)
    native.nativeTransferOut = (endpoint, timeout, data) => {
      sent.push(data.length)
      return send(endpoint, timeout, data)
    }
  })
  await finished(port, { setup: CONFIGURE })
  await finished(port, { endpoint: 1, data: encodeTransfer(frame(7, Buffer.alloc(512 - 24))), zeroPacket: true })
  assert.equal(sent, [512, 0])
  await finished(port, { endpoint: 1, data: encodeTransfer(frame(7, Buffer.alloc(76))), zeroPacket: true })
  assert.equal(sent, [512, 0, 100])
  await port.close()
})

test("requests that only a host's own stack sends become the package's calls", async () => {
  const { port, native } = await ready()
  const request = async (requestType: number, number: number, value: number, index = 0): Promise<string> =>
    (await finished(port, { setup: { requestType, request: number, value, index, length: 0 } })).status
  assert.is((await finished(port, { endpoint: 0x82, length: 8 })).status, 'absent', 'not configured for this host')
  assert.is(await request(0, 5, 9), 'ok', 'SET_ADDRESS is not passed on')
  assert.is(await request(0, 9, 1), 'ok')
  assert.is(await request(0, 9, 7), 'stall', 'there is no configuration 7')
  assert.is(await request(1, 11, 0), 'ok')
  assert.is(await request(1, 11, 3), 'stall', 'there is no setting 3')
  assert.is(await request(2, 3, 0, 0x81), 'ok', 'SET_FEATURE is passed on')
  assert.is((await finished(port, { endpoint: 0x81, length: 512 })).status, 'stall')
  assert.is(await request(2, 1, 0, 0x81), 'ok')
  assert.ok(native.calls.includes('clear halt 129'))
  assert.is(await request(2, 1, 0, 0x85), 'stall', 'there is no endpoint 0x85')
  assert.is(await request(0x60, 1, 0), 'stall', 'a type that WebUSB has no word for')
  await port.close()
})

test('a host that configures the device anew has reset it, as far as it knows', async () => {
  const { port, native } = await ready()
  await finished(port, { setup: CONFIGURE })
  assert.not(native.calls.includes('reset'), 'the first time')
  const waiting = finished(port, { endpoint: 0x81, length: 512 })
  assert.is((await finished(port, { setup: CONFIGURE })).status, 'ok')
  assert.is((await waiting).status, 'reset')
  assert.ok(native.calls.includes('reset'))
  assert.equal([...native.claimed], [0])
  // Its pipes work from the beginning.
  const answer = finished(port, { endpoint: 0x81, length: 512 })
  await finished(port, { endpoint: 1, data: encodeTransfer(frame(7, Buffer.from('fine'))) })
  assert.is(
    Buffer.from((await answer).data)
      .subarray(24)
      .toString(),
    'fine',
  )
  await port.close()
})

test('the next host finds the device reset', async () => {
  const { port, native, model } = await ready()
  await finished(port, { setup: CONFIGURE })
  await port.detach()
  assert.ok(native.calls.includes('reset'))
  assert.is((await finished(port, { setup: CONFIGURE })).status, 'gone', 'until it is attached')
  port.attach()
  assert.is((await finished(port, { endpoint: 0x82, length: 8 })).status, 'absent')
  assert.is((await finished(port, { setup: CONFIGURE })).status, 'ok')
  assert.is(model.configuration, 1)
  await port.close()
})

test('a device that fails and is gone is gone; one that fails and is there has failed', async () => {
  for (const [isThere, expected] of [
    [true, 'fault'],
    [false, 'gone'],
  ] as const) {
    const { port } = await ready((native) => {
      const control = native.nativeControlTransferIn.bind(native)
      let failed = false
      native.nativeTransferIn = async () => {
        failed = true
        throw new Error('transferIn error: Fault')
      }
      native.nativeControlTransferIn = (setup, timeout, length) => {
        if (failed && !isThere) return Promise.reject(new Error('controlTransferIn error: device disconnected'))
        return control(setup, timeout, length)
      }
    })
    await finished(port, { setup: CONFIGURE })
    assert.is((await finished(port, { endpoint: 0x81, length: 512 })).status, expected)
    await port.close()
  }
})

test('a device that cannot be opened: the reason, and nothing stays open', async () => {
  let closed = 0
  const native = new FakeNusb(new TokenDevice(new EchoDoor(), usbIdentity('1')))
  native.claimInterface = () => Promise.reject(new Error('claimInterface error: failed to claim (errno 13)'))
  native.close = async () => {
    closed += 1
  }
  const error = await rejects('USB_OPEN', WebUsbPort.open(new NusbDevice(native)))
  assert.match(error.message, 'errno 13')
  assert.is(closed, 1)
})

test('pulled out at the bridge: gone for its host, and served again when it is back', async () => {
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  const ports: WebUsbPort[] = []
  let isThere = true
  const open = async (): Promise<WebUsbPort> => {
    if (!isThere) throw new UsbError('USB_NO_DEVICE', 'there is none')
    const device: WebUsbCalls = new NusbDevice(new FakeNusb(model))
    const port = await WebUsbPort.open(device)
    ports.push(port)
    return port
  }
  const events: string[] = []
  const onEvent = ({ event }: { event: string }): unknown => events.push(event)
  const bridge = await UsbBridge.start({ at: { host: '127.0.0.1', port: 0 }, open, look: 1, onEvent })
  const device = await importDevice('127.0.0.1', bridge.port)
  isThere = false
  await model.detach()
  ports[0]?.lost()
  await device.closed
  await until(() => events.includes('unplugged'))
  await rejects('USBIP_NO_DEVICE', importDevice('127.0.0.1', bridge.port))
  model.attach()
  isThere = true
  await until(() => events.filter((event) => event === 'plugged').length === 2)
  const again = await importDevice('127.0.0.1', bridge.port)
  assert.is(again.serialNumber, '700101')
  await again.detach()
  await bridge.close()
})

test('isochronous endpoints: the bridge says that it does not carry them, refuses their transfers and goes on with all others', async () => {
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  // Its events are a sound: bmAttributes of endpoint 0x82 in the configuration.
  const descriptorOf = model.descriptor.bind(model)
  model.descriptor = (type, index) => {
    const bytes = descriptorOf(type, index)
    if (type === 2) bytes?.set([1], 9 + 9 + 7 + 7 + 3)
    return bytes
  }
  const submitTo = model.submit.bind(model)
  model.submit = (urb, complete) => {
    const isAsked = urb.setup?.request === 6 && urb.setup.value >> 8 === 2
    if (!isAsked) return submitTo(urb, complete)
    const data = Uint8Array.from(model.descriptor(2, 0) ?? []).slice(0, urb.setup?.length)
    complete({ status: 'ok', data, actual: data.length })
    return () => false
  }
  const reasons: string[] = []
  const onEvent = (event: UsbBridgeEvent): void => {
    if (event.event === 'limited') reasons.push(event.reason)
  }
  const open = (): Promise<WebUsbPort> => WebUsbPort.open(new NusbDevice(new FakeNusb(model)))
  const bridge = await UsbBridge.start({ at: { host: '127.0.0.1', port: 0 }, open, onEvent })
  const { peer } = await RawPeer.import(bridge.port, '1-1')
  assert.equal(reasons.length, 1)
  assert.match(reasons[0] ?? '', /\(endpoints 0x82\)/)
  const transfer = submit({ sequence: 2, isIn: true, endpoint: 2, length: 192, packets: 4 })
  peer.send(setConfiguration(1), Buffer.concat([transfer, Buffer.alloc(4 * 16)]), getDescriptor(3, 1, 18))
  const answers = [await peer.answer(), await peer.answer(), await peer.answer()]
  assert.equal(
    answers.map(({ sequence, status }) => [sequence, status]).sort(([a = 0], [b = 0]) => a - b),
    [
      [1, 0],
      [2, -2],
      [3, 0],
    ],
  )
  peer.socket.destroy()
  await bridge.close()
})

test.run()
