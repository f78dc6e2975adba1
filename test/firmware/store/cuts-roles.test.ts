// Power cuts in commands on roles: secrets change as a whole, and the key under an old one is gone.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { cutEverywhere, recordScenario, type Scenario, TORN_SEED } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { tracesOf, wrappedKeys } from '../support/flash-image.js'
import { initHsm, officerOn, ownPartition, SECRETS, soOn } from '../support/officer.js'
import { cutStates } from '../support/power-cuts.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts in commands on roles')

const { ROLE_CRYPTO_OFFICER: CO, ROLE_CRYPTO_USER: CU, ROLE_PARTITION_SO: PSO } = protocol
const NEW = 'a-new-password'

/** By profile: an HSM with an empty partition 1 and a complete partition 2 that holds two objects. */
const bases = new Map<number, State>()
let cuts = 0

test.before(async () => {
  for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_0_3]) {
    const token = await TestToken.make({ sectors: 12, profile })
    const { client } = token
    const admin = await initHsm(token)
    await client.partitions.create(admin, { legacy: false, label: 'empty' })
    const session = await officerOn(client, await ownPartition(client, admin, { user: true }))
    await client.objects.create(session, dataObject('public', 'value'))
    await client.objects.create(session, aesKey('private', Buffer.alloc(32, 7)))
    token.board.powerOff()
    bases.set(profile, copyState(token.state))
  }
})

test.after(() => console.log(`${cuts} power cuts`))

function base(profile: number = protocol.PROFILE_7_0_3): State {
  const state = bases.get(profile)
  if (!state) throw new Error('no such base')
  return state
}

async function cut(scenario: Scenario): Promise<void> {
  const outcomes = await cutEverywhere(scenario)
  cuts += outcomes.before + outcomes.after
}

async function roleOn(token: TestToken, partition: number, role: number, password: string): Promise<number> {
  const session = await token.client.openSession(partition)
  await token.client.roles.login(session, role, password)
  return session
}

const initPartition = (partition: number, password: string) => async (token: TestToken) => {
  const { client } = token
  const session =
    partition === 1 ? await client.openSession(1) : await roleOn(token, partition, PSO, SECRETS.partitionSo)
  return () => client.partitions.init(session, { label: 'made new', password, domain: SECRETS.domain })
}

test('initialize a partition', () => cut({ from: base(), prepare: initPartition(1, SECRETS.partitionSo) }))

test('initialize it again: all of it is gone or nothing', () =>
  cut({
    from: base(),
    prepare: initPartition(2, NEW),
    check: async (token, outcome, { what }) => {
      const password = outcome === 'before' ? SECRETS.partitionSo : NEW
      assert.ok(await roleOn(token, 2, PSO, password), what)
    },
  }))

test('make the Crypto Officer', async () => {
  const token = TestToken.on(copyState(base()))
  await (await initPartition(1, SECRETS.partitionSo)(token))()
  token.board.powerOff()
  await cut({
    from: token.state,
    prepare: async (it) => {
      const session = await roleOn(it, 1, PSO, SECRETS.partitionSo)
      return () => it.client.roles.init(session, CO, SECRETS.officer)
    },
  })
})

test('make the Crypto User', async () => {
  const token = TestToken.on(copyState(base()))
  await (await initPartition(1, SECRETS.partitionSo)(token))()
  await token.client.roles.init(await roleOn(token, 1, PSO, SECRETS.partitionSo), CO, SECRETS.officer)
  token.board.powerOff()
  await cut({
    from: token.state,
    prepare: async (it) => {
      const session = await officerOn(it.client, 1)
      return () => it.client.roles.init(session, CU, SECRETS.user)
    },
  })
})

test('give a container its domain', async () => {
  const token = TestToken.on(copyState(base()))
  const admin = await soOn(token.client)
  const { id } = await token.client.partitions.create(admin, {
    legacy: true,
    label: 'third',
    password: SECRETS.officer,
  })
  token.board.powerOff()
  await cut({
    from: token.state,
    prepare: async ({ client }) => {
      const session = await officerOn(client, id)
      return () => client.partitions.setDomain(session, SECRETS.domain)
    },
  })
})

test('change a password: one of the two is right, never both, never none', async () => {
  const recording = await recordScenario({
    from: base(),
    prepare: async ({ client }) => {
      const session = await officerOn(client, 2)
      return () => client.roles.changeSecret(session, CO, SECRETS.officer, NEW)
    },
  })
  const after = copyState(recording.before)
  for (const change of recording.changes) after.apply(change)
  const kept = wrappedKeys(after.flash.image)
  const old = [...wrappedKeys(recording.before.flash.image)].filter((key) => !kept.has(key))
  assert.is(old.length, 1, 'the storage key under the old password')
  assert.equal(tracesOf(after.flash.image, old), [], 'which is gone')
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const token = TestToken.on(state)
    const session = await token.client.openSession(2)
    const { attempts } = await token.client.roles.info(session, CO)
    assert.ok(attempts === 9 || attempts === 10, what)
    const codes: number[] = []
    for (const password of [SECRETS.officer, NEW]) {
      codes.push(await codeOf(token.client.roles.login(session, CO, password)))
      if (codes.at(-1) === protocol.RC_OK) await token.client.roles.logout(session)
    }
    assert.is(codes.filter((code) => code === protocol.RC_OK).length, 1, what)
    if (codes.at(-1) === protocol.RC_OK) assert.equal(tracesOf(token.state.flash.image, old), [], what)
    cuts++
  }
})

test.run()
