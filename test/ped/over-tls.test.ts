// The real firmware and a PED, the whole way over TLS: pedclient, pedserver, and who carries the frames inside of it.
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { createBoardFolder, type FrameLink, frameCable, manufacture, Token } from '../../host/board/index.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { createIdentity, readCertificate } from '../../host/ntls/certificates.js'
import {
  blankPedKey,
  connectRemotePed,
  defaultRules,
  type Operator,
  Ped,
  PedKeyBox,
  RemotePedServer,
  RuleOperator,
  type ServedPed,
} from '../../host/ped/index.js'
import { ManualClock } from './desk.js'

const RECORD = {
  serial: 700101n,
  model: protocol.MODEL_BACKUP,
  profile: protocol.PROFILE_6_27_0,
  auth: protocol.AUTH_PED,
  maxPartitions: 20,
  storage: 16_252_928n,
  partitionBase: 700101001,
  partitionMultiplier: 0,
}
const identity = createIdentity({ commonName: 'pedserver' })
const typeOf = (frame: Uint8Array) => frame[4]

/** What the pedserver makes of a frame on its way: it sees all that is inside of TLS. */
type Carry = (frame: Buffer, toPed: boolean) => readonly Uint8Array[]

/** The wires between: whoever cuts them cuts all. */
class Cable {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((socket) => {
    const far = connectTcp(this.target, '127.0.0.1')
    for (const one of [socket, far]) {
      this.#sockets.add(one)
      one.on('error', () => undefined)
      one.once('close', () => this.#sockets.delete(one))
    }
    socket.pipe(far).pipe(socket)
  })
  target = 0
  port = 0

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    this.port = typeof address === 'object' && address ? address.port : 0
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

interface Bench {
  token: Token
  client: TokenClient
  ped: Ped
  admin: number
  cable: Cable
  carrier: { carry: Carry; seen: { frame: Buffer; toPed: boolean }[]; toPed(frame: Uint8Array): void }
  clocks: { pedclient: ManualClock; pedserver: ManualClock }
  /** Nobody answers while it is set. */
  person: { away: boolean }
  /** Resolves at the next question. */
  asked(): Promise<void>
  /** `ped connect`. */
  connect(): Promise<void>
  attempts(): Promise<number>
}

/** A Backup HSM with its SO and its orange key; its PED is at a pedserver. */
async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const own = await identity
  const { fingerprint } = readCertificate(own.certificate)
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-over-tls-'))
  const cable = new Cable()
  createBoardFolder(join(folder, 'board'), { flashSize: 64 * protocol.FLASH_SECTOR })
  const clock = { virtualFrom: Date.UTC(2026, 0, 1) }
  const token = await Token.open({ dir: join(folder, 'board'), trng: { seed: 'over tls' }, clock })
  let server: RemotePedServer | undefined
  try {
    await manufacture(token, RECORD)
    const exchange = (frame: Uint8Array) => token.exchange(frame)
    const client = new TokenClient({ exchange, closed: token.closed, close: () => token.close() })
    const box = new PedKeyBox(folder)
    for (const colour of ['blue', 'black', 'red', 'orange'] as const) await box.add(colour, blankPedKey(colour))
    const rules = new RuleOperator({ rules: defaultRules(), box })
    const person = { away: false }
    const noticed: (() => void)[] = []
    const operator: Operator = {
      answer: async (prompt, signal) => {
        for (const notice of noticed.splice(0)) notice()
        return person.away ? { action: 'no-key' } : rules.answer(prompt, signal)
      },
    }
    const clocks = { pedclient: new ManualClock(), pedserver: new ManualClock(), ped: new ManualClock() }
    const ped = new Ped({ box, operator, clock: clocks.ped })
    const [near, far] = frameCable()
    token.attachPed('local', near)
    ped.connect(far)
    const admin = await client.openSession(protocol.ADMIN_PARTITION, { readWrite: true })
    await client.hsm.init(admin, { label: 'Backup' })
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.ped.initVector(admin)
    await client.roles.logout(admin)
    token.detachPed('local')
    ped.disconnect()

    const carrier: Bench['carrier'] = { carry: (frame) => [frame], seen: [], toPed: () => undefined }
    const served: ServedPed = {
      present: true,
      lcd: [],
      get connected() {
        return ped.connected
      },
      arrival: async () => undefined,
      connect: (hsm) => {
        const [inner, outer] = frameCable()
        const pass = (to: FrameLink, toPed: boolean) => (bytes: Uint8Array) => {
          const frame = Buffer.from(bytes)
          carrier.seen.push({ frame, toPed })
          for (const one of carrier.carry(Buffer.from(frame), toPed)) to.send(one)
        }
        carrier.toPed = (frame) => inner.send(frame)
        hsm.onFrame(pass(inner, true))
        inner.onFrame(pass(hsm, false))
        hsm.onClose(() => inner.close())
        inner.onClose(() => hsm.close())
        ped.connect(outer)
      },
    }
    server = await RemotePedServer.listen({ ped: served, ...own, clock: clocks.pedserver }, 0)
    await cable.open()
    cable.target = server.address.port
    const connect = async () => {
      token.detachPed('remote')
      const place = { host: '127.0.0.1', port: cable.port, clock: clocks.pedclient }
      // The HSM that was served may not have gone yet.
      while (ped.connected) await new Promise(setImmediate)
      token.attachPed('remote', await connectRemotePed({ ...place, trusts: (seen) => seen === fingerprint }))
      await client.ped.connect()
    }
    const asked = () => new Promise<void>((resolve) => noticed.push(resolve))
    const attempts = async () => (await client.hsm.info()).soAttempts
    await work({ token, client, ped, admin, cable, carrier, clocks, person, asked, connect, attempts })
  } finally {
    await token.close()
    await cable.close()
    await server?.close()
    await rm(folder, { recursive: true })
  }
}

/** Return code of what ends with one; RC_OK where it succeeds. */
function rcOf(work: Promise<unknown>): Promise<number> {
  return work.then(
    () => protocol.RC_OK,
    (error: unknown) => (error instanceof TokenError ? error.rc : Promise.reject(error)),
  )
}

const test = suite('ped: the firmware and a PED over TLS')

test('the connection cut in the middle of a command: it ends with its code, and the next one works after `ped connect`', () =>
  withBench(async ({ client, admin, cable, person, asked, connect, ped, attempts }) => {
    await connect()
    const before = await attempts()
    person.away = true
    const question = asked()
    const login = rcOf(client.roles.login(admin, protocol.ROLE_SO))
    await question
    cable.cut()
    assert.is(await login, protocol.RC_CALLBACK_ERROR)
    assert.is((await client.ped.get()).id, protocol.PED_ID_LOCAL)
    assert.is(await attempts(), before, 'no attempt is counted')
    while (ped.connected) await new Promise(setImmediate)
    assert.is(ped.lcd[1], 'Not connected')
    person.away = false
    assert.is.not(await rcOf(client.roles.login(admin, protocol.ROLE_SO)), protocol.RC_OK)
    await connect()
    await client.roles.login(admin, protocol.ROLE_SO)
  }))

test('cut while the orange key is asked for: `ped connect` ends, and can be tried again', () =>
  withBench(async ({ client, cable, person, asked, connect }) => {
    person.away = true
    const question = asked()
    const connecting = rcOf(connect())
    await question
    cable.cut()
    assert.is.not(await connecting, protocol.RC_OK)
    assert.is((await client.ped.get()).id, protocol.PED_ID_LOCAL)
    person.away = false
    await connect()
    assert.is((await client.ped.get()).id, protocol.PED_ID_REMOTE)
  }))

test('idle for 1800 s: the firmware, the pedclient and the pedserver each end the link by their own clocks', () =>
  withBench(async ({ token, client, admin, clocks, connect, ped }) => {
    const SECOND = 1000
    const almost = protocol.PED_REMOTE_IDLE_TIMEOUT - SECOND
    const isRemote = async () => (await client.ped.get()).id === protocol.PED_ID_REMOTE
    const parties: ((milliseconds: number) => unknown)[] = [
      (time) => token.advance(time),
      (time) => clocks.pedclient.advance(time),
      (time) => clocks.pedserver.advance(time),
    ]
    for (const [index, advance] of parties.entries()) {
      await connect()
      await advance(almost)
      assert.ok(await isRemote(), `party ${index}: a second is left`)
      await client.roles.login(admin, protocol.ROLE_SO)
      await client.roles.logout(admin)
      await advance(almost)
      assert.ok(await isRemote(), `party ${index}: the traffic has begun the time anew`)
      await advance(2 * SECOND)
      while (await isRemote()) await new Promise(setImmediate)
      while (index > 0 && ped.connected) await new Promise(setImmediate)
    }
  }))

test('nobody at the PED: the HSM gives up after its key wait, tells the PED, and the link goes on', () =>
  withBench(async ({ token, client, admin, person, asked, connect, ped, attempts }) => {
    await connect()
    const before = await attempts()
    person.away = true
    const question = asked()
    const login = rcOf(client.roles.login(admin, protocol.ROLE_SO))
    await question
    await token.advance(protocol.PED_KEY_TIMEOUT)
    assert.is(await login, protocol.RC_TIMEOUT)
    while (!ped.events.some(({ event }) => event === 'given-up')) await new Promise(setImmediate)
    assert.is(await attempts(), before)
    assert.is((await client.ped.get()).id, protocol.PED_ID_REMOTE)
    person.away = false
    await client.roles.login(admin, protocol.ROLE_SO)
  }))

test('requests that the pedserver sends again, or in another order, reach nobody', () =>
  withBench(async ({ client, admin, carrier, connect, ped }) => {
    const inserted = () => ped.events.filter(({ event }) => event === 'key').length
    const login = async () => {
      await client.roles.login(admin, protocol.ROLE_SO)
      await client.roles.logout(admin)
    }
    await connect()
    await login()
    await login()
    const requests = carrier.seen
      .filter(({ frame }) => typeOf(frame) === protocol.PED_REQUEST)
      .map(({ frame }) => frame)
    assert.is(requests.length, 2)
    const before = inserted()
    const faults = () => ped.events.filter(({ event }) => event === 'fault').length
    const noted = faults()
    for (const frame of [...requests].reverse()) carrier.toPed(frame)
    while (faults() < noted + 2) await new Promise(setImmediate)
    assert.is(inserted(), before, 'no replayed request is shown')
    await login()
    assert.is(inserted(), before + 1)
    // Those of this link mean nothing on the next.
    await connect()
    const later = inserted()
    for (const frame of requests) carrier.toPed(frame)
    while (faults() < noted + 4) await new Promise(setImmediate)
    assert.is(inserted(), later)
  }))

test('answers that the pedserver holds back, doubles or changes log nobody in', () =>
  withBench(async ({ client, admin, carrier, connect, attempts }) => {
    await connect()
    const before = await attempts()
    let held: Buffer | undefined
    carrier.carry = (frame, toPed) => {
      if (toPed || typeOf(frame) !== protocol.PED_ANSWER) return [frame]
      held ??= frame
      // The earlier one first, and the new one twice.
      return [held, frame, frame]
    }
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.roles.logout(admin)
    carrier.carry = (frame, toPed) => {
      if (!toPed && typeOf(frame) === protocol.PED_ANSWER) frame.writeUInt8(frame.readUInt8(24) ^ 1, 24)
      return [frame]
    }
    const login = rcOf(client.roles.login(admin, protocol.ROLE_SO))
    const answers = () => carrier.seen.filter(({ frame }) => typeOf(frame) === protocol.PED_ANSWER).length
    while (answers() < 3) await new Promise(setImmediate)
    carrier.carry = (frame) => [frame]
    // What does not open is noise: the HSM waits on until the link ends.
    await connect()
    assert.is.not(await login, protocol.RC_OK)
    assert.is(await attempts(), before, 'a changed answer is no wrong log-in')
  }))

test.run()
