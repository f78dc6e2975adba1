// Which domains meet (OBC-1 §14, test 3): text and red keys, one against one and one among three.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { RED_KEY, TEXT, textDomain } from '../../oracle/obc1/crypto.js'
import { vector } from '../../oracle/obc1/known-answers.js'
import { ProtocolError } from '../../oracle/obc1/messages.js'
import type { Domain, Token } from '../../oracle/obc1/token.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, legacyPartition, type Officer, prepare } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { TestToken } from '../support/test-token.js'
import {
  aesObject,
  DOMAIN,
  deliver,
  failures,
  firmwareEnd,
  helloFrom,
  objectCount,
  objectsOf,
  oracleSource,
  oracleTarget,
} from './ends.js'

const red = (name: string): Domain => ({ vector: vector(name), type: RED_KEY })
const text = (name: string): Domain => ({ vector: textDomain(name), type: TEXT })

/** A return code of the handshake, whichever side refuses. */
async function meet(action: Promise<unknown>): Promise<number> {
  try {
    return await codeOf(action)
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

/** Oracle to firmware and firmware to oracle; both must end with this code, and where they meet an object travels. */
async function bothWays(end: Officer, expected: number, more: Partial<Token>, what: string): Promise<void> {
  const before = await objectCount(end)
  const source = oracleSource(more)
  const into = async () => {
    const m2 = await end.client.cloning.targetInit(end.session, source.init())
    source.targetHello(Buffer.from(m2))
    assert.equal(failures(source.result(await deliver(end, source.batch([aesObject(before)])))), {})
  }
  assert.is(await meet(into()), expected, `${what}, in`)
  assert.is(await objectCount(end), expected === protocol.RC_OK ? before + 1 : before)

  const { target, stored } = oracleTarget(more)
  const out = async () => {
    await helloFrom(end, target)
    const handles = (await objectsOf(end)).map(({ handle }) => handle)
    const { message } = await end.client.cloning.sourceBatch(end.session, handles, true)
    assert.equal(failures(await end.client.cloning.sourceResult(end.session, target.batch(Buffer.from(message)))), {})
  }
  assert.is(await meet(out()), expected, `${what}, out`)
  assert.is(stored.length, expected === protocol.RC_OK ? before + 1 : 0)
}

const test = suite('firmware: cloning domains')

test('a text domain meets the same text and nothing else', async () => {
  const end = await firmwareEnd('text domain')
  const { vector: own } = DOMAIN
  await bothWays(end, protocol.RC_OK, { domains: [DOMAIN] }, 'equal text')
  await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { domains: [text('a common domain ')] }, 'different text')
  await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { domains: [text('A common domain')] }, 'another case')
  const sameBytes = { vector: own, type: RED_KEY }
  await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { domains: [sameBytes] }, 'a red key with the same 48 bytes')
})

test('text is UTF-8, as it came, up to its limit', async () => {
  for (const domain of ['dömäne ✓', 'x', 'y'.repeat(protocol.DOMAIN_TEXT_MAX)]) {
    const token = await TestToken.make({}, { seed: domain })
    const end = await prepare(token, { domain })
    await bothWays(end, protocol.RC_OK, { domains: [text(domain)] }, domain)
  }
  const token = await TestToken.make({}, { seed: 'too long' })
  const admin = await initHsm(token)
  for (const domain of ['', 'z'.repeat(protocol.DOMAIN_TEXT_MAX + 1)]) {
    await refuses(
      protocol.RC_ARGUMENTS_BAD,
      legacyPartition(token.client, admin, { label: `p${domain.length}`, domain }),
    )
  }
})

test('one domain among three of the peer is found, wherever it stands', async () => {
  const end = await firmwareEnd('one of three')
  const [x, y] = [red('x'), text('y')]
  for (const domains of [
    [DOMAIN, x, y],
    [x, DOMAIN, y],
    [x, y, DOMAIN],
    [DOMAIN, DOMAIN, DOMAIN],
  ]) {
    await bothWays(end, protocol.RC_OK, { domains }, `at ${domains.indexOf(DOMAIN)}`)
  }
  await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { domains: [x, y, red('z')] }, 'none of three')
})

test('the batch names the slot that verified, and no other slot does', async () => {
  const end = await firmwareEnd('slots')
  const { target } = oracleTarget({ domains: [red('x'), DOMAIN, DOMAIN] })
  await helloFrom(end, target)
  const { message } = await end.client.cloning.sourceBatch(end.session, [], true)
  assert.is(message[16 + 20], 1, 'the lowest of those that verify')
  for (const slot of [1, 2, 255]) {
    const source = oracleSource()
    source.targetHello(Buffer.from(await end.client.cloning.targetInit(end.session, source.init())))
    source.session.slot = slot
    const m3 = source.batch([aesObject(slot)])
    await refuses(
      protocol.RC_NEGOTIATION_INVALID,
      end.client.cloning.targetBatch(end.session, m3, true),
      `slot ${slot}`,
    )
  }
  assert.is(await objectCount(end), 0)
})

test('a partition without a domain neither gives nor takes', async () => {
  const token = await TestToken.make({}, { seed: 'no domain' })
  const admin = await initHsm(token)
  const { client } = token
  const password = 'officer-password'
  const { id } = await client.partitions.create(admin, { legacy: true, label: 'no domain', password })
  const session = await client.openSession(id)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password)
  await refuses(protocol.RC_CLONING_PARAMETER_MISSING, client.cloning.sourceInit(session))
  await refuses(protocol.RC_CLONING_PARAMETER_MISSING, client.cloning.targetInit(session, oracleSource().init()))
})

test('red keys: the same key meets, another does not, and no text does', async () => {
  const desk = await PedDesk.lay()
  try {
    const common = textDomain('a common domain')
    const content = { kind: protocol.PED_KIND_DOMAIN, secret: common, pin: false }
    await desk.box.write('red', { colour: 'red', label: '', content })
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { seed: 'red', clock: desk.clock })
    desk.plug(token)
    const end = await prepare(token)
    const flags = protocol.OBC_TOKEN_PED
    await bothWays(end, protocol.RC_OK, { flags, domains: [{ vector: common, type: RED_KEY }] }, 'the same red key')
    await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { flags, domains: [red('another')] }, 'another red key')
    const asText = { vector: common, type: TEXT }
    await bothWays(end, protocol.RC_NEGOTIATION_NO_PSK, { flags, domains: [asText] }, 'a text with the same 48 bytes')
    const all = [red('x'), asText, { vector: common, type: RED_KEY }]
    await bothWays(end, protocol.RC_OK, { flags, domains: all }, 'one of three')
  } finally {
    desk.clear()
  }
})

test('a fresh red key is made once, then reused: two HSMs with it meet', async () => {
  const desk = await PedDesk.lay()
  try {
    const ends: Officer[] = []
    for (const [seed, serial] of [
      ['first', 500409n],
      ['second', 500410n],
    ] as const) {
      const token = await TestToken.make({ serial, auth: protocol.AUTH_PED }, { seed, clock: desk.clock })
      desk.plug(token)
      ends.push(await prepare(token))
    }
    const [from, to] = ends
    if (!from || !to) return assert.unreachable('two ends')
    const meets = async () => {
      const m1 = await from.client.cloning.sourceInit(from.session)
      await from.client.cloning.sourceHello(from.session, await to.client.cloning.targetInit(to.session, m1))
    }
    assert.is(await codeOf(meets()), protocol.RC_OK)
  } finally {
    desk.clear()
  }
})

test.run()
