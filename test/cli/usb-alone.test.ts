// test-timeout: 240
// A computer that has no lab, only a USB cable: the Backup HSM at a USB/IP server, its PED at a pedserver.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, Running, temporaryFolder } from './support.js'

const test = suite('a Backup HSM on USB without a lab')

const state = join(temporaryFolder(), 'state')
const home = temporaryFolder()
/** Nothing is there. */
const env = { XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config') }
const running: Running[] = []

async function start(...program: ConstructorParameters<typeof Running>): Promise<Running> {
  const server = new Running(...program)
  running.push(server)
  await server.sees('istening')
  return server
}

const portIn = (text: string, pattern: RegExp): string => pattern.exec(text)?.[1] ?? ''

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

test.after(async () => {
  for (const { child, result } of running) {
    child.kill('SIGTERM')
    await result
  }
})

test('lunacm --usb shows its slot, a log-in asks the PED of a pedserver, and no lab is made', async () => {
  const usb = await start('moonlet', ['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0'])
  const peds = await start('pedserver', ['-mode', 'start', '--foreground', '-port', '0', '--state', state])
  const ped = portIn(peds.stdout, /port (\d+)\./)
  const { code, stdout, stderr } = await lunacm(['--usb', `127.0.0.1:${portIn(usb.stdout, /"port":(\d+)/)}`], {
    env,
    input: [
      'role login -name SO',
      `ped connect -ip 127.0.0.1 -port ${ped}`,
      'ped get',
      'role login -name SO',
      'partition archive list -slot 1',
      'ped disconnect -force',
      'ped get',
      '',
    ].join('\n'),
  })
  assert.match(stdout, /Slot Id -> +1\n +HSM Label -> +Backup\n/)
  const results = [...stdout.matchAll(/Command Result : (.*)/g)].map(([, result]) => result)
  assert.is(results.length, 7, stdout + stderr)
  assert.is(code, 1)
  assert.match(results[0] ?? '', 'CKR_PED_UNPLUGGED')
  assert.equal(new Set(results.slice(1)), new Set(['No Error']), stdout)
  assert.match(stdout, 'HSM slot 1 listening to remote PED (PED id=100).')
  assert.not.ok(existsSync(env.XDG_STATE_HOME))
  const known = readFileSync(join(env.XDG_CONFIG_HOME, 'moonlet', 'ped-servers.json'), 'utf8')
  assert.match(known, `127.0.0.1:${ped}`)
})

test('where nobody serves one, it is said where it was looked for; without --usb there has to be a lab', async () => {
  const nobody = await lunacm(['--usb', '127.0.0.1:1'], { env, input: 'slot list\n' })
  assert.match(nobody.stderr, /^USB: .*127\.0\.0\.1/)
  assert.not.match(nobody.stdout, 'HSM Label')
  const usual = await lunacm(['--usb', '127.0.0.2'], { env, input: 'slot list\n' })
  assert.not.match(usual.stderr, /port (?!3240)/)
  const without = await lunacm([], { env })
  assert.is(without.code, 1)
  assert.match(without.stderr, 'LAB_MISSING')
})

test.run()
