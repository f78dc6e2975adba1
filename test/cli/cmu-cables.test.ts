// cmu where others have the HSMs switched on: at a partition over NTLS, at a Backup HSM on USB, from a lab and without one.
// test-timeout: 180
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cmu, lunacm, moonlet, temporaryFolder } from './support.js'

const test = suite('cmu over cables')

const folder = temporaryFolder()
const state = join(folder, 'state')
const PASSWORD = '-password=Crypto0fficer'

const LAB = `
state = "state"
[[hsm]]
name = "network"
kind = "network"
partitions = ["SA52_P1"]
[[hsm]]
name = "backup"
kind = "backup"
[[workstation]]
name = "desk"
slots = [{ slot = 1, hsm = "network" }, { slot = 2, hsm = "backup" }]
[appliance]
listen = "127.0.0.1:0"
[usb]
listen = "127.0.0.1:0"
`

test.before(async () => {
  writeFileSync(join(folder, 'lab.toml'), LAB)
  const up = await moonlet(['up', join(folder, 'lab.toml')])
  assert.is(up.code, 0, up.stderr)
})
test.after(async () => {
  await moonlet(['down', '--state', state])
})

/** What a computer is told that has no lab, only a registered client's files. */
const apart = [`-ntls=${join(state, 'clients', 'desk')}`, `-state=${join(folder, 'none')}`]

test('at an NTLS slot a pair is made and certified, and whoever comes by the other way has it', async () => {
  const pair = await cmu([
    'generatekeypair',
    '-keyType=ECDSA',
    '-curveType=3',
    '-label=web',
    PASSWORD,
    `-state=${state}`,
  ])
  const [, open, secret] = /public handle\((\d+)\), private handle\((\d+)\)\n$/.exec(pair.stdout) ?? []
  assert.ok(open && secret, pair.stdout + pair.stderr)
  const far = await cmu(['list', '-class=private', PASSWORD, ...apart])
  assert.is(far.stdout, `handle=${secret}\tlabel=web\n`, far.stderr)
  const made = await cmu([
    ...['selfsigncertificate', `-publichandle=${open}`, `-privatehandle=${secret}`, '-CN=web.test', PASSWORD, ...apart],
  ])
  const [, handle] = /handle\((\d+)\)\n$/.exec(made.stdout) ?? []
  const file = join(folder, 'web.pem')
  const exported = await cmu(['export', `-handle=${handle}`, `-outputFile=${file}`, PASSWORD, `-state=${state}`])
  assert.is(exported.code, 0, exported.stderr)
  assert.match(execFileSync('openssl', ['verify', '-CAfile', file, file], { encoding: 'utf8' }), 'web.pem: OK')
  // It was the appliance that had the HSM, and two commands at least came to it over TLS.
  const log = readFileSync(join(state, 'logs', 'appliance.jsonl'), 'utf8')
  assert.ok((log.match(/"event":"connected"/g) ?? []).length >= 4, log)
})

test('a Backup HSM on USB has no Crypto Officer: its own answer is passed on, and nothing has changed', async () => {
  for (const line of [['list'], ['generatekeypair', '-label=none'], ['delete', '-handle=1', '-force']]) {
    const { code, stdout, stderr } = await cmu([...line, '-slot=2', PASSWORD, `-state=${state}`])
    assert.is(code, 1, stdout)
    assert.is(stderr, 'cmu: CKR_USER_TYPE_INVALID: the token answered CKR_USER_TYPE_INVALID\n')
  }
  assert.match(readFileSync(join(state, 'logs', 'usb.jsonl'), 'utf8'), /"event":"(imported|attached|opened|connected)"/)
  const shown = await lunacm(['--state', state], { input: 'slot set slot 2\nhsm showinfo\n' })
  assert.is(shown.code, 0, shown.stdout)
})

test('a wrong password, a slot that is not there, a client that nobody knows', async () => {
  const wrong = await cmu(['list', '-password=wrong', `-state=${state}`])
  assert.match(wrong.stderr, /^cmu: CKR_\w+: /)
  assert.match((await cmu(['list', '-slot=7', PASSWORD, ...apart])).stderr, 'CMU_SLOT: there is no slot 7')
  const nobody = await cmu(['list', PASSWORD, `-ntls=${temporaryFolder()}`, `-state=${join(folder, 'none')}`])
  assert.is(nobody.code, 1)
  assert.match(nobody.stderr, /^cmu: LAB_MISSING: there is no lab in .*name a server: 'vtl addServer'\n$/)
})

test.run()
