// Up to three domains in the 7.8 profile: commands, and which pairs of partitions clone with each other.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { clone, type TokenClient } from '../../../host/client/index.js'
import { cutEverywhere } from '../support/cut-scenario.js'
import { refuses } from '../support/expect.js'
import { initHsm, officerOn, ownPartition, SECRETS } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('rules: several domains')

const PROFILE = protocol.PROFILE_7_8_0
const { ROLE_PARTITION_SO: PSO } = protocol

/** A session with the Partition SO logged in. */
async function managerOn(client: TokenClient, partition: number): Promise<number> {
  const session = await client.openSession(partition)
  await client.roles.login(session, PSO, SECRETS.partitionSo)
  return session
}

/** A partition whose domains are these texts, in this order. */
async function withDomains(client: TokenClient, admin: number, label: string, texts: string[]): Promise<number> {
  const [first = '', ...more] = texts
  const partition = await ownPartition(client, admin, { label, domain: first })
  const manager = await managerOn(client, partition)
  for (const text of more) await client.partitions.addDomain(manager, { label: `label of ${text}`, text })
  await client.closeSession(manager)
  return partition
}

test('three by three: two partitions clone wherever the common domain stands in either, and nowhere else', async () => {
  const ends: { client: TokenClient; sessions: number[] }[] = []
  for (const name of ['a', 'b']) {
    const serial = name === 'a' ? 500409n : 700101n
    const token = await TestToken.make({ profile: PROFILE, serial }, { seed: `domains ${name}` })
    const admin = await initHsm(token)
    const sessions: number[] = []
    for (const place of [0, 1, 2]) {
      const texts = [0, 1, 2].map((slot) => (slot === place ? 'common' : `${name} ${place} ${slot}`))
      const id = await withDomains(token.client, admin, `${name}${place}`, texts)
      sessions.push(await officerOn(token.client, id))
    }
    const stranger = await ownPartition(token.client, admin, { label: `${name}3`, domain: `${name} alone` })
    sessions.push(await officerOn(token.client, stranger))
    ends.push({ client: token.client, sessions })
  }
  const [a, b] = ends
  if (!a || !b) throw new Error('two tokens')
  const done: string[] = []
  for (const [i, from] of a.sessions.entries()) {
    const handle = await a.client.objects.create(from, dataObject(`of ${i}`, 'value'))
    for (const [j, to] of b.sessions.entries()) {
      for await (const { ckr } of clone(
        { client: a.client, session: from },
        { client: b.client, session: to },
        { handles: [handle], profile: PROFILE },
      )) {
        if (ckr === 0) done.push(`${i}${j}`)
        else assert.is(ckr, protocol.RC_CERTIFICATE_DATA_INVALID, `${i}${j}`)
      }
    }
  }
  assert.is(done.join(' '), '00 01 02 10 11 12 20 21 22')
})

test('add, list, relabel, choose the primary, remove; objects stay', async () => {
  const token = await TestToken.make({ profile: PROFILE })
  const { client } = token
  const admin = await initHsm(token)
  const partition = await withDomains(client, admin, 'p', ['first', 'second'])
  const officer = await officerOn(client, partition)
  await client.objects.create(officer, dataObject('kept', 'value'))
  await client.roles.logout(officer)
  const manager = await managerOn(client, partition)
  const labels = async () => (await client.partitions.domains(manager)).map(({ label }) => label)
  assert.equal(await labels(), ['', 'label of second'])
  await client.partitions.addDomain(manager, { label: 'third', text: 'third', primary: true })
  assert.equal(await labels(), ['third', '', 'label of second'])
  await refuses(
    protocol.RC_LICENSE_CAPACITY_EXCEEDED,
    client.partitions.addDomain(manager, { label: 'fourth', text: 'fourth' }),
  )
  await client.partitions.changeDomain(manager, 1, { label: 'first' })
  await client.partitions.changeDomain(manager, 2, { primary: true })
  assert.equal(await labels(), ['label of second', 'third', 'first'])
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.partitions.removeDomain(manager, 0))
  await client.partitions.removeDomain(manager, 1)
  assert.equal(await labels(), ['label of second', 'first'])
  token.powerCycle()
  const again = await managerOn(client, partition)
  assert.equal(await client.partitions.domains(again), [
    { type: protocol.DOMAIN_TEXT, label: 'label of second' },
    { type: protocol.DOMAIN_TEXT, label: 'first' },
  ])
  assert.is((await client.partitions.info(partition)).objects, 1)
})

test('what is no good changes nothing', async () => {
  const token = await TestToken.make({ profile: PROFILE })
  const { client } = token
  const admin = await initHsm(token)
  const partition = await withDomains(client, admin, 'p', ['first', 'second'])
  const officer = await officerOn(client, partition)
  const { partitions } = client
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, partitions.addDomain(officer, { label: 'x', text: 'x' }))
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, partitions.removeDomain(officer, 1))
  await client.roles.logout(officer)
  const manager = await managerOn(client, partition)
  const before = await partitions.domains(manager)
  const exists = protocol.RC_CLONING_PARAMETER_ALREADY_EXISTS
  await refuses(exists, partitions.addDomain(manager, { label: 'label of second', text: 'x' }))
  await refuses(exists, partitions.addDomain(manager, { label: 'again', text: 'second' }))
  const bad = protocol.RC_ARGUMENTS_BAD
  await refuses(bad, partitions.addDomain(manager, { label: '', text: 'x' }))
  await refuses(bad, partitions.addDomain(manager, { label: 'l'.repeat(33), text: 'x' }))
  await refuses(bad, partitions.addDomain(manager, { label: 'empty', text: '' }))
  await refuses(bad, partitions.removeDomain(manager, 2))
  await refuses(bad, partitions.changeDomain(manager, 1, {}))
  await refuses(exists, partitions.changeDomain(manager, 0, { label: 'label of second' }))
  await partitions.setPolicy(manager, partition, protocol.POLICY_EXTENDED_DOMAINS, 0)
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, partitions.addDomain(manager, { label: 'third', text: 'third' }))
  assert.equal(await partitions.domains(manager), before)
})

test('profiles before 7.8 have one domain and no such command', async () => {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_7_1 })
  const { client } = token
  const admin = await initHsm(token)
  const partition = await ownPartition(client, admin)
  const manager = await managerOn(client, partition)
  await refuses(protocol.RC_FUNCTION_NOT_SUPPORTED, client.partitions.addDomain(manager, { label: 'x', text: 'x' }))
  assert.is((await client.partitions.domains(manager)).length, 1)
})

test('7.8: a PED HSM and a password HSM clone by a text domain that one adds, or by a red key that the other reads', async () => {
  const desk = await PedDesk.lay()
  try {
    const [byPed, byText] = [
      await TestToken.make({ profile: PROFILE, auth: protocol.AUTH_PED }, { seed: 'by ped', clock: desk.clock }),
      await TestToken.make({ profile: PROFILE, serial: 700101n }, { seed: 'by text', clock: desk.clock }),
    ]
    desk.plug(byPed)
    const source = await ownPartition(byPed.client, await initHsm(byPed))
    const target = await ownPartition(byText.client, await initHsm(byText), { domain: 'of the target' })
    const from = await officerOn(byPed.client, source)
    const to = await officerOn(byText.client, target)
    const handle = await byPed.client.objects.create(from, dataObject('travels', 'value'))
    const attempt = async () => {
      const results = clone(
        { client: byPed.client, session: from },
        { client: byText.client, session: to },
        { handles: [handle], profile: PROFILE },
      )
      for await (const { ckr } of results) return ckr
      return undefined
    }
    assert.is(await attempt(), protocol.RC_CERTIFICATE_DATA_INVALID)
    const other = byText.newClient()
    const session = await other.openSession(target)
    await other.roles.login(session, PSO, SECRETS.partitionSo)
    desk.plug(byText)
    await other.partitions.addDomain(session, { label: 'red key of the source' })
    assert.equal(
      (await other.partitions.domains(session)).map(({ type }) => type),
      [protocol.DOMAIN_TEXT, protocol.DOMAIN_RED],
    )
    assert.is(await attempt(), 0)
  } finally {
    desk.clear()
  }
})

test('before 7.8 the other authentication is refused, whatever the domains', async () => {
  const desk = await PedDesk.lay()
  try {
    const [byPed, byText] = [
      await TestToken.make(
        { profile: protocol.PROFILE_7_7_1, auth: protocol.AUTH_PED },
        { seed: 'by ped', clock: desk.clock },
      ),
      await TestToken.make(
        { profile: protocol.PROFILE_7_7_1, serial: 700101n },
        { seed: 'by text', clock: desk.clock },
      ),
    ]
    desk.plug(byPed)
    const source = await ownPartition(byPed.client, await initHsm(byPed))
    const target = await ownPartition(byText.client, await initHsm(byText))
    const m1 = await byPed.client.cloning.sourceInit(await officerOn(byPed.client, source))
    const to = await officerOn(byText.client, target)
    await refuses(protocol.RC_OPERATION_NOT_ALLOWED, byText.client.cloning.targetInit(to, m1))
  } finally {
    desk.clear()
  }
})

test('a power cut leaves the domains as they were or as they were to be', async () => {
  const token = await TestToken.make({ profile: PROFILE, sectors: 12 })
  const partition = await withDomains(token.client, await initHsm(token), 'p', ['first', 'second'])
  token.board.powerOff()
  const view = async ({ client }: TestToken) => {
    const session = await managerOn(client, partition)
    return JSON.stringify(await client.partitions.domains(session))
  }
  const from = copyState(token.state)
  const change = (run: (client: TokenClient, session: number) => Promise<void>) =>
    cutEverywhere({
      from,
      view,
      prepare: async ({ client }) => {
        const session = await managerOn(client, partition)
        return () => run(client, session)
      },
    })
  await change((client, session) => client.partitions.addDomain(session, { label: 'third', text: 'x', primary: true }))
  await change((client, session) => client.partitions.removeDomain(session, 1))
})

test.run()
