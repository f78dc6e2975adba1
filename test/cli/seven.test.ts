// test-timeout: 120
// The page from registration to restore, with seven programs as processes of their own: appliance, lunash, vtl, PED, pedserver,
// Backup HSM, lunacm.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, lunacm, moonlet, pedserver, Running, temporaryFolder, vtl } from './support.js'

const test = suite('seven processes')

const running: Running[] = []
test.after(async () => {
  for (const { child, result } of running) {
    child.kill('SIGTERM')
    await result
  }
})

async function start(args: readonly string[], sees: string): Promise<Running> {
  const program = new Running('moonlet', args)
  running.push(program)
  await program.sees(sees)
  return program
}

test('the page from registration to restore', async () => {
  const [state, config] = [join(temporaryFolder(), 'state'), temporaryFolder()]
  await moonlet(['init', '--state', state])
  await moonlet(['import', '--state', state, '--slot', '1', join(FIXTURES, 'keys')])

  const appliance = await start(['appliance', '--state', state, '--listen', '127.0.0.1:0'], '"listening"')
  const port = /"port":(\d+)/.exec(appliance.stdout)?.[1] ?? ''
  await start(['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0'], '"listening"')
  const pedLog = join(state, 'ped.log')
  await start(['ped', '--state', state, '--log', pedLog, '--log-level', 'debug'], 'The PED')
  const server = await pedserver(['-mode', 'start', '-port', '0', '-ped', 'local', '--state', state])
  assert.is(server.code, 0, server.stdout + server.stderr)

  // Registration, at either end.
  assert.is((await vtl(['createCert', '-n', 'localhost', '--config', config])).code, 0)
  const certificate = join(config, 'cert', 'client', 'localhost.pem')
  const shell = await moonlet(['lunash', '--state', state], {
    input: `client register -c desk -hostname localhost -certificate ${certificate}\nclient assignPartition -c desk -p SA52_P1\nclient show -c desk\n`,
  })
  assert.is(shell.code, 0, shell.stdout)
  const add = ['addServer', '-n', '127.0.0.1', '-p', port, '-c', join(state, 'server.pem'), '--config', config]
  assert.is((await vtl(add)).code, 0)
  assert.match((await vtl(['verify', '--config', config])).stdout, /500409014 +SA52_P1/)

  const page = await lunacm(['--state', state, '--ntls', config], {
    input: [
      'slot set slot 1',
      'ped get',
      'ped connect ip 192.20.10.190',
      'ped get',
      'role login -name Crypto Officer',
      'Crypto0fficer',
      'ped disconnect -force',
      'ped connect ip 192.20.10.189 -slot 2',
      'ped get -slot 2',
      'partition archive backup -slot 2 -par SAbck1',
      'partition contents',
      'partition archive restore -slot 2 -partition SAbck1 -replace -force',
      'partition contents',
      '',
    ].join('\n'),
  })
  assert.is(page.code, 0, page.stdout + page.stderr)
  assert.match(
    page.stdout,
    /HSM slot 1 listening to local PED \(PED id=0\)[\s\S]*HSM slot 1 listening to remote PED \(PED id=100\)/,
  )
  assert.match(page.stdout, /HSM slot 2 listening to remote PED \(PED id=100\)/)
  const counts = [...page.stdout.matchAll(/(\d+) objects have been (backed up|restored)/g)].map(([, count]) => count)
  assert.is(counts.length, 2, page.stdout)
  assert.is(counts[0], counts[1])
  const uids = (text: string): string[] => [...text.matchAll(/Object UID: +(\w+)/g)].map(([, uid = '']) => uid).sort()
  const [, before = '', after = ''] = page.stdout.split('lunacm:> partition contents')
  assert.equal(uids(after), uids(before))
  assert.is(uids(after).length, Number(counts[0]))

  // It was the PED in its own process that was asked.
  assert.match(readFileSync(pedLog, 'utf8'), /"event":"question"[\s\S]*"event":"key-written"/)
  const stopped = await pedserver(['-mode', 'stop', '-force', '--state', state])
  assert.is(stopped.code, 0, stopped.stdout)
})

test.run()
