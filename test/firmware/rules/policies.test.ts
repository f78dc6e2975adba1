// Policies and capabilities of every firmware profile: numbers, defaults, destructive flags, and what a change does.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { Policy } from '../../../host/client/index.js'
import { refuses } from '../support/expect.js'
import { initHsm, legacyPartition, officerOn, ownPartition, prepare, SECRETS } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('rules: policies')

const { ROLE_CRYPTO_OFFICER: CO, ROLE_CRYPTO_USER: CU, ROLE_PARTITION_SO: PSO } = protocol
const SIX = [protocol.PROFILE_6_27_0, protocol.PROFILE_6_28_0]
const SEVEN = [protocol.PROFILE_7_0_3, protocol.PROFILE_7_7_1, protocol.PROFILE_7_8_0]

/** `7=1 both` for a switch that is on and destructive both ways; a fixed row shows its capability. */
function line({ id, value, capability, fixed, offToOnDestructive: up, onToOffDestructive: down }: Policy): string {
  if (fixed) return `${id} fixed ${capability}`
  const flags = up && down ? ' both' : up ? ' up' : down ? ' down' : ''
  return `${id}=${value}${flags}`
}

async function listed(profile: number, model: number = protocol.MODEL_PCIE): Promise<{ hsm: string[]; own: string[] }> {
  const token = await TestToken.make({ profile, model })
  const admin = await initHsm(token)
  const { partition } = await legacyPartition(token.client, admin)
  const hsm = (await token.client.hsm.policies()).map(line)
  const own = (await token.client.partitions.policies(partition)).map(line)
  await token.close()
  return { hsm, own }
}

const HSM_6 = [
  '0 fixed 1, 1 fixed 0, 2 fixed 15, 4 fixed 1, 6=1 both, 7=1 both, 9 fixed 1, 12=1 both, 15=1 both, 16=1, 17 fixed 0',
  '18 fixed 0, 19 fixed 0, 20=1 both, 21=0, 22=1 both, 23 fixed 0, 25 fixed 0, 26 fixed 1, 27 fixed 500000, 29=1 both',
  '30 fixed 1, 33 fixed 20, 35=0 both, 36 fixed 0, 37 fixed 0, 41 fixed 1',
].join(', ')
const HSM_7 = [
  '0 fixed 1, 1 fixed 0, 2 fixed 15, 4 fixed 1, 6=0 both, 7=1 both, 9 fixed 1, 12=1 both, 15=0 both, 16=1, 17 fixed 0',
  '18 fixed 0, 19 fixed 0, 21=1, 22=1 both, 23 fixed 0, 25 fixed 0, 27 fixed 500000, 30 fixed 1, 33 fixed 20, 35=0 both',
  '36 fixed 0, 37 fixed 0, 38 fixed 0, 39 fixed 0, 40=0 both, 42 fixed 1, 43 fixed 1, 46=0, 47 fixed 0, 48=1 both',
].join(', ')
const PARTITION_6 = [
  '0=1 up, 1=0 up, 2=1, 3 fixed 0, 4=1 up, 5=1 up, 6=1, 7 fixed 0, 10=1 up, 11=1 up, 15=0 up, 16=1 up, 17=1, 18=1 up',
  '19 fixed 50000, 20=10, 21=1, 22 fixed 0, 23 fixed 0, 24 fixed 0, 25=248, 26=255, 28=1 up, 29=1 up, 30 fixed 1, 31=1',
  '32=1, 33=1 up, 34=1 up, 35 fixed 0, 36 fixed 0',
].join(', ')

/** The 7.x list with some rows put in their place by id. */
function withRows(base: string, rows: readonly string[]): string[] {
  return [...base.split(', '), ...rows].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
}

for (const profile of SIX) {
  test(`${profile.toString(16)}: the rows of a 6.x password HSM`, async () => {
    const { hsm, own } = await listed(profile)
    assert.is(hsm.join(', '), HSM_6)
    assert.is(own.join(', '), PARTITION_6)
  })
}

test('7.x: each release adds its rows', async () => {
  const own7 = PARTITION_6.replace('15=0 up', '15=1 up')
  const [p70, p77, p78] = [await listed(SEVEN[0] ?? 0), await listed(SEVEN[1] ?? 0), await listed(SEVEN[2] ?? 0)]
  assert.equal(p70.hsm, HSM_7.split(', '))
  assert.equal(p70.own, withRows(own7, ['37 fixed 0', '39=0 down']))
  const hsm77 = ['49 fixed 0', '50 fixed 0', '51 fixed 0']
  assert.equal(p77.hsm, withRows(HSM_7, hsm77))
  const own77 = ['37 fixed 0', '39=0 down', '40 fixed 0', '41 fixed 0', '42=0']
  assert.equal(p77.own, withRows(own7, own77))
  assert.equal(p78.hsm, withRows(HSM_7, [...hsm77, '57 fixed 0']))
  assert.equal(p78.own, withRows(own7.replace('25=248', '25=247'), [...own77, '43=1 up', '44=1', '45 fixed 0']))
})

test('restricted restore is a policy of Backup HSMs of 7.7 and later', async () => {
  const { hsm } = await listed(protocol.PROFILE_7_7_1, protocol.MODEL_BACKUP)
  assert.ok(hsm.includes('55=0'))
  assert.ok(hsm.includes('9 fixed 0'))
})

test('a fixed policy and one that the firmware does not have cannot be changed', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_6_27_0 })
  const admin = await initHsm(token)
  const set = (id: number, value: number) => token.client.hsm.setPolicy(admin, id, value)
  await refuses(protocol.RC_CONFIG_CHANGE_ILLEGAL, set(9, 0))
  await refuses(protocol.RC_POLICY_ID_INVALID, set(protocol.HSM_POLICY_CONTROLLED_TAMPER, 0))
  await refuses(protocol.RC_POLICY_VALUE_INVALID, set(protocol.HSM_POLICY_CLONING, 2))
})

test('a destructive policy takes the partitions, one that is not takes nothing', async () => {
  const token = await TestToken.make()
  const { client, admin, session } = await prepare(token)
  await client.objects.create(session, dataObject('kept', 'value'))
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_NETWORK_REPLICATION, 0)
  assert.is((await client.partitions.list()).length, 1)
  await client.hsm.setPolicy(admin, 6, 0)
  assert.is((await client.partitions.list()).length, 0)
  assert.is((await client.sessionInfo(admin)).role, protocol.ROLE_SO)
})

test('a partition is never less strict than its HSM: cloning, and from 7.8 on FIPS algorithms', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_8_0 })
  const { client } = token
  const admin = await initHsm(token)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_CLONING, 0)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_NON_FIPS, 0)
  const partition = await ownPartition(client, admin)
  const values = new Map((await client.partitions.policies(partition)).map(({ id, value }) => [id, value]))
  const bound = [protocol.POLICY_PRIVATE_CLONING, protocol.POLICY_SECRET_CLONING, protocol.POLICY_NON_FIPS]
  assert.equal(
    bound.map((id) => values.get(id)),
    [0, 0, 0],
  )
  const session = await client.openSession(partition)
  await client.roles.login(session, PSO, SECRETS.partitionSo)
  for (const id of bound) {
    const set = client.partitions.setPolicy(session, partition, id, 1)
    await refuses(protocol.RC_CONFIG_FAILS_DEPENDENCIES, set, String(id))
  }
})

test('single domain: partitions get the domain of the HSM, and clone with each other unasked', async () => {
  const token = await TestToken.make()
  const { client } = token
  const admin = await initHsm(token)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_SINGLE_DOMAIN, 1)
  const one = await legacyPartition(client, admin, { label: 'one', domain: 'of one' })
  const two = await legacyPartition(client, admin, { label: 'two', domain: 'of two' })
  const m1 = await client.cloning.sourceInit(one.session)
  const m2 = await client.cloning.targetInit(two.session, m1)
  await client.cloning.sourceHello(one.session, m2)
})

test('7.8 asks for eight bytes in a password, the profiles before it for seven', async () => {
  for (const [profile, least] of [
    [protocol.PROFILE_7_7_1, 7],
    [protocol.PROFILE_7_8_0, 8],
  ] as const) {
    const token = await TestToken.make({ profile })
    const admin = await token.client.openSession(protocol.ADMIN_PARTITION)
    const init = (length: number) =>
      token.client.hsm.init(admin, { label: 'hsm', password: 'p'.repeat(length), domain: SECRETS.domain })
    await refuses(protocol.RC_PIN_LEN_RANGE, init(least - 1))
    await init(least)
  }
})

/** A 7.x partition as its Partition SO leaves it, with the policy on that lets the SO reset secrets, or off. */
async function withOfficer(reset: boolean) {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_0_3 })
  const admin = await initHsm(token)
  if (reset) await token.client.hsm.setPolicy(admin, protocol.HSM_POLICY_SO_RESET_PIN, 1)
  const partition = await ownPartition(token.client, admin, { user: true })
  return { token, client: token.client, admin, partition }
}

test('policy 21: a secret that the Partition SO chose is changed before anything else', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_0_3 })
  const { client } = token
  const admin = await initHsm(token)
  const { id } = await client.partitions.create(admin, { legacy: false, label: 'p' })
  const first = await client.openSession(id)
  await client.partitions.init(first, { label: 'p', password: SECRETS.partitionSo, domain: SECRETS.domain })
  const session = await client.openSession(id)
  await client.roles.login(session, PSO, SECRETS.partitionSo)
  await client.roles.init(session, CO, SECRETS.officer)
  await client.roles.logout(session)
  await client.roles.login(session, CO, SECRETS.officer)
  assert.is((await client.roles.info(session, CO)).pinChange, true)
  const create = () => client.objects.create(session, dataObject('first', 'value'))
  await refuses(protocol.RC_PIN_EXPIRED, create())
  await refuses(protocol.RC_PIN_EXPIRED, client.partitions.clear(session))
  token.powerCycle()
  const again = await client.openSession(id)
  await client.roles.login(again, CO, SECRETS.officer)
  await refuses(protocol.RC_PIN_EXPIRED, client.objects.list(again))
  await client.roles.changeSecret(again, CO, SECRETS.officer, 'my own password')
  assert.is((await client.roles.info(again, CO)).pinChange, false)
  assert.equal(await client.objects.list(again), [])
})

test('7.x: ten wrong passwords lock officer and user until the Partition SO resets; the objects are kept', async () => {
  const { client, partition } = await withOfficer(true)
  const officer = await officerOn(client, partition)
  await client.objects.create(officer, dataObject('kept', 'value'))
  await client.roles.logout(officer)
  for (let i = 0; i < 9; i++) await refuses(protocol.RC_PIN_INCORRECT, client.roles.login(officer, CO, 'wrong one'))
  await refuses(protocol.RC_PIN_INCORRECT_LOCKED, client.roles.login(officer, CO, 'wrong one'))
  for (const role of [CO, CU]) await refuses(protocol.RC_PIN_LOCKED, client.roles.login(officer, role, SECRETS.user))
  await client.roles.login(officer, PSO, SECRETS.partitionSo)
  await client.roles.resetSecret(officer, CO, 'reset password')
  await client.roles.logout(officer)
  await client.roles.login(officer, CU, SECRETS.user)
  await client.roles.logout(officer)
  await refuses(protocol.RC_PIN_INCORRECT, client.roles.login(officer, CO, SECRETS.officer))
  await client.roles.login(officer, CO, 'reset password')
  await client.roles.changeSecret(officer, CO, 'reset password', SECRETS.officer)
  assert.is((await client.objects.list(officer)).length, 1)
})

test('7.x: without policy 15 nobody resets, and a restart does not unlock', async () => {
  const { token, client, partition } = await withOfficer(false)
  const session = await client.openSession(partition)
  for (let i = 0; i < 10; i++) await client.roles.login(session, CO, 'wrong one').catch(() => {})
  await client.roles.login(session, PSO, SECRETS.partitionSo)
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.roles.resetSecret(session, CO, 'reset password'))
  token.powerCycle(3_600_000)
  const again = await client.openSession(partition)
  await refuses(protocol.RC_PIN_LOCKED, client.roles.login(again, CO, SECRETS.officer))
})

test('only the Partition SO resets a secret', async () => {
  const { client, partition } = await withOfficer(true)
  const session = await officerOn(client, partition)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.roles.resetSecret(session, CU, 'reset password'))
  await refuses(protocol.RC_USER_TYPE_INVALID, client.roles.resetSecret(session, PSO, 'reset password'))
})

test.run()
