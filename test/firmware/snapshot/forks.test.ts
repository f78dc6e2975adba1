// Two forks of one snapshot draw the same random bytes from a seeded TRNG. Content keys are derived from what they protect as well
// (OBC-1 §16, proposal 1), so two that seal different objects still have no key in common, at rest or on a cable.
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { logRecords, recordOf } from '../support/flash-image.js'
import { type SwapOfficer, type SwapToken, swapOfficer } from '../support/swap-token.js'
import { aesKey } from '../support/templates.js'

const test = suite('snapshots: forks')

const key = (label: string, value = label) => aesKey(label, createHash('sha256').update(value).digest())

/** The same officer on a fork of the token. */
async function forkOf(officer: SwapOfficer): Promise<SwapOfficer> {
  const token = await officer.token.fork()
  // The client belongs to the sessions: its frames go to the fork.
  return { ...officer, token, client: token.newClient() }
}

/** An officer whose frames need no channel of the client: sessions are handles, and log-ins hold for its access id. */
const officerOf = (name: string): Promise<SwapOfficer> => swapOfficer(name)

/** Offsets in the first batch of a session (OBC-1 §5.4): its one envelope, and the wrapped content key in that. */
const ENVELOPE = 16 + 56
const WRAPPED = [ENVELOPE + 40, ENVELOPE + 80] as const
const CIPHERTEXT = ENVELOPE + 80

test('at rest: the same object has the same content key in both, another object has another', async () => {
  const officer = await officerOf('at rest')
  const [a, b, c, d] = [await forkOf(officer), await forkOf(officer), await forkOf(officer), await forkOf(officer)]
  const wrapped = async (fork: SwapOfficer, label: string, value: string): Promise<string> => {
    const handle = await fork.client.objects.create(fork.session, key(label, value))
    return recordOf(fork.token.state.flash.image, fork.partition, handle).wrappedCek
  }
  const first = await wrapped(a, 'one', 'value')
  assert.is(await wrapped(b, 'one', 'value'), first, 'the forks draw the same random bytes')
  assert.is.not(await wrapped(c, 'one', 'another value'), first)
  assert.is.not(await wrapped(d, 'another label', 'value'), first)
  for (const { token } of [a, b, c, d]) {
    assert.is(token.state.randomPosition, a.token.state.randomPosition, 'as many of them')
    const keys = logRecords(token.state.flash.image).map(({ wrappedCek }) => wrappedCek)
    assert.is(new Set(keys).size, keys.length)
  }
})

test('on a cable: forks of a source that send different objects in one session use different content keys', async () => {
  const source = await officerOf('source')
  const target = await swapOfficer('target', { serial: 700101n })
  const [one, two] = [
    await source.client.objects.create(source.session, key('one')),
    await source.client.objects.create(source.session, key('two')),
  ]
  const m1 = await source.client.cloning.sourceInit(source.session)
  await source.client.cloning.sourceHello(source.session, await target.client.cloning.targetInit(target.session, m1))
  const send = async (handle: number): Promise<Buffer> => {
    const fork = await forkOf(source)
    return Buffer.from((await fork.client.cloning.sourceBatch(fork.session, [handle], true)).message)
  }
  const [first, same, other] = [await send(one), await send(one), await send(two)]
  assert.ok(same.equals(first), 'the forks are in the same session and draw the same random bytes')
  const cek = (m3: Buffer): string => m3.toString('hex', ...WRAPPED)
  assert.is.not(cek(other), cek(first))
  assert.is.not(other.toString('hex', CIPHERTEXT, CIPHERTEXT + 16), first.toString('hex', CIPHERTEXT, CIPHERTEXT + 16))
  const m4 = await target.client.cloning.targetBatch(target.session, other, true)
  const [result] = await source.client.cloning.sourceResult(source.session, m4).catch(() => [])
  assert.is(result, undefined, 'the original sealed nothing and takes no result')
})

test('another seed, or none, makes two forks of one object different as well', async () => {
  const officer = await officerOf('seeds')
  const wrapped = async (token: SwapToken): Promise<string> => {
    const handle = await token.newClient().objects.create(officer.session, key('one'))
    return recordOf(token.state.flash.image, officer.partition, handle).wrappedCek
  }
  const forks = [
    await officer.token.fork({ trng: { seed: 'fork 1' } }),
    await officer.token.fork({ trng: { seed: 'fork 2' } }),
    await officer.token.fork({ trng: 'system' }),
    await officer.token.fork({ trng: 'system' }),
  ]
  const ceks: string[] = []
  for (const fork of forks) ceks.push(await wrapped(fork))
  assert.is(new Set(ceks).size, forks.length)
})

test.run()
