// Tamper, decommissioning, zeroization and factory reset: what goes, what stays, and who brings the HSM back.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { refuses } from '../support/expect.js'
import { initHsm, legacyPartition, officerOn, prepare, SECRETS, soOn } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('rules: tamper and zeroization')

const { ROLE_CRYPTO_OFFICER: CO, ROLE_SO: SO, ADMIN_PARTITION: ADMIN } = protocol

/** A token with one object, tampered with, and restarted with the line quiet again. */
async function tampered(profile: number, policies: readonly (readonly [id: number, value: number])[] = [], cause = 1) {
  const token = await TestToken.make({ profile })
  const admin = await initHsm(token)
  for (const [id, value] of policies) await token.client.hsm.setPolicy(admin, id, value)
  const { partition, session } = await legacyPartition(token.client, admin)
  await token.client.objects.create(session, dataObject('precious', 'value'))
  token.board.tamper(cause)
  token.board.tamper(0)
  const whileUp = (await token.client.status()).state
  token.powerCycle()
  return { token, client: token.client, partition, whileUp }
}

async function objectsOn(token: TestToken, partition: number): Promise<number> {
  const session = await officerOn(token.newClient(), partition)
  assert.ok(session)
  return (await token.client.partitions.info(partition)).objects
}

test('while the tamper line is up the HSM tells its state and nothing else', async () => {
  const token = await TestToken.make()
  await prepare(token)
  token.board.tamper(protocol.TAMPER_TEMPERATURE)
  const status = await token.client.status()
  assert.is(status.state, protocol.STATE_TAMPERED)
  assert.is(status.error, protocol.RC_HSM_TAMPERED)
  assert.is(status.tampered, true)
  const { cause, count, tampered: still } = await token.client.recovery.tamper()
  assert.equal([cause, count, still], [protocol.TAMPER_TEMPERATURE, 1, true])
  await refuses(protocol.RC_HSM_TAMPERED, token.client.openSession(ADMIN))
  await refuses(protocol.RC_HSM_TAMPERED, token.client.hsm.info())
  token.powerCycle()
  assert.is((await token.client.recovery.tamper()).count, 1, 'one signal is one tamper')
})

test('6.x: a restart brings it back, contents and all; the SO log-in counts as having seen it', async () => {
  const { token, client, partition } = await tampered(protocol.PROFILE_6_27_0)
  assert.is((await client.status()).tampered, true)
  assert.is(await objectsOn(token, partition), 1)
  await soOn(client)
  assert.is((await client.status()).tampered, false)
})

test('7.x, policy 48: only the SO logs in, and clears; then all is there again', async () => {
  const { token, client, partition } = await tampered(protocol.PROFILE_7_0_3)
  assert.is((await client.status()).state, protocol.STATE_FUNCTIONAL)
  const session = await client.openSession(partition)
  await refuses(protocol.RC_HSM_TAMPERED, client.roles.login(session, CO, SECRETS.officer))
  await refuses(protocol.RC_HSM_TAMPERED, client.objects.list(session))
  const admin = await client.openSession(ADMIN)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.recovery.clearTamper(admin))
  await client.roles.login(admin, SO, SECRETS.so)
  await refuses(protocol.RC_HSM_TAMPERED, client.partitions.create(admin, { legacy: false, label: 'no' }))
  token.powerCycle()
  assert.is((await client.status()).tampered, true, 'a restart does not clear it')
  await client.recovery.clearTamper(await soOn(client))
  assert.is((await client.status()).tampered, false)
  assert.is(await objectsOn(token, partition), 1)
  const other = token.newClient()
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, other.recovery.clearTamper(await soOn(other)))
})

test('7.x with 48 off: a warning, and the HSM works on', async () => {
  const { token, client, partition } = await tampered(protocol.PROFILE_7_0_3, [
    [protocol.HSM_POLICY_CONTROLLED_TAMPER, 0],
  ])
  assert.is((await client.status()).tampered, true)
  assert.is(await objectsOn(token, partition), 1)
})

test('7.x with 40 and 48: the HSM is decommissioned, and whoever clears need not log in', async () => {
  const { token, client } = await tampered(protocol.PROFILE_7_0_3, [[protocol.HSM_POLICY_DECOMMISSION_ON_TAMPER, 1]])
  const status = await client.status()
  assert.equal([status.state, status.decommissioned], [protocol.STATE_ZEROIZED, true])
  assert.is(token.state.battery(protocol.BATTERY_KEK).length, 0)
  const admin = await client.openSession(ADMIN)
  const { so: password, domain } = SECRETS
  await refuses(protocol.RC_HSM_TAMPERED, client.hsm.init(admin, { label: 'new', password, domain }))
  await client.recovery.clearTamper(admin)
  await client.hsm.init(admin, { label: 'new', password, domain })
  const again = await client.status()
  assert.equal([again.state, again.decommissioned], [protocol.STATE_FUNCTIONAL, false])
  const policy = (await client.hsm.policies()).find(({ id }) => id === protocol.HSM_POLICY_DECOMMISSION_ON_TAMPER)
  assert.is(policy?.value, 0, 'the policies are those of the factory')
})

test('a tamper without power is found at power-up, and policy 40 holds there too', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_0_3 })
  const admin = await initHsm(token)
  await token.client.hsm.setPolicy(admin, protocol.HSM_POLICY_DECOMMISSION_ON_TAMPER, 1)
  token.board.powerOff()
  token.board.tamper(protocol.TAMPER_BATTERY)
  token.board.powerOn()
  token.board.tamper(0)
  token.powerCycle()
  const { state, decommissioned } = await token.client.status()
  assert.equal([state, decommissioned], [protocol.STATE_ZEROIZED, true])
})

test('the decommission button: back to the factory state, no tamper; policy 46 takes it out of use', async () => {
  for (const disabled of [0, 1]) {
    const { client, whileUp } = await tampered(
      protocol.PROFILE_7_0_3,
      [[protocol.HSM_POLICY_NO_DECOMMISSION, disabled]],
      protocol.TAMPER_DECOMMISSION,
    )
    const status = await client.status()
    assert.is(status.tampered, false)
    assert.is(status.decommissioned, disabled === 0)
    assert.is(status.state, disabled === 0 ? protocol.STATE_ZEROIZED : protocol.STATE_FUNCTIONAL)
    assert.is(whileUp, disabled === 0 ? protocol.STATE_TAMPERED : protocol.STATE_FUNCTIONAL)
  }
})

/** Policy 12 and 16 off: what zeroization keeps and a factory reset does not. */
async function strict(token: TestToken): Promise<number> {
  const admin = await initHsm(token)
  await token.client.hsm.setPolicy(admin, protocol.HSM_POLICY_NON_FIPS, 0)
  await token.client.hsm.setPolicy(admin, protocol.HSM_POLICY_NETWORK_REPLICATION, 0)
  return admin
}

async function policiesAfter(token: TestToken): Promise<(number | undefined)[]> {
  const { client } = token
  const admin = await client.openSession(ADMIN)
  const { so: password, domain } = SECRETS
  await client.hsm.init(admin, { label: 'anew', password, domain })
  const policies = await client.hsm.policies()
  return [protocol.HSM_POLICY_NON_FIPS, protocol.HSM_POLICY_NETWORK_REPLICATION].map(
    (id) => policies.find((policy) => policy.id === id)?.value,
  )
}

for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_7_1]) {
  test(`${profile.toString(16)}: zeroization keeps the policies, a factory reset puts them back`, async () => {
    const bySo = await TestToken.make({ profile })
    await bySo.client.hsm.zeroize(await strict(bySo))
    bySo.powerCycle()
    assert.equal(await policiesAfter(bySo), [0, 0])

    const byGuess = await TestToken.make({ profile })
    await byGuess.client.closeSession(await strict(byGuess))
    const guess = await byGuess.client.openSession(ADMIN)
    for (let i = 0; i < 3; i++) await byGuess.client.roles.login(guess, SO, 'not the password').catch(() => {})
    assert.is((await byGuess.client.status()).state, protocol.STATE_ZEROIZED)
    assert.equal(await policiesAfter(byGuess), [0, 0])

    const reset = await TestToken.make({ profile })
    await reset.client.hsm.factoryReset(await strict(reset))
    reset.powerCycle()
    assert.equal(await policiesAfter(reset), [1, 1])
  })
}

test('what zeroization kept counts once, and only as it was kept', async () => {
  const token = await TestToken.make()
  await token.client.hsm.zeroize(await strict(token))
  token.board.powerOff()
  const kept = protocol.FLASH_KEPT * protocol.FLASH_SECTOR
  token.state.flash.image[kept + 100] = (token.state.flash.image[kept + 100] ?? 0) ^ 1
  token.board.powerOn()
  assert.equal(await policiesAfter(token), [1, 1])
})

test('what an earlier zeroization kept counts for nothing when it is put back', async () => {
  const token = await TestToken.make()
  const kept = protocol.FLASH_KEPT * protocol.FLASH_SECTOR
  await token.client.hsm.zeroize(await strict(token))
  const early = token.state.flash.image.slice(kept, kept + protocol.FLASH_SECTOR)
  await token.client.hsm.factoryReset(await token.client.openSession(ADMIN))
  await token.client.hsm.zeroize(await initHsm(token))
  token.board.powerOff()
  token.state.flash.image.set(early, kept)
  token.board.powerOn()
  assert.equal(await policiesAfter(token), [1, 1])
})

test('the remote PED vector outlives zeroization and not a factory reset', async () => {
  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
    desk.plug(token)
    const { client } = token
    const admin = await initHsm(token)
    await client.ped.initVector(admin)
    await client.hsm.zeroize(admin)
    token.powerCycle()
    assert.is((await client.status()).vector, true)
    await client.hsm.factoryReset(await client.openSession(ADMIN))
    assert.is((await client.status()).vector, false)
    token.powerCycle()
    assert.is((await client.status()).vector, false)
  } finally {
    desk.clear()
  }
})

test.run()
