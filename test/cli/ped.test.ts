// The PED in a process of its own, the pedserver in another, lunacm in a third.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, pedserver, Running, temporaryFolder } from './support.js'

const test = suite('moonlet ped')

const state = join(temporaryFolder(), 'state')
const here = (...args: string[]) => [...args, '-state', state]
const log = join(temporaryFolder(), 'ped.log')

async function startPed(...more: string[]): Promise<Running> {
  const ped = new Running('moonlet', ['ped', '--state', state, ...more])
  await ped.sees('The PED waits for a pedserver.')
  return ped
}

async function showUntil(pattern: RegExp): Promise<string> {
  for (;;) {
    const { stdout } = await pedserver(here('-mode', 'show'))
    if (pattern.test(stdout)) return stdout
  }
}

const logged = (event: string) =>
  existsSync(log) ? readFileSync(log, 'utf8').split(`"event":"${event}"`).length - 1 : 0

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

// Whatever a test that failed has left behind.
test.after(async () => {
  await pedserver(here('-mode', 'stop', '-force'))
})

test('pedserver carries what lunacm and the PED of another process say; the PED pulled out, killed, and back', async () => {
  // Nobody answers the log-in of the Network HSM's SO.
  const rules = join(temporaryFolder(), 'rules.json')
  writeFileSync(rules, JSON.stringify([{ prompt: '/LOGIN SO.*Network/', action: 'no-key' }]))
  const ped = await startPed('--rules', rules, '--log', log, '--log-level', 'debug')
  assert.is(statSync(join(state, 'ped', 'line')).mode & 0o777, 0o600)
  assert.is(statSync(join(state, 'ped')).mode & 0o777, 0o700)
  const second = await moonlet(['ped', '--state', state])
  assert.is(second.code, 1)
  assert.match(second.stderr, `PED_RUNNING: a PED runs already: `)

  assert.is((await pedserver(here('-mode', 'start', '-port', '0'))).code, 0)
  const shown = await showUntil(/Ped2 Connection Status: +Connected/)
  assert.match(shown, /PED: +moonlet ped\n/)
  const port = /Server Port: +(\d+)/.exec(shown)?.[1] ?? ''
  const connect = (slot: number) => `ped connect ip 127.0.0.1 -port ${port} -slot ${slot}`
  const backup = await lunacm(['--state', state], {
    input: `${[
      connect(2),
      'slot set slot 1',
      'role login -name co -password Crypto0fficer',
      'partition archive backup -slot 2 -partition SAbck1',
      'ped disconnect -slot 2 -force',
      connect(2),
      'ped get -slot 2',
    ].join('\n')}\n`,
  })
  assert.is(backup.code, 0, backup.stdout)
  assert.match(backup.stdout, 'have been backed up to partition SAbck1')
  assert.match(backup.stdout, 'HSM slot 2 listening to remote PED (PED id=100).')
  for (const event of ['line-up', 'hello', 'link', 'request', 'question', 'key-written', 'answer']) {
    assert.ok(logged(event) > 0, event)
  }

  // Killed while an HSM waits for it.
  const shell = new Running('moonlet', ['lunash', state])
  const asked = logged('question')
  shell.child.stdin.write(`hsm ped connect -ip 127.0.0.1 -port ${port}\nhsm login\n`)
  while (logged('question') < asked + 2) await new Promise(setImmediate)
  ped.child.kill('SIGKILL')
  await shell.sees("'hsm login' failed. (0x80000021 : CKR_CALLBACK_ERROR)")
  await showUntil(/Ped2 Connection Status: +Disconnected/)
  shell.child.stdin.write(`hsm ped connect -ip 127.0.0.1 -port ${port}\n`)
  await shell.sees("'hsm ped connect' failed. (CKR_PED_UNPLUGGED")
  // Another one takes its place.
  const next = await startPed()
  await showUntil(/Ped2 Connection Status: +Connected/)
  shell.child.stdin.write(`hsm ped connect -ip 127.0.0.1 -port ${port}\nhsm login\nexit\n`)
  assert.is((await shell.result).code, 1)
  assert.match(shell.stdout, "'hsm login' successful.")

  // The pedserver gone under the PED: the PED waits for the next one.
  assert.is((await pedserver(here('-mode', 'stop', '-force'))).code, 0)
  assert.is((await pedserver(here('-mode', 'start', '-port', '0'))).code, 0)
  await showUntil(/Ped2 Connection Status: +Connected/)
  next.child.kill('SIGTERM')
  assert.is((await next.result).code, 0)
  await showUntil(/Ped2 Connection Status: +Disconnected/)
  assert.not(existsSync(join(state, 'ped', 'line')))
  assert.is((await pedserver(here('-mode', 'stop'))).code, 0)
})

test('levels: what is logged from which on, and no secret at any', () => {
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line): { level: string; event: string } => JSON.parse(line))
  const levels = new Set(lines.map(({ level }) => level))
  assert.equal([...levels].sort(), ['debug', 'info'])
  assert.ok(lines.filter(({ event }) => event === 'question').every(({ level }) => level === 'debug'))
  // pedserver.log has the default level: none of what only a search for a fault needs.
  const server = readFileSync(join(state, 'pedserver', 'pedserver.log'), 'utf8')
  assert.match(server, '"level":"info","event":"remote-connected"')
  assert.match(server, '"level":"warn","event":"ped-gone"')
  assert.not.match(server, '"level":"debug"')
  const text = readFileSync(log, 'utf8') + server
  for (const name of ['blue-network', 'blue-backup', 'red-domain', 'orange-remote']) {
    const { secret } = JSON.parse(readFileSync(join(state, 'ped-keys', `${name}.json`), 'utf8'))
    assert.is(typeof secret, 'string')
    assert.not.match(text, secret)
  }
})

test('lines that are typed wrong', async () => {
  for (const [args, message] of [
    [['--log-level', 'loud'], "Option '--log-level' takes error, warn, info or debug, not 'loud'"],
    [['--baud', '9600'], "'--baud' goes with '--serial'"],
    [['--serial', ''], "Option '--serial' needs the path of a port"],
    [['more'], "Unexpected argument 'more'"],
  ] as const) {
    const { code, stderr } = await moonlet(['ped', '--state', state, ...args])
    assert.is(code, 2, stderr)
    assert.match(stderr, message)
  }
  for (const [args, message] of [
    [['-mode', 'start', '-ped', 'somewhere'], "Option '-ped' takes own, local, serial:PATH or the path of a socket"],
    [['-mode', 'start', '-log-level', 'trace'], "Option '--log-level' takes error, warn, info or debug"],
    [['-mode', 'connect'], "Option '-name' is missing"],
    [['-regen'], "Option '-commonname' is missing"],
    [['-appliance', 'dance'], "Option '-appliance' takes register, list, delete"],
    [['-appliance', 'list', '-regen'], "Only one of '-mode', '-appliance' and '-regen' can be given"],
  ] as const) {
    const { code, stderr } = await pedserver(here(...args))
    assert.is(code, 2, stderr)
    assert.match(stderr, message)
  }
  const missing = await pedserver(here('-mode', 'start', '-port', '0', '-ped', 'serial:/dev/none'))
  assert.is(missing.code, 1)
  assert.match(missing.stderr, /PED_SERIAL_(OPEN|UNAVAILABLE)/)
})

test.run()
