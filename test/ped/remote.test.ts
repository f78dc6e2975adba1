import { randomBytes } from 'node:crypto'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { PED_MAX_FRAME, PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'
import { createIdentity, readCertificate } from '../../host/ntls/certificates.js'
import { connectRemotePed, PedError, type RemotePedEvent, RemotePedServer } from '../../host/ped/index.js'
import { encodeMessage, MessageReader } from '../../host/ped/remote-wire.js'
import { type Desk, insert, ManualClock, Script, secretOf, withDesk } from './desk.js'
import { HsmSide } from './hsm-side.js'

const test = suite('ped: remote, over TLS')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }
const identity = createIdentity({ commonName: 'pedserver' })

interface Server extends Desk {
  server: RemotePedServer
  /** The server's clock. */
  clock: ManualClock
  log: RemotePedEvent[]
  fingerprint: string
  /** Resolves once the server reports such an event. */
  reports(event: RemotePedEvent['event']): Promise<void>
  plugIn(options?: { clock?: ManualClock; idleTimeout?: number; fingerprint?: string }): Promise<FrameLink>
}

async function withServer(operator: Script, work: (server: Server) => Promise<void>): Promise<void> {
  const own = await identity
  await withDesk(operator, async (desk) => {
    const [clock, log]: [ManualClock, RemotePedEvent[]] = [new ManualClock(), []]
    const watchers: (() => void)[] = []
    const onEvent = (event: RemotePedEvent) => {
      log.push(event)
      for (const watcher of watchers.splice(0)) watcher()
    }
    const server = await RemotePedServer.listen({ ped: desk.ped, ...own, clock, onEvent }, 0)
    const { fingerprint } = readCertificate(own.certificate)
    const reports = async (wanted: RemotePedEvent['event']) => {
      while (!log.some(({ event }) => event === wanted)) await new Promise<void>((resolve) => watchers.push(resolve))
    }
    const plugIn: Server['plugIn'] = (options = {}) => {
      const { fingerprint: expected = fingerprint, ...rest } = options
      return connectRemotePed({
        ...server.address,
        trusts: (seen) => seen === expected,
        clock: new ManualClock(),
        ...rest,
      })
    }
    try {
      await work({ ...desk, server, clock, log, fingerprint, reports, plugIn })
    } finally {
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

const ended = (link: FrameLink) => new Promise<void>((resolve) => link.onClose(resolve))

test('messages come out as they went in, in any pieces; what has no good length ends the stream', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 255 }), fc.uint8Array({ maxLength: PED_MAX_FRAME }))),
      fc.integer({ min: 1, max: 700 }),
      (sent, piece) => {
        const stream = Buffer.concat(sent.map(([type, body]) => encodeMessage(type, body)))
        const reader = new MessageReader()
        const got = []
        for (let at = 0; at < stream.length; at += piece) got.push(...reader.push(stream.subarray(at, at + piece)))
        assert.equal(
          got.map(({ type, body }) => [type, Uint8Array.from(body)]),
          sent.map(([type, body]) => [type, Uint8Array.from(body)]),
        )
        assert.not(reader.begun)
      },
    ),
  )
  for (const length of [0, PED_MAX_FRAME + 2, 0xffff]) {
    const head = Buffer.alloc(2)
    head.writeUInt16BE(length)
    assert.throws(() => new MessageReader().push(head), /a message of/)
  }
})

test('an HSM is served, and the next one when the first has gone', () =>
  withServer(new Script(insert('orange'), insert('blue')), async ({ plugIn, server, reports, ped }) => {
    const link = await plugIn()
    const hsm = new HsmSide(link, { remote: true, vector: secretOf('orange') })
    assert.ok(await hsm.hello())
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
    assert.ok(server.peer)
    assert.is(await codeOf(plugIn()), 'PED_IN_USE')
    link.close()
    await reports('remote-disconnected')
    assert.not(ped.connected)
    const next = await plugIn()
    const gone = ended(next)
    assert.ok(server.disconnect(), 'the person at the PED hangs up')
    await gone
  }))

test('idle for 1800 s: hung up on, by the clock; a frame begins the time anew', () =>
  withServer(new Script(), async ({ plugIn, clock, server, log }) => {
    const link = await plugIn()
    const hsm = new HsmSide(link, { remote: true })
    clock.advance(PED_REMOTE_IDLE_TIMEOUT - 1)
    hsm.send(hsm.frame(protocol.PED_REQUEST, 1, Buffer.alloc(72)))
    await hsm.next()
    clock.advance(PED_REMOTE_IDLE_TIMEOUT - 1)
    await new Promise(setImmediate)
    assert.ok(server.peer, 'the frame and its answer were traffic')
    const gone = ended(link)
    clock.advance(1)
    await gone
    assert.ok(log.some(({ event }) => event === 'remote-idle'))
    assert.is(server.peer, undefined)
  }))

test('the shorter time of both sides counts', () =>
  withServer(new Script(), async ({ plugIn, reports }) => {
    const clock = new ManualClock()
    const link = await plugIn({ clock, idleTimeout: 5000 })
    const gone = ended(link)
    clock.advance(5000)
    await gone
    await reports('remote-disconnected')
  }))

test('who connects and says nothing is hung up on after ten seconds', () =>
  withServer(new Script(), async ({ server, clock, plugIn, reports }) => {
    const { host, port } = server.address
    const socket = connect({ host, port, rejectUnauthorized: false })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    await clock.sleeping(1)
    assert.is(await codeOf(plugIn().then((link) => link.close())), 'none', 'and others are served meanwhile')
    clock.advance(10_000)
    await closed
    await reports('remote-refused')
  }))

test('garbage before and inside TLS, and messages that make no sense, end their connection only', () =>
  withServer(new Script(), async ({ server, plugIn }) => {
    const { host, port } = server.address
    for (const bytes of [
      // Not a length that may be: the server would wait for the rest, by a clock that nobody moves here.
      Buffer.concat([Buffer.of(0xff), randomBytes(63)]),
      Buffer.of(0xff, 0xff, 4),
      Buffer.of(0, 0),
      encodeMessage(1, Buffer.of(9)),
      encodeMessage(4, Buffer.from('a frame before PLUG')),
      Buffer.concat([encodeMessage(1, Buffer.of(1)), encodeMessage(77)]),
    ]) {
      const socket = connect({ host, port, rejectUnauthorized: false })
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.on('error', () => undefined).resume()
      socket.write(bytes)
      await closed
    }
    assert.is(server.peer, undefined)
    ;(await plugIn()).close()
  }))

test('another certificate is not trusted, and nobody at an address is no server', () =>
  withServer(new Script(), async ({ plugIn, server }) => {
    assert.is(await codeOf(plugIn({ fingerprint: '00'.repeat(32) })), 'PED_SERVER_UNTRUSTED')
    const { port } = server.address
    await server.close()
    const nobody = connectRemotePed({ host: '127.0.0.1', port, trusts: () => true, clock: new ManualClock() })
    assert.is(await codeOf(nobody), 'PED_UNREACHABLE')
  }))

test.run()
