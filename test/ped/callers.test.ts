// PED servers that call the appliance: mutual TLS, those that are registered and nobody else.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'
import { createIdentity, type Identity, readCertificate } from '../../host/ntls/certificates.js'
import { ApplianceCall, PedCallers, PedError, type RemotePedEvent, RemotePedServer } from '../../host/ped/index.js'
import { type Desk, insert, ManualClock, Script, secretOf, withDesk } from './desk.js'
import { HsmSide } from './hsm-side.js'

const test = suite('ped: a pedserver calls the appliance')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }
const DAY = 86_400_000
const appliance = createIdentity({ commonName: 'appliance' })
const office = createIdentity({ commonName: 'office' })
const stranger = createIdentity({ commonName: 'stranger' })
const expired = createIdentity({
  commonName: 'old',
  from: new Date(Date.now() - 3 * DAY),
  days: 2,
})
const fingerprintOf = async (one: Promise<Identity>) => readCertificate((await one).certificate).fingerprint

interface Scene extends Desk {
  callers: PedCallers
  server: RemotePedServer
  /** Of the appliance, and of the pedserver. */
  clocks: { appliance: ManualClock; pedserver: ManualClock }
  log: RemotePedEvent[]
  call(options?: { as?: Promise<Identity>; trusts?: (seen: string) => boolean }): Promise<ApplianceCall>
  /** Waits until the appliance or the pedserver has told of so many such events. */
  reports(event: RemotePedEvent['event'], times?: number): Promise<void>
}

async function withScene(operator: Script, work: (scene: Scene) => Promise<void>): Promise<void> {
  const names = new Map([
    [await fingerprintOf(office), 'office'],
    [await fingerprintOf(expired), 'old'],
  ])
  const trusted = await fingerprintOf(appliance)
  await withDesk(operator, async (desk) => {
    const log: RemotePedEvent[] = []
    const watchers: (() => void)[] = []
    const onEvent = (event: RemotePedEvent) => {
      log.push(event)
      for (const watcher of watchers.splice(0)) watcher()
    }
    const reports: Scene['reports'] = async (wanted, times = 1) => {
      while (log.filter(({ event }) => event === wanted).length < times) {
        await new Promise<void>((resolve) => watchers.push(resolve))
      }
    }
    const clocks = { appliance: new ManualClock(), pedserver: new ManualClock() }
    const nameOf = (fingerprint: string) => names.get(fingerprint)
    const callers = await PedCallers.listen({ ...(await appliance), nameOf, clock: clocks.appliance, onEvent }, 0)
    const own = await office
    const server = await RemotePedServer.listen({ ped: desk.ped, ...own, clock: clocks.pedserver }, 0)
    const calls: ApplianceCall[] = []
    const call: Scene['call'] = async ({ as = office, trusts = (seen: string) => seen === trusted } = {}) => {
      const place = { name: 'net', ...callers.address, clock: clocks.pedserver, server, onEvent }
      const made = await ApplianceCall.start({ ...(await as), ...place, trusts })
      calls.push(made)
      return made
    }
    try {
      await work({ ...desk, callers, server, clocks, log, call, reports })
    } finally {
      for (const one of calls) one.close()
      await server.close()
      await callers.close()
    }
  })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof PedError) return error.code
    throw error
  }
  return 'none'
}

const closed = (link: FrameLink) => new Promise<void>((resolve) => link.onClose(resolve))

test('the appliance uses the PED of a server that has called, and again after that has called again', () =>
  withScene(new Script(insert('orange'), insert('blue'), insert('orange')), async (scene) => {
    const { call, callers, reports, clocks } = scene
    const { up } = await call()
    assert.ok(up)
    assert.equal(callers.waiting, ['office'])
    const link = await callers.take('office')
    assert.equal(callers.waiting, [])
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
    link.close()
    await reports('remote-disconnected')
    // The next HSM does not wait for long: the server calls again after two seconds.
    const next = callers.take('office')
    await clocks.pedserver.sleeping(1)
    clocks.pedserver.advance(2000)
    const again = new HsmSide(await next, { remote: true, vector: secretOf('orange') })
    assert.ok(await again.hello())
  }))

test('who is not registered, or no longer valid, is refused', () =>
  withScene(new Script(), async ({ call, callers, log }) => {
    assert.is(await codeOf(call({ as: stranger })), 'PED_REMOTE_REFUSED')
    assert.is(await codeOf(call({ as: expired })), 'PED_REMOTE_REFUSED')
    assert.equal(callers.waiting, [])
    assert.is(log.filter(({ event }) => event === 'remote-refused').length, 2)
  }))

test('an appliance with another certificate is not told anything', () =>
  withScene(new Script(), async ({ call, callers }) => {
    assert.is(await codeOf(call({ trusts: () => false })), 'PED_SERVER_UNTRUSTED')
    assert.equal(callers.waiting, [])
  }))

test('a server that has not called: told after six seconds', () =>
  withScene(new Script(), async ({ callers, clocks }) => {
    const none = codeOf(callers.take('office'))
    await clocks.appliance.sleeping(1)
    clocks.appliance.advance(6000)
    assert.is(await none, 'PED_UNREACHABLE')
  }))

test('no idle time counts on a connection that the server has made', () =>
  withScene(new Script(insert('orange'), insert('blue')), async ({ call, callers, clocks }) => {
    await call()
    const link = await callers.take('office')
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    for (const clock of [clocks.appliance, clocks.pedserver]) clock.advance(10 * protocol.PED_REMOTE_IDLE_TIMEOUT)
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
  }))

test('one that calls twice is there once; one that hangs up is not there', () =>
  withScene(new Script(), async ({ call, callers, reports }) => {
    await call()
    const second = await call()
    await reports('caller', 2)
    assert.equal(callers.waiting, ['office'])
    second.close()
    await reports('caller-gone', 2)
    assert.equal(callers.waiting, [])
  }))

test('the PED in use by another HSM: told to the one that wants it by its call', () =>
  withScene(new Script(insert('orange')), async ({ call, callers, ped, plug, reports }) => {
    await call()
    const hsm = plug({ remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    assert.is(await codeOf(callers.take('office')), 'PED_IN_USE')
    assert.ok(ped.connected)
    await reports('called')
  }))

test('the appliance that ends hangs up on all', () =>
  withScene(new Script(insert('orange')), async ({ call, callers, reports }) => {
    const one = await call()
    const link = await callers.take('office')
    const gone = closed(link)
    await callers.close()
    await gone
    await reports('remote-disconnected')
    while (one.up) await new Promise(setImmediate)
  }))

test.run()
