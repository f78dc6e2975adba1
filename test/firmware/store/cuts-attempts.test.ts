// Power cuts in log-ins: an attempt is counted before its secret is looked at, so that no cut buys a free guess.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { cutEverywhere, recordScenario, type Scenario, TORN_SEED } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { initHsm, officerOn, ownPartition, SECRETS } from '../support/officer.js'
import { cutStates } from '../support/power-cuts.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'
import { viewOf } from '../support/token-view.js'

const test = suite('store: power cuts in log-ins')

const { ROLE_CRYPTO_OFFICER: CO, ROLE_CRYPTO_USER: CU, ROLE_PARTITION_SO: PSO } = protocol
const WRONG = 'a-wrong-password'
const PARTITION = 1

/** By profile: an HSM with a complete partition that holds two objects. */
const bases = new Map<number, State>()
let cuts = 0

test.before(async () => {
  for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_0_3]) {
    const token = await TestToken.make({ sectors: 12, profile })
    const { client } = token
    const admin = await initHsm(token)
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

/** The base after some wrong passwords of a role. */
async function afterWrong(count: number, role: number, profile?: number): Promise<State> {
  const token = TestToken.on(copyState(base(profile)))
  const session = await token.client.openSession(PARTITION)
  for (let i = 0; i < count; i++) {
    assert.is(await codeOf(token.client.roles.login(session, role, WRONG)), protocol.RC_PIN_INCORRECT)
  }
  token.board.powerOff()
  return token.state
}

/** A log-in with this password. */
const logsIn =
  (role: number, password: string): Scenario['prepare'] =>
  async ({ client }) => {
    const session = await client.openSession(PARTITION)
    return () => codeOf(client.roles.login(session, role, password))
  }

async function attemptsOf({ client }: TestToken): Promise<number> {
  return (await client.roles.info(await client.openSession(PARTITION), CO)).attempts
}

test('nothing that a cut can catch tells a right password from a wrong one before the attempt is counted', async () => {
  const [right, wrong] = [
    await recordScenario({ from: base(), prepare: logsIn(CO, SECRETS.officer) }),
    await recordScenario({ from: base(), prepare: logsIn(CO, WRONG) }),
  ]
  const kinds = ({ changes }: typeof right) => changes.map(({ kind }) => kind).filter((kind) => kind !== 'random')
  // The board notes that it is alive with every sync: this is the one that makes the count durable.
  const counted = kinds(wrong).indexOf('alive', kinds(wrong).indexOf('counter'))
  assert.ok(counted > 2, 'the count is made durable')
  assert.equal(kinds(right).slice(0, counted), kinds(wrong).slice(0, counted), 'until then both do the same')
  assert.ok(kinds(right).length > kinds(wrong).length, 'only then the right one goes on')
  // Whoever cuts the power later than that has paid.
  const paid: number[] = []
  for (const { state } of cutStates(wrong, TORN_SEED)) {
    paid.push(await attemptsOf(TestToken.on(state)))
    cuts++
  }
  assert.equal([...new Set(paid)], [10, 9], 'ten attempts are left or nine, in this order')
  assert.is(paid.at(-1), 9)
})

test('guesses that are cut short count: ten of them lock', async () => {
  let state = base(protocol.PROFILE_6_27_0)
  for (let guess = 1; guess <= 10; guess++) {
    const recording = await recordScenario({ from: state, prepare: logsIn(CO, WRONG) })
    const done = copyState(recording.before)
    // The power goes as soon as the count is durable, before there is an answer.
    for (const change of recording.changes) {
      done.apply(change)
      if (change.kind === 'counter') break
    }
    state = done
    cuts++
  }
  const token = TestToken.on(state)
  const session = await token.client.openSession(PARTITION)
  assert.is(await codeOf(token.client.roles.login(session, CO, SECRETS.officer)), protocol.RC_PIN_LOCKED)
})

test('a wrong password is counted or not, and from some moment on it is', () =>
  cut({
    from: base(),
    prepare: logsIn(CO, WRONG),
    // The view has logged in since, so the counter starts again.
    check: async (token, outcome, { what }) => assert.is(await attemptsOf(token), 10, `${outcome} ${what}`),
  }))

test('the right password after wrong ones never shows fewer wrong ones than there were, until it has won', async () => {
  const failures = 4
  const from = await afterWrong(failures, CO)
  const recording = await recordScenario({ from, prepare: logsIn(CO, SECRETS.officer) })
  const seen: number[] = []
  for (const { state } of cutStates(recording, TORN_SEED)) {
    seen.push(await attemptsOf(TestToken.on(state)))
    cuts++
  }
  assert.equal([...new Set(seen)], [10 - failures, 9 - failures, 10], 'in this order')
})

test('6.x: the tenth wrong password locks the Crypto Officer, from the moment that it is counted', async () =>
  cut({
    from: await afterWrong(9, CO, protocol.PROFILE_6_27_0),
    prepare: logsIn(CO, WRONG),
    view: ({ client }) => viewOf(client, []),
  }))

test('7.x: the tenth wrong password of the Crypto Officer locks the Crypto User too', async () =>
  cut({
    from: await afterWrong(9, CO),
    prepare: logsIn(CO, WRONG),
    view: ({ client }) => viewOf(client, []),
    check: async ({ client }, outcome, { what }) => {
      const { lockedOut } = await client.roles.info(await client.openSession(PARTITION), CU)
      assert.is(lockedOut, outcome === 'after', what)
    },
  }))

test('7.x: the tenth wrong password of the Partition SO empties the partition', async () =>
  cut({
    from: await afterWrong(9, PSO),
    prepare: logsIn(PSO, WRONG),
    check: async ({ client }, outcome, { what }) => {
      const info = await client.partitions.info(PARTITION)
      assert.equal([info.initialized, info.objects], outcome === 'before' ? [true, 2] : [false, 0], what)
    },
  }))

test.run()
