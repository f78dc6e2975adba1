// A device that answers as one did in a capture.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { frameCable } from '../../host/board/index.js'
import { TokenClient } from '../../host/client/index.js'
import {
  CaptureFile,
  importDevice,
  type PedSocket,
  type Recording,
  ReplayDevice,
  type ReplayEvent,
  readRecording,
  TokenDevice,
  UsbCapture,
  UsbipServer,
  UsbTransport,
  usbIdentity,
} from '../../host/usb/index.js'
import { interfaceBlock, packetBlock, sectionBlock } from '../../host/usb/pcapng-write.js'
import type { RecordedTransfer } from '../../host/usb/recording.js'
import type { SetupPacket, Urb, UrbResult } from '../../host/usb/urb.js'
import { encodeUsbmon, IN_PROGRESS, LINKTYPE_USB_LINUX_MMAPPED, type UsbmonPacket } from '../../host/usb/usbmon.js'
import { until } from './cables.js'
import { HostOver } from './host-over.js'
import { bodyOf, EchoDoor, frame, rejects } from './support.js'

const test = suite('usb replay')
const folder = mkdtempSync(join(tmpdir(), 'moonlet-replay-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
let files = 0

/** What a host that sends these commands, one after the other, leaves in a capture. */
async function record(bodies: readonly string[], at: 'device' | 'host'): Promise<Recording> {
  const path = join(folder, `${++files}.pcapng`)
  const file = CaptureFile.create(path, { description: 'the test' })
  const capture = new UsbCapture(file)
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  const device = at === 'device' ? capture.device(model) : model
  device.attach()
  const transport = await UsbTransport.open(await HostOver.open(at === 'host' ? capture.port(device) : device))
  for (const body of bodies) await transport.exchange(frame(protocol.CMD_STATUS, Buffer.from(body)))
  await transport.close()
  await device.detach()
  file.close()
  return readRecording(readFileSync(path))
}

interface Replay {
  readonly device: ReplayDevice
  readonly transport: UsbTransport
  readonly events: ReplayEvent[]
  say(body: string): Promise<string>
}

async function replay(recording: Recording, delays = false): Promise<Replay> {
  const events: ReplayEvent[] = []
  const onEvent = (event: ReplayEvent): void => {
    events.push(event)
  }
  const device = new ReplayDevice(recording, { onEvent, delays, patience: 20 })
  device.attach()
  const transport = await UsbTransport.open(await HostOver.open(device))
  const say = async (body: string): Promise<string> =>
    bodyOf(await transport.exchange(frame(protocol.CMD_STATUS, Buffer.from(body)))).toString()
  return { device, transport, events, say }
}

for (const at of ['device', 'host'] as const) {
  test(`the same host has the same answers of a capture at the ${at}`, async () => {
    const recording = await record(['one', 'two', 'three'], at)
    const { device, transport, events, say } = await replay(recording)
    for (const body of ['one', 'two', 'three']) assert.is(await say(body), body)
    await transport.close()
    await device.detach()
    assert.equal(
      events.map(({ event }) => event),
      ['finished', 'stopped'],
    )
    // Plugged in again it begins anew.
    device.attach()
    const again = await UsbTransport.open(await HostOver.open(device))
    assert.is(bodyOf(await again.exchange(frame(protocol.CMD_STATUS, Buffer.from('one')))).toString(), 'one')
    await device.detach()
    const last = events.at(-1)
    assert.ok(last?.event === 'stopped' && last.transfers < last.of)
  })
}

test('a host that says something else is told where, and the device is gone for it', async () => {
  const { transport, events, say } = await replay(await record(['one', 'two'], 'device'))
  assert.is(await say('one'), 'one')
  await rejects('TRANSPORT_REMOVED', transport.exchange(frame(protocol.CMD_HSM_INFO, Buffer.from('two'))))
  const [left] = events
  assert.ok(left?.event === 'left')
  assert.match(left.expected, /^27 bytes to endpoint 0x01, STATUS$/)
  assert.match(left.came, /^27 bytes to endpoint 0x01, HSM_INFO$/)
  assert.match(left.difference ?? '', /from byte 8 on: 0001/)
  assert.ok(left.transfer > 1)
})

test('a host that goes on behind the end of the recording', async () => {
  const { transport, events, say } = await replay(await record(['one'], 'device'))
  assert.is(await say('one'), 'one')
  await rejects('TRANSPORT_REMOVED', transport.exchange(frame(protocol.CMD_STATUS)))
  const left = events.at(-1)
  assert.ok(left?.event === 'left')
  assert.is(left.expected, 'nothing more on this endpoint')
})

test('by USB/IP', async () => {
  const recording = await record(['one', 'two'], 'device')
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
  server.plug('1-1', new ReplayDevice(recording))
  try {
    const transport = await UsbTransport.open(await importDevice('127.0.0.1', server.port))
    for (const body of ['one', 'two']) {
      assert.is(bodyOf(await transport.exchange(frame(protocol.CMD_STATUS, Buffer.from(body)))).toString(), body)
    }
    await transport.close()
  } finally {
    await server.close()
  }
})

test('recorded delays pass', async () => {
  const recording = await record(['one', 'two'], 'device')
  const slower = { ...recording, steps: recording.steps.map((step) => ({ ...step, time: step.time * 2 })) }
  const { say, device } = await replay(slower, true)
  for (const body of ['one', 'two']) assert.is(await say(body), body)
  await device.detach()
})

test('frames of a PED go the same way again', async () => {
  const path = join(folder, `${++files}.pcapng`)
  const file = CaptureFile.create(path, { description: 'the test' })
  // A board that sends each frame back, turned round.
  const ped: PedSocket = {
    attachPed: (_, link) => link.onFrame((one) => link.send(Uint8Array.from(one).reverse())),
    detachPed: () => undefined,
  }
  const model = new UsbCapture(file).device(new TokenDevice(new EchoDoor(), usbIdentity('1'), { ped }))
  const talk = async (transport: UsbTransport): Promise<string[]> => {
    const [near, far] = frameCable()
    const heard: string[] = []
    near.onFrame((one) => heard.push(Buffer.from(one).toString()))
    await transport.plugPed(far)
    for (const text of ['one', 'more']) {
      const before = heard.length
      near.send(bytesOf(text))
      await until(() => heard.length > before)
    }
    return heard
  }
  model.attach()
  const transport = await UsbTransport.open(await HostOver.open(model))
  const wanted = await talk(transport)
  assert.equal(wanted, ['eno', 'erom'])
  await transport.close()
  await model.detach()
  file.close()
  const again = await replay(readRecording(readFileSync(path)))
  assert.equal(await talk(again.transport), wanted)
  await again.device.detach()
  assert.not(again.events.some(({ event }) => event === 'left'))
})

// ---- any device, transfer by transfer -----------------------------------------------------------------------------------

const DEVICE = Uint8Array.of(18, 1, 0, 2, 0, 0, 0, 64, 0x34, 0x12, 0x78, 0x56, 0, 1, 0, 0, 0, 1)
const CONFIGURATION = Uint8Array.of(
  ...[9, 2, 32, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 0xff, 0, 0, 0],
  ...[7, 5, 1, 2, 0, 2, 0, 7, 5, 0x82, 2, 0, 2, 0],
)
const read = (type: number): SetupPacket => ({ requestType: 0x80, request: 6, value: type << 8, index: 0, length: 255 })
const vendor = (requestType: number, request: number, length: number): SetupPacket => ({
  ...{ requestType, request, value: 1, index: 0, length },
})

type Line = Partial<UsbmonPacket> & Pick<UsbmonPacket, 'id' | 'event'>

/** A capture in which these packets follow an enumeration. */
function captureOf(lines: readonly Line[]): Buffer {
  const enumeration = [DEVICE, CONFIGURATION].flatMap((data, i): Line[] => [
    {
      id: BigInt(i),
      event: 'S',
      type: 'control',
      endpoint: 0x80,
      setup: read(i + 1),
      length: 255,
      status: IN_PROGRESS,
    },
    { id: BigInt(i), event: 'C', type: 'control', endpoint: 0x80, data, length: data.length },
  ])
  const packets = [...enumeration, ...lines].map((line, i) => {
    const defaults = { type: 'bulk', endpoint: 1, bus: 1, device: 5, time: BigInt(i), status: 0 } as const
    const data = line.data ?? new Uint8Array(0)
    return packetBlock(0, BigInt(i), encodeUsbmon({ ...defaults, length: data.length, data, ...line }))
  })
  const usb = interfaceBlock({ linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usbmon1' })
  return Buffer.concat([sectionBlock('test', ''), usb, ...packets])
}

/** Hands a transfer in; undefined = not answered yet. */
function submit(
  device: ReplayDevice,
  urb: Partial<Urb>,
  hear: (result: UrbResult) => void = () => undefined,
): { result: UrbResult | undefined; cancel(): boolean } {
  const outcome: { result: UrbResult | undefined; cancel(): boolean } = { result: undefined, cancel: () => false }
  outcome.cancel = device.submit({ endpoint: 1, data: new Uint8Array(0), length: 0, ...urb }, (result) => {
    outcome.result = result
    hear(result)
  })
  return outcome
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text))

test('answers go out in the recorded order of all endpoints', async () => {
  const device = new ReplayDevice(
    readRecording(
      captureOf([
        { id: 10n, event: 'S', endpoint: 0x82, length: 512, status: IN_PROGRESS },
        { id: 11n, event: 'S', data: bytesOf('first'), status: IN_PROGRESS },
        { id: 11n, event: 'C', length: 5 },
        { id: 12n, event: 'S', data: bytesOf('second'), status: IN_PROGRESS },
        { id: 10n, event: 'C', endpoint: 0x82, data: bytesOf('answer') },
        { id: 12n, event: 'C', length: 6 },
        { id: 13n, event: 'S', endpoint: 0x82, length: 512, status: IN_PROGRESS },
        { id: 13n, event: 'C', endpoint: 0x82, status: -32 },
      ]),
    ),
  )
  device.attach()
  const readIt = submit(device, { endpoint: 0x82, length: 512 })
  assert.is(submit(device, { data: bytesOf('first') }).result?.actual, 5)
  assert.is(readIt.result, undefined)
  // Given up, it loses nothing.
  assert.ok(readIt.cancel())
  assert.not(readIt.cancel())
  const again = submit(device, { endpoint: 0x82, length: 512 })
  const second = submit(device, { data: bytesOf('second') })
  assert.equal([again.result?.status, Buffer.from(again.result?.data ?? []).toString()], ['ok', 'answer'])
  assert.is(second.result?.actual, 6)
  assert.is(submit(device, { endpoint: 0x82, length: 512 }).result?.status, 'stall')
  const beyond = submit(device, { endpoint: 0x82, length: 512 })
  assert.is(beyond.result, undefined)
  await device.detach()
  assert.is(beyond.result?.status, 'gone')
})

test('control requests may change places; one that was never made is answered with a stall', async () => {
  const [first, second] = [vendor(0xc1, 3, 4), vendor(0x41, 2, 0)]
  const events: ReplayEvent[] = []
  const recording = readRecording(
    captureOf([
      { id: 10n, event: 'S', type: 'control', endpoint: 0x80, setup: first, length: 4, status: IN_PROGRESS },
      { id: 10n, event: 'C', type: 'control', endpoint: 0x80, data: bytesOf('data') },
      { id: 11n, event: 'S', type: 'control', endpoint: 0, setup: second, status: IN_PROGRESS },
      { id: 11n, event: 'C', type: 'control', endpoint: 0 },
    ]),
  )
  const device = new ReplayDevice(recording, { onEvent: (event) => events.push(event) })
  device.attach()
  const early = submit(device, { endpoint: 0, setup: second })
  assert.is(early.result, undefined)
  const other = submit(device, { endpoint: 0, setup: first, length: 4 })
  assert.equal([other.result?.data.length, early.result?.status], [4, 'ok'])
  const unknown = submit(device, { endpoint: 0, setup: vendor(0xc0, 9, 4), length: 4 })
  await until(() => unknown.result !== undefined)
  assert.is(unknown.result?.status, 'stall')
  assert.equal(
    events.map(({ event }) => event),
    ['finished', 'stalled'],
  )
  // Left out: the read that comes first in the recording.
  await device.detach()
  device.attach()
  const late = submit(device, { endpoint: 0, setup: second })
  await until(() => late.result !== undefined)
  assert.is(late.result?.status, 'ok')
  assert.ok(events.some((event) => event.event === 'left-out' && /0xc1 0x03/.test(event.what)))
})

const golden = (name: string): Recording =>
  readRecording(readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url)))

test('a capture that lies here for long is still a Backup HSM', async () => {
  const device = new ReplayDevice(golden('moonlet.pcapng'))
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
  server.plug('1-1', device)
  try {
    const host = await importDevice('127.0.0.1', server.port)
    assert.is(host.serialNumber, '700101')
    const client = new TokenClient(await UsbTransport.open(host))
    const { serial, model } = await client.status()
    assert.equal([serial, model], [700101n, protocol.MODEL_BACKUP])
    await client.close()
  } finally {
    await server.close()
  }
})

test('a device of somebody else, captured by a Linux kernel: hubs are passed over, its own requests answered', async () => {
  const recording = golden('ftdi-usbmon.pcapng')
  assert.equal([recording.bus, recording.device], [1, 2])
  const events: ReplayEvent[] = []
  const device = new ReplayDevice(recording, { onEvent: (event) => events.push(event), patience: 1 })
  device.attach()
  const host = await HostOver.open(device)
  assert.equal([host.vendorId, host.productId, device.speed], [0x0403, 0x6001, 'full'])
  // As its driver does: everything that was recorded, in its order.
  const heard: string[] = []
  for (const { what, transfer } of recording.steps) {
    const { endpoint, setup, data, length, result } = transfer
    if (what !== 'submit' || (setup && (setup.requestType & 0x60) === 0)) continue
    const isIn = ((setup ? setup.requestType : endpoint) & 0x80) !== 0
    const { cancel } = submit(
      device,
      { endpoint, setup, data: Uint8Array.from(data), length: isIn ? length : 0 },
      (got) => {
        if (endpoint === 0x81) heard.push(Buffer.from(got.data.subarray(2)).toString())
      },
    )
    if (!result) cancel()
  }
  await until(() => events.some(({ event }) => event === 'finished'))
  assert.equal(heard.filter(Boolean), ['hello', 'moonlet', 'goodbye'])
  await device.detach()
})

test('a control request that leaves out one to the device has left', async () => {
  const left: ReplayEvent[] = []
  const recording = readRecording(
    captureOf(
      [vendor(0xc1, 3, 4), vendor(0x41, 2, 0), vendor(0x41, 5, 0)].flatMap((setup): Line[] => [
        { id: 10n, event: 'S', type: 'control', endpoint: setup.requestType & 0x80, setup, status: IN_PROGRESS },
        { id: 10n, event: 'C', type: 'control', endpoint: setup.requestType & 0x80 },
      ]),
    ),
  )
  const device = new ReplayDevice(recording, { onEvent: (event) => left.push(event) })
  device.attach()
  const second = submit(device, { endpoint: 0, setup: vendor(0x41, 5, 0) })
  await until(() => second.result !== undefined)
  assert.is(second.result?.status, 'gone')
  const [first] = left
  assert.ok(first?.event === 'left')
  assert.equal([first.transfer, /0xc1 0x03/.test(first.expected), /0x41 0x05/.test(first.came)], [3, true, true])
})

test('an event waits for a poll, an answer for its recorded delay', async () => {
  const lines: Line[] = [
    { id: 10n, event: 'S', type: 'interrupt', endpoint: 0x83, length: 8, status: IN_PROGRESS },
    { id: 11n, event: 'S', endpoint: 0x82, length: 512, status: IN_PROGRESS, time: 10n },
    { id: 10n, event: 'C', type: 'interrupt', endpoint: 0x83, data: bytesOf('event'), time: 10n },
    { id: 11n, event: 'C', endpoint: 0x82, data: bytesOf('answer'), time: 5010n },
  ]
  for (const delays of [false, true]) {
    const device = new ReplayDevice(readRecording(captureOf(lines)), { delays })
    device.attach()
    const event = submit(device, { endpoint: 0x83, length: 8 })
    const answer = submit(device, { endpoint: 0x82, length: 512 })
    // Without delays it is the event that has to wait, with them the answer.
    assert.equal([event.result === undefined, answer.result === undefined], [!delays, true])
    await until(() => answer.result !== undefined)
    assert.equal([event.result?.data.length, answer.result?.data.length], [5, 6])
    await device.detach()
  }
})

test('standard requests are answered whenever they come', () => {
  const device = new ReplayDevice(readRecording(captureOf([])))
  device.attach()
  const ask = (setup: SetupPacket): number[] | string => {
    const { result } = submit(device, { endpoint: 0, setup, length: setup.requestType & 0x80 ? setup.length : 0 })
    return result?.status === 'ok' ? [...result.data] : (result?.status ?? 'nothing')
  }
  const standard = (requestType: number, request: number, value: number, length: number): SetupPacket => ({
    ...{ requestType, request, value, index: 0, length },
  })
  assert.equal(ask(standard(0x80, 8, 0, 1)), [0])
  assert.equal(ask(standard(0, 9, 1, 0)), [])
  assert.equal(ask(standard(0x80, 8, 0, 1)), [1])
  assert.equal(ask(standard(0x80, 6, 0x100, 8)), [...DEVICE.subarray(0, 8)])
  assert.equal(ask(standard(0x80, 6, 0x200, 255)), [...CONFIGURATION])
  assert.equal(ask(standard(0x80, 6, 0x301, 255)), [2, 3])
  assert.equal(ask(standard(0x80, 6, 0xf00, 255)), 'stall')
  assert.equal(ask(standard(0x80, 0, 0, 2)), [1, 0])
  assert.equal(ask(standard(0x80, 12, 0, 2)), 'stall')
  device.reset()
  assert.equal(ask(standard(0x80, 8, 0, 1)), [0])
  assert.is(device.speed, 'high')
})

test('a capture that cannot be replayed says why', () => {
  const refusals: readonly [string, RegExp, () => unknown][] = [
    ['CAPTURE_DEVICE', /no device 1\.9, only 1\.5/, () => readRecording(captureOf([]), { device: '1.9' })],
    ['CAPTURE_INCOMPLETE', /no device descriptor/, () => readRecording(undescribed())],
    [
      'CAPTURE_INCOMPLETE',
      /of the 100 bytes of transfer 3 the capture has 5 only/,
      () => readRecording(captureOf([{ id: 10n, event: 'S', data: bytesOf('first'), length: 100 }])),
    ],
    ['CAPTURE_DEVICE', /several devices: 1\.5, 1\.6/, () => readRecording(captureOf([...enumerationOf(6, 0x99)]))],
  ]
  for (const [code, words, work] of refusals) {
    assert.throws(
      work,
      (error: unknown) => error instanceof Error && 'code' in error && error.code === code && words.test(error.message),
    )
  }
})

/** A capture that begins behind the enumeration. */
function undescribed(): Buffer {
  const packet: UsbmonPacket = {
    ...{ id: 1n, event: 'S', type: 'bulk', endpoint: 1, bus: 1, device: 5, time: 0n, status: 0, length: 0 },
    data: new Uint8Array(0),
  }
  const usb = interfaceBlock({ linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usbmon1' })
  return Buffer.concat([sectionBlock('test', ''), usb, packetBlock(0, 0n, encodeUsbmon(packet))])
}

function enumerationOf(device: number, product: number): Line[] {
  const data = Uint8Array.from(DEVICE)
  data[10] = product
  return [
    { id: 20n, event: 'S', type: 'control', endpoint: 0x80, device, setup: read(1), length: 255 },
    { id: 20n, event: 'C', type: 'control', endpoint: 0x80, device, data, length: 18 },
  ]
}

const exchangeOf = fc.record({
  out: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  back: fc.uint8Array({ maxLength: 40 }),
})

test('any exchanges: the same host hears the same; one byte changed and it has left, at that transfer', () => {
  fc.assert(
    fc.property(fc.array(exchangeOf, { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(), (exchanges, which, where) => {
      const lines = exchanges.flatMap(({ out, back }, i): Line[] => [
        { id: 2n * BigInt(i) + 10n, event: 'S', data: out, status: IN_PROGRESS },
        { id: 2n * BigInt(i) + 10n, event: 'C', length: out.length },
        { id: 2n * BigInt(i) + 11n, event: 'S', endpoint: 0x82, length: 512, status: IN_PROGRESS },
        { id: 2n * BigInt(i) + 11n, event: 'C', endpoint: 0x82, data: back },
      ])
      const recording = readRecording(captureOf(lines))
      const changed = which % exchanges.length
      for (const target of [-1, changed]) {
        const left: ReplayEvent[] = []
        const device = new ReplayDevice(recording, { onEvent: (event) => event.event === 'left' && left.push(event) })
        device.attach()
        for (const [i, { out, back }] of exchanges.entries()) {
          const data = Uint8Array.from(out)
          if (i === target) data.set([(data[where % out.length] ?? 0) ^ 1], where % out.length)
          const gone = target >= 0 && i >= target
          assert.is(submit(device, { data }).result?.status, gone ? 'gone' : 'ok')
          const heard = submit(device, { endpoint: 0x82, length: 512 }).result
          assert.equal([heard?.status, ...(heard?.data ?? [])], gone ? ['gone'] : ['ok', ...back])
        }
        const numbers = left.map((event) => event.event === 'left' && event.transfer)
        const sent: RecordedTransfer[] = recording.transfers.filter(({ endpoint }) => endpoint === 1)
        assert.equal(numbers, target < 0 ? [] : [sent[target]?.number])
      }
    }),
  )
})

test.run()
