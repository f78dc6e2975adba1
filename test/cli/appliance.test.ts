import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, Running, temporaryFolder, vtl } from './support.js'

const test = suite('moonlet appliance')

const state = join(temporaryFolder(), 'state')
const keys = join(temporaryFolder(), 'keys')
let service: Running

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
  service = new Running('moonlet', ['appliance', '--state', state, '--listen', '127.0.0.1:0', '--key-log', keys])
  await service.sees('"event":"listening"')
})

test.after(() => {
  service.child.kill('SIGKILL')
})

function port(): string {
  const line = service.stdout.split('\n').findLast((text) => text.includes('"event":"listening"')) ?? '{}'
  const parsed: unknown = JSON.parse(line)
  if (typeof parsed === 'object' && parsed !== null && 'port' in parsed) return String(parsed.port)
  throw new Error(`no port in ${line}`)
}

const lunash = (...lines: string[]) => moonlet(['lunash', state], { input: lines.map((line) => `${line}\n`).join('') })

test('registration, assignment, verification: four programs', async () => {
  const config = temporaryFolder()
  assert.is((await vtl(['createCert', '-n', 'localhost', '--config', config])).code, 0)
  const server = join(state, 'server.pem')
  assert.is((await vtl(['addServer', '-n', '127.0.0.1', '-p', port(), '-c', server, '--config', config])).code, 0)

  const refused = await vtl(['verify', '--config', config])
  assert.is(refused.code, 1)
  assert.match(refused.stdout, /REFUSED/)
  await service.sees('"event":"refused"')

  const certificate = join(config, 'cert', 'client', 'localhost.pem')
  const registered = await lunash(
    `client register -c web -hostname localhost -certificate ${certificate}`,
    'client list',
  )
  assert.is(registered.code, 0, registered.stdout + registered.stderr)
  const none = await vtl(['verify', '--config', config])
  assert.is(none.code, 1)
  assert.not.match(none.stdout, /REFUSED/)

  const assigned = await lunash('client assignPartition -c web -p SA52_P1', 'ntls show', 'partition list')
  assert.is(assigned.code, 0, assigned.stdout)
  assert.match(assigned.stdout, '500409014')
  const found = await vtl(['verify', '--config', config])
  assert.is(found.code, 0, found.stdout + found.stderr)
  assert.match(found.stdout, /500409014 +SA52_P1/)
  assert.match((await vtl(['listSlots', '--config', config])).stdout, '500409014')

  assert.is((await lunash('client delete -c web', 'proceed')).code, 0)
  assert.match((await vtl(['verify', '--config', config])).stdout, /REFUSED/)
})

test('what a client of the library needs is in the key log, and no secret in the output', () => {
  assert.match(readFileSync(keys, 'utf8'), /^(CLIENT|SERVER)_TRAFFIC_SECRET_0 /m)
  for (const line of service.stdout.trim().split('\n')) JSON.parse(line)
})

test('it has the folder to itself, and ends when it is told to', async () => {
  const other = await moonlet(['appliance', '--state', state, '--listen', '127.0.0.1:0'])
  assert.is(other.code, 1)
  assert.match(other.stderr, /^moonlet: STATE_LOCKED: /)
  service.child.kill('SIGTERM')
  const { code, stdout } = await service.result
  assert.is(code, 0)
  assert.match(stdout, '"event":"stopped"')
  const taken = await moonlet(['appliance', '--state', state, '--listen', 'nowhere'])
  assert.is(taken.code, 2)
})

test.run()
