// A backup of ten objects and a restore with -replace, between a PED-authenticated HSM and its Backup HSM, cut at every operation of
// either token with torn writes and torn erases. After each cut the token holds what the command under way found or what it leaves,
// every object is whole, what was to go leaves no trace, the other token can still give back whatever this one lost, the partition can be
// listed, deleted and filled again, and cutting the recovery as well changes nothing.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { attribute, type CloneEnd, clone, shareDomain, type TokenClient } from '../../../host/client/index.js'
import { TORN_SEED } from '../support/cut-scenario.js'
import { tracesOf, wrappedKeys } from '../support/flash-image.js'
import { officerOn, prepare, soOn } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { assertFreshKeys, contentDigest, cutRecovery, cutStates } from '../support/power-cuts.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'
import { viewOf } from '../support/token-view.js'
import { RecordedEnd, type Segment, segments, Tape } from '../support/two-tokens.js'

const test = suite('store: power cuts in backup and restore')

const NAME = 'SAbck1'
/** Cut recoveries are cut again for one cut in so many. */
const AGAIN = 60

type Side = 'user HSM' | 'Backup HSM'
const SEEDS: Record<Side, string> = { 'user HSM': 'user', 'Backup HSM': 'backup' }

let desk: PedDesk

test.before(async () => {
  desk = await PedDesk.lay()
})
test.after(() => desk.clear())

function boot(side: Side, state: State): TestToken {
  const token = TestToken.on(state, { seed: SEEDS[side] })
  desk.plug(token)
  return token
}

/** Ten objects: secret keys, key pairs, data. */
async function fill({ client, session }: { client: TokenClient; session: number }): Promise<void> {
  const { objects } = client
  for (let i = 0; i < 4; i++) await objects.create(session, aesKey(`key ${i}`, Buffer.alloc(16 + 8 * (i % 3), i + 1)))
  for (let i = 0; i < 2; i++) {
    const token = attribute.bool(protocol.CKA_TOKEN, true)
    const curve = attribute.bytes(protocol.CKA_EC_PARAMS, Buffer.from('06082a8648ce3d030107', 'hex'))
    const label = attribute.text(protocol.CKA_LABEL, `pair ${i}`)
    const own = [token, label, attribute.bool(protocol.CKA_PRIVATE, true), attribute.bool(protocol.CKA_SIGN, true)]
    await objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, [token, label, curve], own)
  }
  await objects.create(session, dataObject('public', 'anybody may read this'))
  await objects.create(session, dataObject('private', Buffer.alloc(900, 5), true))
}

/** OUID, class and what can be read of every object, whatever its handle. */
async function contentOf(client: TokenClient, session: number): Promise<string[]> {
  const rows = await client.objects.list(session)
  const types = [protocol.CKA_LABEL, protocol.CKA_CHECK_VALUE, protocol.CKA_EC_POINT, protocol.CKA_VALUE]
  const lines = rows.map(async ({ handle, ouid, objectClass }) => {
    const answers = await client.objects.get(session, handle, types)
    const values = answers.map(({ code, value }) =>
      code === protocol.RC_OK ? Buffer.from(value).toString('hex') : code,
    )
    return [Buffer.from(ouid).toString('hex'), objectClass, ...values].join(' ')
  })
  return (await Promise.all(lines)).sort()
}

/** `partition archive backup`, or the same with -replace where the container is there already. */
async function backUp(user: CloneEnd, client: TokenClient): Promise<void> {
  const admin = await soOn(client)
  const existing = (await client.partitions.list()).find(({ label }) => label === NAME)
  const id = existing?.id ?? (await client.partitions.create(admin, { legacy: true, label: NAME, password: '' })).id
  const end = { client, session: await officerOn(client, id) }
  if (!existing?.hasDomain) await client.partitions.setDomain(end.session, '')
  if (existing && (await shareDomain(user, end))) await client.partitions.clear(end.session)
  await move(user, end)
}

/** `partition archive restore -replace`. */
async function restore(user: CloneEnd, client: TokenClient): Promise<void> {
  const container = (await client.partitions.list()).find(({ label }) => label === NAME)
  const end = { client, session: await officerOn(client, container?.id ?? 0) }
  if (await shareDomain(end, user)) await user.client.partitions.clear(user.session)
  await move(end, user)
}

async function move(source: CloneEnd, target: CloneEnd): Promise<void> {
  const handles = (await source.client.objects.list(source.session)).map(({ handle }) => handle)
  for await (const { code } of clone(source, target, { handles, profile: protocol.PROFILE_6_27_0 })) {
    assert.is(code, 'CKR_OK')
  }
}

interface Pair {
  readonly user: State
  readonly backup: State
  readonly partition: number
}

/** Both tokens new: ten objects on the one, nothing on the other. */
async function newPair(): Promise<Pair & { readonly content: string[] }> {
  const common = { auth: protocol.AUTH_PED, sectors: 12 }
  const user = await TestToken.make({ ...common, model: protocol.MODEL_PCIE }, { seed: SEEDS['user HSM'] })
  desk.plug(user)
  const officer = await prepare(user)
  await fill(officer)
  const content = await contentOf(officer.client, officer.session)
  const backup = await TestToken.make(
    { ...common, model: protocol.MODEL_BACKUP, serial: 700101n },
    { seed: SEEDS['Backup HSM'] },
  )
  desk.plug(backup)
  const admin = await backup.client.openSession(protocol.ADMIN_PARTITION)
  await backup.client.hsm.init(admin, { label: 'backup', password: '', domain: '' })
  for (const token of [user, backup]) token.board.powerOff()
  return { user: copyState(user.state), backup: copyState(backup.state), partition: officer.partition, content }
}

/** Runs a job once and writes down what each command changed; the log-in to the user's HSM comes before. */
async function record(pair: Pair, job: typeof backUp): Promise<{ work: Segment<Side>[]; after: Pair }> {
  const tape = new Tape()
  const user = new RecordedEnd(tape, pair.user, { seed: SEEDS['user HSM'] })
  const backup = new RecordedEnd(tape, pair.backup, { seed: SEEDS['Backup HSM'] })
  for (const { token } of [user, backup]) desk.plug(token)
  const session = await officerOn(user.client, pair.partition)
  const before = { user: copyState(user.token.state), backup: copyState(backup.token.state) }
  tape.running = true
  await job({ client: user.client, session }, backup.client)
  tape.running = false
  const work = segments<Side>(tape, [
    { side: 'user HSM', end: user, before: before.user },
    { side: 'Backup HSM', end: backup, before: before.backup },
  ])
  for (const { token } of [user, backup]) token.board.powerOff()
  return { work, after: { ...pair, user: copyState(user.token.state), backup: copyState(backup.token.state) } }
}

/** What a token holds, once for all states that hold the same. */
class Views {
  readonly #known = new Map<string, string>()

  async of(side: Side, token: TestToken): Promise<{ readonly view: string; readonly isNew: boolean }> {
    const digest = `${side} ${contentDigest(token.state)}`
    const known = this.#known.get(digest)
    if (known !== undefined) return { view: known, isNew: false }
    const view = await viewOf(token.newClient(), [''])
    this.#known.set(digest, view)
    return { view, isNew: true }
  }
}

interface Promises {
  readonly job: typeof backUp
  readonly partition: number
  /** The ten objects. */
  readonly content: readonly string[]
}

/** Cuts every command of a job at every operation. @returns how many cuts */
async function cutJob(work: readonly Segment<Side>[], promises: Promises): Promise<number> {
  const views = new Views()
  let cuts = 0
  for (const segment of work) {
    const { side, before, changes } = segment
    const after = copyState(before)
    const allowed = [(await views.of(side, boot(side, copyState(before)))).view]
    for (const change of changes) {
      after.apply(change)
      // A log-in has a middle: the attempt is counted, and it is not known yet that it is a good one.
      if (segment.command === protocol.CMD_ROLE_LOGIN && change.kind === 'counter')
        allowed.push((await views.of(side, boot(side, copyState(after)))).view)
    }
    const left = (await views.of(side, boot(side, copyState(after)))).view
    const changed = left !== allowed[0]
    const kept = wrappedKeys(after.flash.image)
    const removed = [...wrappedKeys(before.flash.image)].filter((key) => !kept.has(key))
    assert.equal(tracesOf(after.flash.image, removed), [], `command ${segment.number}: removed keys`)
    let finished = false
    for (const cut of cutStates(segment, TORN_SEED)) {
      const what = `${side}, command ${segment.number}, ${cut.what}`
      if (cuts % AGAIN === 0) cuts += await cutRecovery(cut, TORN_SEED, 1, { seed: SEEDS[side] })
      const token = boot(side, cut.state)
      const { view, isNew } = await views.of(side, token)
      assert.ok(view === left || allowed.includes(view), `${what}: neither before nor after`)
      assert.not(finished && view !== left, `${what}: what was done is undone`)
      finished = changed && view === left
      if (finished) assert.equal(tracesOf(token.state.flash.image, removed), [], `${what}: removed keys`)
      assertFreshKeys(token.state.flash.image, what)
      if (isNew) await assertGoesOn(token, segment, promises, what)
      cuts++
    }
  }
  return cuts
}

/** After a cut the job is begun again, and then everything is where it belongs; the backup can be deleted. */
async function assertGoesOn(token: TestToken, segment: Segment<Side>, promises: Promises, what: string): Promise<void> {
  const { job, partition, content } = promises
  const other = boot(segment.side === 'user HSM' ? 'Backup HSM' : 'user HSM', copyState(segment.other))
  const [user, backup] = segment.side === 'user HSM' ? [token, other] : [other, token]
  const [here, there] = [user.newClient(), backup.newClient()]
  const session = await officerOn(here, partition)
  await job({ client: here, session }, there)
  assert.equal(await contentOf(here, session), content, `${what}: on the user's HSM`)
  const second = backup.newClient()
  const [container] = await second.partitions.list()
  const id = container?.id ?? 0
  assert.equal(await contentOf(second, await officerOn(second, id)), content, `${what}: on the Backup HSM`)
  const keys = wrappedKeys(backup.state.flash.image)
  await second.partitions.delete(await soOn(second), id)
  assert.equal(await second.partitions.list(), [], what)
  const left = wrappedKeys(backup.state.flash.image)
  assert.equal(
    tracesOf(
      backup.state.flash.image,
      [...keys].filter((key) => !left.has(key)),
    ),
    [],
    `${what}: deleted keys`,
  )
}

test('all promises hold at every cut', async () => {
  const pair = await newPair()
  const { content, partition } = pair
  assert.is(content.length, 10)
  const backup = await record(pair, backUp)
  // The user's partition is another one by the time it is restored.
  const user = boot('user HSM', backup.after.user)
  const session = await officerOn(user.client, partition)
  const [first, second] = await user.client.objects.list(session)
  await user.client.objects.destroy(session, [first?.handle ?? 0, second?.handle ?? 0])
  await user.client.objects.create(session, dataObject('made later', 'to be replaced'))
  user.board.powerOff()
  const restored = await record({ ...backup.after, user: copyState(user.state) }, restore)
  const counts = [
    await cutJob(backup.work, { job: backUp, partition, content }),
    await cutJob(restored.work, { job: restore, partition, content }),
  ]
  console.log(`${counts[0]} power cuts in a backup, ${counts[1]} in a restore`)
  assert.ok(counts.every((count) => count > 100))
})

test.run()
