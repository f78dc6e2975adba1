// test-timeout: 300
// Backup and restore over user-space USB/IP with the device pulled out in the middle.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute, type TokenClient, TokenError } from '../../host/client/index.js'
import { UsbError } from '../../host/usb/index.js'
import { run } from '../lunacm/fake-lab.js'
import { seededNumbers } from './slow-proxy.js'
import { BACKUP_SLOT, UsbLab } from './usb-lab.js'

const [SO, PSO, CO, DOMAIN, BACKUP] = ['so-password', 'pso-password', 'co-password', 'the domain', 'container-password']
const KEYS = 200
const PULLS = 20
const LABEL = 'archive'
const SEED = Number(process.env.USB_SEED ?? Math.floor(Math.random() * 2 ** 32))

const test = suite(`usb: pulled out during backup and restore, seed ${SEED} (USB_SEED)`)
const below = seededNumbers(SEED)

let lab: UsbLab
/** What the objects in slot 1 are, by their OUIDs. */
let originals: ReadonlyMap<string, string>

const login = (slot: number): string[] => [`slot set slot ${slot}`, `role login -name co -password ${CO}`]
const backup = [
  ...login(1),
  `partition archive backup -slot ${BACKUP_SLOT} -partition ${LABEL} -sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}" -replace -force`,
]
const restore = [
  ...login(2),
  `partition archive restore -slot ${BACKUP_SLOT} -partition ${LABEL} -password ${BACKUP} -replace -force`,
]

/** Everything that a partition holds, by OUID; throws where an object is not whole. */
async function contents(client: TokenClient, partition: number, password: string): Promise<Map<string, string>> {
  const session = await client.openSession(partition)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password)
  const found = new Map<string, string>()
  for (const row of await client.objects.list(session)) {
    const answers = await client.objects.get(session, row.handle, [protocol.CKA_LABEL, protocol.CKA_CHECK_VALUE])
    for (const { code } of answers) assert.is(code, protocol.RC_OK)
    const values = answers.map(({ value }) => Buffer.from(value).toString('hex'))
    found.set(Buffer.from(row.ouid).toString('hex'), [row.objectClass, row.keyType, row.bits, ...values].join(' '))
  }
  await client.closeSession(session)
  return found
}

test.before(async () => {
  lab = await UsbLab.make(protocol.AUTH_PASSWORD, SEED)
  await lab.plugIn()
  const partition = (slot: number) => [
    `slot set slot ${slot}`,
    `partition init -label part${slot} -password ${PSO} -domain "${DOMAIN}" -force`,
    `role login -name po -password ${PSO}`,
    `role init -name co -password ${CO}`,
    'role logout',
  ]
  const { code, transcript } = await run(lab, [
    `hsm init -label card -password ${SO} -domain "${DOMAIN}" -force`,
    `role login -name so -password ${SO}`,
    'partition create -slot 1',
    'partition create -slot 2',
    ...partition(1),
    ...partition(2),
    `slot set slot ${BACKUP_SLOT}`,
    `hsm init -label Backup -password ${SO} -domain "${DOMAIN}" -force`,
  ])
  assert.is(code, 0, transcript.join('\n'))
  await lab.letGo()
  const { card } = lab.real.clients
  const session = await card.openSession(1)
  await card.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, CO)
  for (let i = 0; i < KEYS; i++) {
    await card.objects.generate(session, protocol.CKM_AES_KEY_GEN, [
      attribute.bool(protocol.CKA_TOKEN, true),
      attribute.bool(protocol.CKA_PRIVATE, true),
      attribute.ulong(protocol.CKA_VALUE_LEN, i % 2 ? 32 : 16),
      attribute.text(protocol.CKA_LABEL, `key ${i}`),
    ])
  }
  await card.closeSession(session)
  originals = await contents(card, 1, CO)
  assert.is(originals.size, KEYS)
})

test.after(async () => {
  await lab.close()
})

interface Attempt {
  readonly code: number
  readonly transcript: readonly string[]
  readonly transfers: number
}

/** One run of lunacm over a fresh connection; pulled out at transfer `at` of it, 0 = never. */
async function attempt(
  lines: readonly string[],
  at: number,
  afterwards: boolean,
  through: 'proxy' | 'directly',
): Promise<Attempt> {
  const begun = lab.device.transfers
  lab.device.at = at === 0 ? 0 : begun + at
  lab.device.afterwards = afterwards
  try {
    await lab.plugIn(through)
  } catch (error) {
    // It was pulled out before it could be opened.
    const clear =
      error instanceof Error && 'code' in error && ['USB_OPEN', 'TRANSPORT_REMOVED'].includes(`${error.code}`)
    assert.ok(clear || error instanceof UsbError, String(error))
    return { code: 1, transcript: [], transfers: 0 }
  }
  const { code, transcript } = await run(lab, lines)
  await lab.letGo()
  return { code, transcript, transfers: lab.device.transfers - begun }
}

function failedClearly({ code, transcript }: Attempt, where: string): void {
  if (code === 0 || transcript.length === 0) return
  const results = transcript.filter((line) => line.startsWith('Command Result'))
  assert.is(results.at(-1), 'Command Result : 0xe0 (CKR_TOKEN_NOT_PRESENT)', `${where}\n${transcript.join('\n')}`)
}

function wholeObjects(found: ReadonlyMap<string, string>, where: string): void {
  for (const [ouid, what] of found) assert.is(what, originals.get(ouid), `${where}: object ${ouid}`)
}

/** The container on the Backup HSM, seen at the HSM itself; empty where it is not there. */
async function archived(): Promise<Map<string, string>> {
  lab.real.newClients()
  const { backup: direct } = lab.real.clients
  const found = (await direct.partitions.list()).find(({ label }) => label === LABEL)
  return found ? contents(direct, found.id, BACKUP) : new Map()
}

async function restored(): Promise<Map<string, string>> {
  lab.real.newClients()
  return contents(lab.real.clients.card, 2, CO)
}

for (const [name, lines, see] of [
  ['backup', backup, archived],
  ['restore', restore, restored],
] as const) {
  test(`a ${name} of ${KEYS} objects, pulled out at ${PULLS} transfers: a clear error, whole objects, the next one completes`, async () => {
    const clean = await attempt(lines, 0, false, 'proxy')
    assert.is(clean.code, 0, clean.transcript.join('\n'))
    assert.equal(await see(), originals)
    let failures = 0
    for (let pull = 0; pull < PULLS; pull++) {
      const at = 1 + below(clean.transfers)
      const [afterwards, through] = [below(2) === 1, below(4) === 0 ? 'proxy' : 'directly'] as const
      const where = `${name} pulled out at transfer ${at} of ${clean.transfers}${afterwards ? ', after it' : ''}, ${through}`
      const pulled = await attempt(lines, at, afterwards, through)
      failedClearly(pulled, where)
      if (pulled.code !== 0) failures += 1
      wholeObjects(await see(), where)
      const next = await attempt(lines, 0, false, 'directly')
      assert.is(next.code, 0, `after: ${where}\n${next.transcript.join('\n')}`)
      assert.equal(await see(), originals)
    }
    assert.ok(failures > PULLS / 2, `only ${failures} of ${PULLS} were noticed`)
  })
}

test('no session of a pulled cable is left on the HSM', async () => {
  await lab.plugIn()
  const slots = await lab.slots()
  const client = slots.find(({ id }) => id === BACKUP_SLOT)?.client
  const session = (await client?.openSession(protocol.ADMIN_PARTITION)) ?? 0
  const { backup: direct } = lab.real.clients
  assert.is((await direct.sessionInfo(session)).partition, protocol.ADMIN_PARTITION)
  await lab.letGo()
  const error = await direct.sessionInfo(session).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof TokenError && error.rc === protocol.RC_SESSION_HANDLE_INVALID, String(error))
})

test.run()
