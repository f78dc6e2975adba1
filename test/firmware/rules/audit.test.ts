// The audit role and its log: what is logged, that nobody can change or shorten it, and what happens when it is full.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type AuditRecord, reasonOf, type TokenClient } from '../../../host/client/index.js'
import { AUDIT_DOMAIN, AUDITOR, auditorOn, blocksOf, logOf, makeAuditor } from '../support/auditor.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, legacyPartition, officerOn, SECRETS, soOn } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { aesKey, dataObject } from '../support/templates.js'
import { TestToken, type TokenOptions } from '../support/test-token.js'

const test = suite('rules: audit')

const { ADMIN_PARTITION: ADMIN, ROLE_AUDITOR: AU, ROLE_SO: SO, ROLE_CRYPTO_OFFICER: CO } = protocol
const BOTH = protocol.AUDIT_SUCCESS | protocol.AUDIT_FAILURE
const NAMES = new Map<number, string>(
  Object.entries(protocol).flatMap(([name, value]) =>
    name.startsWith('CMD_') ? [[value, name.slice(4)] as const] : [],
  ),
)

/** `ROLE_LOGIN by 255 on 0: OK`. */
const told = ({ command, actor, partition, result }: AuditRecord): string =>
  `${NAMES.get(command) ?? 'POWER_UP'} by ${actor} on ${partition}: ${reasonOf(result)}`

/** A token with a partition and an auditor; nobody is logged in. */
async function audited(mask: number, options: TokenOptions = {}) {
  const token = await TestToken.make(options, { seed: `audit ${options.serial ?? ''}` })
  const { client } = token
  const admin = await initHsm(token)
  const { partition, session } = await legacyPartition(client, admin)
  await client.closeSession(session)
  await client.closeSession(admin)
  const auditor = token.newClient()
  const watch = await makeAuditor(auditor, mask)
  return { token, client, partition, auditor, watch }
}

test('the role is made while the SO is logged out, once, and nobody else does its work', async () => {
  const token = await TestToken.make()
  const { client } = token
  const admin = await initHsm(token)
  const other = token.newClient()
  const session = await other.openSession(ADMIN)
  await refuses(protocol.RC_USER_ANOTHER_ALREADY_LOGGED_IN, other.roles.init(session, AU, AUDITOR))
  await refuses(protocol.RC_LOG_AUDIT_NOT_INITIALIZED, client.audit.configure(admin, BOTH))
  await client.roles.logout(admin)
  await other.roles.init(session, AU, AUDITOR)
  await refuses(protocol.RC_OPERATION_NOT_ALLOWED, other.roles.init(session, AU, AUDITOR))
  await client.roles.login(admin, SO, SECRETS.so)
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, client.audit.configure(admin, BOTH))
  await other.roles.login(session, AU, AUDITOR)
  await refuses(protocol.RC_LOG_NO_KCV, other.audit.configure(session, BOTH))
  await refuses(protocol.RC_LOG_NO_KCV, other.audit.exportSecret(session))
  await other.audit.setDomain(session, AUDIT_DOMAIN)
  await refuses(protocol.RC_CLONING_PARAMETER_ALREADY_EXISTS, other.audit.setDomain(session, 'another'))
  await other.audit.configure(session, BOTH)
  await refuses(protocol.RC_ARGUMENTS_BAD, other.audit.configure(session, 0x100))
  await refuses(protocol.RC_USER_NOT_LOGGED_IN, other.hsm.setPolicy(session, protocol.HSM_POLICY_CLONING, 0))
  assert.is((await client.status()).auditor, true)
})

test('ten wrong secrets lock the auditor out for ten minutes', async () => {
  const { token, auditor, watch } = await audited(BOTH)
  await auditor.roles.logout(watch)
  const wrong = () => auditor.roles.login(watch, AU, 'not the password')
  for (let i = 0; i < 9; i++) await refuses(protocol.RC_PIN_INCORRECT, wrong())
  await refuses(protocol.RC_AUDIT_LOGIN_FAILURE_THRESHOLD, wrong())
  const right = (session: number) => auditor.roles.login(session, AU, AUDITOR)
  await refuses(protocol.RC_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS, right(watch))
  token.powerCycle(599_000)
  const again = await auditor.openSession(ADMIN)
  await refuses(protocol.RC_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS, right(again))
  token.board.advance(2_000)
  await right(again)
})

test('each category is logged, successes and failures, and nothing that was not asked for', async () => {
  const cases: [mask: number, expected: string[]][] = [
    [
      protocol.AUDIT_ACCESS | BOTH,
      [
        'SESSION_OPEN by 255 on 0: OK',
        'ROLE_LOGIN by 255 on 0: PIN_INCORRECT',
        'SESSION_OPEN by 255 on 0: OK',
        'ROLE_LOGIN by 255 on 1: OK',
        'SESSION_CLOSE by 2 on 1: OK',
      ],
    ],
    [protocol.AUDIT_ACCESS | protocol.AUDIT_FAILURE, ['ROLE_LOGIN by 255 on 0: PIN_INCORRECT']],
    [protocol.AUDIT_MANAGE | BOTH, ['PARTITION_SET_POLICY by 255 on 0: USER_NOT_LOGGED_IN']],
    [
      protocol.AUDIT_KEY_MANAGE | BOTH,
      ['OBJECT_CREATE by 2 on 1: OK', 'OBJECT_DESTROY by 2 on 1: OK', 'OBJECT_SET by 2 on 1: OBJECT_HANDLE_INVALID'],
    ],
    [protocol.AUDIT_USAGE | BOTH, ['ENCRYPT by 2 on 1: OK', 'SIGN by 2 on 1: KEY_HANDLE_INVALID']],
  ]
  for (const [mask, expected] of cases) {
    const { client, auditor, watch, partition } = await audited(mask)
    const before = (await auditor.audit.status()).last
    const wrong = await client.openSession(ADMIN)
    await codeOf(client.roles.login(wrong, SO, 'not the password'))
    await codeOf(client.partitions.setPolicy(wrong, partition, protocol.POLICY_SECRET_CLONING, 0))
    const session = await officerOn(client, partition)
    const key = await client.objects.create(session, aesKey('key', Buffer.alloc(32, 1)))
    const cbc = { mechanism: protocol.CKM_AES_CBC, parameter: Buffer.alloc(16) }
    await client.crypto.encrypt(session, cbc, key, Buffer.alloc(16))
    await client.objects.destroy(session, [key])
    await codeOf(client.objects.set(session, key, []))
    await codeOf(client.crypto.sign(session, { mechanism: protocol.CKM_SHA256_HMAC }, key, Buffer.alloc(1)))
    await client.closeSession(session)
    const log = (await logOf(auditor, watch)).filter(({ sequence }) => sequence > before)
    assert.equal(log.map(told), expected)
  }
})

test('a record says when, on which HSM, by which client, and of what', async () => {
  const { token, client, auditor, watch, partition } = await audited(
    protocol.AUDIT_MANAGE | protocol.AUDIT_EXTERNAL | BOTH,
  )
  const admin = await soOn(client)
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_NETWORK_REPLICATION, 0)
  token.board.advance(60_000)
  const { id } = await client.partitions.create(admin, { legacy: false, label: 'second' })
  await client.partitions.delete(admin, id)
  await auditor.audit.message(watch, 'the auditor was here')
  const [policy, create, remove, message] = (await logOf(auditor, watch)).slice(-4)
  assert.equal([policy?.subject, policy?.value], [protocol.HSM_POLICY_NETWORK_REPLICATION, 0])
  assert.is(create?.subject, id)
  assert.is(remove?.subject, id)
  assert.is(message?.text, 'the auditor was here')
  assert.is(Number(create?.time) - Number(policy?.time), 60)
  assert.is(policy?.serial, 500409n)
  assert.is(policy?.actor, SO)
  assert.is(policy?.client, remove?.client)
  assert.is.not(policy?.client, message?.client)
  assert.not.match(policy?.client ?? '', client.access.toString(16))
  await refuses(protocol.RC_ARGUMENTS_BAD, auditor.audit.message(watch, 'x'.repeat(49)))
  assert.ok(partition)
})

test('no secret of a session is in the log', async () => {
  const { client, auditor, watch, partition } = await audited(protocol.AUDIT_ALL)
  const admin = await soOn(client)
  await client.partitions.create(admin, { legacy: true, label: 'more', password: 'container-password' })
  const session = await officerOn(client, partition)
  await client.objects.create(session, aesKey('key', Buffer.from('0123456789abcdef0123456789abcdef')))
  await client.roles.changeSecret(session, CO, SECRETS.officer, 'an-entirely-new-one')
  await client.objects.create(session, dataObject('data', 'what it says'))
  const raw = Buffer.concat((await blocksOf(auditor, watch)).flatMap(({ records }) => records))
  const secrets = [...Object.values(SECRETS), AUDITOR, AUDIT_DOMAIN, 'container-password', 'an-entirely-new-one']
  const access = Buffer.alloc(8)
  access.writeBigUInt64BE(client.access)
  for (const secret of [...secrets, '0123456789abcdef', 'what it says', access]) {
    assert.is(raw.indexOf(secret), -1, String(secret))
  }
  assert.ok(raw.length > 0)
})

test('power goes and comes: the chain goes on, and every power-up is in it', async () => {
  const { token, auditor, watch } = await audited(protocol.AUDIT_MANAGE | BOTH)
  const before = await logOf(auditor, watch)
  token.powerCycle()
  token.powerCycle()
  const log = await logOf(auditor, await auditorOn(auditor))
  assert.equal(log.slice(0, before.length), before)
  assert.equal(log.slice(before.length).map(told), ['POWER_UP by 255 on 0: OK', 'POWER_UP by 255 on 0: OK'])
})

test('an altered, a dropped and a moved record are found, wherever they are', async () => {
  const { auditor, watch } = await audited(protocol.AUDIT_EXTERNAL | BOTH)
  for (const text of ['one', 'two', 'three', 'four']) await auditor.audit.message(watch, text)
  const [block] = await blocksOf(auditor, watch)
  if (!block) throw new Error('an empty log')
  const { previous, records } = block
  const n = records.length
  const verify = (changed: Uint8Array[], mac = previous) =>
    auditor.audit.verify(watch, 500409n, { previous: mac, records: changed })
  assert.is(await verify([...records]), n)
  for (let i = 0; i < n; i++) {
    for (const at of [0, 5, 35, 60, 120]) {
      const changed = records.map((record) => Uint8Array.from(record))
      const record = changed[i]
      if (record) record[at] = (record[at] ?? 0) ^ 1
      assert.is(await verify(changed), i, `record ${i}, byte ${at}`)
    }
  }
  assert.is(await verify([...records.slice(0, 1), ...records.slice(2)]), 1)
  assert.is(await verify([...records.slice(1)]), 0)
  assert.is(await verify([...records], Buffer.alloc(48, 1)), 0)
  await refuses(protocol.RC_LOG_NO_KCV, auditor.audit.verify(watch, 700101n, block))
})

/** Where the record with this text lies in the image. */
function recordAt(image: Uint8Array, text: string): number {
  const at = Buffer.from(image.buffer, image.byteOffset, image.length).indexOf(text)
  assert.ok(at > 0, text)
  return at - 60
}

test('flash that was changed, cut short or put back is an error state', async () => {
  const { token, auditor, watch } = await audited(protocol.AUDIT_EXTERNAL | BOTH)
  const early = Uint8Array.from(token.state.flash.image)
  for (const text of ['first word', 'second word', 'last word']) await auditor.audit.message(watch, text)
  // The next superblock anchors what was logged.
  await auditor.audit.configure(watch, protocol.AUDIT_EXTERNAL | BOTH)
  await auditor.audit.message(watch, 'after the anchor')
  token.board.powerOff()
  const audit = protocol.FLASH_AUDIT * protocol.FLASH_SECTOR
  const end = (protocol.FLASH_AUDIT + protocol.FLASH_AUDIT_SECTORS) * protocol.FLASH_SECTOR
  const flip = (text: string, at: number) => (image: Uint8Array) => {
    const byte = recordAt(image, text) + at
    image[byte] = (image[byte] ?? 0) ^ 1
  }
  const edits: [string, (image: Uint8Array) => void][] = [
    ['a bit of a text', flip('second word', 62)],
    ['a bit of a MAC', flip('second word', 108)],
    ['a bit behind the anchor', flip('after the anchor', 62)],
    ['a bit of the last MAC', flip('after the anchor', 155)],
    [
      'the last anchored record gone',
      (image) => image.fill(0xff, recordAt(image, 'last word'), recordAt(image, 'last word') + 160),
    ],
    ['all of it gone', (image) => image.fill(0xff, audit, end)],
    ['the log of before', (image) => image.set(early.subarray(audit, end), audit)],
  ]
  for (const [what, edit] of edits) {
    const forged = token.fork()
    forged.board.powerOff()
    edit(forged.state.flash.image)
    assert.is(forged.board.powerOn(), protocol.RC_STORAGE_INTEGRITY, what)
    assert.is((await forged.client.status()).state, protocol.STATE_ERROR, what)
  }
  assert.is(token.board.powerOn(), protocol.RC_OK)
})

test('full: what would have to be logged does not happen; log-ins, the auditor and wiping go on', async () => {
  const { token, client, auditor, watch, partition } = await audited(protocol.AUDIT_ALL)
  const session = await officerOn(client, partition)
  const { capacity } = await auditor.audit.status()
  let code: number = protocol.RC_OK
  for (let i = 0; i < capacity && code === protocol.RC_OK; i++) {
    code = await codeOf(
      client.objects.create(session, dataObject('more', '')).then((it) => client.objects.destroy(session, [it])),
    )
  }
  assert.is(reasonOf(code), 'LOG_FULL')
  const before = (await client.partitions.info(partition)).objects
  await refuses(protocol.RC_LOG_FULL, client.objects.create(session, dataObject('no', '')))
  await refuses(protocol.RC_LOG_FULL, client.partitions.clear(session))
  assert.is((await client.partitions.info(partition)).objects, before)
  // Past the reserve nothing is logged, but nobody is locked out.
  for (let i = 0; i < 40; i++) await client.closeSession(await client.openSession(ADMIN))
  assert.is((await auditor.audit.status()).free, 0)
  await client.roles.logout(session)
  await client.roles.login(session, CO, SECRETS.officer)
  const full = await logOf(auditor, watch)
  assert.is(full.length, capacity)
  token.powerCycle()
  const again = await auditorOn(auditor)
  const half = full[Math.floor(capacity / 2)]?.sequence ?? 0n
  await auditor.audit.clear(again, half)
  assert.ok((await auditor.audit.status()).free > 0)
  const rest = await logOf(auditor, again)
  assert.is(rest[0]?.sequence, half + 1n)
  const officer = await officerOn(client, partition)
  await client.objects.create(officer, dataObject('again', ''))
  await auditor.audit.clear(again, (await auditor.audit.status()).last)
  token.powerCycle()
  const last = await auditorOn(auditor)
  assert.equal((await logOf(auditor, last)).map(({ command }) => command).slice(0, 1), [protocol.CMD_AUDIT_CLEAR])
  await refuses(protocol.RC_ARGUMENTS_BAD, auditor.audit.clear(last, 1n))
  await refuses(protocol.RC_ARGUMENTS_BAD, auditor.audit.clear(last, 1_000_000n))
})

test('the log and its auditor outlive zeroization, which is in it; a factory reset ends both', async () => {
  const { token, client, auditor } = await audited(protocol.AUDIT_ALL)
  const guess = await client.openSession(ADMIN)
  for (let i = 0; i < 3; i++) await codeOf(client.roles.login(guess, SO, 'not the password'))
  assert.is((await client.status()).state, protocol.STATE_ZEROIZED)
  token.powerCycle()
  assert.is((await client.status()).auditor, true)
  const admin = await client.openSession(ADMIN)
  await client.hsm.init(admin, { label: 'anew', password: SECRETS.so, domain: SECRETS.domain })
  token.powerCycle()
  const watch = await auditorOn(auditor)
  const log = (await logOf(auditor, watch)).map(told)
  assert.ok(log.includes('ROLE_LOGIN by 255 on 0: SO_LOGIN_FAILURE_THRESHOLD'))
  assert.ok(log.includes('HSM_INIT by 255 on 0: OK'))
  assert.is((await auditor.audit.status()).mask, protocol.AUDIT_ALL)
  assert.is((await auditor.audit.exportSecret(watch)).length, protocol.AUDIT_SECRET)
  await client.hsm.factoryReset(await client.openSession(ADMIN))
  token.powerCycle()
  assert.is((await client.status()).auditor, false)
  const region = token.state.flash.image.subarray(
    protocol.FLASH_AUDIT * protocol.FLASH_SECTOR,
    (protocol.FLASH_KEPT + 1) * protocol.FLASH_SECTOR,
  )
  assert.is(
    region.findIndex((byte) => byte !== 0xff),
    -1,
  )
})

test("another HSM of the auditors' domain verifies the log with the exported key, until its auditor logs out", async () => {
  const first = await audited(protocol.AUDIT_ALL)
  const second = await audited(protocol.AUDIT_ALL, { serial: 700101n })
  const secret = await first.auditor.audit.exportSecret(first.watch)
  const [block] = await blocksOf(first.auditor, first.watch)
  if (!block) throw new Error('an empty log')
  const { auditor, watch } = second
  await refuses(protocol.RC_LOG_NO_KCV, auditor.audit.verify(watch, 500409n, block))
  await auditor.audit.importSecret(watch, secret)
  assert.is((await auditor.audit.status()).imported, 500409n)
  assert.is(await auditor.audit.verify(watch, 500409n, block), block.records.length)
  await logOf(auditor, watch)
  for (const at of [0, 4, 12, 20]) {
    const changed = Uint8Array.from(secret)
    changed[at] = (changed[at] ?? 0) ^ 1
    const code = await codeOf(auditor.audit.importSecret(watch, changed))
    assert.is.not(code, protocol.RC_OK, String(at))
  }
  await auditor.roles.logout(watch)
  await auditor.roles.login(watch, AU, AUDITOR)
  await refuses(protocol.RC_LOG_NO_KCV, auditor.audit.verify(watch, 500409n, block))

  const stranger = await TestToken.make({ serial: 123456n })
  await stranger.client.closeSession(await initHsm(stranger))
  const own = stranger.newClient()
  const session = await own.openSession(ADMIN)
  await own.roles.init(session, AU, AUDITOR)
  await own.roles.login(session, AU, AUDITOR)
  await own.audit.setDomain(session, 'another domain')
  await refuses(protocol.RC_DATA_INVALID, own.audit.importSecret(session, secret))
})

test('on a PED HSM the white key makes and opens the role, and the red key its domain', async () => {
  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED }, { clock: desk.clock })
    desk.plug(token)
    await token.client.closeSession(await initHsm(token))
    const client: TokenClient = token.newClient()
    const session = await client.openSession(ADMIN)
    await client.roles.init(session, AU)
    assert.is((await desk.box.read('white')).content?.kind, protocol.PED_KIND_AUDIT)
    await client.roles.login(session, AU)
    await client.audit.setDomain(session)
    await client.audit.configure(session, protocol.AUDIT_ALL)
    assert.ok((await logOf(client, session)).length > 0)
  } finally {
    desk.clear()
  }
})

test.run()
