import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MeteredDevice, showStats, TokenDevice, usbIdentity } from '../../host/usb/index.js'
import type { Urb, UrbResult } from '../../host/usb/urb.js'
import { type FaultyLab, faultyLab } from './faulty-lab.js'
import { EchoDoor } from './support.js'

const test = suite('usb: meter')
const EMPTY = new Uint8Array(0)
const labs: FaultyLab[] = []

test.after.each(async () => {
  for (const one of labs.splice(0)) await one.close()
})

/** A configured device whose clock goes on by this many milliseconds whenever it is looked at. */
function metered(step: number): MeteredDevice {
  let now = 0
  const device = new MeteredDevice(new TokenDevice(new EchoDoor(), usbIdentity('1')), () => {
    now += step
    return now
  })
  device.attach()
  return device
}

const done: UrbResult[] = []
const submit = (device: MeteredDevice, urb: Partial<Urb>): (() => boolean) =>
  device.submit({ endpoint: 0, data: EMPTY, length: 0, ...urb }, (result) => done.push(result))
const CONFIGURE = { requestType: 0, request: 9, value: 1, index: 0, length: 0 }
const GET_STATUS = { requestType: 0x80, request: 0, value: 0, index: 0, length: 2 }

test('transfers, bytes, endings and times of each endpoint', () => {
  const device = metered(2)
  submit(device, { setup: CONFIGURE })
  for (let count = 0; count < 9; count++) submit(device, { setup: GET_STATUS, length: 2 })
  submit(device, { endpoint: 1, data: Buffer.from('GARBAGE!') })
  const giveUp = submit(device, { endpoint: 0x81, length: 512 })
  assert.ok(giveUp())
  assert.not(giveUp())
  submit(device, { endpoint: 5, data: new Uint8Array(3) })
  const [control, out, absent, into] = device.stats()
  const { latency, ...rest } = control ?? { latency: undefined }
  assert.equal(rest, { endpoint: 0, transfers: 10, bytes: 18, cancelled: 0, ended: { ok: 10 } })
  // Three significant figures: 2 ms is 2000 us to within a thousandth.
  for (const time of [
    latency?.min,
    latency?.mean,
    latency?.max,
    latency?.percentiles.p50,
    latency?.percentiles['p99.9'],
  ]) {
    assert.ok(Math.abs((time ?? 0) - 2000) <= 2, String(time))
  }
  assert.equal(out, { endpoint: 1, transfers: 1, bytes: 0, cancelled: 0, ended: { stall: 1 }, latency: undefined })
  assert.equal(absent, { endpoint: 5, transfers: 1, bytes: 0, cancelled: 0, ended: { absent: 1 }, latency: undefined })
  assert.equal(into, { endpoint: 0x81, transfers: 1, bytes: 0, cancelled: 1, ended: {}, latency: undefined })
  const lines = showStats(device.stats()).split('\n')
  assert.is(lines.length, 6)
  assert.match(lines[1] ?? '', /^ +0x00 +10 +18 +0 +0 +(2000|199\d|200\d)/)
  assert.match(lines[4] ?? '', /^ +0x81 +1 +0 +0 +1 +- /)
})

test('what is counted is what the device has done, not what a fault has made of it', async () => {
  const lab = await faultyLab({
    rules: [{ kind: 'stall', endpoint: 1, at: 2, delay: 0, bytes: undefined }],
  })
  labs.push(lab)
  const device = await lab.importIt()
  await device.open()
  await device.selectConfiguration(1)
  await device.claimInterface(0)
  await device.transferOut(1, new Uint8Array(0))
  assert.is((await device.transferOut(1, new Uint8Array(0))).status, 'stall')
  const [stats] = lab.instruments.stats().devices
  const out = stats?.endpoints.find(({ endpoint }) => endpoint === 1)
  assert.is(out?.transfers, 1)
  assert.equal(out?.ended, { ok: 1 })
  assert.equal(stats?.faults, [{ device: '1-1', kind: 'stall', endpoint: 1, transfer: 2 }])
  assert.match(lab.instruments.show(), /^1-1\nendpoint/)
})

test.run()
