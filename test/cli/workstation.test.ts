// A workstation of its own process: everything that it sees is switched on by other processes and reached over NTLS.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, lunacm, moonlet, Running, run, temporaryFolder } from './support.js'

const test = suite('lunacm over NTLS')

const running: Running[] = []

interface Site {
  readonly state: string
  readonly env: Readonly<Record<string, string>>
  readonly config: string
}

async function serve(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const server = new Running('moonlet', args, env)
  running.push(server)
  await server.sees('"listening"')
  const port = /"port":(\d+)/.exec(server.stdout)?.[1]
  assert.ok(port, server.stdout)
  return port
}

/** A lab whose Network HSM and Backup HSM are served by processes of their own, and a client that both have registered. */
async function site(): Promise<Site> {
  const [state, config] = [join(temporaryFolder(), 'state'), temporaryFolder()]
  const env = { ChrystokiConfigurationPath: config }
  await moonlet(['init', '--state', state])
  await moonlet(['import', '--state', state, '--slot', '1', join(FIXTURES, 'keys')])
  const ntls = await serve(['appliance', '--state', state, '--listen', '127.0.0.1:0'], env)
  const rbs = await serve(['rbs', '--state', state, '--listen', '127.0.0.1:0'], env)
  await run('vtl', ['createCert', '-n', 'localhost'], { env })
  await run('vtl', ['addServer', '-n', '127.0.0.1', '-p', ntls, '-c', join(state, 'server.pem')], { env })
  await run('vtl', ['addServer', '-n', 'localhost', '-p', rbs, '-c', join(state, 'rbs', 'server.pem')], { env })
  return { state, env, config }
}

async function register({ state, env, config }: Site): Promise<void> {
  const certificate = join(config, 'cert', 'client', 'localhost.pem')
  const shell = await moonlet(['lunash', '--state', state], {
    env,
    input: `client register -c web -hostname localhost -certificate ${certificate}\nclient assignPartition -c web -p SA52_P1\n`,
  })
  assert.is(shell.code, 0, shell.stdout)
  const lent = await moonlet(['rbs', 'register', '-n', 'web', '-c', certificate, '--state', state], { env })
  assert.is(lent.code, 0, lent.stderr)
}

async function stop(): Promise<void> {
  for (const server of running.splice(0)) {
    server.child.kill('SIGTERM')
    assert.is((await server.result).code, 0, server.stderr)
  }
}

test.after.each(stop)

const PAGE = [
  'slot set slot 1',
  'ped get',
  'ped connect ip 192.20.10.190',
  'ped get',
  'role login -name Crypto Officer -password Crypto0fficer',
  'ped disconnect -force',
  'ped connect ip 192.20.10.189 -slot 2',
  'ped get -slot 2',
  'partition archive backup -slot 2 -partition SAbck1',
  'partition clear -force',
  'partition archive restore -slot 2 -partition SAbck1 -add',
  'exit',
]

test('the page, with the Network HSM and the Backup HSM in processes of their own', async () => {
  const here = await site()
  const session = () => lunacm(['--state', here.state], { env: here.env, input: `${PAGE.join('\n')}\n` })
  const stranger = await session()
  assert.is(stranger.code, 1)
  assert.match(stranger.stderr, /NTLS: .* refuses this client: NOT_REGISTERED/)
  assert.match(
    stranger.stderr,
    /HSM "network" is switched on by another process, which shows this client nothing of it/,
  )
  assert.not.match(stranger.stdout, /500409014/)
  await register(here)
  const { code, stdout, stderr } = await session()
  assert.is(code, 0, stdout + stderr)
  assert.match(stdout, /Slot Id -> +1\n[\s\S]*HSM Serial Number -> +500409014\n[\s\S]*Slot Id -> +2\n[\s\S]*G5Backup/)
  assert.match(stdout, /HSM slot 1 listening to remote PED \(PED id=100\)/)
  assert.match(stdout, /HSM slot 2 listening to remote PED \(PED id=100\)/)
  assert.match(stdout, /Backup Complete\.\n\n +\d+ objects have been backed up/)
  assert.match(stdout, /Restore Complete\.\n\n +\d+ objects have been restored/)
  const status = await moonlet(['status', '--state', here.state])
  assert.is(status.code, 0, status.stderr)
  assert.match(
    status.stdout,
    new RegExp(
      `Network HSM "network".*OK\n  on: NTLS at 127\\.0\\.0\\.1 port \\d+, process ${running[0]?.child.pid}\n`,
    ),
  )
  assert.match(
    status.stdout,
    new RegExp(`Backup HSM "backup".*OK\n  on: NTLS at 127\\.0\\.0\\.1 port \\d+, process ${running[1]?.child.pid}\n`),
  )
})

test('a computer without a lab sees what its servers show it', async () => {
  const here = await site()
  await register(here)
  const nowhere = join(temporaryFolder(), 'none')
  const { code, stdout, stderr } = await lunacm(['--state', nowhere], { env: here.env, input: 'slot list\n' })
  assert.is(code, 0, stderr)
  assert.match(stdout, /Slot Id -> +1\n[\s\S]*500409014[\s\S]*Slot Id -> +2\n[\s\S]*G5Backup/)
  const seven = await lunacm(['--state', nowhere, '--view', 'lunacm-7'], { env: here.env, input: 'slot list\n' })
  assert.match(seven.stdout, /Slot Id -> +0\n[\s\S]*500409014[\s\S]*Slot Id -> +1\n[\s\S]*G5Backup/)
  const none = await lunacm(['--state', nowhere], { env: { ChrystokiConfigurationPath: temporaryFolder() } })
  assert.match(none.stderr, /LAB_MISSING/)
  assert.ok(readFileSync(join(here.config, 'Chrystoki.conf'), 'utf8').includes('ServerName01'))
})

test('one Backup HSM is lent out by one process; a client that is deleted is let in no more', async () => {
  const here = await site()
  await register(here)
  const second = await moonlet(['rbs', '--state', here.state, '--listen', '127.0.0.1:0'])
  assert.match(second.stderr, /^moonlet: STATE_LOCKED: /)
  const list = () => moonlet(['rbs', 'list', '--state', here.state])
  assert.match((await list()).stdout, /^web +any address +[0-9a-f]{64}\n$/)
  assert.is((await moonlet(['rbs', 'delete', '-n', 'web', '--state', here.state])).code, 0)
  assert.is((await list()).stdout, 'No client is registered.\n')
  const { stdout } = await lunacm(['--state', here.state], { env: here.env, input: 'slot list\n' })
  assert.match(stdout, /500409014/)
  assert.not.match(stdout, /G5Backup/)
})

test('a service that is restarted with a new certificate ends its clients, who come again once they know it', async () => {
  const here = await site()
  await register(here)
  const shell = new Running('lunacm', ['--state', here.state], here.env)
  shell.child.stdin.write('slot set slot 1\nrole login -name Crypto Officer -password Crypto0fficer\n')
  await shell.sees('User is activated')
  const restarted = await moonlet(['lunash', '--state', here.state], {
    input: 'sysconf regenCert -force\nservice restart ntls -force\nntls show\n',
  })
  assert.is(restarted.code, 0, restarted.stdout)
  assert.match(restarted.stdout, /ntls show[\s\S]*running/i)
  shell.child.stdin.end('partition contents\nslot list\n')
  const lost = await shell.result
  assert.is(lost.code, 1)
  assert.match(
    lost.stdout,
    /CKR_TOKEN_NOT_PRESENT[\s\S]*another certificate than the one of|another certificate than the one of/,
  )

  const again = () => lunacm(['--state', here.state], { env: here.env, input: 'slot list\n' })
  assert.match((await again()).stderr, /NTLS: .* has another certificate than the one of/)
  const port = /ServerPort00 = (\d+)/.exec(readFileSync(join(here.config, 'Chrystoki.conf'), 'utf8'))?.[1] ?? ''
  await run('vtl', ['deleteServer', '-n', '127.0.0.1'], { env: here.env })
  await run('vtl', ['addServer', '-n', '127.0.0.1', '-p', port, '-c', join(here.state, 'server.pem')], {
    env: here.env,
  })
  assert.match((await again()).stdout, /500409014/)
})

test.run()
