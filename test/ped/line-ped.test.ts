// A PED behind a pedserver: TLS to the HSM on one side, a line to the PED's own process on the other.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'
import { createIdentity, readCertificate } from '../../host/ntls/certificates.js'
import {
  connectRemotePed,
  LinePed,
  PedError,
  type RemotePedEvent,
  RemotePedServer,
  type SerialEvent,
  SerialLine,
} from '../../host/ped/index.js'
import { type Desk, insert, ManualClock, Script, secretOf, withDesk } from './desk.js'
import { HsmSide } from './hsm-side.js'
import { settle, Wire } from './wire.js'

const test = suite('ped: in a process of its own, behind a pedserver')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }
const identity = createIdentity({ commonName: 'pedserver' })

interface Bridge extends Desk {
  served: LinePed
  log: RemotePedEvent[]
  lineEvents: SerialEvent[]
  /** Of the pedserver. */
  clock: ManualClock
  /** Brings the PED to the pedserver; answers both ends of its line. */
  bring(): { wire: Wire; pedEnd: SerialLine; serverEnd: SerialLine }
  plugIn(): Promise<FrameLink>
}

async function withBridge(operator: Script, work: (bridge: Bridge) => Promise<void>): Promise<void> {
  const own = await identity
  await withDesk(operator, async (desk) => {
    const clock = new ManualClock()
    const log: RemotePedEvent[] = []
    const lineEvents: SerialEvent[] = []
    const served = new LinePed()
    const onEvent = (event: RemotePedEvent) => log.push(event)
    const server = await RemotePedServer.listen({ ped: served, ...own, clock, onEvent }, 0)
    const { fingerprint } = readCertificate(own.certificate)
    const lines: SerialLine[] = []
    const bring = () => {
      const wire = new Wire()
      const [near, far] = wire.ends
      const onLine = (event: SerialEvent) => lineEvents.push(event)
      const serverEnd = new SerialLine({
        stream: near,
        role: 'hsm',
        clock,
        onLink: (link) => served.plugIn(link),
        onEvent: onLine,
      })
      const pedEnd = new SerialLine({ stream: far, role: 'ped', clock, onLink: (link) => desk.ped.connect(link) })
      lines.push(serverEnd, pedEnd)
      return { wire, pedEnd, serverEnd }
    }
    const plugIn = () =>
      connectRemotePed({ ...server.address, trusts: (seen) => seen === fingerprint, clock: new ManualClock() })
    try {
      await work({ ...desk, served, log, lineEvents, clock, bring, plugIn })
    } finally {
      for (const line of lines) line.close()
      await server.close()
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
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise(setImmediate)
}

test('frames go through, and the next HSM finds the PED as new', () =>
  withBridge(new Script(insert('orange'), insert('blue'), insert('orange')), async ({ bring, plugIn, served, ped }) => {
    bring()
    await settle()
    assert.ok(served.present)
    const link = await plugIn()
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
    assert.is(await codeOf(plugIn()), 'PED_IN_USE')
    const links = () => ped.events.filter(({ event }) => event === 'connected').length
    assert.is(links(), 1)
    link.close()
    const next = await plugIn()
    assert.is(links(), 2, 'the first HSM is a pulled cable to the PED')
    const again = new HsmSide(next, { remote: true, vector: secretOf('orange') })
    assert.ok(await again.hello())
  }))

test('no PED: told after three seconds; one that comes in that time is waited for', () =>
  withBridge(new Script(insert('orange')), async ({ bring, plugIn, clock, log }) => {
    const awaited = (times: number) => until(() => log.filter(({ event }) => event === 'ped-awaited').length === times)
    const late = codeOf(plugIn())
    await awaited(1)
    clock.advance(3000)
    assert.is(await late, 'PED_ABSENT')
    assert.ok(log.some(({ event }) => event === 'remote-refused'))
    const patient = plugIn()
    await awaited(2)
    bring()
    const hsm = new HsmSide(await patient, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
  }))

test('the PED pulled out in the middle of an entry: the HSM is hung up on, and the PED asks nothing any more', () => {
  const operator = new Script(insert('orange'))
  return withBridge(operator, async ({ bring, plugIn, served, ped, log }) => {
    const { pedEnd } = bring()
    await settle()
    const link = await plugIn()
    const gone = closed(link)
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    hsm.ask(PRESENT_SO)
    await operator.waiting
    pedEnd.close()
    await gone
    await until(() => !served.present)
    assert.not(served.connected)
    assert.equal(ped.lcd.slice(0, 2), ['PED', 'Not connected'])
    assert.equal(log.filter(({ event }) => event === 'ped-gone').length, 1)
    operator.more(insert('orange'), insert('blue'))
    bring()
    await settle()
    const again = new HsmSide(await plugIn(), { remote: true, vector: secretOf('orange') })
    assert.ok(await again.hello())
    assert.equal((await again.request(PRESENT_SO)).secret, secretOf('blue'))
  })
})

test('the pedserver gone under the PED: the question that stands ends, and the PED waits for the next one', () => {
  const operator = new Script(insert('orange'))
  return withBridge(operator, async ({ bring, plugIn, ped }) => {
    const { serverEnd } = bring()
    await settle()
    const link = await plugIn()
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    hsm.ask(PRESENT_SO)
    await operator.waiting
    serverEnd.close()
    await until(() => !ped.connected)
    assert.equal(ped.lcd.slice(0, 2), ['PED', 'Not connected'])
    bring()
    await settle()
    assert.ok(ped.connected)
  })
})

test('a second PED is not taken while the first is there', () =>
  withBridge(new Script(insert('orange')), async ({ bring, served, plugIn, lineEvents }) => {
    bring()
    await settle()
    const other = new Wire()
    const [near, far] = other.ends
    const clock = new ManualClock()
    const reasons: string[] = []
    const second = new SerialLine({
      ...{ stream: near, role: 'hsm', clock },
      onLink: (link) => served.plugIn(link),
      onEvent: (event) => {
        if (event.event === 'line-down') reasons.push(event.reason)
      },
    })
    const pedEnd = new SerialLine({ stream: far, role: 'ped', clock, onLink: () => undefined })
    await settle()
    assert.equal(reasons, ['there is a PED already'])
    second.close()
    pedEnd.close()
    assert.equal(
      lineEvents.map(({ event }) => event),
      ['line-up'],
    )
    const hsm = new HsmSide(await plugIn(), { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
  }))

test.run()
