// test-timeout: 400
// Power cuts in commands on the HSM and its partitions: each is all or nothing, and a wipe that was begun is finished.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { assertUsable, cutEverywhere, type Scenario } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { firstTrace } from '../support/flash-image.js'
import { initHsm, legacyPartition, officerOn, prepare, SECRETS, soOn } from '../support/officer.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts in commands on the HSM')

let zeroized: State
let base: State
let partition = 0
let cuts = 0

test.before(async () => {
  const token = await TestToken.make({ sectors: 12 })
  zeroized = copyState(token.state)
  const { client, session, partition: id } = await prepare(token)
  await client.objects.create(session, dataObject('public', 'value'))
  await client.objects.create(session, aesKey('private', Buffer.alloc(32, 7)))
  token.board.powerOff()
  base = copyState(token.state)
  partition = id
})

test.after(() => console.log(`${cuts} power cuts`))

async function cut(scenario: Scenario): Promise<void> {
  const outcomes = await cutEverywhere(scenario)
  cuts += outcomes.before + outcomes.after
}

/** Cuts a command of the SO on the prepared HSM. */
function cutSo(
  command: (token: TestToken, admin: number) => Promise<unknown>,
  check: Scenario['check'] = async () => {},
): Promise<void> {
  const prepared = async (token: TestToken) => {
    const admin = await soOn(token.client)
    return () => command(token, admin)
  }
  return cut({ from: base, prepare: prepared, check })
}

test('initialize the HSM', () =>
  cut({
    from: zeroized,
    prepare: async ({ client }) => {
      const admin = await client.openSession(protocol.ADMIN_PARTITION)
      const { so: password, domain } = SECRETS
      return () => client.hsm.init(admin, { label: 'hsm', password, domain })
    },
    check: async (token, outcome, { what }) => {
      if (outcome === 'before') assertBlank(token, what)
      const admin = outcome === 'after' ? await soOn(token.client) : await initHsm(token)
      const { partition: id } = await legacyPartition(token.client, admin)
      await assertUsable(token, id, what)
    },
  }))

test('initialize it again: the partitions go, the SO stays', () =>
  cutSo(
    ({ client }, admin) => client.hsm.init(admin, { label: 'anew' }),
    async (token, outcome, { what }) => {
      if (outcome === 'before') return assertUsable(token, partition, what)
      const made = await legacyPartition(token.client, await soOn(token.client))
      return assertUsable(token, made.partition, what)
    },
  ))

test('create a container of the SO', () =>
  cutSo(
    ({ client }, admin) =>
      client.partitions.create(admin, { legacy: true, label: 'second', password: SECRETS.officer }),
    async (token, outcome, { what }) => {
      await assertUsable(token, partition, what)
      if (outcome === 'after') await assertUsable(token, 2, what)
    },
  ))

test('create a partition for a Partition SO', () =>
  cutSo(({ client }, admin) => client.partitions.create(admin, { legacy: false, label: 'second' })))

test('delete a partition', () =>
  cutSo(
    ({ client }, admin) => client.partitions.delete(admin, partition),
    async ({ client }, outcome, { what }) => {
      const objects = (await client.partitions.list()).map((info) => info.objects)
      assert.equal(objects, outcome === 'before' ? [2] : [], what)
    },
  ))

test('a destructive HSM policy deletes the partitions, or nothing happens', () =>
  cutSo(({ client }, admin) => client.hsm.setPolicy(admin, protocol.HSM_POLICY_CLONING, 0)))

/** Nothing but the factory record, what zeroization keeps of the configuration, and the headers of sectors is left in the flash. */
function assertBlank(token: TestToken, what: string): void {
  assert.is(firstTrace(token.state.flash.image), -1, what)
}

/** A wipe has no middle: with the key gone, the rest of the flash follows at the next power-up. */
const wiped: Scenario['check'] = async (token, outcome, { what }) => {
  if (outcome === 'before') return
  assertBlank(token, what)
  const { partition: id } = await prepare(token)
  await assertUsable(token, id, what)
}

test('zeroize', () => cutSo(({ client }, admin) => client.hsm.zeroize(admin), wiped))

test('factory reset', () =>
  cut({
    from: base,
    prepare: async ({ client }) => {
      const admin = await client.openSession(protocol.ADMIN_PARTITION)
      return () => client.hsm.factoryReset(admin)
    },
    check: wiped,
  }))

test('the third wrong SO password zeroizes, from the moment that it is counted', async () => {
  const token = TestToken.on(copyState(base))
  const admin = await token.client.openSession(protocol.ADMIN_PARTITION)
  for (let i = 0; i < 2; i++) await codeOf(token.client.roles.login(admin, protocol.ROLE_SO, 'wrong-password'))
  token.board.powerOff()
  await cut({
    from: token.state,
    prepare: async ({ client }) => {
      const session = await client.openSession(protocol.ADMIN_PARTITION)
      return () => codeOf(client.roles.login(session, protocol.ROLE_SO, 'wrong-password'))
    },
    check: async (recovered, outcome, info) => {
      if (outcome === 'before') assert.ok(await officerOn(recovered.client, partition))
      await wiped(recovered, outcome, info)
    },
  })
})

test.run()
