// Locks after too many wrong secrets: ten minutes on firmware 6, until the Partition SO resets on firmware 7; policy 20 sets how many.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, officerOn, ownPartition, SECRETS, soOn } from '../support/officer.js'
import { aesKey } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('rules: locks')

const { ADMIN_PARTITION: ADMIN, ROLE_SO: SO, ROLE_PARTITION_SO: PSO } = protocol
const { ROLE_CRYPTO_OFFICER: CO, ROLE_CRYPTO_USER: CU, POLICY_MAX_FAILED_LOGINS } = protocol
const { RC_PIN_INCORRECT, RC_PIN_INCORRECT_LOCKED, RC_PIN_LOCKED } = protocol
const SIX = protocol.PROFILE_6_27_0
const SEVEN = protocol.PROFILE_7_0_3
const MINUTE = 60_000
const WRONG = 'not the password'
const PASSWORDS = new Map<number, string>([
  [PSO, SECRETS.partitionSo],
  [CO, SECRETS.officer],
  [CU, SECRETS.user],
])

interface Lab {
  readonly token: TestToken
  readonly client: TokenClient
  readonly admin: number
  readonly partition: number
  /** Nobody is logged in on it. */
  readonly session: number
}

async function lab(profile: number, limit?: number): Promise<Lab> {
  const token = await TestToken.make({ profile })
  const { client } = token
  const admin = await initHsm(token)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_SO_RESET_PIN, 1)
  const partition = await ownPartition(client, admin, { user: true })
  const session = await client.openSession(partition)
  if (limit !== undefined) {
    await client.roles.login(session, PSO, SECRETS.partitionSo)
    await client.partitions.setPolicy(session, partition, POLICY_MAX_FAILED_LOGINS, limit)
    await client.roles.logout(session)
  }
  const officer = await officerOn(client, partition)
  await client.objects.create(officer, aesKey('kept', Buffer.alloc(32, 7)))
  await client.roles.logout(officer)
  await client.closeSession(officer)
  return { token, client, admin, partition, session }
}

/** Uses up the attempts of a role. */
async function lockOut({ client, session }: Lab, role: number, limit = 10): Promise<void> {
  for (let left = limit - 1; left > 0; left--) {
    await refuses(RC_PIN_INCORRECT, client.roles.login(session, role, WRONG), `${left} left`)
    assert.is((await client.roles.info(session, role)).attempts, left)
  }
  await refuses(RC_PIN_INCORRECT_LOCKED, client.roles.login(session, role, WRONG))
}

const right = ({ client }: Lab, session: number, role: number) =>
  client.roles.login(session, role, PASSWORDS.get(role) ?? '')

for (const role of [CO, CU, PSO]) {
  test(`6.x: role ${role} is locked for ten minutes, then has all its attempts again`, async () => {
    const it = await lab(SIX)
    const { token, client, session } = it
    await lockOut(it, role)
    const info = await client.roles.info(session, role)
    assert.equal([info.lockedOut, info.attempts], [true, 0])
    await refuses(RC_PIN_LOCKED, right(it, session, role))
    token.board.advance(10 * MINUTE - 1000)
    await refuses(RC_PIN_LOCKED, right(it, session, role))
    assert.is((await client.roles.info(session, role)).lockedOut, true)
    token.board.advance(1000)
    const after = await client.roles.info(session, role)
    assert.equal([after.lockedOut, after.attempts], [false, 10])
    await refuses(RC_PIN_INCORRECT, client.roles.login(session, role, WRONG))
    assert.is((await client.roles.info(session, role)).attempts, 9)
    await right(it, session, role)
    assert.is((await client.roles.info(session, role)).attempts, 10)
  })
}

test('6.x: attempts on a locked role do not lengthen the lock; one role does not lock another', async () => {
  const it = await lab(SIX, 3)
  await lockOut(it, CO, 3)
  for (let i = 0; i < 5; i++) {
    it.token.board.advance(2 * MINUTE - 1000)
    await refuses(RC_PIN_LOCKED, it.client.roles.login(it.session, CO, WRONG))
  }
  const other = it.token.newClient()
  const session = await other.openSession(it.partition)
  await other.roles.login(session, CU, SECRETS.user)
  assert.is((await other.objects.list(session)).length, 1)
  await other.roles.logout(session)
  await other.roles.login(session, PSO, SECRETS.partitionSo)
  it.token.board.advance(5000)
  await right(it, it.session, CO)
  assert.is((await it.client.objects.list(it.session)).length, 1, 'the objects are kept')
})

test('6.x: the lock outlives a restart, and its time runs without power', async () => {
  const it = await lab(SIX, 3)
  await lockOut(it, CO, 3)
  it.token.powerCycle(5 * MINUTE)
  const session = await it.client.openSession(it.partition)
  assert.is((await it.client.roles.info(session, CO)).lockedOut, true)
  await refuses(RC_PIN_LOCKED, right(it, session, CO))
  it.token.powerCycle(5 * MINUTE)
  const again = await it.client.openSession(it.partition)
  const { lockedOut, attempts } = await it.client.roles.info(again, CO)
  assert.equal([lockedOut, attempts], [false, 3])
  await right(it, again, CO)
})

test('6.x: after a lock that is over, as many wrong ones lock again', async () => {
  const it = await lab(SIX, 3)
  for (let round = 0; round < 2; round++) {
    await lockOut(it, CO, 3)
    it.token.board.advance(10 * MINUTE)
  }
  await right(it, it.session, CO)
})

test('7.x: the lock stays, by whatever time and restarts, and takes the Crypto User along', async () => {
  const it = await lab(SEVEN)
  const user = it.token.newClient()
  const theirs = await user.openSession(it.partition)
  await user.roles.login(theirs, CU, SECRETS.user)
  assert.is((await user.objects.list(theirs)).length, 1)
  await lockOut(it, CO)
  // Who was logged in is logged out.
  assert.is((await user.sessionInfo(theirs)).role, undefined)
  assert.equal(await user.objects.list(theirs), [])
  for (let i = 0; i < 3; i++) {
    const session = await it.client.openSession(it.partition)
    for (const role of [CO, CU]) {
      assert.is((await it.client.roles.info(session, role)).lockedOut, true, `${role}`)
      await refuses(RC_PIN_LOCKED, right(it, session, role), `${role}`)
    }
    if (i === 0) it.token.board.advance(365 * 24 * 60 * MINUTE)
    else it.token.powerCycle(24 * 60 * MINUTE)
  }
  const session = await it.client.openSession(it.partition)
  await right(it, session, PSO)
  await it.client.roles.resetSecret(session, CO, 'given by the SO')
  await it.client.roles.logout(session)
  await right(it, session, CU)
  assert.is((await it.client.objects.list(session)).length, 1, 'the objects are kept')
  await it.client.roles.logout(session)
  await it.client.roles.login(session, CO, 'given by the SO')
})

test('7.x: the Crypto User locks itself alone', async () => {
  const it = await lab(SEVEN, 3)
  await lockOut(it, CU, 3)
  await right(it, it.session, CO)
  assert.is((await it.client.roles.info(it.session, CU)).lockedOut, true)
  await it.client.roles.logout(it.session)
  await right(it, it.session, PSO)
  await it.client.roles.resetSecret(it.session, CU, 'given by the SO')
  await it.client.roles.logout(it.session)
  await it.client.roles.login(it.session, CU, 'given by the SO')
})

test('7.x: the tenth wrong password of the Partition SO empties the partition', async () => {
  const it = await lab(SEVEN)
  for (let i = 0; i < 9; i++) await refuses(RC_PIN_INCORRECT, it.client.roles.login(it.session, PSO, WRONG))
  await refuses(protocol.RC_PIN_INCORRECT_ZEROIZED, it.client.roles.login(it.session, PSO, WRONG))
  const { initialized, objects } = await it.client.partitions.info(it.partition)
  assert.equal([initialized, objects], [false, 0])
})

test('7.x: where there is no Crypto User yet, the one that is made later is not locked', async () => {
  const token = await TestToken.make({ profile: SEVEN })
  const { client } = token
  const admin = await initHsm(token)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_SO_RESET_PIN, 1)
  const partition = await ownPartition(client, admin)
  const session = await client.openSession(partition)
  await lockOut({ token, client, admin, partition, session }, CO)
  await client.roles.login(session, PSO, SECRETS.partitionSo)
  await client.roles.resetSecret(session, CO, SECRETS.officer)
  await client.roles.logout(session)
  await client.roles.login(session, CO, SECRETS.officer)
  await client.roles.changeSecret(session, CO, SECRETS.officer, SECRETS.officer)
  await client.roles.init(session, CU, SECRETS.user)
  await client.roles.logout(session)
  await client.roles.login(session, CU, SECRETS.user)
})

for (const profile of [SIX, SEVEN]) {
  test(`${profile.toString(16)}: policy 20 lowers the limit of officer and user, and of nobody else`, async () => {
    for (const limit of [1, 3]) {
      const it = await lab(profile, limit)
      for (const role of profile === SIX ? [CU, CO] : [CU]) {
        assert.is((await it.client.roles.info(it.session, role)).attempts, limit)
        await lockOut(it, role, limit)
        await refuses(RC_PIN_LOCKED, right(it, it.session, role))
      }
      assert.is((await it.client.roles.info(it.session, PSO)).attempts, 10)
      const admin = await it.token.newClient().openSession(ADMIN)
      assert.is((await it.client.roles.info(admin, SO)).attempts, 3)
    }
  })
}

test('policy 20 takes one to ten, and counts what was wrong before it was lowered', async () => {
  const it = await lab(SIX)
  for (let i = 0; i < 4; i++) await refuses(RC_PIN_INCORRECT, it.client.roles.login(it.session, CO, WRONG))
  await right(it, it.session, PSO)
  const set = (value: number) =>
    it.client.partitions.setPolicy(it.session, it.partition, POLICY_MAX_FAILED_LOGINS, value)
  await refuses(protocol.RC_POLICY_VALUE_INVALID, set(0))
  await refuses(protocol.RC_POLICY_VALUE_INVALID, set(11))
  await set(6)
  assert.is((await it.client.roles.info(it.session, CO)).attempts, 2)
  await it.client.roles.logout(it.session)
  await refuses(RC_PIN_INCORRECT, it.client.roles.login(it.session, CO, WRONG))
  await refuses(RC_PIN_INCORRECT_LOCKED, it.client.roles.login(it.session, CO, WRONG))
})

test('three wrong passwords of the HSM SO zeroize, over restarts; two and the right one do not', async () => {
  for (const profile of [SIX, SEVEN]) {
    const it = await lab(profile)
    const wrong = async () => {
      const client = it.token.newClient()
      const session = await client.openSession(ADMIN)
      const code = await codeOf(client.roles.login(session, SO, WRONG))
      await client.closeSession(session).catch(() => {})
      return code
    }
    assert.is(await wrong(), RC_PIN_INCORRECT)
    assert.is(await wrong(), RC_PIN_INCORRECT)
    await soOn(it.token.newClient())
    assert.is(await wrong(), RC_PIN_INCORRECT)
    it.token.powerCycle()
    assert.is(await wrong(), RC_PIN_INCORRECT)
    it.token.powerCycle(24 * 60 * MINUTE)
    assert.is((await it.client.status()).state, protocol.STATE_FUNCTIONAL)
    assert.is(await wrong(), protocol.RC_SO_LOGIN_FAILURE_THRESHOLD)
    assert.is((await it.client.status()).state, protocol.STATE_ZEROIZED)
    it.token.powerCycle()
    assert.is((await it.client.status()).state, protocol.STATE_ZEROIZED)
  }
})

test.run()
