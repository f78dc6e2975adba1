// Faults as a driver at the far end of a USB/IP connection meets them, and what a bad rule is told.
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeTransfer } from '../../host/usb/framing.js'
import { readFaultRule, type UsbipDevice, UsbTransport } from '../../host/usb/index.js'
import { until } from './cables.js'
import { type FaultyLab, faultyLab } from './faulty-lab.js'
import { frame, isPending, rejects } from './support.js'

const test = suite('usb: faults')
const labs: FaultyLab[] = []

async function lab(...rules: string[]): Promise<FaultyLab> {
  const made = await faultyLab({ rules: rules.map(readFaultRule) })
  labs.push(made)
  return made
}

async function ready(device: UsbipDevice): Promise<USBDevice> {
  await device.open()
  await device.selectConfiguration(1)
  await device.claimInterface(0)
  return device
}

test.after.each(async () => {
  for (const one of labs.splice(0)) await one.close()
})

const transfer = (text: string): Uint8Array<ArrayBuffer> => encodeTransfer(frame(7, Buffer.from(text)))

test('stall: the endpoint is halted until the host clears it, the device sees nothing', async () => {
  const { importIt, door, told } = await lab('ep=0x01,at=2,do=stall')
  const device = await ready(await importIt())
  assert.is((await device.transferOut(1, transfer('one'))).status, 'ok')
  assert.is((await device.transferOut(1, transfer('two'))).status, 'stall')
  assert.is((await device.transferOut(1, transfer('three'))).status, 'stall', 'still halted')
  await device.clearHalt('out', 1)
  assert.is((await device.transferOut(1, transfer('four'))).status, 'ok')
  assert.is(door.seen.length, 2)
  assert.equal(told, [{ device: '1-1', kind: 'stall', endpoint: 1, transfer: 2 }])
})

test('short: the host gets half of the answer, the device half of what goes out', async () => {
  const { importIt, model } = await lab('ep=0x81,at=1,do=short,bytes=10', 'ep=1,at=2,do=short')
  const device = await ready(await importIt())
  await device.transferOut(1, transfer('hello'))
  assert.is((await device.transferIn(1, 512)).data?.byteLength, 10)
  const bytes = transfer('hello again')
  assert.equal(await device.transferOut(1, bytes), { status: 'ok', bytesWritten: bytes.length >> 1 })
  assert.is(model.configuration, 1)
})

test('corrupt: one bit is another', async () => {
  const { importIt } = await lab('ep=0x81,do=corrupt')
  const device = await ready(await importIt())
  const clean = await ready(await (await lab()).importIt())
  const answers: Buffer[] = []
  for (const one of [device, clean]) {
    await one.transferOut(1, transfer('hello'))
    const { data } = await one.transferIn(1, 512)
    answers.push(Buffer.from(data?.buffer ?? new ArrayBuffer(0)))
  }
  const [wrong = Buffer.alloc(0), right = Buffer.alloc(0)] = answers
  const bits = [...wrong].reduce((sum, byte, at) => sum + ones(byte ^ (right[at] ?? 0)), 0)
  assert.is(wrong.length, right.length)
  assert.is(bits, 1)
})

const ones = (byte: number): number => [...byte.toString(2)].filter((digit) => digit === '1').length

test('drop: nobody answers until the host gives the transfer up, and the next one is served', async () => {
  const { importIt, door } = await lab('ep=1,at=1,do=drop')
  const device = await ready(await importIt())
  const lost = device.transferOut(1, transfer('lost'))
  const ended = rejects('AbortError', lost)
  await device.controlTransferIn({ requestType: 'standard', recipient: 'device', request: 0, value: 0, index: 0 }, 2)
  assert.ok(await isPending(lost))
  await device.releaseInterface(0)
  await ended
  await device.claimInterface(0)
  await device.transferOut(1, transfer('next'))
  assert.is(door.seen.length, 1)
})

test('delay: it comes, later than what was asked for after it', async () => {
  const { importIt } = await lab('ep=0x81,at=1,do=delay,ms=50')
  const device = await ready(await importIt())
  const order: string[] = []
  await device.transferOut(1, transfer('hello'))
  const late = device.transferIn(1, 512).then(({ status }) => order.push(`late ${status}`))
  await device.controlTransferIn({ requestType: 'standard', recipient: 'device', request: 0, value: 0, index: 0 }, 2)
  order.push('control')
  await late
  assert.equal(order, ['control', 'late ok'])
})

test('unplug: the device is gone, and is plugged in again by itself', async () => {
  const { importIt, server, told } = await lab('ep=1,at=1,do=unplug')
  const device = await importIt()
  const transport = await UsbTransport.open(device)
  await rejects('TRANSPORT_REMOVED', transport.exchange(frame(7)))
  await device.closed
  await until(() => server.isPlugged('1-1'))
  const again = await UsbTransport.open(await importIt())
  assert.is((await again.exchange(frame(7))).length, 16)
  assert.is(told.length, 1)
})

test('a driver that meets a stall says that its device does not keep to the framing', async () => {
  const { importIt } = await lab('ep=0x81,at=2,do=stall')
  const transport = await UsbTransport.open(await importIt())
  await transport.exchange(frame(7))
  await rejects('TRANSPORT_FRAME', transport.exchange(frame(7)))
})

test('by chance: the same seed, the same faults', async () => {
  const runs: string[] = []
  for (const seed of [7, 7, 8]) {
    const { importIt, told, close } = await faultyLab({ rules: [], chance: { rate: 0.3, seed } })
    const device = await ready(await importIt())
    for (let at = 0; at < 40; at++) {
      await device.clearHalt('out', 1)
      // A transfer that is dropped is given up by letting the interface go.
      const sent = device.transferOut(1, new Uint8Array(0)).catch(() => undefined)
      await device.controlTransferIn(
        { requestType: 'standard', recipient: 'device', request: 0, value: 0, index: 0 },
        2,
      )
      if (told.at(-1)?.kind === 'drop') {
        await device.releaseInterface(0)
        await device.claimInterface(0)
      }
      await sent
    }
    runs.push(JSON.stringify(told))
    await close()
  }
  const [one, same, other] = runs
  assert.is(one, same)
  assert.is.not(one, other)
  assert.ok(JSON.parse(one ?? '[]').length > 3)
})

test('rules that make no sense', () => {
  for (const [rule, why] of [
    ['', "'' is not NAME=VALUE"],
    ['ep=0x81', "'do' is missing"],
    ['do=explode', "not 'explode'"],
    ['do=stall,do=stall', "two of 'do'"],
    ['do=stall,ep=0x91', "'ep' takes"],
    ['do=stall,at=0', "'at' takes a number from 1"],
    ['do=stall,at=1e9', "not '1e9'"],
    ['do=stall,ms=3', "'ms' belongs to a delay"],
    ['do=drop,bytes=3', "'bytes' belongs to a short"],
    ['do=stall,of=3', "there is no 'of'"],
  ] as const) {
    try {
      readFaultRule(rule)
    } catch (error) {
      assert.is(error instanceof Error && 'code' in error && error.code, 'USB_FAULT_RULE', rule)
      assert.match(error instanceof Error ? error.message : '', why)
      continue
    }
    assert.unreachable(rule)
  }
  assert.equal(readFaultRule('ep=0x80,at=3,do=delay,ms=20'), {
    kind: 'delay',
    endpoint: 0,
    at: 3,
    delay: 20,
    bytes: undefined,
  })
})

test('any text is a rule or has a clear error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        readFaultRule(text)
      } catch (error) {
        assert.is(error instanceof Error && 'code' in error && error.code, 'USB_FAULT_RULE')
      }
    }),
  )
})

test.run()
