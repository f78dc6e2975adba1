// test-timeout: 480
// A whole lab from one file, each part a process of its own.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, lunacm, moonlet, pedserver, temporaryFolder, vtl } from './support.js'

const test = suite('moonlet up')

const states: string[] = []
test.after.each(async () => {
  for (const state of states.splice(0)) await moonlet(['down', '--state', state])
})

/** A lab file whose servers listen wherever there is room. */
function labFile(change: (text: string) => string = (text) => text): { readonly file: string; readonly state: string } {
  const dir = temporaryFolder()
  const text = `state = "state"

[[hsm]]
name = "network"
kind = "network"
label = "Network"
partitions = ["SA52_P1", "second"]
import = [${JSON.stringify(join(FIXTURES, 'keys'))}]

[[hsm]]
name = "backup"
kind = "backup"
label = "Backup"

[[workstation]]
name = "desk"
slots = [
  { slot = 1, hsm = "network" },
  { slot = 2, hsm = "backup" },
]

[appliance]
listen = "127.0.0.1:0"

[usb]
listen = "127.0.0.1:0"

[ped]
listen = "127.0.0.1:0"
`
  const file = join(dir, 'lab.toml')
  writeFileSync(file, change(text))
  states.push(join(dir, 'state'))
  return { file, state: join(dir, 'state') }
}

const PAGE = [
  'ped connect ip 192.20.10.190',
  'ped get',
  'role login -name Crypto Officer -password Crypto0fficer',
  'ped disconnect -force',
  'ped connect ip 192.20.10.190 -slot 2',
  'partition archive backup -slot 2 -partition SAbck1',
  'partition clear -force',
  'partition archive restore -slot 2 -partition SAbck1 -add',
]

test('a lab from one file: the page runs over it, status shows it, down ends it, and up brings it back', async () => {
  const { file, state } = labFile()
  const plan = await moonlet(['up', file, '--dry-run'])
  assert.is(plan.code, 0, plan.stderr)
  assert.match(plan.stdout, /^To be made: .*state\n {2}network +network +serial number 500409 +SA52_P1, second\n/)
  assert.not.ok(existsSync(state))

  const up = await moonlet(['up', file])
  assert.is(up.code, 0, up.stderr)
  assert.match(up.stderr, /network: 20 objects imported|network: \d+ objects imported/)
  const [appliance] = /(?<=network +network +NTLS at 127\.0\.0\.1 port \d+, process )\d+/.exec(up.stdout) ?? []
  assert.ok(appliance, up.stdout)
  assert.match(up.stdout, /PED +remote +pedserver at 127\.0\.0\.1 port \d+, process \d+/)

  const more = join(temporaryFolder(), 'more.hmac')
  writeFileSync(more, 'sixteen bytes...')
  const imported = await moonlet(['import', '--state', state, '--slot', '1', more])
  assert.is(imported.code, 0, imported.stderr)
  assert.match(imported.stdout, '1 objects imported into slot 1')

  const page = await lunacm(['--state', state], { input: `${PAGE.join('\n')}\n` })
  assert.is(page.code, 0, page.stdout + page.stderr)
  assert.match(page.stdout, /Backup Complete\./)
  assert.match(page.stdout, /Restore Complete\./)
  assert.match((await vtl(['verify', '--state', state])).stdout, /500409014 +SA52_P1/)
  const assigned = await moonlet(['lunash', '--state', state], { input: 'client show -client desk\n' })
  assert.match(assigned.stdout, /500409014/)
  // Who attended to the PED was pedserver.
  assert.match(
    readFileSync(join(state, 'logs', 'pedserver.jsonl'), 'utf8'),
    /"event":"connected"|"event":"linked"|peer/,
  )

  const again = await moonlet(['up', file])
  assert.is(again.code, 0, again.stderr)
  assert.ok(again.stdout.includes(`process ${appliance}`), 'what runs is left alone')
  const status = await moonlet(['status', '--state', state])
  assert.match(status.stdout, new RegExp(`on: NTLS at .*, process ${appliance}\n`))

  const down = await moonlet(['down', '--state', state])
  assert.match(down.stdout, /^ended network, process \d+\nended backup, process \d+\nended pedserver, process \d+\n$/)
  assert.is((await moonlet(['down', '--state', state])).stdout, 'Nothing runs.\n')
  // Without the file: as it was made.
  const back = await moonlet(['up', '--state', state])
  assert.is(back.code, 0, back.stderr)
  const list = await lunacm(['--state', state], { input: 'slot list\n' })
  assert.match(list.stdout, /500409014[\s\S]*G5Backup/)
})

test('with none running lunacm switches the HSMs on itself', async () => {
  const { file, state } = labFile((text) => text.replace(/\n\[appliance\][\s\S]*/, ''))
  const up = await moonlet(['up', file])
  assert.is(up.code, 0, up.stderr)
  assert.match(up.stdout, /network +network +switched on by whoever works with it/)
  const page = await lunacm(['--state', state], { input: `${PAGE.slice(2, 3).join('\n')}\nslot list\n` })
  assert.is(page.code, 0, page.stdout + page.stderr)
  assert.match(page.stdout, /500409014[\s\S]*G5Backup/)
})

test('a file that is wrong, a lab of another file, and a port that is taken: nothing stays behind', async () => {
  const wrong = labFile((text) => text.replace('kind = "backup"', 'kind = "tape"'))
  const refused = await moonlet(['up', wrong.file])
  assert.is(refused.code, 1)
  assert.match(refused.stderr, /^moonlet: LAB_FILE_INVALID: .*lab\.toml, line 12: hsm\[1\]\.kind must be one of/)
  assert.not.ok(existsSync(wrong.state))

  const { file, state } = labFile((text) => text.replace(/import = .*\n/, ''))
  assert.is((await moonlet(['up', file])).code, 0)
  writeFileSync(file, readFileSync(file, 'utf8').replace('label = "Backup"', 'label = "Other"'))
  const other = await moonlet(['up', file])
  assert.match(other.stderr, /LAB_EXISTS: the lab in .* was made with another "hsm"/)

  const first = await moonlet(['up', '--state', state])
  const [, port] = /network +NTLS at 127\.0\.0\.1 port (\d+)/.exec(first.stdout) ?? []
  const taken = labFile((text) =>
    text.replace(/import = .*\n/, '').replace('[usb]\nlisten = "127.0.0.1:0"', `[usb]\nlisten = "127.0.0.1:${port}"`),
  )
  const busy = await moonlet(['up', taken.file])
  assert.is(busy.code, 1)
  assert.match(busy.stderr, /LAB_START: .*LISTEN/)
  assert.is((await moonlet(['down', '--state', taken.state])).stdout, 'Nothing runs.\n')
})

test('the PED apart, PED servers that may call, and the PKCS#11 door: each is shown and ended', async () => {
  const { file, state } = labFile((text) =>
    `${text.replace(/import = .*\n/, '')}apart = true\n\n[pkcs11]\nlisten = "door"\n`.replace(
      '[appliance]\n',
      '[appliance]\nped-listen = "127.0.0.1:0"\n',
    ),
  )
  const plan = await moonlet(['up', file, '--dry-run'])
  assert.match(plan.stdout, /PED +in a process of its own\n[\s\S]* pkcs11 +at .*door\n/)
  const up = await moonlet(['up', file])
  assert.is(up.code, 0, up.stderr)
  // The state folder is the file's own: whoever follows the hints has to name it.
  assert.ok(up.stdout.includes(`\nWork with 'lunacm --state ${state}'; `), up.stdout)
  assert.ok(up.stdout.endsWith(`\nPKCS#11 programs find it by 'moonlet env --state ${state}'.\n`), up.stdout)
  const door = join(state, '..', 'door')
  for (const said of [up.stdout, (await moonlet(['status', '--state', state])).stdout]) {
    assert.match(said, /NTLS at \S+ port \d+, PED servers may call 127\.0\.0\.1 port \d+, process \d+\n/)
    assert.match(said, /'moonlet ped', process \d+\n/)
    assert.match(said, /\nPKCS#11 at \S+\/door, process \d+\n {2}slot 1 +token SA52_P1, serial number 500409014\n/)
  }
  assert.match((await pedserver(['-mode', 'show', '-state', state])).stdout, /PED: +moonlet ped\n/)
  // The Backup HSM is left to lunacm, which shares the rest with the door.
  const page = await lunacm(['--state', state], { input: 'role login -n co -p Crypto0fficer\nslot list\n' })
  assert.is(page.code, 0, page.stdout + page.stderr)
  assert.match(page.stdout, /500409014[\s\S]*G5Backup/)
  const env = await moonlet(['env', '--state', state, '--library', 'moonlet.so'])
  assert.ok(env.stdout.includes(`export MOONLET_PKCS11='${door}'\n`), env.stdout)

  const again = await moonlet(['up', file])
  assert.is(again.code, 0, again.stderr)
  assert.not.match(again.stderr, 'starting')
  const down = await moonlet(['down', '--state', state])
  assert.match(
    down.stdout,
    /^ended PKCS#11 door, .*\nended network, .*\nended backup, .*\nended pedserver, .*\nended PED, process \d+\n$/,
  )
  assert.not.ok(existsSync(door))
  assert.is((await moonlet(['down', '--state', state])).stdout, 'Nothing runs.\n')
  // Without the file its paths are seen from where it lay, not from here.
  const back = await moonlet(['up', '--state', state])
  assert.is(back.code, 0, back.stderr)
  assert.ok(back.stdout.includes(`PKCS#11 at ${door}, `), back.stdout)
})

test('the usual state folder needs no name in hints, and one with a blank is in quotes', async () => {
  const { file, state } = labFile((text) => text.replace(/import = .*\n/, '').replace(/\n\[appliance\][\s\S]*/, ''))
  const base = join(state, '..', 'a base')
  const usual = await moonlet(['up', file, '--state', join(base, 'moonlet')], { env: { XDG_STATE_HOME: base } })
  assert.is(usual.code, 0, usual.stderr)
  assert.match(usual.stdout, "Work with 'lunacm'; 'moonlet status' shows")
  const other = await moonlet(['up', file, '--state', join(base, 'moonlet')])
  assert.ok(other.stdout.includes(`Work with 'lunacm --state "${join(base, 'moonlet')}"'; `), other.stdout)
  const init = await moonlet(['init', '--state', join(base, 'other')])
  assert.ok(init.stdout.includes(`'moonlet import --state "${join(base, 'other')}" --slot 1 FILE...'`), init.stdout)
})

test('a PKCS#11 door of no workstation, and a PED apart that no pedserver has', async () => {
  for (const [text, message] of [
    ['[pkcs11]\nworkstation = "shed"\n', 'pkcs11.workstation names no workstation of this lab: shed'],
    ['[pkcs11]\nbackup = 1\n', 'pkcs11.backup must be'],
  ] as const) {
    const { file, state } = labFile((lab) => `${lab}\n${text}`)
    assert.match((await moonlet(['up', file])).stderr, message)
    assert.not.ok(existsSync(state))
  }
  const { file } = labFile((lab) => lab.replace(/\[ped\][\s\S]*/, '[ped]\napart = true\n'))
  assert.match((await moonlet(['up', file])).stderr, 'ped.apart needs a pedserver: ped.listen')
})

test('faults and latency of the file: the power goes at the operation that it names', async () => {
  const { file, state } = labFile((text) =>
    text.replace(/import = .*\n/, 'latency = { command = 1 }\npower-cut = 8\n').replace(/\n\[usb\][\s\S]*/, ''),
  )
  assert.is((await moonlet(['up', file])).code, 0)
  const cut = await lunacm(['--state', state], {
    input: 'role login -name Crypto Officer -password Crypto0fficer\npartition clear -force\n',
  })
  assert.is(cut.code, 1, cut.stdout)
  assert.match(cut.stdout, /CKR_DEVICE_ERROR|CKR_TOKEN_NOT_PRESENT/)
  const status = await moonlet(['status', '--state', state])
  assert.match(status.stdout, /Network HSM "network": serial number 500409.*does not answer: CKR_DEVICE_ERROR/)
  // Without it the lab is whole.
  await moonlet(['down', '--state', state])
  writeFileSync(file, readFileSync(file, 'utf8').replace('power-cut = 8\n', ''))
  assert.is((await moonlet(['up', file])).code, 0)
  const whole = await lunacm(['--state', state], {
    input: 'role login -name Crypto Officer -password Crypto0fficer\npartition clear -force\n',
  })
  assert.is(whole.code, 0, whole.stdout)
})

test.run()
