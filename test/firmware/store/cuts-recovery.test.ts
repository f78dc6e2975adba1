// Power cuts around tamper, transport mode and the purple key: no cut loses the master tamper key, and none undoes what was answered.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { cutEverywhere, recordScenario, type Scenario } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { initHsm, officerOn, prepare, SECRETS, soOn } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts around recovery')

const { ADMIN_PARTITION: ADMIN } = protocol
let desk: PedDesk
/** A 6.x HSM with one object on partition 1, and the same with a split on the purple key. */
let six: State
let external: State
/** A 7.x HSM, initialized; its policies 12 and 16 are off. */
let seven: State
let cuts = 0

test.before(async () => {
  desk = await PedDesk.lay()
  const token = await TestToken.make({ sectors: 12 }, { clock: desk.clock })
  const { client, session, admin } = await prepare(token)
  await client.objects.create(session, dataObject('precious', 'value'))
  token.board.powerOff()
  six = copyState(token.state)
  token.board.powerOn()
  desk.plug(token)
  await client.recovery.srkEnable(await soOn(client))
  token.board.powerOff()
  external = copyState(token.state)
  assert.ok(admin)

  const other = await TestToken.make({ sectors: 12, profile: protocol.PROFILE_7_0_3 })
  const so = await initHsm(other)
  await other.client.hsm.setPolicy(so, protocol.HSM_POLICY_NON_FIPS, 0)
  await other.client.hsm.setPolicy(so, protocol.HSM_POLICY_NETWORK_REPLICATION, 0)
  other.board.powerOff()
  seven = copyState(other.state)
})

test.after(() => {
  desk.clear()
  console.log(`${cuts} power cuts`)
})

const seen = async ({ client }: TestToken): Promise<string> => {
  const { state, error, tampered, transport, decommissioned, externalSplit, initialized } = await client.status()
  const policies = state === protocol.STATE_FUNCTIONAL ? await client.hsm.policies() : []
  const values = policies.map(({ id, value }) => `${id}=${value}`)
  return JSON.stringify({ state, error, tampered, transport, decommissioned, externalSplit, initialized, values })
}

async function cut(scenario: Scenario): Promise<void> {
  const outcomes = await cutEverywhere({ ...scenario, view: scenario.view ?? seen, parts: { clock: desk.clock } })
  cuts += outcomes.before + outcomes.after
}

const asSo =
  (command: (token: TestToken, admin: number) => Promise<unknown>): Scenario['prepare'] =>
  async (token) => {
    const admin = await soOn(token.client)
    return () => command(token, admin)
  }

/** A state after some more work, switched off. */
async function later(from: State, work: (token: TestToken) => Promise<unknown>): Promise<State> {
  const token = TestToken.on(copyState(from), { clock: desk.clock })
  await work(token)
  token.board.powerOff()
  return copyState(token.state)
}

/** Takes the working MTK away, and brings it back by itself or with the purple key; then the object is there. */
async function assertRecovers(token: TestToken, byPurple: boolean, what: string): Promise<void> {
  const { client } = token
  if ((await client.status()).state === protocol.STATE_FUNCTIONAL) {
    token.board.tamper(1)
    token.board.tamper(0)
    token.powerCycle()
  }
  const alone = (await client.status()).state === protocol.STATE_FUNCTIONAL
  assert.is(alone, !byPurple, what)
  if (byPurple) {
    desk.plug(token)
    await client.recovery.srkRecover()
    token.board.detachPed('local')
  }
  const session = await officerOn(client, 1)
  assert.is((await client.objects.list(session)).length, 1, what)
}

/** The split moves by one write, so there is nothing to cut: before it and after it the HSM recovers, each in its way. */
async function assertOneWrite(scenario: Scenario, purpleBefore: boolean): Promise<void> {
  const parts = { clock: desk.clock }
  const recording = await recordScenario({ ...scenario, parts })
  const kinds = recording.changes.map(({ kind }) => kind).filter((kind) => kind !== 'random' && kind !== 'alive')
  assert.equal(kinds, ['split'])
  await assertRecovers(TestToken.on(copyState(recording.before), parts), purpleBefore, 'before')
  const after = copyState(recording.before)
  for (const change of recording.changes) after.apply(change)
  await assertRecovers(TestToken.on(after, parts), !purpleBefore, 'after')
  cuts++
}

test('srk enable: the purple key counts from the moment that the split is moved', () =>
  assertOneWrite(
    {
      from: six,
      prepare: async (token) => {
        desk.plug(token)
        return asSo(({ client }, admin) => client.recovery.srkEnable(admin))(token)
      },
    },
    false,
  ))

test('srk disable: the HSM recovers with the purple key or by itself, never neither', () =>
  assertOneWrite(
    {
      from: external,
      prepare: async (token) => {
        // Other tests have written the purple key since: it is made anew for this HSM, and then disabled.
        desk.plug(token)
        const admin = await soOn(token.client)
        await token.client.recovery.srkGenerate(admin)
        return () => token.client.recovery.srkDisable(admin)
      },
    },
    true,
  ))

test('srk transport and recover', async () => {
  await cut({
    from: external,
    prepare: async (token) => {
      desk.plug(token)
      const admin = await soOn(token.client)
      await token.client.recovery.srkGenerate(admin)
      return () => token.client.recovery.srkTransport(admin)
    },
    // Between the note and the wipe the HSM is locked down with its key still there: transport has begun.
    view: async ({ client }) => String((await client.status()).transport),
    check: async (token, outcome, { what }) => {
      const { state } = await token.client.status()
      if (outcome === 'before') assert.is(state, protocol.STATE_FUNCTIONAL, what)
      else {
        await codeOf(token.client.recovery.srkRecover())
        desk.plug(token)
        if (state === protocol.STATE_TAMPERED) await token.client.recovery.srkRecover()
        assert.is((await token.client.status()).state, protocol.STATE_FUNCTIONAL, what)
      }
    },
  })
  const away = await later(external, async (token) => {
    desk.plug(token)
    const admin = await soOn(token.client)
    await token.client.recovery.srkGenerate(admin)
    await token.client.recovery.srkTransport(admin)
  })
  await cut({
    from: away,
    prepare: async (token) => {
      desk.plug(token)
      return () => token.client.recovery.srkRecover()
    },
    view: async ({ client }) => String((await client.status()).state),
    check: async (token, outcome, { what }) => {
      if (outcome === 'before') {
        desk.plug(token)
        await token.client.recovery.srkRecover()
      }
      assert.is((await token.client.status()).state, protocol.STATE_FUNCTIONAL, what)
    },
  })
})

test('stm transport and recover: in transport or not, and the SO gets it back', async () => {
  const out = async ({ client }: TestToken, what: string) => {
    const admin = await soOn(client)
    if ((await client.status()).transport) await client.recovery.stmRecover(admin)
    assert.is((await client.status()).transport, false, what)
    assert.is(await codeOf(client.hsm.setPolicy(admin, protocol.HSM_POLICY_NETWORK_REPLICATION, 1)), protocol.RC_OK)
  }
  await cut({
    from: seven,
    prepare: asSo(({ client }, admin) => client.recovery.stmTransport(admin)),
    check: (token, _, { what }) => out(token, what),
  })
  const away = await later(seven, async ({ client }) => client.recovery.stmTransport(await soOn(client)))
  await cut({
    from: away,
    prepare: asSo(({ client }, admin) => client.recovery.stmRecover(admin)),
    check: (token, _, { what }) => out(token, what),
  })
})

test('clearing a tamper', async () => {
  const tampered = await later(seven, async (token) => {
    token.board.tamper(1)
    token.board.tamper(0)
  })
  await cut({ from: tampered, prepare: asSo(({ client }, admin) => client.recovery.clearTamper(admin)) })
})

test('zeroize: the policies are kept by then or the HSM is as before', () =>
  cut({
    from: seven,
    prepare: asSo(({ client }, admin) => client.hsm.zeroize(admin)),
    check: async ({ client }, outcome, { what }) => {
      if (outcome === 'before') return
      const admin = await client.openSession(ADMIN)
      await client.hsm.init(admin, { label: 'anew', password: SECRETS.so, domain: SECRETS.domain })
      const policies = await client.hsm.policies()
      for (const id of [protocol.HSM_POLICY_NON_FIPS, protocol.HSM_POLICY_NETWORK_REPLICATION]) {
        assert.is(policies.find((policy) => policy.id === id)?.value, 0, `${what}, policy ${id}`)
      }
    },
  }))

test('factory reset: all of it goes, or nothing has', () =>
  cut({
    from: seven,
    prepare: async ({ client }) => {
      const admin = await client.openSession(ADMIN)
      return () => client.hsm.factoryReset(admin)
    },
    check: async ({ client }, outcome, { what }) => {
      if (outcome === 'before') return
      const admin = await client.openSession(ADMIN)
      await client.hsm.init(admin, { label: 'anew', password: SECRETS.so, domain: SECRETS.domain })
      const policies = await client.hsm.policies()
      assert.is(policies.find(({ id }) => id === protocol.HSM_POLICY_NON_FIPS)?.value, 1, what)
    },
  }))

test('initialization after zeroization: as the HSM was, or ready to try again with all that was kept', async () => {
  const zeroized = await later(seven, async ({ client }) => client.hsm.zeroize(await soOn(client)))
  const init = async ({ client }: TestToken) => {
    const admin = await client.openSession(ADMIN)
    return () => client.hsm.init(admin, { label: 'anew', password: SECRETS.so, domain: SECRETS.domain })
  }
  await cut({
    from: zeroized,
    prepare: init,
    check: async (token, outcome, { what }) => {
      if (outcome === 'before') await (await init(token))()
      const policies = await token.client.hsm.policies()
      assert.is(policies.find(({ id }) => id === protocol.HSM_POLICY_NON_FIPS)?.value, 0, what)
    },
  })
})

test.run()
