// Activation of PED-authenticated roles (partition policies 22 and 23): what the challenge alone opens, for how long, and what ends it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, ownPartition } from '../support/officer.js'
import { insert, PedDesk, press, ScriptedOperator } from '../support/ped-desk.js'
import { aesKey, dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('rules: activation')

const { ROLE_CRYPTO_OFFICER: CO, ROLE_CRYPTO_USER: CU, ROLE_PARTITION_SO: PSO } = protocol
const { POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION, POLICY_IGNORE_FAILED_CHALLENGE } = protocol
const [CHALLENGE, USER_CHALLENGE] = ['challenge-of-co', 'challenge-of-cu']
const HOUR = 3_600_000

const desks: PedDesk[] = []
test.after(() => {
  for (const desk of desks) desk.clear()
})

interface Lab {
  readonly token: TestToken
  readonly client: TokenClient
  readonly partition: number
  readonly admin: number
  /** Prompts of the PED since it was last asked for. */
  prompts(): number
}

/** A PED HSM whose partition has officer and user with challenges; nobody is logged in, nobody activated. */
async function lab(policies: readonly number[], profile: number = protocol.PROFILE_6_27_0): Promise<Lab> {
  const desk = await PedDesk.lay()
  desks.push(desk)
  const token = await TestToken.make({ auth: protocol.AUTH_PED, profile }, { clock: desk.clock })
  const person = new ScriptedOperator(desk.byTheBook())
  desk.plug(token, person)
  const { client } = token
  const admin = await initHsm(token)
  const partition = await ownPartition(client, admin, { user: true })
  const session = await client.openSession(partition)
  await client.roles.login(session, PSO)
  for (const policy of policies) await client.partitions.setPolicy(session, partition, policy, 1)
  await client.roles.createChallenge(session, CO, CHALLENGE)
  await client.roles.logout(session)
  await client.roles.login(session, CO, CHALLENGE)
  if ((await client.roles.info(session, CO)).challengeChange) {
    await client.roles.changeSecret(session, CO, CHALLENGE, CHALLENGE)
  }
  await client.roles.createChallenge(session, CU, USER_CHALLENGE)
  await client.roles.deactivate(session, CO)
  await client.roles.logout(session)
  await client.roles.login(session, CU, USER_CHALLENGE)
  if ((await client.roles.info(session, CU)).challengeChange) {
    await client.roles.changeSecret(session, CU, USER_CHALLENGE, USER_CHALLENGE)
  }
  await client.roles.deactivate(session, CU)
  await client.closeSession(session)
  let seen = person.prompts.length
  const prompts = () => {
    const since = person.prompts.length - seen
    seen = person.prompts.length
    return since
  }
  return { token, client, partition, admin, prompts }
}

/** Logs in on a new session. @returns the session, and what the token said */
async function login({ client, partition }: Lab, role: number, challenge: string) {
  const session = await client.openSession(partition)
  return { session, ...(await client.roles.login(session, role, challenge)) }
}

async function isActivated({ client, partition }: Lab, role: number): Promise<boolean> {
  const session = await client.openSession(partition)
  const { activated } = await client.roles.info(session, role)
  await client.closeSession(session)
  return activated
}

test('policy 22: the black key once, then the challenge alone, for other programs too', async () => {
  const it = await lab([POLICY_ACTIVATION])
  const { token, client } = it
  assert.is(await isActivated(it, CO), false)
  const first = await login(it, CO, CHALLENGE)
  assert.equal([first.wasActivated, first.nowActivated, it.prompts()], [false, true, 1])
  assert.is(await isActivated(it, CO), true)
  const key = await client.objects.create(first.session, aesKey('private', Buffer.alloc(32, 7)))
  await client.roles.logout(first.session)
  assert.is(await isActivated(it, CO), true, 'a log-out does not end it')
  token.board.detachPed('local')
  const again = await client.roles.login(first.session, CO, CHALLENGE)
  assert.equal([again.wasActivated, again.nowActivated, it.prompts()], [true, false, 0])
  const other = { ...it, client: token.newClient() }
  const theirs = await login(other, CO, CHALLENGE)
  assert.is(theirs.wasActivated, true)
  // What was opened is the partition's storage key: the private object is there.
  const ecb = { mechanism: protocol.CKM_AES_ECB }
  assert.is((await other.client.crypto.encrypt(theirs.session, ecb, key, Buffer.alloc(16))).length, 16)
  await client.closeSession(first.session)
  await other.client.closeSession(theirs.session)
  assert.is(await isActivated(it, CO), true, 'nor does the last session')
})

test('without policy 22 each log-in asks for the key, and the challenge with it', async () => {
  const it = await lab([])
  for (let i = 0; i < 2; i++) {
    const { session, wasActivated, nowActivated } = await login(it, CO, CHALLENGE)
    assert.equal([wasActivated, nowActivated, it.prompts()], [false, false, 1])
    await it.client.roles.logout(session)
  }
  const session = await it.client.openSession(it.partition)
  await refuses(protocol.RC_PIN_LEN_RANGE, it.client.roles.login(session, CO))
  await refuses(protocol.RC_CHALLENGE_INCORRECT, it.client.roles.login(session, CO, 'not the challenge'))
  assert.is((await it.client.roles.info(session, CO)).attempts, 9)
})

test('officer and user are activated one by one', async () => {
  const it = await lab([POLICY_ACTIVATION])
  const officer = await login(it, CO, CHALLENGE)
  await it.client.closeSession(officer.session)
  assert.equal([await isActivated(it, CO), await isActivated(it, CU)], [true, false])
  it.prompts()
  const user = await login(it, CU, USER_CHALLENGE)
  assert.equal([user.wasActivated, user.nowActivated, it.prompts()], [false, true, 1])
  await it.client.closeSession(user.session)
  const wrong = await it.client.openSession(it.partition)
  await refuses(protocol.RC_CHALLENGE_INCORRECT, it.client.roles.login(wrong, CU, CHALLENGE))
  await refuses(protocol.RC_CHALLENGE_INCORRECT, it.client.roles.login(wrong, CO, USER_CHALLENGE))
  assert.equal([(await login(it, CU, USER_CHALLENGE)).wasActivated, it.prompts()], [true, 0])
})

test('role deactivate: by the role itself, for that role; then the key is asked for again', async () => {
  const it = await lab([POLICY_ACTIVATION])
  const { client } = it
  const { session } = await login(it, CO, CHALLENGE)
  await login({ ...it, client: it.token.newClient() }, CU, USER_CHALLENGE)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.roles.deactivate(session, CU))
  await client.roles.deactivate(session, CO)
  assert.equal([await isActivated(it, CO), await isActivated(it, CU)], [false, true])
  assert.is((await client.sessionInfo(session)).role, CO, 'who is logged in stays so')
  await client.roles.logout(session)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.roles.deactivate(session, CO))
  it.prompts()
  const again = await client.roles.login(session, CO, CHALLENGE)
  assert.equal([again.wasActivated, it.prompts()], [false, 1])
})

test('policy 22 alone: a restart ends it', async () => {
  const it = await lab([POLICY_ACTIVATION])
  await login(it, CO, CHALLENGE)
  it.token.powerCycle()
  assert.is(await isActivated(it, CO), false)
  it.prompts()
  assert.equal([(await login(it, CO, CHALLENGE)).wasActivated, it.prompts()], [false, 1])
})

test('policies 22 and 23: it outlives restarts, two hours without power, and not a moment more', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  const { session } = await login(it, CO, CHALLENGE)
  const key = await it.client.objects.create(session, aesKey('private', Buffer.alloc(32, 7)))
  await login({ ...it, client: it.token.newClient() }, CU, USER_CHALLENGE)
  it.prompts()
  for (const off of [0, 1, HOUR, 2 * HOUR]) {
    it.token.powerCycle(off)
    assert.equal([await isActivated(it, CO), await isActivated(it, CU)], [true, true], `${off} ms`)
    const again = await login(it, CO, CHALLENGE)
    assert.equal([again.wasActivated, it.prompts()], [true, 0], `${off} ms`)
    const ecb = { mechanism: protocol.CKM_AES_ECB }
    assert.is((await it.client.crypto.encrypt(again.session, ecb, key, Buffer.alloc(16))).length, 16)
  }
  // Hours with power do not count.
  it.token.board.advance(5 * HOUR)
  it.token.powerCycle(HOUR)
  assert.is(await isActivated(it, CO), true)
  it.token.powerCycle(2 * HOUR + 1)
  assert.equal([await isActivated(it, CO), await isActivated(it, CU)], [false, false])
  assert.equal([(await login(it, CO, CHALLENGE)).wasActivated, it.prompts()], [false, 1])
})

test('auto-activation is not kept in the clear, and without the battery it is lost', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  await login(it, CO, CHALLENGE)
  const kept = Buffer.from(it.token.state.battery(protocol.BATTERY_ACTIVATION))
  // n × {partition, role, epoch, KW(key, storage key)}.
  assert.is(kept.length, 52)
  assert.equal([kept.readUInt32BE(0), kept.readUInt32BE(4)], [it.partition, CO])
  it.token.board.powerOff()
  const damaged = Buffer.from(kept)
  damaged[30] = (damaged[30] ?? 0) ^ 1
  const fork = (data: Uint8Array) => {
    const token = it.token.fork()
    token.board.powerOff()
    token.state.apply({ kind: 'battery', region: protocol.BATTERY_ACTIVATION, data })
    token.board.powerOn()
    return { ...it, token, client: token.client }
  }
  assert.is(await isActivated(fork(kept), CO), true)
  assert.is(await isActivated(fork(damaged), CO), false)
  assert.is(await isActivated(fork(kept.subarray(0, 51)), CO), false)
  assert.is(await isActivated(fork(new Uint8Array(0)), CO), false)
  const twice = fork(Buffer.concat([kept, Buffer.alloc(52, 0xff)]))
  assert.is(await isActivated(twice, CO), true)
})

test('switching a policy off ends what it allowed', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  await login(it, CO, CHALLENGE)
  const other = it.token.newClient()
  const session = await other.openSession(it.partition)
  await other.roles.login(session, PSO)
  await other.partitions.setPolicy(session, it.partition, POLICY_AUTO_ACTIVATION, 0)
  assert.is(await isActivated(it, CO), true)
  assert.is(it.token.state.battery(protocol.BATTERY_ACTIVATION).length, 0)
  await other.partitions.setPolicy(session, it.partition, POLICY_AUTO_ACTIVATION, 1)
  assert.is(it.token.state.battery(protocol.BATTERY_ACTIVATION).length, 52)
  await other.partitions.setPolicy(session, it.partition, POLICY_ACTIVATION, 0)
  assert.is(await isActivated(it, CO), false)
  assert.is(it.token.state.battery(protocol.BATTERY_ACTIVATION).length, 0)
})

test('a new challenge, a new partition and a tamper end it', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  await login(it, CO, CHALLENGE)
  const other = it.token.newClient()
  const session = await other.openSession(it.partition)
  await other.roles.login(session, PSO)
  await other.roles.createChallenge(session, CO, 'another-challenge')
  assert.is(await isActivated(it, CO), false)

  const tampered = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  await login(tampered, CO, CHALLENGE)
  tampered.token.board.tamper(protocol.TAMPER_CHASSIS)
  assert.is(tampered.token.state.battery(protocol.BATTERY_ACTIVATION).length, 0)
  tampered.token.board.tamper(0)
  tampered.token.powerCycle()
  assert.is(await isActivated(tampered, CO), false)

  const gone = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  await login(gone, CO, CHALLENGE)
  await gone.client.partitions.delete(gone.admin, gone.partition)
  gone.token.powerCycle()
  const admin = await gone.client.openSession(protocol.ADMIN_PARTITION)
  await gone.client.roles.login(admin, protocol.ROLE_SO)
  const { id } = await gone.client.partitions.create(admin, { legacy: false, label: 'new' })
  assert.is(id, gone.partition, 'the same number')
  assert.is(await isActivated(gone, CO), false, 'and not the old one')
})

test('wrong challenges are counted, lock the role and end its activation; the black key was not needed for that', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION])
  const { session } = await login(it, CO, CHALLENGE)
  await it.client.roles.logout(session)
  it.prompts()
  const wrong = () => it.client.roles.login(session, CO, 'not the challenge')
  for (let i = 0; i < 9; i++) await refuses(protocol.RC_CHALLENGE_INCORRECT, wrong())
  assert.is((await it.client.roles.info(session, CO)).attempts, 1)
  await refuses(protocol.RC_PIN_INCORRECT_LOCKED, wrong())
  assert.is(it.prompts(), 0)
  assert.is(await isActivated(it, CO), false)
  assert.is(it.token.state.battery(protocol.BATTERY_ACTIVATION).length, 0)
  await refuses(protocol.RC_PIN_LOCKED, it.client.roles.login(session, CO, CHALLENGE))
})

test('policy 15: wrong challenges of an activated role do not count, wrong keys do', async () => {
  const it = await lab([POLICY_ACTIVATION, POLICY_IGNORE_FAILED_CHALLENGE], protocol.PROFILE_7_0_3)
  const { session } = await login(it, CO, CHALLENGE)
  await it.client.roles.logout(session)
  for (let i = 0; i < 12; i++) {
    await refuses(protocol.RC_CHALLENGE_INCORRECT, it.client.roles.login(session, CO, 'not the challenge'))
  }
  assert.is((await it.client.roles.info(session, CO)).attempts, 10)
  assert.is((await it.client.roles.login(session, CO, CHALLENGE)).wasActivated, true)
})

test('the person takes another black key: that counts, with or without the right challenge', async () => {
  const desk = await PedDesk.lay()
  desks.push(desk)
  const token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
  const person = new ScriptedOperator(desk.byTheBook())
  desk.plug(token, person)
  const admin = await initHsm(token)
  const partition = await ownPartition(token.client, admin)
  const session = await token.client.openSession(partition)
  const black = await desk.box.read('black')
  await desk.box.write('other-black', {
    ...black,
    content: { kind: protocol.PED_KIND_USER, secret: Buffer.alloc(48, 5), pin: false },
  })
  person.next(insert('other-black'))
  await refuses(protocol.RC_PIN_INCORRECT, token.client.roles.login(session, CO))
  assert.is((await token.client.roles.info(session, CO)).attempts, 9)
  person.next(press('no-key'))
  const waiting = codeOf(token.client.roles.login(session, CO))
  await person.asked()
  desk.clock.advance(protocol.PED_KEY_TIMEOUT)
  token.board.tick()
  assert.is(await waiting, protocol.RC_TIMEOUT)
  assert.is((await token.client.roles.info(session, CO)).attempts, 9, 'no key is no attempt')
  await token.client.roles.login(session, CO)
  assert.is((await token.client.roles.info(session, CO)).attempts, 10)
  await token.client.objects.create(session, dataObject('it works', 'value'))
})

test('on a password HSM there is nothing to activate', async () => {
  const token = await TestToken.make()
  const admin = await initHsm(token)
  const partition = await ownPartition(token.client, admin)
  const session = await token.client.openSession(partition)
  await token.client.roles.login(session, PSO, 'partition-so-password')
  for (const policy of [POLICY_ACTIVATION, POLICY_AUTO_ACTIVATION]) {
    const set = token.client.partitions.setPolicy(session, partition, policy, 1)
    await refuses(protocol.RC_CONFIG_CHANGE_ILLEGAL, set)
  }
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, token.client.roles.createChallenge(session, CO, CHALLENGE))
})

test.run()
