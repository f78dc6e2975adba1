import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ROLE_CRYPTO_OFFICER, ROLE_PARTITION_SO, ROLE_SO } from '../../assembly/protocol.js'
import { demoPlan, initLab, KEYS, Lab, labStatus, PROFILES, standardPlan, useLab } from '../../host/lab/index.js'
import { CHALLENGE, failure, lunacm, newLab, temporaryFolder } from './support.js'

const test = suite('making a lab')

const building = (stateDir: string) => join(dirname(stateDir), `.${basename(stateDir)}.moonlet-init`)

test('the standard lab is the one of the seed page', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, { all: true }, async (lab) => {
    const { hsms, keys } = await labStatus(lab)
    const [network, backup] = hsms
    assert.is(network?.serial, 500409n)
    assert.is(network?.state, 'OK')
    assert.is(network?.profile, '6.27.0')
    const [partition] = network?.partitions ?? []
    assert.is(partition?.label, 'SA52_P1')
    assert.is(partition?.serial, 500409014n)
    assert.is(partition?.officer, 'activated')
    assert.is(backup?.serial, 700101n)
    assert.is(backup?.label, 'Backup')
    assert.equal(backup?.partitions, [])
    const blank = keys.filter(({ state }) => state === 'blank').map(({ name }) => name)
    assert.equal(blank.sort(), [KEYS.backupUser, KEYS.user, KEYS.otherDomain, KEYS.recovery, KEYS.auditor].sort())
    assert.is(keys.length, 11)
    const slots = await lab.slots()
    assert.equal(
      slots.map(({ id, kind }) => [id, kind]),
      [
        [1, 'network'],
        [2, 'backup'],
      ],
    )
    const { total } = await lab.hsm('backup').console.hsm.info()
    assert.is(total, 16_252_928n)
  })
})

test('every view and firmware of both generations can be used, and the challenge that was chosen', async () => {
  assert.equal(Object.keys(PROFILES), ['6.27.0', '6.28.0', '7.0.3', '7.7.1', '7.8.0'])
  for (const profile of ['6.28.0', '7.8.0']) {
    const stateDir = join(temporaryFolder(), 'state')
    await initLab(stateDir, standardPlan({ profile, pcie: true }), { challenge: 'another-one' })
    for (const { name } of (await useLab(stateDir, {}, async (lab) => lab.file)).views) {
      await useLab(stateDir, { view: name }, async (lab) => {
        const { code, transcript } = await lunacm(lab, ['role login -n co', 'another-one', 'partition showinfo'])
        assert.is(code, 0, transcript)
        assert.match(transcript, `Firmware Version -> ${lab.view.persona === 'A' ? '' : '    '}${profile}`)
      })
    }
  }
})

test('what the administrators have set up holds: their keys log them in, others do not', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, { localPed: 'network' }, async (lab) => {
    const { console: client } = lab.hsm('network')
    const admin = await client.openSession(0)
    await client.roles.login(admin, ROLE_SO)
    const [partition] = await client.partitions.list()
    const session = await client.openSession(partition?.id ?? 0)
    await client.roles.login(session, ROLE_PARTITION_SO)
    await client.roles.logout(session)
    assert.is(
      (await failure(client.roles.login(session, ROLE_CRYPTO_OFFICER, 'wrong one'))).code,
      'CKR_CHALLENGE_INCORRECT',
    )
    await client.roles.login(session, ROLE_CRYPTO_OFFICER, CHALLENGE)
  })
})

test('a folder that is in use is left as it is', async () => {
  const stateDir = await newLab()
  assert.is((await failure(initLab(stateDir, standardPlan()))).code, 'LAB_EXISTS')
  await (await Lab.open(stateDir)).close()

  const other = temporaryFolder()
  writeFileSync(join(other, 'mine'), '')
  assert.is((await failure(initLab(other, standardPlan()))).code, 'LAB_EXISTS')
  assert.equal(readdirSync(other), ['mine'])
})

test('an empty folder becomes the lab', async () => {
  const stateDir = temporaryFolder()
  await initLab(stateDir, standardPlan())
  await (await Lab.open(stateDir)).close()
})

test('an init that is given up half-way leaves nothing', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  const controller = new AbortController()
  const steps: string[] = []
  const onProgress = (line: string) => {
    steps.push(line)
    if (line.startsWith('network: ped vector')) controller.abort()
  }
  const error = await failure(initLab(stateDir, standardPlan(), { onProgress, signal: controller.signal }))
  assert.is(error.code, 'LAB_CANCELLED')
  assert.not.ok(steps.some((line) => line.startsWith('backup:')))
  assert.equal(readdirSync(dirname(stateDir)), [])
})

test('what a killed init has left is in nobody’s way, and goes', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  mkdirSync(join(building(stateDir), 'hsm-network'), { recursive: true })
  writeFileSync(join(building(stateDir), 'lab.json.new'), 'half')
  await initLab(stateDir, standardPlan())
  assert.equal(readdirSync(dirname(stateDir)), ['state'])
  await (await Lab.open(stateDir)).close()
})

test('of two inits at the same time one makes the lab, the other is told', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  const results = await Promise.allSettled([initLab(stateDir, standardPlan()), initLab(stateDir, standardPlan())])
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  assert.is(refused.length, 1)
  assert.is(refused[0]?.code, 'STATE_LOCKED')
  assert.ok(existsSync(join(stateDir, 'lab.json')))
  await (await Lab.open(stateDir)).close()
})

test('wrong options change nothing', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  assert.throws(
    () => standardPlan({ profile: '5.0.0' }),
    (error: unknown) => error instanceof Error && 'code' in error && error.code === 'LAB_OPTION_INVALID',
  )
  for (const challenge of ['short', 'x'.repeat(65)]) {
    assert.is((await failure(initLab(stateDir, demoPlan(), { challenge }))).code, 'LAB_OPTION_INVALID')
  }
  assert.equal(readdirSync(dirname(stateDir)), [])
})

test('a folder that cannot be made is said so', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  assert.is((await failure(initLab(join(file, 'state'), standardPlan()))).code, 'LAB_IO')
})

test.run()
