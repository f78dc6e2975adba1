import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, lunacm, moonlet, Running, temporaryFolder } from './support.js'

const test = suite('lunacm command line')

const CHALLENGE = 'Crypto0fficer'
const state = join(temporaryFolder(), 'state')
const inLab = (...args: string[]) => ['--state', state, ...args]

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state, '--pcie'])
  assert.is(code, 0, stderr)
})

test('commands on standard input, as scripts in the field give them', async () => {
  const { code, stdout, stderr } = await lunacm(inLab(), { input: 'par si\nexit\n' })
  assert.is(code, 0, stderr)
  assert.is(stderr, '')
  assert.match(stdout, /^LunaCM V6\.3\.0/)
  assert.match(stdout, 'lunacm:> par si')
  assert.match(stdout, 'SA52_P1')
  assert.match(stdout, 'HSM Status ->           OK')
  assert.match(stdout, 'Command Result : No Error')
  assert.match(stdout, /lunacm:> exit\n$/)
})

test('a question takes the next line, and what is typed there is never shown', async () => {
  const { code, stdout } = await lunacm(inLab(), { input: `role login -name Crypto Officer\n${CHALLENGE}\npar con\n` })
  assert.is(code, 0, stdout)
  assert.match(stdout, '        Enter the password: *******\n')
  assert.match(stdout, 'User is activated, PED is not required.')
  assert.not.match(stdout, CHALLENGE)
})

test('commands from a file; the exit code tells of the one that failed, the others are run', async () => {
  const file = join(temporaryFolder(), 'commands')
  writeFileSync(file, 'slot set slot 9\nslot list\n')
  const { code, stdout } = await lunacm(inLab('-f', file))
  assert.is(code, 1)
  assert.match(stdout, 'Command Result : 0x3 (CKR_SLOT_ID_INVALID)')
  assert.match(stdout, /lunacm:> slot list[\s\S]*Command Result : No Error/)
  const missing = await lunacm(inLab('-f', join(file, 'nowhere')))
  assert.is(missing.code, 1)
  assert.match(missing.stderr, 'lunacm: LAB_IO: the commands in')
})

test('bad lines each get their frame and change nothing', async () => {
  const lines = [
    'dance',
    'slot dance',
    'slot list -dance',
    'slot set -slot two',
    'partition archive backup -slot 3 -partition X',
    'role login -name nobody',
    'partition archive restore -slot 1 -partition X',
    'partition archive list -slot 99',
  ]
  const { code, stdout } = await lunacm(inLab(), { input: `${lines.join('\n')}\n` })
  assert.is(code, 1)
  const results = stdout.split('\n').filter((line) => line.startsWith('Command Result'))
  assert.is(results.length, lines.length)
  assert.not.ok(results.includes('Command Result : No Error'))
})

test('one command in the line of the program: without banner, its words as they are, its answers from the input', async () => {
  const plain = await lunacm(inLab('-q', 'slot', 'set', '-slot', '1'))
  assert.is(plain.code, 0, plain.stderr)
  const set = '        Current Slot Id: 1     (Luna User Slot 6.27.0 (PED) Signing With Cloning Mode)'
  assert.is(plain.stdout, `\n${set}\n\nCommand Result : No Error\n\n`)
  const login = ['role', 'login', '-name', 'Crypto Officer']
  assert.is((await lunacm(inLab('-q', ...login, '-password', CHALLENGE))).code, 0)
  const asked = await lunacm(inLab('-q', ...login), { input: `${CHALLENGE}\n` })
  assert.is(asked.code, 0, asked.stdout)
  assert.match(asked.stdout, 'Enter the password: *******\n')
  assert.not.match(asked.stdout, CHALLENGE)
  const wrong = await lunacm(inLab('-s', '2', '-q', 'partition', 'dance'))
  assert.is(wrong.code, 1)
  assert.match(wrong.stdout, 'Command Result : 0x1 (Unknown command)\n')
  for (const way of [['-s', '2', 'ped', 'get'], ['-s', '2', '-c', 'ped', 'get', '-slot', '2'], ['-sq2']]) {
    const { code, stdout } = await lunacm(inLab(...way))
    if (way.length === 1) assert.is(code, 2)
    else assert.match(stdout, /^LunaCM V6\.3\.0[\s\S]*\n {8}HSM slot 2 listening to local PED \(PED id=0\)\.\n/)
  }
  for (const bad of [['-q'], ['-s', 'x'], ['par', 'con'], ['-f', 'x', '-q', 'par', 'con'], ['-q', 'a "b']]) {
    assert.is((await lunacm(inLab(...bad))).code, 2, bad.join(' '))
  }
})

test('another view is another client generation', async () => {
  const { stdout } = await lunacm(inLab('--view', 'lunacm-7'), { input: 'exit\n' })
  assert.match(stdout, /^LunaCM v7\.0\.0\./)
  const unknown = await lunacm(inLab('--view', 'lunacm-9'))
  assert.is(unknown.code, 1)
  assert.match(unknown.stderr, 'LAB_VIEW_UNKNOWN')
})

test('operator rules, the PED at a connector, and the log of all frames', async () => {
  const log = join(temporaryFolder(), 'frames')
  const rules = join(FIXTURES, 'operator', 'cancels.json')
  const input = 'slot set slot 103\nrole login -name so\nrole login -name so\n'
  const { stdout } = await lunacm(inLab('--rules', rules, '--local-ped', 'pcie', '--log', log), { input })
  const results = stdout.split('\n').filter((line) => line.startsWith('Command Result'))
  assert.equal(results.slice(1), ['Command Result : 0x50 (CKR_FUNCTION_CANCELED)', 'Command Result : No Error'])
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
  for (const line of lines) assert.match(line, /^(console|ntls|pcie|usb|ped):[a-z]+ [<>] ([0-9a-f]{2})+$/)
  assert.ok(lines.some((line) => line.startsWith('ped:pcie < 4d504431')))
  const bad = await lunacm(inLab('--log', join(log, 'x')))
  assert.is(bad.code, 1)
  assert.match(bad.stderr, 'LAB_IO')
})

test('a challenge that the HSM makes is on the PED’s screen, which a script finds on standard error', async () => {
  const lines = ['ped connect ip localhost', 'role login -name po', 'role createchallenge -name co']
  const { code, stdout, stderr } = await lunacm(inLab(), { input: `${lines.join('\n')}\n` })
  assert.is(code, 0, stdout)
  const challenge = /^PED: .*?([A-Za-z0-9]{4}(?:-[A-Za-z0-9]{4}){3})/m.exec(stderr)?.[1]
  assert.ok(challenge, stderr)
  const used = await lunacm(inLab(), { input: `ped connect ip localhost\nrole login -n co -p ${challenge}\n` })
  assert.is(used.code, 0, used.stdout)
})

test('a wrong file of rules is refused before anything starts', async () => {
  const rules = join(temporaryFolder(), 'rules.json')
  writeFileSync(rules, '[{ "prompt": "x", "action": "dance" }]')
  const { code, stdout, stderr } = await lunacm(inLab('--rules', rules))
  assert.is(code, 1)
  assert.is(stdout, '')
  assert.match(stderr, 'OPERATOR_RULES_INVALID')
  assert.match(stderr, 'rules[0].action')
})

test('a second process is told who has the lab; the first goes on, and ends when it is told to', async () => {
  const first = new Running('lunacm', inLab())
  await first.sees('Current Slot Id')
  for (const second of [await lunacm(inLab()), await moonlet(['status', '--state', state])]) {
    assert.is(second.code, 1)
    assert.match(
      second.stderr,
      `STATE_LOCKED: state folder ${join(state, 'hsm-network')} is in use by process ${first.child.pid}`,
    )
  }
  first.child.stdin.write('slot list\nexit\n')
  // Standard input stays open: the shell ends all the same.
  const { code, stdout } = await first.result
  assert.is(code, 0)
  assert.match(stdout, 'Command Result : No Error')
  assert.is((await moonlet(['status', '--state', state])).code, 0)
})

test('a lab that was killed opens again at once', async () => {
  const first = new Running('lunacm', inLab())
  await first.sees('Current Slot Id')
  first.child.kill('SIGKILL')
  assert.is((await first.result).signal, 'SIGKILL')
  assert.is((await lunacm(inLab(), { input: 'slot list\n' })).code, 0)
})

test.run()
