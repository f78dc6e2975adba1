// A Backup HSM that answers as one did in a capture.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
import { until } from './cables.js'
import { HostOver } from './host-over.js'
import { bytesOf, golden } from './imagined-capture.js'
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

test.run()
