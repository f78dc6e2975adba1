// What a snapshot of the real firmware keeps: everything that a client can notice.
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { officerOn } from '../support/officer.js'
import { type SwapToken, swapOfficer } from '../support/swap-token.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('snapshots: a running token')

const hashOf = (state: State): string => createHash('sha256').update(state.flash.image).digest('hex')
const key = (label: string) => aesKey(label, createHash('sha256').update(label).digest())

/** A migration of 60 keys in batches of 20, `between` called after the second of them. */
async function migrate(between: (source: SwapToken, target: SwapToken) => Promise<void>): Promise<string[]> {
  const source = await swapOfficer('source')
  const target = await swapOfficer('target', { serial: 700101n })
  const handles: number[] = []
  for (let i = 0; i < 60; i++) handles.push(await source.client.objects.create(source.session, key(`key ${i}`)))
  const m1 = await source.client.cloning.sourceInit(source.session)
  await source.client.cloning.sourceHello(source.session, await target.client.cloning.targetInit(target.session, m1))
  const results: string[] = []
  for (let at = 0; at < handles.length; at += 20) {
    const last = at + 20 >= handles.length
    const { message } = await source.client.cloning.sourceBatch(source.session, handles.slice(at, at + 20), last)
    if (at === 20) await between(source.token, target.token)
    const m4 = await target.client.cloning.targetBatch(target.session, message, true)
    results.push(JSON.stringify(await source.client.cloning.sourceResult(source.session, m4)))
  }
  await target.client.cloning.targetClose(target.session, await source.client.cloning.sourceClose(source.session))
  assert.is((await target.client.objects.list(target.session)).length, 60)
  const record = [source, target].flatMap(({ token }) => [
    ...token.frames,
    hashOf(token.state),
    String(token.state.counter),
    String(token.state.randomPosition),
  ])
  return [...results, ...record]
}

test('in the middle of a clone job both ends are taken down and set up again; the job ends as if nothing had been', async () => {
  const undisturbed = await migrate(async () => {})
  const disturbed = await migrate(async (source, target) => {
    await source.swap()
    await target.swap()
  })
  assert.is(disturbed.length, undisturbed.length)
  for (const [i, line] of undisturbed.entries()) assert.is(disturbed[i], line, `line ${i}`)
  assert.ok(undisturbed.length > 150, 'frames were recorded')
})

test('sessions, log-ins, channels and session objects are still there; other programs’ log-ins are not invented', async () => {
  const { token, client, session, admin, partition } = await swapOfficer('sessions')
  const own = [...dataObject('of the session', 'x')].filter(({ type }) => type !== protocol.CKA_TOKEN)
  const temporary = await client.objects.create(session, own)
  await token.swap()
  const handle = await client.objects.create(session, key('after'))
  assert.is((await client.sessionInfo(session)).role, protocol.ROLE_CRYPTO_OFFICER)
  assert.is((await client.sessionInfo(admin)).role, protocol.ROLE_SO)
  assert.is((await client.objects.list(session)).length, 2)
  assert.equal(await client.objects.destroy(session, [temporary, handle]), [protocol.RC_OK, protocol.RC_OK])
  const other = token.newClient('another program')
  assert.is((await other.sessionInfo(await other.openSession(partition))).role, undefined)
  const last = await client.openSession(partition)
  assert.not.equal(last, session)
  token.board.powerOff()
  token.board.powerOn()
  const again = await client.openSession(partition)
  assert.is((await client.sessionInfo(again)).role, undefined, 'but not after a power-up')
})

test('failures that were counted stay counted', async () => {
  const { token, client, partition } = await swapOfficer('failures')
  const session = await client.openSession(partition)
  await client.roles.logout(session)
  for (let i = 0; i < 3; i++) {
    await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'wrong password').catch(() => undefined)
  }
  const { attempts } = await client.roles.info(session, protocol.ROLE_CRYPTO_OFFICER)
  await token.swap()
  assert.is((await client.roles.info(session, protocol.ROLE_CRYPTO_OFFICER)).attempts, attempts)
  await officerOn(client, partition)
})

test('its flash and its counter belong together: it boots; with one of another time it would not', async () => {
  const { token, client, session } = await swapOfficer('counter')
  const fork = await token.fork()
  for (let i = 0; i < 3; i++) await client.objects.create(session, key(`later ${i}`))
  fork.board.powerOff()
  assert.is(fork.board.powerOn(), protocol.RC_OK)
  assert.is((await fork.client.status()).state, protocol.STATE_FUNCTIONAL)
  fork.board.powerOff()
  const mixed = copyState(fork.state)
  mixed.counter = token.state.counter
  const broken = TestToken.on(mixed)
  assert.is((await broken.client.status()).state, protocol.STATE_ERROR, 'old flash under a later counter')
})

test('forks go their own ways', async () => {
  const { token, client, session } = await swapOfficer('forks')
  const handle = await client.objects.create(session, key('common'))
  const fork = await token.fork()
  assert.equal(await client.objects.destroy(session, [handle]), [protocol.RC_OK])
  const ends = [client, fork.client]
  await fork.client.partitions.clear(session)
  for (const [i, end] of ends.entries()) await end.objects.create(session, key(`of number ${i}`))
  for (const [i, end] of ends.entries()) {
    const [row, ...more] = await end.objects.list(session)
    const [label] = await end.objects.get(session, row?.handle ?? 0, [protocol.CKA_LABEL])
    assert.equal([Buffer.from(label?.value ?? []).toString(), more], [`of number ${i}`, []])
  }
})

test.run()
