import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, Running, temporaryFolder, vtl } from './support.js'

const test = suite('moonlet lunash')

const state = join(temporaryFolder(), 'state')

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

test('a client that vtl has made is registered by its own certificate', async () => {
  const dir = temporaryFolder()
  const made = await vtl(['createCert', '-n', 'web1', '--config', dir])
  assert.is(made.code, 0, made.stderr)
  const path = join(dir, 'cert', 'client', 'web1.pem')
  const input = `client register -c web -hostname web1 -certificate ${path}\nclient assignPartition -c web -p SA52_P1\nclient list\nexit\n`
  const { code, stdout, stderr } = await moonlet(['lunash', state], { input })
  assert.is(code, 0, stdout + stderr)
  assert.match(stdout, "'client assignPartition' successful.")
  assert.match(stdout, 'registered client 1: web\n')
  assert.is((await moonlet(['lunash', '--state', state], { input: 'sysconf regenCert\nproceed\n' })).code, 0)
  const added = await vtl(['addServer', '-n', 'localhost', '-c', join(state, 'server.pem'), '--config', dir])
  assert.is(added.code, 0, added.stderr)
})

test('commands from a file, the rules of the PED, and the exit code', async () => {
  const file = join(temporaryFolder(), 'commands')
  writeFileSync(file, 'hsm login\nhsm show\nclient show -c nobody\n')
  const { code, stdout } = await moonlet(['lunash', state, '-f', file, '--local-ped'])
  assert.is(code, 1)
  assert.match(stdout, "'hsm login' successful.")
  assert.match(stdout, 'Error:  There is no client "nobody".')
  const byHand = await moonlet(['lunash', state, '-f', file, '--by-hand'])
  assert.is(byHand.code, 1)
  assert.match(byHand.stdout, "Error:  'hsm login' failed. (")
})

test('wrong usage, folders without a lab, HSMs that are none', async () => {
  assert.is((await moonlet(['lunash', state, 'more'])).code, 2)
  assert.is((await moonlet(['lunash', state, '--state', state])).code, 2)
  const missing = await moonlet(['lunash', temporaryFolder()])
  assert.is(missing.code, 1)
  assert.match(missing.stderr, 'moonlet: LAB_MISSING: ')
  assert.match((await moonlet(['lunash', state, '--hsm', 'backup'])).stderr, 'APPLIANCE_NO_HSM')
  const help = await moonlet(['lunash', '--help'])
  assert.is(help.code, 0)
  assert.match(help.stdout, /^Usage: moonlet lunash/)
})

test('a shell that has the HSM is told apart from an appliance, and gives it back when it is ended', async () => {
  const first = new Running('moonlet', ['lunash', state])
  first.child.stdin.write('partition list\n')
  await first.sees('500409014')
  const second = await moonlet(['lunash', state], { input: 'client list\npartition list\n' })
  assert.is(second.code, 1)
  assert.match(
    second.stdout,
    `APPLIANCE_BUSY : state folder ${join(state, 'hsm-network')} is in use by process ${first.child.pid}; it is no appliance`,
  )
  first.child.kill('SIGTERM')
  assert.is((await first.result).code, 143)
  assert.not.ok(existsSync(join(state, 'lock')))
  assert.is((await moonlet(['lunash', state], { input: 'partition list\n' })).code, 0)
})

test.run()
