// The usbredir server in front of a device that is not ours: settings with other endpoints, transfers that wait, kinds that ours lacks.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ExportableDevice, type RedirEvent, RedirServer, type UsbipLimits } from '../../host/usb/index.js'
import { allows, readFilter } from '../../host/usb/redir-filter.js'
import { type Cancel, type Complete, isInUrb, OVER, outcome, type Urb } from '../../host/usb/urb.js'
import { BUS_ID, until } from './cables.js'
import { bulk, control, RedirGuest, TYPES } from './redir-guest.js'
import { isPending } from './support.js'

const test = suite('usb: usbredir server, other devices')
const [SUCCESS, CANCELLED, INVALID, FAILED, STALL] = [0, 1, 2, 3, 4]

const DEVICE = '1201000200000040' + '6b1d04010001' + '000000' + '01'
/** A button without endpoints that has them in setting 1: bulk OUT 1, bulk IN 0x81, interrupt OUT 2, interrupt IN 0x83. */
const INTERFACES =
  '090400000003000000' +
  '090400010403000000' +
  '07050102000200' +
  '07058102000200' +
  '07050203400001' +
  '07058303080004'
const CONFIGURATION = `0902${(9 + INTERFACES.length / 2).toString(16)}000101008032${INTERFACES}`

/** Keeps what it is asked for until it is told the end of it. */
class WaitingDevice implements ExportableDevice {
  readonly waiting: { readonly urb: Urb; readonly complete: Complete; isGiven: boolean }[] = []
  resets = 0
  leaving: Promise<void> = Promise.resolve()

  submit(urb: Urb, complete: Complete): Cancel {
    if (urb.endpoint === 0) {
      const { requestType = 0, request = 0, value = 0 } = urb.setup ?? {}
      const isKnown = requestType < 0x20 || (requestType & 0x80) !== 0
      const data = isInUrb(urb) ? Uint8Array.of(request === 8 ? 1 : 5) : new Uint8Array(0)
      complete(isKnown && value < 9 ? { status: 'ok', data, actual: data.length } : outcome('stall'))
      return OVER
    }
    const one = { urb, complete, isGiven: false }
    this.waiting.push(one)
    return () => {
      if (one.isGiven) return false
      one.isGiven = true
      return true
    }
  }

  reset(): void {
    this.resets += 1
  }
  descriptor(type: number): Uint8Array | undefined {
    if (type === 1) return Buffer.from(DEVICE, 'hex')
    return type === 2 ? Buffer.from(CONFIGURATION, 'hex') : undefined
  }
  attach(): void {}
  detach(): Promise<void> {
    return this.leaving
  }
  notify(): void {}

  /** Ends the first transfer of an endpoint that nobody has given up. */
  end(endpoint: number, data: string, status: 'ok' | 'stall' = 'ok'): void {
    const one = this.waiting.find(({ urb, isGiven }) => urb.endpoint === endpoint && !isGiven)
    if (!one) throw new Error(`nothing waits at ${endpoint}`)
    one.isGiven = true
    const bytes = Uint8Array.from(Buffer.from(data))
    one.complete({ status, data: bytes, actual: bytes.length })
  }
}

const open: RedirServer[] = []
test.after.each(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function bench(
  limits: Partial<UsbipLimits> = {},
): Promise<{ server: RedirServer; device: WaitingDevice; guest: RedirGuest; events: RedirEvent[] }> {
  const events: RedirEvent[] = []
  const server = await RedirServer.listen({
    host: '127.0.0.1',
    port: 0,
    limits,
    onEvent: (event) => events.push(event),
  })
  open.push(server)
  const device = new WaitingDevice()
  server.plug(BUS_ID, device)
  const guest = await RedirGuest.attached(server.port)
  guest.send(TYPES.setConfiguration, 1, Buffer.of(1))
  await guest.next(TYPES.configurationStatus)
  guest.packets.splice(0)
  return { server, device, guest, events }
}

const slots = (body: Buffer): number[] => [...body.subarray(0, 32)].flatMap((type, i) => (type === 255 ? [] : [i]))

async function choose(guest: RedirGuest, setting: number): Promise<void> {
  guest.send(TYPES.setAlternate, 20, Buffer.of(0, setting))
  await guest.next(TYPES.alternateStatus)
  guest.packets.splice(0)
}

test('a configuration and a setting: the guest hears of the endpoints before it hears of the success', async () => {
  const { guest, device } = await bench()
  guest.send(TYPES.setConfiguration, 5, Buffer.of(1))
  const status = await guest.next(TYPES.configurationStatus)
  assert.equal([...status.body], [SUCCESS, 1])
  assert.equal(
    guest.packets.splice(0).map(({ type, id }) => [type, id]),
    [
      [TYPES.interfaces, 5n],
      [TYPES.endpoints, 5n],
    ],
  )
  guest.send(TYPES.setAlternate, 6, Buffer.of(0, 1))
  assert.equal([...(await guest.next(TYPES.alternateStatus)).body], [SUCCESS, 0, 1])
  const [, endpoints] = guest.packets.splice(0)
  assert.equal([endpoints?.type, slots(endpoints?.body ?? Buffer.alloc(0))], [TYPES.endpoints, [0, 1, 2, 16, 17, 19]])
  // One that the device does not take changes nothing.
  guest.send(TYPES.setAlternate, 7, Buffer.of(0, 9))
  assert.equal([...(await guest.next(TYPES.alternateStatus)).body], [STALL, 0, 9])
  assert.equal(guest.packets, [])
  guest.send(TYPES.bulk, 8, bulk(0x81, 512))
  await until(() => device.waiting.length === 1)
  // A configuration chosen anew, and a reset, are first settings everywhere.
  guest.send(TYPES.setConfiguration, 9, Buffer.of(1))
  await guest.next(TYPES.configurationStatus)
  guest.send(TYPES.bulk, 10, bulk(0x81, 512))
  assert.equal([(await guest.next(TYPES.bulk)).body[1], device.waiting.length], [INVALID, 1])
  await choose(guest, 1)
  guest.send(TYPES.reset, 0)
  guest.send(TYPES.bulk, 11, bulk(0x81, 512))
  assert.equal([(await guest.next(TYPES.bulk)).body[1], device.resets], [INVALID, 1])
})

test('asked for configuration and setting, the device answers', async () => {
  const { guest } = await bench()
  guest.send(TYPES.getConfiguration, 5)
  assert.equal([...(await guest.next(TYPES.configurationStatus)).body], [SUCCESS, 1])
  guest.send(TYPES.getAlternate, 6, Buffer.of(3))
  assert.equal([...(await guest.next(TYPES.alternateStatus)).body], [SUCCESS, 3, 5])
})

test('data that waits for the device counts until it is taken or given up; more is refused', async () => {
  const { guest, device } = await bench({ held: 1000 })
  await choose(guest, 1)
  const out = (id: number, length = 600): void => guest.send(TYPES.bulk, id, bulk(1, length, Buffer.alloc(length)))
  const answer = async (): Promise<[bigint, number | undefined]> => {
    const { id, body } = await guest.next(TYPES.bulk)
    return [id, body[1]]
  }
  out(10)
  out(11)
  assert.equal(await answer(), [11n, FAILED])
  guest.send(TYPES.cancel, 10)
  assert.equal(await answer(), [10n, CANCELLED])
  out(12)
  out(13)
  assert.equal(await answer(), [13n, FAILED])
  device.end(1, '')
  assert.equal(await answer(), [12n, SUCCESS])
  out(14, 1000)
  await until(() => device.waiting.at(-1)?.urb.data.length === 1000)
})

test('a large transfer has a long length both ways', async () => {
  const { guest, device } = await bench()
  await choose(guest, 1)
  guest.send(TYPES.bulk, 10, bulk(0x81, 200_000))
  await until(() => device.waiting.length === 1)
  assert.is(device.waiting[0]?.urb.length, 200_000)
  device.end(0x81, 'x'.repeat(150_000))
  const { body } = await guest.next(TYPES.bulk)
  assert.equal([body.readUInt16LE(2) + body.readUInt16LE(8) * 0x10000, body.length], [150_000, 150_010])
})

test('interrupt OUT goes to its endpoint; a control request to another endpoint than 0 goes nowhere', async () => {
  const { guest, device } = await bench()
  await choose(guest, 1)
  guest.send(TYPES.interrupt, 10, Buffer.concat([Buffer.of(2, 0, 3, 0), Buffer.from('abc')]))
  await until(() => device.waiting.length === 1)
  assert.equal([device.waiting[0]?.urb.endpoint, Buffer.from(device.waiting[0]?.urb.data ?? []).toString()], [2, 'abc'])
  device.end(2, '')
  assert.equal([...(await guest.next(TYPES.interrupt)).body], [2, SUCCESS, 0, 0])
  guest.send(TYPES.interrupt, 11, Buffer.of(1, 0, 0, 0))
  assert.equal([...(await guest.next(TYPES.interrupt)).body], [1, INVALID, 0, 0])
  guest.send(TYPES.control, 12, control('8006000100001200', 0x81))
  assert.is((await guest.next(TYPES.control)).body[3], INVALID)
})

test('an interrupt endpoint is read once, however often that is asked for; a stall is told and ends it', async () => {
  const { guest, device } = await bench()
  await choose(guest, 1)
  const start = async (): Promise<number[]> => {
    guest.send(TYPES.startInterrupt, 5, Buffer.of(0x83))
    return [...(await guest.next(TYPES.interruptStatus)).body]
  }
  const reads = (): number => device.waiting.filter(({ isGiven }) => !isGiven).length
  assert.equal(
    [await start(), await start()],
    [
      [SUCCESS, 0x83],
      [SUCCESS, 0x83],
    ],
  )
  await until(() => reads() === 1)
  device.end(0x83, 'one')
  assert.equal([...(await guest.next(TYPES.interrupt)).body.subarray(0, 4)], [0x83, SUCCESS, 3, 0])
  await until(() => reads() === 1)
  device.end(0x83, '', 'stall')
  assert.equal([...(await guest.next(TYPES.interruptStatus)).body], [STALL, 0x83])
  assert.is(reads(), 0)
  await start()
  await until(() => reads() === 1)
  guest.send(TYPES.stopInterrupt, 6, Buffer.of(0x83))
  await guest.next(TYPES.interruptStatus)
  assert.is(reads(), 0, 'given up at the device, too')
})

test('the next guest waits until the device has nothing left of the last one', async () => {
  const { server, guest, device, events } = await bench()
  let left = (): void => undefined
  device.leaving = new Promise((resolve) => {
    left = resolve
  })
  guest.socket.destroy()
  await until(() => events.some(({ event }) => event === 'disconnected'))
  const next = await RedirGuest.open(server.port)
  next.greet()
  const given = next.until(() => next.hasDevice)
  const count = (name: string): number => events.filter(({ event }) => event === name).length
  await until(() => count('connected') === 2)
  assert.ok(await isPending(given))
  assert.is(count('imported'), 1)
  left()
  await given
})

test('who has rejected the device is offered it again when it is plugged in again', async () => {
  const { server, guest, device, events } = await bench()
  guest.send(TYPES.reject, 0)
  await until(() => events.some(({ event }) => event === 'rejected'))
  await until(() => events.some(({ event }) => event === 'released'))
  guest.hasDevice = false
  await server.unplug(BUS_ID)
  server.plug(BUS_ID, device)
  await guest.until(() => guest.hasDevice)
})

test('a guest that has not acknowledged the end of a device gets none, and what it says of the old one is dropped', async () => {
  const { server, guest, device } = await bench()
  await choose(guest, 1)
  guest.acknowledges = false
  await server.unplug(BUS_ID)
  await guest.next(TYPES.disconnect)
  server.plug(BUS_ID, device)
  guest.send(TYPES.bulk, 10, bulk(0x81, 512))
  guest.send(TYPES.setConfiguration, 11, Buffer.of(1))
  const again = guest.until(() => guest.hasDevice)
  assert.ok(await isPending(again))
  guest.send(TYPES.ack, 0)
  await again
  assert.equal(
    [device.waiting.length, guest.packets.map(({ type }) => type)],
    [0, [TYPES.interfaces, TYPES.endpoints, TYPES.connect]],
  )
})

test('a filter against buttons keeps a keyboard out, and not a device that has buttons, too', () => {
  const rules = readFilter(Buffer.from('0x03,-1,-1,-1,0|-1,-1,-1,-1,1\0'))
  const device = Buffer.from(DEVICE, 'hex')
  const ours = '0904000000ff000000'
  for (const [interfaces, isAllowed] of [
    ['090400000003000000', false],
    [`${ours}090401000003000000`, true],
    [`${ours}090401000003010100`, false],
  ] as const) {
    const length = (9 + interfaces.length / 2).toString(16).padStart(2, '0')
    const configuration = Buffer.from(`0902${length}000101008032${interfaces}`, 'hex')
    assert.is(allows(rules, { device, configuration }), isAllowed, interfaces)
  }
})

test('a filter that comes late takes the device away again', async () => {
  const { guest, events } = await bench()
  guest.send(TYPES.filter, 0, Buffer.from('-1,0x1d6c,-1,-1,1\0'))
  await guest.next(TYPES.disconnect)
  await until(() => events.some(({ event }) => event === 'rejected'))
  assert.is(guest.hasDevice, false)
})

test('a guest that does not fetch its answers is not read from, and is hung up on', async () => {
  const { guest, device, events } = await bench({ unsent: 100_000, message: 300 })
  await choose(guest, 1)
  guest.socket.pause()
  for (let id = 10; id < 40; id++) {
    guest.send(TYPES.bulk, id, bulk(0x81, 1_000_000))
    await until(() => device.waiting.length === id - 9 || events.some(({ event }) => event === 'disconnected'))
    if (events.some(({ event }) => event === 'disconnected')) break
    device.end(0x81, 'x'.repeat(1_000_000))
  }
  await until(() => events.some((one) => one.event === 'disconnected' && one.why === 'slow'))
  guest.socket.destroy()
})

test.run()
