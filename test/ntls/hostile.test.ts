// Peers that mean ill, on the real appliance over real sockets, while a client works there and gets its answers.
// More handshakes: MOONLET_HANDSHAKES.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectPlain, createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CKA_LABEL,
  CMD_OBJECT_GET,
  CMD_RANDOM,
  CMD_SESSION_OPEN,
  FRAME_HEADER,
  MAX_FRAME,
  SESSION_RW,
} from '../../assembly/protocol.js'
import { COMMAND, encodeMessage, helloMessage, MessageReader, REPLY } from '../../host/ntls/framing.js'
import { createIdentity, type Identity, type NtlsLimits } from '../../host/ntls/index.js'
import { officerOn } from '../firmware/support/officer.js'
import { dataObject } from '../firmware/support/templates.js'
import { memoryNow } from './support/memory.js'
import { codeOf, drained, refusalIn, Site, tokenOf } from './support/site.js'
import { Worker } from './support/worker.js'

const test = suite('NTLS: hostile peers')

const CONNECTS = 10_000
const HANDSHAKES = Number(process.env.MOONLET_HANDSHAKES ?? 600)
const BATCH = 100
/** What a peer that is not to wait for long gets, in milliseconds: enough for one that means it, on a machine with other work. */
const SHORT = 2000

let site: Site
let alice: Identity
let mallory: Identity
let stranger: Identity
let worker: Worker
const workers: Worker[] = []

test.before(async () => {
  site = await Site.open()
  alice = await site.client('alice')
  mallory = await site.client('mallory')
  stranger = await createIdentity({ commonName: 'alice' })
})

test.after(() => site.close())

test.after.each(async () => {
  for (const one of workers.splice(0)) await one.end()
})

/** An appliance with these limits, and a client at work on it. */
async function begin(limits: Partial<NtlsLimits> = {}): Promise<void> {
  await site.appliance.close()
  await site.listen(limits)
  worker = await Worker.start(tokenOf(await site.connect(alice)), site.partitions[0] ?? 0)
  workers.push(worker)
}

/** The worker is the only one left, and has been served all the time. */
async function alone(): Promise<void> {
  await worker.goesOn()
  while (site.appliance.connections > 1 || site.appliance.pending > 0) await worker.goesOn(1)
  assert.is(await site.sessionsLeft(), 1)
}

function frame(command: number, body: Uint8Array, tag = 1): Buffer {
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt16BE(command)
  header.writeUInt32BE(tag, 8)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

function randomCommand(count: number, tag: number): Buffer {
  const body = Buffer.alloc(4)
  body.writeUInt32BE(count)
  return encodeMessage(COMMAND, 0, frame(CMD_RANDOM, body, tag))
}

function labelCommand(session: number, handle: number, tag: number): Buffer {
  const body = Buffer.alloc(10)
  body.writeUInt32BE(handle)
  body.writeUInt16BE(1, 4)
  body.writeUInt32BE(CKA_LABEL, 6)
  const asked = frame(CMD_OBJECT_GET, body, tag)
  asked.writeUInt32BE(session, 4)
  return encodeMessage(COMMAND, 0, asked)
}

function openCommand(partition: number): Buffer {
  const body = Buffer.alloc(13)
  body.writeUInt32BE(partition)
  body.writeUInt8(SESSION_RW, 12)
  return encodeMessage(COMMAND, 0, frame(CMD_SESSION_OPEN, body))
}

/** The first flight of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined)
  const bytes = await new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => socket.once('data', (first: Buffer) => resolve(first))),
  )
  client.destroy()
  server.close()
  return bytes
}

/** Bytes that come one by one for as long as somebody takes them. */
async function drip(socket: Socket, bytes: Iterable<number>): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed || !socket.writable) return
    await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()))
    await worker.goesOn(1)
  }
}

test('who does not get on with TCP, the handshake, the hello or a message is shown the door', async () => {
  await begin({ greeting: SHORT, message: SHORT })
  const hello = await clientHello()
  const peers: Promise<unknown>[] = []
  for (let i = 0; i < 20; i++) {
    const [mute, slow, half, stuck] = [site.plain(), site.plain(), site.plain(), site.plain()]
    slow.write(hello.subarray(0, 3))
    half.write(hello.subarray(0, hello.length - 1))
    stuck.write(hello)
    peers.push(...[mute, slow, half, stuck].map(drained))
  }
  const dripping = site.plain()
  peers.push(drained(dripping), drip(dripping, hello))
  await Promise.all(peers)

  const silent = await site.raw(mallory)
  assert.is(refusalIn(await drained(silent)), 'TOO_SLOW')
  const loris = await site.raw(mallory)
  const said = drained(loris)
  loris.write(helloMessage())
  await drip(loris, encodeMessage(COMMAND, 0, frame(CMD_RANDOM, Buffer.alloc(MAX_FRAME - FRAME_HEADER))))
  assert.is(refusalIn(await said), 'TOO_SLOW')
  await alone()
})

test('a client that sends without a pause is not slow', async () => {
  await begin({ message: SHORT })
  const socket = await site.raw(mallory)
  socket.write(helloMessage())
  const reader = new MessageReader()
  let [answers, begun] = [0, 0]
  socket.on('data', (bytes: Buffer) => {
    for (const { kind } of reader.push(bytes)) if (kind === REPLY) answers++
  })
  // Never at the end of a message: the next one has begun whenever one is complete.
  let rest = Buffer.alloc(0)
  for (const until = Date.now() + 2.5 * SHORT; Date.now() < until; begun++) {
    const next = Buffer.concat([rest, randomCommand(16, begun)])
    socket.write(next.subarray(0, next.length - 5))
    rest = next.subarray(next.length - 5)
    await worker.goesOn(1)
  }
  assert.not.ok(socket.destroyed)
  socket.write(rest)
  while (answers < begun) await worker.goesOn(1)
  socket.destroy()
  await alone()
})

test('garbage before TLS and inside it, lengths that no message has', async () => {
  await begin()
  for (let i = 0; i < 50; i++) {
    const before = site.plain()
    const end = drained(before)
    before.end(randomBytes(1 + 37 * i))
    const inside = await site.raw(mallory)
    const said = drained(inside)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(i % 2 ? MAX_FRAME + 5 : 0xffff_ffff - i)
    const bad = i % 3 ? Buffer.concat([length, randomBytes(60)]) : Buffer.concat([Buffer.of(0xff), randomBytes(63)])
    if (i % 2) inside.write(helloMessage())
    inside.write(bad)
    assert.is(refusalIn(await said), 'MALFORMED')
    await end
  }
  await alone()
})

test('half-closed, reset and vanished in the middle of anything', async () => {
  await begin()
  const message = openCommand(site.partitions[0] ?? 0)
  for (let cut = 0; cut <= message.length; cut += 3) {
    const below = site.plain()
    const [half, reset] = [await site.raw(mallory), await site.raw(mallory, below)]
    const ends = [drained(half), drained(reset)]
    half.end(Buffer.concat([helloMessage(), message.subarray(0, cut)]))
    reset.write(Buffer.concat([helloMessage(), message.subarray(0, cut)]), () => below.resetAndDestroy())
    await Promise.all(ends)
  }
  await alone()
})

test('a client that fetches nothing is read from no more, and gets all its answers once it does', async () => {
  const unsent = 64 * 1024
  await begin({ unsent })
  // An answer that is long and costs the token little.
  const { client } = site.token
  const size = 30_000
  const owner = await officerOn(client, site.partitions[0] ?? 0)
  const handle = await client.objects.create(owner, dataObject('x'.repeat(size), 'long'))
  const socket = await site.raw(mallory)
  const reader = new MessageReader()
  socket.write(Buffer.concat([helloMessage(), openCommand(site.partitions[0] ?? 0)]))
  const session = await new Promise<number>((resolve) => {
    socket.on('data', (bytes: Buffer) => {
      for (const { kind, body } of reader.push(bytes)) if (kind === REPLY) resolve(body.readUInt32BE(FRAME_HEADER))
    })
  })
  socket.removeAllListeners('data').pause()
  const flood = Buffer.concat(Array.from({ length: 16 }, (_, tag) => labelCommand(session, handle, tag)))
  const before = memoryNow()
  // Until the appliance takes no more, although the worker has been served fifty times meanwhile.
  let written = 0
  const taken = (): number => site.asked.get(CMD_OBJECT_GET) ?? 0
  site.asked.clear()
  for (let stuck = 0; stuck < 50; stuck++) {
    const before = taken()
    if (socket.writableLength === 0) {
      socket.write(flood)
      written++
    }
    await worker.goesOn(1)
    if (taken() > before + 1) stuck = 0
  }
  assert.ok(memoryNow().heap - before.heap < 64 * 1024 * 1024)
  let answers = 0
  const all = new Promise<void>((resolve) => {
    socket.on('data', (bytes: Buffer) => {
      answers += reader.push(bytes).filter(({ kind, body }) => kind === REPLY && body.length > size).length
      if (answers === 16 * written) resolve()
    })
  })
  socket.resume()
  await all
  socket.destroy()
  await client.objects.destroy(owner, [handle])
  await client.closeSession(owner)
  await alone()
})

test('peers that stay silent push out each other, not those from elsewhere, and no client', async () => {
  await begin({ pending: 24, pendingPerAddress: 16 })
  const from = (localAddress: string): Socket =>
    connectPlain({ port: site.appliance.port, host: '127.0.0.1', localAddress }).on('error', () => undefined)
  const patient = from('127.0.0.3')
  const gone: Promise<unknown>[] = []
  for (let i = 0; i < 60; i++) gone.push(drained(from(`127.0.0.${4 + (i % 2)}`)))
  await Promise.all(gone.slice(0, 20))
  for (let i = 0; i < 3; i++) {
    const client = await site.connect(mallory)
    await tokenOf(client).status()
    await client.close()
  }
  await worker.goesOn()
  assert.ok(site.appliance.pending <= 24)
  assert.not.ok(patient.destroyed)
  assert.ok(site.events.some((event) => event.event === 'refused' && event.why === 'TOO_MANY'))
  await worker.end()
  patient.destroy()
  await site.appliance.close()
  await Promise.all(gone)
})

test(`${CONNECTS} connects, and ${HANDSHAKES} with a handshake, leave nothing behind`, async () => {
  await begin()
  const drop = async (i: number): Promise<void> => {
    const socket = site.plain()
    const closed = once(socket, 'close')
    await Promise.race([once(socket, 'connect'), closed])
    if (i % 5 === 0) socket.write(randomBytes(i % 64))
    socket.destroy()
    await closed
  }
  const greet = async (i: number): Promise<void> => {
    const who = [mallory, stranger][i % 2] ?? stranger
    if (i % 10 === 1) {
      assert.match(await codeOf(site.connect(who)), /^REFUSED: .*NOT_REGISTERED/)
      return
    }
    const socket = await site.raw(who)
    if (i % 4 === 0) socket.write(Buffer.concat([helloMessage(), openCommand(site.partitions[0] ?? 0)]))
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
  }
  const batches = async (count: number, batch: number, one: (i: number) => Promise<void>): Promise<void> => {
    for (let i = 0; i < count; i += batch) {
      await Promise.all(Array.from({ length: Math.min(batch, count - i) }, (_, n) => one(i + n)))
      await worker.goesOn(1)
    }
  }
  await batches(CONNECTS / 5, BATCH, drop)
  await batches(HANDSHAKES / 5, BATCH / 4, greet)
  await alone()
  site.events.splice(0)
  const before = memoryNow()
  await batches((4 * CONNECTS) / 5, BATCH, drop)
  await batches((4 * HANDSHAKES) / 5, BATCH / 4, greet)
  await alone()
  site.events.splice(0)
  const after = memoryNow()
  // A socket and its TLS state take some ten kilobytes: a hundred of all of these would show.
  console.log(`heap ${before.heap} to ${after.heap} bytes`)
  assert.ok(after.heap - before.heap < 2 * 1024 * 1024, `${after.heap - before.heap} bytes more`)
})

test.run()
