// Any device made of a capture, transfer by transfer: what has to come in which order, and what is refused.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReplayDevice, type ReplayEvent, readRecording } from '../../host/usb/index.js'
import type { RecordedTransfer } from '../../host/usb/recording.js'
import type { SetupPacket } from '../../host/usb/urb.js'
import { IN_PROGRESS } from '../../host/usb/usbmon.js'
import { until } from './cables.js'
import { HostOver } from './host-over.js'
import {
  bytesOf,
  CONFIGURATION,
  captureOf,
  DEVICE,
  enumerationOf,
  golden,
  type Line,
  submit,
  undescribed,
  vendor,
} from './imagined-capture.js'

const test = suite('usb replay: transfers')

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
