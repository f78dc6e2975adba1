// What a partition may give and take, and whom a token believes (OBC-1 §3, §5.6).
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { ckrName, type ObjectRow } from '../../../host/client/index.js'
import { type CertificateFields, HOC, issue, TWC } from '../../oracle/obc1/certificates.js'
import {
  K6,
  root,
  SOURCE_SERIAL,
  sourceToken,
  TARGET_SERIAL,
  targetToken,
  vector,
} from '../../oracle/obc1/known-answers.js'
import { publicKey } from '../../oracle/obc1/p384.js'
import { Source } from '../../oracle/obc1/source.js'
import { Target } from '../../oracle/obc1/target.js'
import type { Token } from '../../oracle/obc1/token.js'
import { codeOf, refuses } from '../support/expect.js'
import { type Officer, prepare } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { START, TestToken } from '../support/test-token.js'
import {
  aesObject,
  DOMAIN,
  dataObjectOf,
  deliver,
  failures,
  firmwareEnd,
  flip,
  helloFrom,
  helloTo,
  objectCount,
  objectsOf,
  oracleSource,
  oracleTarget,
  refusals,
  send,
} from './ends.js'

const NOT_ALLOWED = ckrName(protocol.RC_OPERATION_NOT_ALLOWED)
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

/** A data object, a secret key and a private key. */
const kinds = () => [
  dataObjectOf(1, Buffer.of(1)),
  aesObject(2),
  {
    ...aesObject(3),
    class: protocol.CKO_PRIVATE_KEY,
    keyType: protocol.CKK_EC,
    attributes: [
      { type: protocol.CKA_EC_PARAMS, value: P256 },
      { type: protocol.CKA_VALUE, value: Buffer.alloc(32, 7) },
    ],
  },
]

const setPolicy = ({ client, admin, partition }: Officer, policy: number, value: number): Promise<void> =>
  client.partitions.setPolicy(admin, partition, policy, value)

const test = suite('firmware: cloning policies and identities')

test('the policies for private and secret keys hold on the taking side, object by object', async () => {
  for (const [policy, refused] of [
    [protocol.POLICY_PRIVATE_CLONING, 2],
    [protocol.POLICY_SECRET_CLONING, 1],
  ] as const) {
    const to = await firmwareEnd(`taking ${policy}`)
    await setPolicy(to, policy, 0)
    const source = await helloTo(to)
    assert.equal(failures(await send(to, source, kinds(), true)), { [refused]: NOT_ALLOWED })
    assert.is(await objectCount(to), 2)
    await to.client.cloning.targetClose(to.session, source.close())
  }
})

test('the same policies on the giving side; OBJECT_LIST says beforehand what they hold back', async () => {
  const from = await firmwareEnd('giving')
  await send(from, await helloTo(from), kinds(), true)
  const classes = new Map((await objectsOf(from)).map(({ handle, objectClass }) => [handle, objectClass]))
  const handles = [...classes.keys()]
  const refusedClasses = async () => {
    const rows: ObjectRow[] = await objectsOf(from)
    const listed = rows.filter(({ clone }) => clone !== protocol.RC_OK)
    for (const { clone } of listed) assert.is(clone, protocol.RC_OPERATION_NOT_ALLOWED)
    const { target, stored } = oracleTarget()
    await helloFrom(from, target)
    const { codes, message } = await from.client.cloning.sourceBatch(from.session, handles, true)
    await from.client.cloning.sourceResult(from.session, target.batch(Buffer.from(message)))
    const refused = Object.keys(refusals(codes)).map((i) => handles[Number(i)])
    assert.equal(
      refused,
      listed.map(({ handle }) => handle),
    )
    assert.is(stored.length + refused.length, handles.length)
    return refused.map((handle) => classes.get(handle ?? 0))
  }
  assert.equal(await refusedClasses(), [])
  await setPolicy(from, protocol.POLICY_PRIVATE_CLONING, 0)
  assert.equal(await refusedClasses(), [protocol.CKO_PRIVATE_KEY])
  await setPolicy(from, protocol.POLICY_SECRET_CLONING, 0)
  assert.equal(await refusedClasses(), [protocol.CKO_SECRET_KEY, protocol.CKO_PRIVATE_KEY])
})

test('a policy that changes under a session counts at once', async () => {
  const to = await firmwareEnd('changed')
  const source = await helloTo(to)
  assert.equal(failures(await send(to, source, [aesObject(1)])), {})
  await setPolicy(to, protocol.POLICY_SECRET_CLONING, 0)
  assert.equal(failures(await send(to, source, [aesObject(2)])), { 0: NOT_ALLOWED })
})

test('with HSM policy 7 off nothing is cloned at all', async () => {
  const end = await firmwareEnd('policy 7')
  const { client, admin } = end
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_CLONING, 0)
  // That was destructive: a new partition.
  const { id } = await client.partitions.create(admin, { legacy: true, label: 'new', password: 'officer-password' })
  const session = await client.openSession(id)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'officer-password')
  await client.partitions.setDomain(session, 'a common domain')
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.cloning.sourceInit(session))
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, client.cloning.targetInit(session, oracleSource().init()))
  const policies = await client.partitions.policies(id)
  for (const policy of [protocol.POLICY_PRIVATE_CLONING, protocol.POLICY_SECRET_CLONING]) {
    assert.is(policies.find(({ id: number }) => number === policy)?.value, 0)
    const on = client.partitions.setPolicy(admin, id, policy, 1)
    await refuses(protocol.RC_CONFIG_FAILS_DEPENDENCIES, on)
  }
})

test('a target takes from its own kind of authentication only', async () => {
  const password = await firmwareEnd('password')
  const fromPed = oracleSource({ flags: protocol.OBC_TOKEN_PED })
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, password.client.cloning.targetInit(password.session, fromPed.init()))
  const others = oracleSource({ flags: protocol.OBC_TOKEN_FIPS | protocol.OBC_TOKEN_BACKUP })
  assert.is(await codeOf(helloTo(password, others)), protocol.RC_OK)

  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { seed: 'ped', clock: desk.clock })
    desk.plug(token)
    const ped = await prepare(token)
    const m1 = oracleSource().init()
    await refuses(protocol.RC_OPERATION_NOT_ALLOWED, ped.client.cloning.targetInit(ped.session, m1))
  } finally {
    desk.clear()
  }
})

// ---- certificates -----------------------------------------------------------------------------------------------------

const HOK = vector('hok of a stranger')
const TUK = vector('tuk of a stranger')

/** A chain of the test root's, with something wrong in one of its certificates. */
function chain(wrong: { hoc?: Partial<CertificateFields>; twc?: Partial<CertificateFields>; serial?: bigint }) {
  const common = { serial: wrong.serial ?? SOURCE_SERIAL, model: K6, firmware: protocol.PROFILE_6_27_0 }
  const [hocKey, twcKey] = [publicKey(HOK), publicKey(TUK)]
  const hoc = issue({ ...common, type: HOC, key: hocKey, issuerPrivateKey: vector('root'), ...wrong.hoc })
  const twc = issue({ ...common, type: TWC, key: twcKey, issuerPrivateKey: HOK, ...wrong.twc })
  return { hoc, twc, tuk: TUK }
}

/** The same certificate, its signature made anew by the issuer after a byte was changed. */
const forged = (certificate: Buffer, at: number, value: number): Buffer => {
  const changed = Buffer.from(certificate)
  changed.writeUInt8(value, at)
  return changed
}

/** A firmware for each side, and what it answers to a peer with these credentials. */
async function answers(end: Officer, peer: Partial<Token>): Promise<{ take: number; give: number }> {
  const common = { flags: 0, domains: [DOMAIN] }
  const m1 = new Source(sourceToken({ ...common, ...peer })).init()
  const take = await codeOf(end.client.cloning.targetInit(end.session, m1))
  // The oracle does not look at its own chain.
  const target = new Target(targetToken({ ...common, ...peer, root }), () => ({ code: protocol.RC_OK, handle: 1 }))
  const own = Buffer.from(await end.client.cloning.sourceInit(end.session))
  const give = await codeOf(end.client.cloning.sourceHello(end.session, target.init(own)))
  return { take, give }
}

test('a chain must end in the root, certificate by certificate, and be of the token that shows it', async () => {
  const end = await firmwareEnd('certificates')
  const serial = SOURCE_SERIAL
  const good = chain({})
  const stranger = vector('another root')
  const peers: Record<string, Partial<Token>> = {
    'another root': { ...chain({ hoc: { issuerPrivateKey: stranger } }) },
    'TWC by another HOK': { ...chain({ twc: { issuerPrivateKey: stranger } }) },
    'TWC by the root': { ...chain({ twc: { issuerPrivateKey: vector('root') } }) },
    'HOC of another serial': { ...chain({ hoc: { serial: 4711n } }) },
    'TWC of another serial': { ...chain({ twc: { serial: 4711n } }) },
    'both of another serial': { ...chain({ serial: 4711n }) },
    'a TWC as HOC': { ...chain({ hoc: { type: TWC } }) },
    'a HOC as TWC': { ...chain({ twc: { type: HOC } }) },
    exchanged: { ...good, hoc: good.twc, twc: good.hoc },
    'not yet valid': { ...chain({ hoc: { notBefore: BigInt(START / 1000 + 60) } }) },
    'no longer valid': { ...chain({ twc: { notAfter: BigInt(START / 1000 - 60) } }) },
    'reserved byte': { ...good, hoc: forged(good.hoc, 150, 1) },
    'version 2': { ...good, twc: forged(good.twc, 5, 2) },
    'HOC certifies no point': { ...chain({ hoc: { key: flip(publicKey(HOK), 96) } }) },
  }
  assert.equal(await answers(end, { serial, ...good }), { take: protocol.RC_OK, give: protocol.RC_OK }, 'the good one')
  for (const [what, peer] of Object.entries(peers)) {
    const expected = { take: protocol.RC_NEGOTIATION_NO_ROOTS, give: protocol.RC_NEGOTIATION_NO_ROOTS }
    assert.equal(await answers(end, { serial, ...peer }), expected, what)
  }
})

test('validity counts only where the clock is set, and ends with the second named', async () => {
  const end = await firmwareEnd('validity')
  const now = BigInt(START / 1000)
  const dated = chain({ hoc: { notBefore: now, notAfter: now + 10n } })
  const peer = { serial: SOURCE_SERIAL, ...dated }
  const good = { take: protocol.RC_OK, give: protocol.RC_OK }
  assert.equal(await answers(end, peer), good)
  end.token.board.advance(10_000)
  assert.equal(await answers(end, peer), good)
  end.token.board.advance(1_000)
  const expired = { take: protocol.RC_NEGOTIATION_NO_ROOTS, give: protocol.RC_NEGOTIATION_NO_ROOTS }
  assert.equal(await answers(end, peer), expired)
})

test('an ephemeral key or a certified key that is no point of the curve is refused', async () => {
  const end = await firmwareEnd('points')
  const { cloning } = end.client
  const m1 = oracleSource().init()
  for (const point of [Buffer.alloc(97), Buffer.alloc(97, 4), Buffer.alloc(97, 0xff)]) {
    const bad = Buffer.from(m1)
    point.copy(bad, 64)
    await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.targetInit(end.session, bad))
  }
  const twc = chain({ twc: { key: flip(publicKey(TUK), 96) } })
  assert.equal(await answers(end, { serial: SOURCE_SERIAL, ...twc }), {
    take: protocol.RC_NEGOTIATION_NO_ROOTS,
    give: protocol.RC_NEGOTIATION_NO_ROOTS,
  })
})

test('a certified token that borrows the public key of another learns nothing (unknown key share)', async () => {
  const end = await firmwareEnd('unknown key share')
  const { target } = oracleTarget()
  const m2 = target.init(Buffer.from(await end.client.cloning.sourceInit(end.session)))
  const serial = 4711n
  const borrowed = chain({ serial, twc: { key: publicKey(vector('tukT')) } })
  m2.writeBigUInt64BE(serial, 16 + 164)
  borrowed.hoc.copy(m2, 16 + 184)
  borrowed.twc.copy(m2, 16 + 440)
  await refuses(protocol.RC_NEGOTIATION_NO_PSK, end.client.cloning.sourceHello(end.session, m2))
})

test('a peer that says it is this very partition is refused, one of another partition of the token is not', async () => {
  const end = await firmwareEnd('self', { serial: TARGET_SERIAL })
  const { cloning } = end.client
  const certified = { serial: TARGET_SERIAL, ...chain({ serial: TARGET_SERIAL }) }
  const neighbour = end.partition + 1
  assert.equal(await answers(end, { ...certified, partition: neighbour }), {
    take: protocol.RC_OK,
    give: protocol.RC_OK,
  })

  const m1 = oracleSource({ ...certified, partition: end.partition }).init()
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.targetInit(end.session, m1))
  const { target } = oracleTarget({ ...certified, partition: neighbour })
  const m2 = target.init(Buffer.from(await cloning.sourceInit(end.session)))
  m2.writeUInt32BE(end.partition, 16 + 172)
  await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceHello(end.session, m2))
})

test('a blanked tag cannot choose among common domains', async () => {
  const from = await firmwareEnd('blanked')
  const { target, stored } = oracleTarget({ domains: [DOMAIN, DOMAIN] })
  const m2 = target.init(Buffer.from(await from.client.cloning.sourceInit(from.session)))
  await from.client.cloning.sourceHello(from.session, flip(m2, 712))
  const { message } = await from.client.cloning.sourceBatch(from.session, [], true)
  assert.is(message[16 + 20], 1)
  assert.throws(() => target.batch(Buffer.from(message)), /tagS/)
  assert.is(stored.length, 0)

  const to = await firmwareEnd('blanked too')
  const source = await helloTo(to)
  source.session.confirmation = flip(source.session.confirmation, 0)
  await refuses(protocol.RC_NEGOTIATION_INVALID, deliver(to, source.batch([aesObject(1)])))
  assert.is(await objectCount(to), 0)
})

test.run()
