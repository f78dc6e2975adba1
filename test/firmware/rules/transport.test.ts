// Secure transport mode: by verification string on firmware 7, by the purple key on firmware 6.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import { Conversation } from '../../../host/ped/conversation.js'
import { refuses } from '../support/expect.js'
import { initHsm, officerOn, ownPartition, prepare, SECRETS, soOn } from '../support/officer.js'
import { insert, PedDesk, press, ScriptedOperator } from '../support/ped-desk.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('rules: transport mode')

const { ADMIN_PARTITION: ADMIN, ROLE_SO: SO, ROLE_CRYPTO_OFFICER: CO } = protocol
const STRING = /^[A-Za-z0-9+/]{16}$/

async function sevenWithObject(profile: number = protocol.PROFILE_7_0_3) {
  const token = await TestToken.make({ profile })
  const admin = await initHsm(token)
  const partition = await ownPartition(token.client, admin)
  const session = await officerOn(token.client, partition)
  await token.client.objects.create(session, dataObject('precious', 'value'))
  await token.client.closeSession(session)
  return { token, client: token.client, admin, partition }
}

/** Flips a bit of a superblock's payload would be found by its MAC, so the way changes what the firmware itself may change. */
async function failOnce(client: TokenClient): Promise<void> {
  const admin = await client.openSession(ADMIN)
  await refuses(protocol.RC_PIN_INCORRECT, client.roles.login(admin, SO, 'not the password'))
  await client.closeSession(admin)
}

test('stm: nothing works on the way, and the same string says that nothing was changed', async () => {
  const { token, client, admin, partition } = await sevenWithObject()
  const { random, verification } = await client.recovery.stmTransport(admin)
  assert.match(random, STRING)
  assert.match(verification, STRING)
  assert.is.not(random, verification)
  assert.is((await client.status()).transport, true)
  await refuses(protocol.RC_SESSION_HANDLE_INVALID, client.sessionInfo(admin))
  for (const power of [false, true]) {
    if (power) token.powerCycle(86_400_000)
    const session = await client.openSession(partition)
    await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.roles.login(session, CO, SECRETS.officer))
    await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.objects.list(session))
  }
  const so = await client.openSession(ADMIN)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.recovery.stmVerify(so, random))
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.recovery.stmRecover(so))
  await client.roles.login(so, SO, SECRETS.so)
  await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.hsm.setPolicy(so, protocol.HSM_POLICY_CLONING, 0))
  assert.is(await client.recovery.stmVerify(so, random), verification)
  assert.is.not(await client.recovery.stmVerify(so, 'A'.repeat(16)), verification)
  await client.recovery.stmRecover(so)
  assert.is((await client.status()).transport, false)
  const officer = await officerOn(client, partition)
  assert.is((await client.objects.list(officer)).length, 1)
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.recovery.stmRecover(so))
})

test('stm: one wrong SO password on the way makes another string, even with the right one after it', async () => {
  const { client, admin } = await sevenWithObject()
  const { random, verification } = await client.recovery.stmTransport(admin)
  await failOnce(client)
  const so = await soOn(client)
  assert.is.not(await client.recovery.stmVerify(so, random), verification)
  // The string is for people; what they find does not keep them from recovering.
  await client.recovery.stmRecover(so)
  assert.is((await client.status()).transport, false)
})

test('stm: the string stands for what the HSM holds; restarts and log-ins change nothing', async () => {
  const { token, client, partition } = await sevenWithObject()
  const travel = async (): Promise<string> => {
    token.powerCycle()
    await client.recovery.stmTransport(await soOn(client))
    token.powerCycle()
    const so = await soOn(client)
    const verification = await client.recovery.stmVerify(so, 'A'.repeat(16))
    await client.recovery.stmRecover(so)
    return verification
  }
  const first = await travel()
  assert.is(await travel(), first, 'nothing was changed')
  const session = await officerOn(client, partition)
  await client.objects.create(session, dataObject('one more', 'value'))
  assert.is.not(await travel(), first)
})

test('stm: a zeroized HSM travels without anybody logged in', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_0_3 })
  const { client } = token
  const admin = await client.openSession(ADMIN)
  const { random, verification } = await client.recovery.stmTransport(admin)
  token.powerCycle()
  const again = await client.openSession(ADMIN)
  const { so: password, domain } = SECRETS
  await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.hsm.init(again, { label: 'x', password, domain }))
  assert.is(await client.recovery.stmVerify(again, random), verification)
  await client.recovery.stmRecover(again)
  await client.hsm.init(again, { label: 'x', password, domain })
})

for (const [profile, same] of [
  [protocol.PROFILE_7_7_1, false],
  [protocol.PROFILE_7_8_0, true],
] as const) {
  test(`${profile.toString(16)}: a role left activated ${same ? 'is deactivated first' : 'makes another string'}`, async () => {
    const desk = await PedDesk.lay()
    try {
      const token = await TestToken.make({ profile, auth: protocol.AUTH_PED }, { clock: desk.clock })
      desk.plug(token)
      const { client } = token
      const admin = await initHsm(token)
      const partition = await ownPartition(client, admin)
      const session = await client.openSession(partition)
      await client.roles.login(session, protocol.ROLE_PARTITION_SO)
      await client.partitions.setPolicy(session, partition, protocol.POLICY_ACTIVATION, 1)
      await client.roles.createChallenge(session, CO, 'challenge-1')
      await client.roles.logout(session)
      assert.is((await client.roles.login(session, CO, 'challenge-1')).nowActivated, true)
      const { random, verification } = await client.recovery.stmTransport(admin)
      const so = await soOn(client)
      assert.is((await client.recovery.stmVerify(so, random)) === verification, same)
    } finally {
      desk.clear()
    }
  })
}

test('stm and srk: each generation knows its own', async () => {
  const seven = await sevenWithObject()
  await refuses(protocol.RC_FUNCTION_NOT_SUPPORTED, seven.client.recovery.srkEnable(seven.admin))
  const six = await TestToken.make()
  const admin = await initHsm(six)
  await refuses(protocol.RC_FUNCTION_NOT_SUPPORTED, six.client.recovery.stmTransport(admin))
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, six.client.recovery.srkEnable(await six.newClient().openSession(ADMIN)))
})

/** A 6.x token whose recovery split is on the key "purple". */
async function withPurple(work: (bench: Awaited<ReturnType<typeof purple>>) => Promise<void>): Promise<void> {
  const desk = await PedDesk.lay()
  try {
    await work(await purple(desk))
  } finally {
    desk.clear()
  }
}

async function purple(desk: PedDesk) {
  const token = await TestToken.make({}, { clock: desk.clock })
  const officer = await prepare(token)
  const { client, admin, partition, session } = officer
  await client.objects.create(session, dataObject('precious', 'value'))
  const operator = new ScriptedOperator(desk.byTheBook())
  desk.plug(token, operator)
  assert.is((await client.recovery.srk()).external, false)
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.recovery.srkTransport(admin))
  await client.recovery.srkEnable(admin)
  assert.is((await client.recovery.srk()).external, true)
  assert.is((await client.status()).externalSplit, true)
  return { token, desk, operator, client, admin, partition }
}

test('srk: a tampered HSM stays dead until the purple key comes, and then has everything', () =>
  withPurple(async ({ token, client, partition }) => {
    token.powerCycle()
    assert.is((await client.status()).state, protocol.STATE_FUNCTIONAL, 'the working MTK is in the battery')
    token.board.tamper(1)
    token.board.tamper(0)
    token.powerCycle()
    const status = await client.status()
    assert.equal([status.state, status.error], [protocol.STATE_TAMPERED, protocol.RC_MTK_ZEROIZED])
    assert.equal([status.tampered, status.externalSplit, status.transport], [true, true, false])
    await refuses(protocol.RC_HSM_TAMPERED, client.openSession(ADMIN))
    token.powerCycle()
    await client.recovery.srkRecover()
    assert.is((await client.status()).state, protocol.STATE_FUNCTIONAL)
    const session = await officerOn(client, partition)
    assert.is((await client.objects.list(session)).length, 1)
    token.powerCycle()
    assert.is((await client.objects.list(await officerOn(client, partition))).length, 1)
  }))

test('srk: transport is a tamper on purpose', () =>
  withPurple(async ({ token, client, admin, partition }) => {
    await client.recovery.srkTransport(admin)
    for (const power of [false, true]) {
      if (power) token.powerCycle()
      assert.equal([(await client.status()).transport, (await client.status()).tampered], [true, false])
      await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.openSession(ADMIN))
      await refuses(protocol.RC_STM_CMD_NON_TRANSPORT, client.hsm.info())
    }
    assert.is(token.state.battery(protocol.BATTERY_MTK).length, 0)
    await client.recovery.srkRecover()
    assert.is((await client.status()).transport, false)
    assert.is((await client.objects.list(await officerOn(client, partition))).length, 1)
    await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.recovery.srkRecover())
  }))

test('srk: a purple key of before, or of another HSM, opens nothing; nobody is counted', () =>
  withPurple(async ({ token, desk, operator, client, admin }) => {
    await desk.box.add('old-purple', await desk.box.read('purple'))
    await client.recovery.srkGenerate(admin)
    await client.recovery.srkTransport(admin)
    for (let i = 0; i < 4; i++) {
      operator.next(insert('old-purple'))
      await refuses(protocol.RC_MTK_STATE_INVALID, client.recovery.srkRecover())
    }
    operator.next(insert('blue'), press('cancel'))
    await refuses(protocol.RC_FUNCTION_CANCELED, client.recovery.srkRecover())
    assert.is((await client.status()).state, protocol.STATE_TAMPERED)
    await client.recovery.srkRecover()
    assert.is((await client.status()).state, protocol.STATE_FUNCTIONAL)
    assert.ok(token)
  }))

test('srk: disabled again, the HSM recovers by itself; a wrong key disables nothing', () =>
  withPurple(async ({ token, desk, operator, client, admin, partition }) => {
    await desk.box.add('old-purple', await desk.box.read('purple'))
    await client.recovery.srkGenerate(admin)
    operator.next(insert('old-purple'))
    await refuses(protocol.RC_MTK_STATE_INVALID, client.recovery.srkDisable(admin))
    assert.is((await client.recovery.srk()).external, true)
    await client.recovery.srkDisable(admin)
    assert.is((await client.recovery.srk()).external, false)
    token.board.tamper(1)
    token.board.tamper(0)
    token.powerCycle()
    assert.is((await client.objects.list(await officerOn(client, partition))).length, 1)
  }))

test('srk: a PED that reuses a purple key all the same is refused', () =>
  withPurple(async ({ client, admin }) => {
    const { make } = Conversation.prototype
    Conversation.prototype.make = async function (topic, secret) {
      return { ...(await make.call(this, topic, secret)), reused: true }
    }
    try {
      await refuses(protocol.RC_PED_ERROR, client.recovery.srkGenerate(admin))
    } finally {
      Conversation.prototype.make = make
    }
    assert.is((await client.recovery.srk()).external, true)
  }))

test('srk: a copy of everything in the box but the purple key is no HSM', () =>
  withPurple(async ({ token, client }) => {
    token.board.tamper(1)
    token.board.tamper(0)
    const thief = token.fork()
    assert.is((await thief.client.status()).state, protocol.STATE_TAMPERED)
    assert.is((await client.status()).externalSplit, false, 'the line was up when it booted')
    thief.powerCycle()
    assert.is((await thief.client.status()).error, protocol.RC_MTK_ZEROIZED)
  }))

test.run()
