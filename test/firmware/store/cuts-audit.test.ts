// Power cuts and the audit log: at every cut it is a valid beginning of what was logged, and it can be gone on with.
// test-timeout: 240
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { AUDIT_DOMAIN, AUDITOR, auditorOn, logOf, makeAuditor } from '../support/auditor.js'
import { recordScenario, type Scenario, TORN_SEED } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { initHsm, legacyPartition, SECRETS, soOn } from '../support/officer.js'
import { cutStates } from '../support/power-cuts.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts and the audit log')

const { ADMIN_PARTITION: ADMIN, ROLE_AUDITOR: AU } = protocol
/** An HSM with a partition, without and with an auditor whose log holds everything but log-ins. */
let plain: State
let base: State
let cuts = 0
const MASK = protocol.AUDIT_ALL & ~protocol.AUDIT_ACCESS

test.before(async () => {
  const token = await TestToken.make({ sectors: 12 })
  const { client } = token
  const admin = await initHsm(token)
  await client.closeSession((await legacyPartition(client, admin)).session)
  await client.closeSession(admin)
  token.board.powerOff()
  plain = copyState(token.state)
  token.board.powerOn()
  const session = await makeAuditor(client, MASK)
  await client.audit.message(session, 'the log begins')
  token.board.powerOff()
  base = copyState(token.state)
})

test.after(() => console.log(`${cuts} power cuts`))

const told = ({ command, subject, text }: { command: number; subject: number; text: string }) =>
  `${command} ${subject} ${text}`

/** Cuts a command everywhere. The log afterwards is what it was, or that and what the command logs; then it takes one record more. */
async function cutLogged(scenario: Pick<Scenario, 'from' | 'prepare'>, logged: readonly number[]): Promise<void> {
  const recording = await recordScenario(scenario)
  const reference = TestToken.on(copyState(recording.before))
  const before = await logOf(reference.client, await auditorOn(reference.client))
  reference.board.powerOff()
  const seen = new Set<number>()
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const token = TestToken.on(state)
    const { client } = token
    assert.is((await client.status()).state, protocol.STATE_FUNCTIONAL, what)
    const session = await auditorOn(client)
    // Every power-up logs itself, behind what a cut left.
    const log = (await logOf(client, session, what)).filter(({ command }) => command !== protocol.AUDIT_POWER_UP)
    const old = before.filter(({ command }) => command !== protocol.AUDIT_POWER_UP)
    assert.equal(log.slice(0, old.length).map(told), old.map(told), what)
    const added = log.slice(old.length).map(({ command }) => command)
    assert.equal(added, logged.slice(0, added.length), what)
    seen.add(added.length)
    await client.audit.message(session, 'goes on')
    token.powerCycle()
    const again = await logOf(client, await auditorOn(client), what)
    assert.ok(
      again.some(({ text }) => text === 'goes on'),
      what,
    )
    token.board.powerOff()
    cuts++
  }
  assert.is(seen.size, logged.length + 1, 'every beginning was seen')
}

test('a change of the HSM and its record', () =>
  cutLogged(
    {
      from: base,
      prepare: async ({ client }) => {
        const admin = await soOn(client)
        return () => client.hsm.setPolicy(admin, protocol.HSM_POLICY_NETWORK_REPLICATION, 0)
      },
    },
    [protocol.CMD_HSM_SET_POLICY],
  ))

test('messages that change nothing else', () =>
  cutLogged(
    {
      from: base,
      prepare: async ({ client }) => {
        const session = await auditorOn(client)
        return async () => {
          for (const text of ['one', 'two', 'three']) await client.audit.message(session, text)
        }
      },
    },
    [protocol.CMD_AUDIT_MESSAGE, protocol.CMD_AUDIT_MESSAGE, protocol.CMD_AUDIT_MESSAGE],
  ))

test('a refused command is logged too, or the cut came first', () =>
  cutLogged(
    {
      from: base,
      prepare: async ({ client }) => {
        const admin = await client.openSession(ADMIN)
        return () => codeOf(client.partitions.delete(admin, 1))
      },
    },
    [protocol.CMD_PARTITION_DELETE],
  ))

test('making the role: there is an auditor with an empty log, or none', async () => {
  const recording = await recordScenario({
    from: plain,
    prepare: async ({ client }) => {
      const session = await client.openSession(ADMIN)
      return () => client.roles.init(session, AU, AUDITOR)
    },
  })
  const made = new Set<boolean>()
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const token = TestToken.on(state)
    const { client } = token
    const { auditor } = await client.status()
    made.add(auditor)
    if (!auditor) await client.roles.init(await client.openSession(ADMIN), AU, AUDITOR)
    const session = await auditorOn(client)
    await client.audit.setDomain(session, AUDIT_DOMAIN)
    await client.audit.configure(session, MASK)
    assert.ok((await logOf(client, session, what)).length > 0, what)
    token.board.powerOff()
    cuts++
  }
  assert.is(made.size, 2)
})

test('clearing the log: the given-up records are there or not, what follows is there', async () => {
  const token = TestToken.on(copyState(base))
  const session = await auditorOn(token.client)
  for (const text of ['one', 'two']) await token.client.audit.message(session, text)
  token.board.powerOff()
  const through = 2n
  const recording = await recordScenario({
    from: token.state,
    prepare: async ({ client }) => {
      const watch = await auditorOn(client)
      return () => client.audit.clear(watch, through)
    },
  })
  const firsts = new Set<bigint>()
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const cut = TestToken.on(state)
    const log = await logOf(cut.client, await auditorOn(cut.client), what)
    firsts.add(log[0]?.sequence ?? 0n)
    assert.ok(
      log.some(({ text }) => text === 'two'),
      what,
    )
    cut.board.powerOff()
    cuts++
  }
  assert.equal([...firsts], [1n, through + 1n])
})

test('giving up all of it: the log is empty and goes on with the next number', async () => {
  const token = TestToken.on(copyState(base))
  const last = (await token.client.audit.status()).last
  token.board.powerOff()
  const recording = await recordScenario({
    from: token.state,
    prepare: async ({ client }) => {
      const watch = await auditorOn(client)
      const all = (await client.audit.status()).last
      return () => client.audit.clear(watch, all)
    },
  })
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const cut = TestToken.on(state)
    assert.is((await cut.client.status()).state, protocol.STATE_FUNCTIONAL, what)
    const log = await logOf(cut.client, await auditorOn(cut.client), what)
    assert.ok((log.at(-1)?.sequence ?? 0n) > last, what)
    cut.board.powerOff()
    cuts++
  }
})

test('zeroization by guessing: what was logged before is there after the HSM is initialized again', async () => {
  const token = TestToken.on(copyState(base))
  const admin = await token.client.openSession(ADMIN)
  for (let i = 0; i < 2; i++) await codeOf(token.client.roles.login(admin, protocol.ROLE_SO, 'not the password'))
  const old = (await token.client.audit.status()).last
  token.board.powerOff()
  const recording = await recordScenario({
    from: token.state,
    prepare: async ({ client }) => {
      const session = await client.openSession(ADMIN)
      return () => codeOf(client.roles.login(session, protocol.ROLE_SO, 'not the password'))
    },
  })
  let zeroized = 0
  for (const { what, state } of cutStates(recording, TORN_SEED)) {
    const cut = TestToken.on(state)
    const { client } = cut
    if ((await client.status()).state === protocol.STATE_ZEROIZED) {
      zeroized++
      const session = await client.openSession(ADMIN)
      await client.hsm.init(session, { label: 'anew', password: SECRETS.so, domain: SECRETS.domain })
    }
    const log = await logOf(client, await auditorOn(client), what)
    assert.ok((log.at(-1)?.sequence ?? 0n) >= old, what)
    assert.ok(
      log.some(({ text }) => text === 'the log begins'),
      what,
    )
    cut.board.powerOff()
    cuts++
  }
  assert.ok(zeroized > 0)
})

test.run()
