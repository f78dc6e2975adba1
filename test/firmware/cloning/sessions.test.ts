// How a cloning session begins, to whom it belongs, and what ends it (OBC-1 §5.6).
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { splitEnvelopes } from '../../oracle/obc1/envelope.js'
import { sourceToken, vector } from '../../oracle/obc1/known-answers.js'
import { encodeM1, encodeM3, FIRST } from '../../oracle/obc1/messages.js'
import { publicKey } from '../../oracle/obc1/p384.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, legacyPartition, type Officer, officerOn, ownPartition, SECRETS } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'
import {
  aesObject,
  DOMAIN,
  deliver,
  failures,
  firmwareEnd,
  helloFrom,
  helloTo,
  objectCount,
  oracleSource,
  oracleTarget,
  send,
} from './ends.js'

const MINUTE = 60_000

/** One firmware in the middle of giving and of taking, and what continues each. */
async function both(end: Officer): Promise<{ give: () => Promise<number>; take: () => Promise<number> }> {
  const { target } = oracleTarget()
  await helloFrom(end, target)
  const source = await helloTo(end)
  return {
    give: () => codeOf(end.client.cloning.sourceBatch(end.session, [], false)),
    take: () => codeOf(deliver(end, source.fork().batch([]))),
  }
}

/** What of `both` goes on after something has happened. */
async function after(end: Officer, happens: () => unknown): Promise<{ give: number; take: number }> {
  const { give, take } = await both(end)
  await happens()
  return { give: await give(), take: await take() }
}

const GOES_ON = { give: protocol.RC_OK, take: protocol.RC_OK }
const GONE = { give: protocol.RC_CLONE_SESSION_INVALID, take: protocol.RC_CLONE_SESSION_INVALID }

const test = suite('firmware: cloning sessions')

test('giving and taking go on side by side, until ten minutes without a message', async () => {
  const end = await firmwareEnd('idle')
  const { clock, board } = end.token
  assert.equal(await after(end, () => undefined), GOES_ON)
  assert.equal(await after(end, () => board.advance(protocol.OBC_IDLE_TIMEOUT - 1)), GOES_ON)
  const expired = { give: protocol.RC_NEGOTIATION_EXPIRED, take: protocol.RC_NEGOTIATION_EXPIRED }
  // Whether a tick of the board finds it, or the next message does.
  assert.equal(await after(end, () => clock.advance(protocol.OBC_IDLE_TIMEOUT)), expired)
  assert.equal(await after(end, () => board.advance(protocol.OBC_IDLE_TIMEOUT)), expired)
  const { give, take } = await both(end)
  board.advance(2 * protocol.OBC_IDLE_TIMEOUT)
  assert.equal([await give(), await take()], [expired.give, expired.take], 'told once')
  assert.equal([await give(), await take()], [GONE.give, GONE.take])
})

test('each message starts the ten minutes again', async () => {
  const end = await firmwareEnd('busy')
  const source = await helloTo(end)
  for (let i = 0; i < 4; i++) {
    end.token.board.advance(9 * MINUTE)
    assert.equal(failures(await send(end, source, [aesObject(i)])), {})
  }
  end.token.board.advance(10 * MINUTE)
  await refuses(protocol.RC_NEGOTIATION_EXPIRED, deliver(end, source.batch([aesObject(9)])))
  assert.is(await objectCount(end), 4)
})

test('log-out, the end of the last session, and power ends it; another session of the client does not', async () => {
  const end = await firmwareEnd('ends')
  const { client, session, partition, token } = end
  const login = () => client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  const relogin = async () => {
    await client.roles.logout(session)
    await login()
  }
  assert.equal(await after(end, relogin), GONE)
  const other = await client.openSession(partition)
  assert.equal(await after(end, () => client.closeSession(other)), GOES_ON)

  const again = await client.openSession(partition)
  const swap: Officer = { ...end, session: again }
  const { give, take } = await both(end)
  await client.closeSession(session)
  assert.is(await codeOf(client.cloning.sourceBatch(again, [], false)), protocol.RC_OK, 'by the other session')
  assert.is(await give(), protocol.RC_SESSION_HANDLE_INVALID)
  assert.is(await take(), protocol.RC_SESSION_HANDLE_INVALID)

  const cut = await both(swap)
  token.powerCycle()
  assert.is(await cut.give(), protocol.RC_SESSION_HANDLE_INVALID)
  const fresh: Officer = { ...end, session: await officerOn(client, partition) }
  await refuses(protocol.RC_CLONE_SESSION_INVALID, client.cloning.sourceBatch(fresh.session, [], false))
  await refuses(protocol.RC_CLONE_SESSION_INVALID, client.cloning.sourceClose(fresh.session))
})

test('a session belongs to the client that began it', async () => {
  const end = await firmwareEnd('owner')
  const other = end.token.newClient()
  const session = await other.openSession(end.partition)
  const { give, take } = await both(end)
  const login = await codeOf(other.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer))
  const expected = login === protocol.RC_OK ? protocol.RC_CLONE_SESSION_INVALID : protocol.RC_USER_NOT_LOGGED_IN
  await refuses(expected, other.cloning.sourceBatch(session, [], false))
  await refuses(expected, other.cloning.targetBatch(session, oracleSource().init(), true))
  assert.is(await give(), protocol.RC_OK)
  assert.is(await take(), protocol.RC_OK)
})

test('cloning wants the Crypto Officer, on a partition', async () => {
  const token = await TestToken.make({}, { seed: 'who' })
  const { client } = token
  const admin = await initHsm(token)
  await refuses(protocol.RC_CONTAINER_HANDLE_INVALID, client.cloning.sourceInit(admin), 'the HSM itself')
  const partition = await ownPartition(client, admin, { user: true })
  const session = await client.openSession(partition)
  const m1 = oracleSource().init()
  const tried = async (who: string) => {
    await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.cloning.sourceInit(session), who)
    await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.cloning.targetInit(session, m1), who)
  }
  await tried('nobody')
  await client.roles.login(session, protocol.ROLE_CRYPTO_USER, SECRETS.user)
  await tried('Crypto User')
  await client.roles.logout(session)
  await client.roles.login(session, protocol.ROLE_PARTITION_SO, SECRETS.partitionSo)
  await tried('Partition SO')
  await client.roles.logout(session)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  assert.is(await codeOf(client.cloning.sourceInit(session)), protocol.RC_OK)
})

test('a second Init wipes the first session of its side, whether it succeeds or not', async () => {
  const end = await firmwareEnd('second init')
  const { cloning } = end.client
  const one = await both(end)
  await cloning.sourceInit(end.session)
  await cloning.targetInit(end.session, oracleSource().init())
  assert.is(await one.give(), protocol.RC_NEGOTIATION_INVALID, 'the new session has had no M2')
  assert.is(await one.take(), protocol.RC_CLONE_SESSION_INVALID, 'another session id')

  const two = await both(end)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.targetInit(end.session, Buffer.alloc(699)))
  assert.is(await two.take(), protocol.RC_CLONE_SESSION_INVALID)
  assert.is(await two.give(), protocol.RC_OK, 'the other side goes on')
})

test('steps out of their order end the session', async () => {
  const end = await firmwareEnd('order')
  const { cloning, objects } = end.client
  await objects.create(end.session, dataObject('data', 'value'))
  const { target } = oracleTarget()
  const gone = () => refuses(protocol.RC_CLONE_SESSION_INVALID, cloning.sourceBatch(end.session, [], false))
  await gone()
  await cloning.sourceInit(end.session)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceBatch(end.session, [], false), 'before M2')
  await gone()
  await cloning.sourceInit(end.session)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceClose(end.session), 'nothing to close')
  await gone()
  const m2 = target.init(Buffer.from(await cloning.sourceInit(end.session)))
  await cloning.sourceHello(end.session, m2)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceHello(end.session, m2), 'M2 twice')
  await gone()
  await helloFrom(end, target)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceResult(end.session, Buffer.alloc(72)), 'no batch is out')
  await gone()
})

test('reflection: what a token says comes back to it, or goes where another message belongs', async () => {
  const end = await firmwareEnd('reflection')
  const { client, session } = end
  const { cloning } = client
  const m1 = await cloning.sourceInit(session)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.targetInit(session, m1), 'its own M1')
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceHello(session, m1), 'M1 as M2')
  const { target } = oracleTarget()
  const m2 = target.init(Buffer.from(await cloning.sourceInit(session)))
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.targetInit(session, m2), 'M2 as M1')
  await cloning.sourceHello(session, m2)
  const { message } = await cloning.sourceBatch(session, [], false)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceResult(session, message), 'its own M3')

  const source = await helloTo(end)
  await send(end, source, [])
  const m5 = source.fork().close()
  await refuses(protocol.RC_NEGOTIATION_INVALID, deliver(end, m5), 'CLOSE as a batch')
})

test('two partitions of one token clone between each other', async () => {
  const end = await firmwareEnd('neighbours')
  const { client, admin } = end
  const { session } = await legacyPartition(client, admin, { label: 'neighbour' })
  const handle = await client.objects.create(end.session, dataObject('data', 'value'))
  const m1 = await client.cloning.sourceInit(end.session)
  await client.cloning.sourceHello(end.session, await client.cloning.targetInit(session, m1))
  const { message } = await client.cloning.sourceBatch(end.session, [handle], true)
  const m4 = await client.cloning.targetBatch(session, message, true)
  assert.equal(failures(await client.cloning.sourceResult(end.session, m4)), {})
  assert.is((await client.objects.list(session)).length, 1)
})

test('an envelope of another session does not open, though the batch MAC is made anew', async () => {
  const end = await firmwareEnd('other session')
  const old = await helloTo(end)
  const m3 = old.batch([aesObject(1)])
  const source = await helloTo(end)
  await refuses(protocol.RC_CLONE_SESSION_INVALID, deliver(end, m3), 'whole')
  const { keys, sid, confirmation } = (await helloTo(end, source)).session
  const envelopes = splitEnvelopes(m3.subarray(72, -32), 1) ?? []
  const mixed = encodeM3({ hkS: keys.hkS, sid, number: 0, slot: 0, flags: FIRST, confirmation, envelopes })
  const m4 = await deliver(end, mixed)
  assert.is(m4.readUInt32BE(16 + 24 + 4), protocol.RC_CERTIFICATE_DATA_INVALID)
  assert.is(await objectCount(end), 0)
})

test('suites: ours among others is found, without it there is none', async () => {
  const end = await firmwareEnd('suites')
  const token = sourceToken({ flags: 0, domains: [DOMAIN] })
  const fields = { sidS: Buffer.alloc(16, 1), nonce: Buffer.alloc(32, 2), eph: publicKey(vector('ephS')), token }
  const offer = (suites: number[]) =>
    codeOf(end.client.cloning.targetInit(end.session, encodeM1({ ...fields, suites })))
  assert.is(await offer([1]), protocol.RC_OK)
  assert.is(await offer([3, 2, 1]), protocol.RC_OK)
  assert.is(await offer([8, 7, 6, 5, 4, 3, 2, 1]), protocol.RC_OK)
  assert.is(await offer([2]), protocol.RC_NEGOTIATION_NO_ALGS)
  assert.is(await offer([]), protocol.RC_NEGOTIATION_INVALID)
  assert.is(await offer([9, 8, 7, 6, 5, 4, 3, 2, 1]), protocol.RC_NEGOTIATION_INVALID)
})

test('eight sessions of a side at a time', async () => {
  const token = await TestToken.make({ maxPartitions: 9, storage: 900_000n, sectors: 24 }, { seed: 'nine' })
  const admin = await initHsm(token)
  const { client } = token
  const sessions: number[] = []
  for (let i = 0; i < 9; i++) {
    sessions.push((await legacyPartition(client, admin, { label: `partition ${i}`, size: 10_000n })).session)
  }
  const [first = 0, ...others] = sessions
  const ninth = others.at(-1) ?? 0
  for (const session of [first, ...others.slice(0, -1)]) await client.cloning.sourceInit(session)
  await refuses(protocol.RC_DEVICE_MEMORY, client.cloning.sourceInit(ninth))
  await client.roles.logout(first)
  assert.is(await codeOf(client.cloning.sourceInit(ninth)), protocol.RC_OK)
  token.board.advance(protocol.OBC_IDLE_TIMEOUT)
  await client.roles.login(first, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  assert.is(await codeOf(client.cloning.sourceInit(first)), protocol.RC_OK, 'sessions that have expired make room')
})

test.run()
