import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, pedserver, temporaryFolder } from './support.js'

const test = suite('pedserver command line')

const state = join(temporaryFolder(), 'state')
const here = (...args: string[]) => [...args, '-state', state]

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

// Whatever a test that failed has left behind.
test.after(async () => {
  await pedserver(here('-mode', 'stop', '-force'))
})

test('start in the background, show, a log-in through lunacm, stop', async () => {
  const started = await pedserver(here('-mode', 'start', '-port', '0'))
  assert.is(started.code, 0, started.stderr)
  assert.equal(started.stdout.split('\n'), [
    'Ped Server Version 1.0.6 (10006)',
    'Ped Server launched in startup mode.',
    'Starting background process',
    'Background process started',
    'Ped Server Process created, exiting this process.',
    '',
  ])
  const shown = await pedserver(here('mode', 'show'))
  assert.match(shown.stdout, 'Ped Server launched in status mode.\n   Server Information:\n      Hostname: ')
  assert.match(shown.stdout, /HSM: +none/)
  const twice = await pedserver(here('-mode', 'start', '-port', '0'))
  assert.is(twice.code, 1)
  assert.match(twice.stderr, 'PED_SERVER_RUNNING')

  const port = /Server Port: +(\d+)/.exec(shown.stdout)?.[1] ?? ''
  const session = await lunacm(['--state', state], {
    input: `${[
      `ped connect ip 127.0.0.1 -port ${port} -slot 2`,
      'ped get -slot 2',
      'slot set slot 1',
      'role login -name co -password Crypto0fficer',
      'partition archive backup -slot 2 -partition SAbck1',
      'ped disconnect -slot 2 -force',
      'ped get -slot 2',
    ].join('\n')}\n`,
  })
  assert.is(session.code, 0, session.stdout)
  assert.match(session.stdout, 'HSM slot 2 listening to remote PED (PED id=100).')
  assert.match(session.stdout, 'HSM slot 2 listening to local PED (PED id=0).')
  assert.match(session.stdout, 'have been backed up to partition SAbck1')

  const stopped = await pedserver(here('-mode', 'stop'))
  assert.is(stopped.code, 0, stopped.stderr)
  const gone = await pedserver(here('-mode', 'show'))
  assert.is(gone.code, 1)
  assert.match(gone.stderr, 'PED_SERVER_NOT_RUNNING')
  assert.not(existsSync(join(state, 'pedserver', 'running.json')))

  const log = readFileSync(join(state, 'pedserver', 'pedserver.log'), 'utf8')
  const events = log
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  assert.ok(events.length > 10)
  for (const event of ['remote-connected', 'hello', 'link', 'key-written', 'remote-disconnected', 'ended']) {
    assert.match(log, `"event":"${event}"`)
  }
  for (const file of readdirSync(join(state, 'ped-keys'))) {
    const secret = /"secret": "([0-9a-f]+)"/.exec(readFileSync(join(state, 'ped-keys', file), 'utf8'))?.[1]
    if (secret) assert.not.match(log, secret)
  }
})

test('a configuration that is kept; bad lines are told and start nothing', async () => {
  const set = await pedserver(here('-mode', 'config', '-set', '-idletimeout', '60', '-port', '0'))
  assert.is(set.code, 0, set.stderr)
  assert.match((await pedserver(here('-mode', 'config'))).stdout, /Idle Timeout \(seconds\): +60\n/)
  for (const [args, message] of [
    [[], 'You must specify a mode'],
    [['-mode', 'dance'], "There is no mode 'dance'"],
    [['-mode', 'start', '-port', '70000'], "Option '-port' takes a number from 0 to 65535"],
    [['-mode', 'start', '-idletimeout', '0'], "Option '-idletimeout' takes a number from 1 to 99999"],
    [['-mode', 'start', '-dance'], "'--dance'"],
  ] as const) {
    const { code, stderr } = await pedserver(here(...args))
    assert.is(code, 2, stderr)
    assert.match(stderr, message)
  }
  const { code, stdout } = await pedserver(['--help'])
  assert.is(code, 0)
  assert.match(stdout, 'Usage: pedserver -mode MODE')
  const nowhere = await pedserver(['-mode', 'start', '-port', '0', '-state', join(temporaryFolder(), 'none')])
  assert.is(nowhere.code, 1)
  assert.match(nowhere.stderr, 'LAB_MISSING')
})

test.run()
