import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { TokenClient } from '../../host/client/index.js'
import { MessageReader } from '../../host/ntls/framing.js'
import {
  Appliance,
  createIdentity,
  type Identity,
  NtlsClient,
  type NtlsEvent,
  type NtlsLimits,
  Registry,
} from '../../host/ntls/index.js'
import { type Officer, officerOn, prepare, SECRETS } from '../firmware/support/officer.js'
import { dataObject } from '../firmware/support/templates.js'
import { TestToken } from '../firmware/support/test-token.js'

const test = suite('NTLS: an appliance on a socket')

const dir = mkdtempSync(join(tmpdir(), 'moonlet-appliance-'))
const SERIAL = '500409009'

let officer: Officer
let server: Identity
let alice: Identity
let bob: Identity
let stranger: Identity
let registry: Registry
const open: { close(): Promise<void> }[] = []

test.before(async () => {
  officer = await prepare(await TestToken.make())
  server = await createIdentity({ commonName: 'appliance', hosts: ['127.0.0.1'] })
  alice = await createIdentity({ commonName: 'alice' })
  bob = await createIdentity({ commonName: 'bob' })
  stranger = await createIdentity({ commonName: 'alice' })
  registry = new Registry(dir)
  registry.register('alice', alice.certificate)
  registry.register('bob', bob.certificate)
  registry.assign('alice', SERIAL)
})

test.after.each(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})
test.after(() => rmSync(dir, { recursive: true, force: true }))

interface Service {
  readonly appliance: Appliance
  readonly events: NtlsEvent[]
  /** Resolves with the first event that fits, also one that was. */
  seen(fits: (event: NtlsEvent) => boolean): Promise<NtlsEvent>
}

async function serve(limits: Partial<NtlsLimits> = {}, port = 0): Promise<Service> {
  const events: NtlsEvent[] = []
  const waiting: { fits: (event: NtlsEvent) => boolean; resolve: (event: NtlsEvent) => void }[] = []
  const appliance = await Appliance.listen({
    port,
    identity: server,
    clients: {
      find: (fingerprint) => registry.find(fingerprint),
      match: async (fingerprint) => registry.find(fingerprint),
    },
    hsms: [
      {
        serial: 500409n,
        card: { exchange },
        serialOf: (partition) => (partition === officer.partition ? SERIAL : undefined),
      },
    ],
    limits,
    onEvent: (event) => {
      events.push(event)
      for (const one of waiting) if (one.fits(event)) one.resolve(event)
    },
  })
  open.push(appliance)
  const seen = (fits: (event: NtlsEvent) => boolean): Promise<NtlsEvent> =>
    new Promise((resolve) => {
      const past = events.find(fits)
      if (past) resolve(past)
      else waiting.push({ fits, resolve })
    })
  return { appliance, events, seen }
}

async function join1(port: number, identity: Identity, onReconnect: () => void = () => undefined): Promise<NtlsClient> {
  const client = await NtlsClient.connect({
    host: '127.0.0.1',
    port,
    identity,
    server: server.certificate,
    onReconnect,
  })
  open.push(client)
  return client
}

const tokenOf = (client: NtlsClient): TokenClient => new TokenClient(client.transport(0), { now: 0n })

/** Sessions that the card has open for the network. */
const sessions = new Set<number>()

/** The card, its sessions counted. */
async function exchange(frame: Uint8Array): Promise<Uint8Array> {
  const request = Buffer.from(frame)
  const answer = Buffer.from(await officer.token.exchange(frame))
  if (answer.readUInt32BE(4) !== protocol.RC_OK) return answer
  if (request.readUInt16BE() === protocol.CMD_SESSION_OPEN) sessions.add(answer.readUInt32BE(protocol.FRAME_HEADER))
  if (request.readUInt16BE() === protocol.CMD_SESSION_CLOSE) sessions.delete(request.readUInt32BE(4))
  return answer
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `${error.code}: ${error.message}`
    throw error
  }
}

/** Bytes until the peer ends. */
function drained(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    socket.on('data', (bytes: Buffer) => parts.push(bytes))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(parts)))
  })
}

function rawTls(port: number, identity: Identity): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      cert: identity.certificate,
      key: identity.privateKey,
      rejectUnauthorized: false,
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => resolve(socket))
  })
}

/** Why the appliance said it ends. */
function refusalIn(bytes: Buffer): number | undefined {
  return new MessageReader()
    .push(bytes)
    .find(({ kind }) => kind === 5)
    ?.body.readUInt16BE()
}

test('a registered client works on its partition; another sees none', async () => {
  const { appliance } = await serve()
  const [hers, his] = [tokenOf(await join1(appliance.port, alice)), tokenOf(await join1(appliance.port, bob))]
  const session = await officerOn(hers, officer.partition)
  const handle = await hers.objects.create(session, dataObject('over the network', 'content'))
  assert.ok((await hers.objects.list(session)).some((one) => one.handle === handle))
  await hers.objects.destroy(session, [handle])
  assert.equal(await his.partitions.list(), [])
  assert.match(await codeOf(his.openSession(officer.partition)), /CKR_SLOT_ID_INVALID/)
  assert.is(appliance.connections, 2)
})

test('who is not registered, whose certificate has expired, or who is revoked meanwhile', async () => {
  const { appliance } = await serve()
  assert.match(await codeOf(join1(appliance.port, stranger)), /^REFUSED: .*NOT_REGISTERED/)
  const expired = await createIdentity({ commonName: 'old', days: 1, from: new Date(Date.now() - 3 * 86_400_000) })
  registry.register('old', expired.certificate)
  assert.match(await codeOf(join1(appliance.port, expired)), /^REFUSED: .*CERTIFICATE_EXPIRED/)
  registry.delete('old')
  const carol = await createIdentity({ commonName: 'carol' })
  registry.register('carol', carol.certificate)
  registry.assign('carol', SERIAL)
  const client = tokenOf(await join1(appliance.port, carol))
  const session = await officerOn(client, officer.partition)
  registry.revoke('carol', SERIAL)
  assert.match(await codeOf(client.objects.list(session)), /CKR_SESSION_HANDLE_INVALID/)
  registry.delete('carol')
})

test('a client refuses an appliance with another certificate', async () => {
  const { appliance } = await serve()
  const wrong = NtlsClient.connect({
    host: '127.0.0.1',
    port: appliance.port,
    identity: alice,
    server: stranger.certificate,
  })
  assert.match(await codeOf(wrong), /^CONNECT_FAILED: .*another certificate/)
})

test('a lost link closes its sessions; the client connects anew and says so', async () => {
  const { appliance, seen } = await serve()
  let again = 0
  const client = tokenOf(await join1(appliance.port, alice, () => again++))
  const session = await officerOn(client, officer.partition)
  assert.is(sessions.size, 1)
  const { port } = appliance
  await appliance.close()
  await seen((event) => event.event === 'ended' && event.why === 'SHUTDOWN')
  assert.is(sessions.size, 0)
  assert.match(await codeOf(client.objects.list(session)), /^TRANSPORT_REMOVED/)
  assert.is(again, 0)
  await serve({}, port)
  assert.match(await codeOf(client.objects.list(session)), /CKR_SESSION_HANDLE_INVALID/)
  assert.is(again, 1)
  await client.objects.list(await officerOn(client, officer.partition))
})

test('garbage, oversized and broken messages end the one connection and nothing else', async () => {
  const { appliance } = await serve()
  const client = tokenOf(await join1(appliance.port, alice))
  const session = await officerOn(client, officer.partition)
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('7fffffff01000000', 'hex'),
    Buffer.from('000000060100000000ff', 'hex'),
    Buffer.from('0000000401000000', 'hex'),
    Buffer.from('0000000601000000000100000014030000000000000000000000000000000000ffffffff', 'hex'),
    Buffer.from('00000006010000000001000000060309000000000000', 'hex'),
  ]) {
    const raw = await rawTls(appliance.port, bob)
    const answer = drained(raw)
    raw.write(bytes)
    assert.ok([4, 5].includes(refusalIn(await answer) ?? 0), bytes.toString('hex'))
    await client.objects.list(session)
  }
  const plain = connectPlain(appliance.port, '127.0.0.1')
  const rest = drained(plain)
  plain.write(createHash('sha512').update('garbage').digest())
  await rest
  await client.objects.list(session)
})

test('who is slow, silent or one too many is shown the door', async () => {
  const { appliance } = await serve({ greeting: 50, message: 50, idle: 50, perClient: 1 })
  const silent = connectPlain(appliance.port, '127.0.0.1')
  await drained(silent)
  const mute = await rawTls(appliance.port, bob)
  const first = drained(mute)
  assert.match(await codeOf(join1(appliance.port, bob)), /^REFUSED: .*TOO_MANY/)
  assert.is(refusalIn(await first), 6)
  const slow = await rawTls(appliance.port, bob)
  const second = drained(slow)
  slow.write(Buffer.from('00000006010000000001', 'hex'))
  slow.write(Buffer.from('000000', 'hex'))
  assert.is(refusalIn(await second), 6)
  const idle = await rawTls(appliance.port, bob)
  const third = drained(idle)
  idle.write(Buffer.from('00000006010000000001', 'hex'))
  assert.is(refusalIn(await third), 7)
})

test('many clients at once get their own answers, and leave nothing behind', async () => {
  const { appliance, events, seen } = await serve()
  const links = await Promise.all(Array.from({ length: 8 }, () => join1(appliance.port, alice)))
  await Promise.all(
    links.map(async (link, i) => {
      const client = tokenOf(link)
      const session = await client.openSession(officer.partition)
      await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
      for (let round = 0; round < 5; round++) {
        const label = `client ${i} round ${round}`
        const handle = await client.objects.create(session, dataObject(label, label))
        const [shown] = await client.objects.get(session, handle, [protocol.CKA_LABEL])
        assert.is(Buffer.from(shown?.value ?? '').toString(), label)
        await client.objects.destroy(session, [handle])
      }
    }),
  )
  for (const link of links) await link.close()
  await seen(() => events.filter(({ event }) => event === 'ended').length === links.length)
  assert.is(sessions.size, 0)
})

test.run()
