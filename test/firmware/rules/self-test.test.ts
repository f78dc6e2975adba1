// Self-tests: each of them can fail at power-up and on demand, and then the token tells its state and does nothing else.
import { createPublicKey, verify } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { decodeFrame, encodeFrame, type TokenClient } from '../../../host/client/index.js'
import { auditorOn, logOf, makeAuditor } from '../support/auditor.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, legacyPartition, officerOn, ownPartition, prepare } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { aesKey } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'
import { viewOf } from '../support/token-view.js'

const test = suite('rules: self-tests')

/** The boot loader's: no test of the firmware. */
const NOT_OURS = new Set(['RC_SELF_TEST_IMAGE'])
const CODES = Object.entries(protocol).flatMap(([name, value]) =>
  name.startsWith('RC_SELF_TEST_') && !NOT_OURS.has(name) ? [[name, value] as const] : [],
)
const COMMANDS = Object.entries(protocol).flatMap(([name, value]) =>
  name.startsWith('CMD_') ? [[name, value] as const] : [],
)

/** STATUS answers; every other command, sealed or not, with a session or without, gets RC_ERROR_STATE. */
async function tellsOnlyItsState(token: TestToken, error: number): Promise<void> {
  const status = await token.client.status()
  assert.equal([status.state, status.error], [protocol.STATE_ERROR, error])
  assert.is(status.label, '')
  for (const [name, command] of COMMANDS) {
    if (command === protocol.CMD_STATUS) continue
    for (const [flags, word] of [
      [0, 0],
      [0, 1 << 11],
      [protocol.FLAG_SEALED, 0],
    ] as const) {
      const frame = encodeFrame({ command, flags, word, tag: 7, body: Buffer.alloc(40, 1) })
      const answer = decodeFrame(await token.exchange(frame))
      assert.equal([answer.word, answer.body.length], [protocol.RC_ERROR_STATE, 0], name)
    }
  }
}

test('there is a test for each algorithm that the mechanisms use', () => {
  assert.equal(CODES.map(([name]) => name.slice('RC_SELF_TEST_'.length)).sort(), [
    'AES',
    'DRBG',
    'ECC',
    'FAILED',
    'GCM',
    'HMAC',
    'KDF',
    'KEY_WRAP',
    'PBKDF2',
    'RNG',
    'RSA',
    'SHA',
  ])
})

test('each self-test fails at power-up, and the next good power-up finds everything as it was', async () => {
  const made = await prepare(await TestToken.make({ sectors: 12 }))
  await made.client.objects.create(made.session, aesKey('kept', Buffer.alloc(32, 7)))
  made.token.board.powerOff()
  const expected = await viewOf(TestToken.on(copyState(made.token.state)).client)
  for (const [name, code] of CODES) {
    const token = TestToken.on(copyState(made.token.state))
    token.board.injectSelfTestFault(code)
    const before = Buffer.from(token.state.flash.image)
    const counter = token.state.counter
    assert.is(token.powerCycle(), code, name)
    await tellsOnlyItsState(token, code)
    assert.ok(before.equals(token.state.flash.image) && counter === token.state.counter, `${name}: nothing is written`)
    assert.is(token.powerCycle(), code, `${name}: again`)
    token.board.injectSelfTestFault(0)
    await tellsOnlyItsState(token, code)
    assert.is(token.powerCycle(), protocol.RC_OK, name)
    assert.is(await viewOf(token.client), expected, name)
    token.board.powerOff()
  }
})

test('each self-test fails on demand, sealed or not, and takes the token out of use until it is switched on again', async () => {
  const made = await prepare(await TestToken.make({ sectors: 12 }))
  await made.client.objects.create(made.session, aesKey('kept', Buffer.alloc(32, 7)))
  made.token.board.powerOff()
  const expected = await viewOf(TestToken.on(copyState(made.token.state)).client)
  for (const [name, code] of CODES) {
    const token = TestToken.on(copyState(made.token.state))
    const { client } = token
    const session = await officerOn(client, made.partition)
    await client.selfTest()
    token.board.injectSelfTestFault(code)
    // Until it is tested again the token works on.
    assert.is((await client.objects.list(session)).length, 1)
    await refuses(code, client.selfTest(), name)
    await tellsOnlyItsState(token, code)
    await refuses(protocol.RC_ERROR_STATE, client.selfTest(), name)
    token.board.injectSelfTestFault(0)
    await refuses(protocol.RC_ERROR_STATE, client.objects.list(session), name)
    assert.is(token.powerCycle(), protocol.RC_OK)
    assert.is(await viewOf(client), expected, name)
    token.board.powerOff()
  }
})

test('a code that is no self-test injects nothing', async () => {
  const { token } = await prepare(await TestToken.make())
  for (const code of [protocol.RC_SELF_TEST_IMAGE, protocol.RC_STORAGE_INTEGRITY, 1, 0xffff_ffff]) {
    token.board.injectSelfTestFault(code)
    assert.is(token.powerCycle(), protocol.RC_OK)
    await token.client.selfTest()
  }
})

test('a blank and a zeroized token fail as well', async () => {
  const token = await TestToken.make()
  token.board.injectSelfTestFault(protocol.RC_SELF_TEST_RSA)
  assert.is(token.powerCycle(), protocol.RC_SELF_TEST_RSA)
  await tellsOnlyItsState(token, protocol.RC_SELF_TEST_RSA)
  token.board.injectSelfTestFault(0)
  assert.is(token.powerCycle(), protocol.RC_OK)
  assert.is((await token.client.status()).state, protocol.STATE_ZEROIZED)
  await prepare(token)
})

const contains = (token: TestToken, bytes: Buffer): boolean =>
  Buffer.from(token.board.memoryImage() ?? new Uint8Array(0)).includes(bytes)

test('in the error state no key is in memory: session objects, log-ins, channels, activation', async () => {
  const { token, client, session } = await prepare(await TestToken.make())
  const value = Buffer.from('a session key of thirty-two byte')
  const passing = aesKey('passing', value).map((one) =>
    one.type === protocol.CKA_TOKEN ? { type: one.type, value: Uint8Array.of(0) } : one,
  )
  await client.objects.create(session, passing)
  assert.ok(contains(token, value))
  const kek = Buffer.from(token.state.battery(protocol.BATTERY_KEK))
  const mtk = Buffer.from(token.state.battery(protocol.BATTERY_MTK))
  assert.ok(contains(token, kek) && contains(token, mtk))
  token.board.injectSelfTestFault(protocol.RC_SELF_TEST_AES)
  await refuses(protocol.RC_SELF_TEST_AES, client.selfTest())
  for (const key of [value, kek, mtk]) assert.not.ok(contains(token, key))
})

test('auto-activation is kept by the battery over a failed self-test', async () => {
  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
    desk.plug(token)
    const { client } = token
    const partition = await ownPartition(client, await initHsm(token))
    const session = await client.openSession(partition)
    await client.roles.login(session, protocol.ROLE_PARTITION_SO)
    for (const policy of [protocol.POLICY_ACTIVATION, protocol.POLICY_AUTO_ACTIVATION]) {
      await client.partitions.setPolicy(session, partition, policy, 1)
    }
    await client.roles.createChallenge(session, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')
    await client.roles.logout(session)
    await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')
    token.board.injectSelfTestFault(protocol.RC_SELF_TEST_RSA)
    await refuses(protocol.RC_SELF_TEST_RSA, client.selfTest())
    token.board.injectSelfTestFault(0)
    token.powerCycle()
    const again = await client.openSession(partition)
    assert.is((await client.roles.login(again, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')).wasActivated, true)
  } finally {
    desk.clear()
  }
})

/** A token with an auditor that logs all; nobody is logged in. */
async function audited(): Promise<{ token: TestToken; client: TokenClient }> {
  const token = await TestToken.make()
  const { client } = token
  const admin = await initHsm(token)
  const { session } = await legacyPartition(client, admin)
  await client.closeSession(session)
  await client.closeSession(admin)
  const auditor = token.newClient()
  await auditor.closeSession(await makeAuditor(auditor, protocol.AUDIT_ALL))
  return { token, client }
}

test('a failed self-test does not damage the audit log: its key is gone, so nothing is logged until the next power-up', async () => {
  const { token, client } = await audited()
  token.board.injectSelfTestFault(protocol.RC_SELF_TEST_SHA)
  await refuses(protocol.RC_SELF_TEST_SHA, client.selfTest())
  for (let i = 0; i < 3; i++) await codeOf(client.selfTest())
  await codeOf(client.openSession(protocol.ADMIN_PARTITION))
  token.board.injectSelfTestFault(0)
  assert.is(token.powerCycle(), protocol.RC_OK)
  const auditor = token.newClient()
  const log = await logOf(auditor, await auditorOn(auditor))
  const last = log.filter(({ command }) => command === protocol.AUDIT_POWER_UP || command === protocol.CMD_SELF_TEST)
  assert.is(last.at(-1)?.command, protocol.AUDIT_POWER_UP)
})

test('a command that waits for the PED is answered when its person is done', async () => {
  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
    const other = token.newClient()
    desk.plug(token, desk.byTheBook({ prompt: '(blue)', action: 'no-key' }))
    const admin = await other.openSession(protocol.ADMIN_PARTITION)
    const waiting = codeOf(other.hsm.init(admin, { label: 'hsm', password: '', domain: '' }))
    token.board.injectSelfTestFault(protocol.RC_SELF_TEST_KDF)
    await refuses(protocol.RC_SELF_TEST_KDF, token.client.selfTest())
    for (let i = 0; i < 10; i++) {
      desk.clock.advance(protocol.PED_OPERATION_TIMEOUT)
      token.board.tick()
    }
    const code = await waiting
    assert.ok(code === protocol.RC_ERROR_STATE || code === protocol.RC_TIMEOUT, `${code.toString(16)}`)
    assert.is((await token.client.status()).state, protocol.STATE_ERROR)
  } finally {
    desk.clear()
  }
})

/** testRSA2048 of RFC 9500 §2.1: its modulus; the exponent is 65537. */
const RFC_9500_N =
  'sPnoGUOnrpiSqt4XynxA-HRP7S-BSObI6qJ7fQAVSPtRkqsotWxQYLEYzNEx5ZSHTGypibVsJylvCfuToDTfMul8b_CZjP2Ob0LdpYrNH6l5hvFE89FU1nZQF15oVLOp' +
  'UgA7wGiHuEVawrGfey92UE68mOyUVXGweJIVDdxqdMoPvNNUl86BU02vlBiESxOuox-dWmuVV7vfYZ79Toh_LUK43YvJh-rhv4nKuF7iHjVjBd9sB6iDjj70HFldzOQ9' +
  'r8SRI-9NirupPTkF5AKNe6kUhKJ1luB7S27ZkvB3tSTT3P593VVJvnzOjaA1z6Cz-4-eRvcysqhrRgFlwI9TEw'

test('the known answer of RSA is a signature of "abc" by the key of RFC 9500, as OpenSSL sees it', async () => {
  const token = await TestToken.make()
  const memory = Buffer.from(token.board.memoryImage() ?? new Uint8Array(0))
  const modulus = Buffer.from(RFC_9500_N, 'base64url')
  assert.is(modulus.length, 256)
  assert.ok(memory.includes(modulus))
  // The signature lies somewhere in the statics: the one string of 256 bytes there that verifies.
  const key = createPublicKey({ key: { kty: 'RSA', n: RFC_9500_N, e: 'AQAB' }, format: 'jwk' })
  const head = Buffer.from('4cf6cb1dbc0a039e38f8b37971554b53', 'hex')
  const at = memory.indexOf(head)
  assert.ok(at >= 0)
  assert.ok(verify('sha256', Buffer.from('abc'), key, memory.subarray(at, at + 256)))
})

test.run()
