import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, Running, temporaryFolder } from './support.js'

const test = suite('moonlet command line')

/** A line of a JavaScript stack. */
const STACK = /^\s+at /m

test('help shows the list of commands, or what one of them says itself', async () => {
  const all = await moonlet(['help'])
  assert.is(all.code, 0)
  assert.is((await moonlet(['--help'])).stdout, all.stdout)
  assert.is((await moonlet(['help', 'init'])).stdout, (await moonlet(['init', '--help'])).stdout)
  assert.is((await lunacm(['-h'])).stdout, (await moonlet(['lunacm', '-h'])).stdout)
})

test('every option that a command takes is in its help', async () => {
  const options: Readonly<Record<string, readonly string[]>> = {
    init: ['--state', '--pcie', '--profile', '--seed', '--challenge'],
    demo: ['--import', '--proof', '--passphrase-file', '--profile', '--state'],
    import: ['--slot', '--view', '--password', '--passphrase-file', '--state'],
    lunacm: ['--file', '--view', '--rules', '--by-hand', '--local-ped', '--log', '--state'],
    status: ['--state'],
  }
  for (const [name, wanted] of Object.entries(options)) {
    const { stdout } = await moonlet([name, '--help'])
    const shown = new Set(stdout.match(/--[a-z-]+/g))
    for (const option of [...wanted, '--help', '--debug']) assert.ok(shown.has(option), `${name} ${option}`)
  }
})

test('version prints the hash of the firmware that runs', async () => {
  const wasm = readFileSync(fileURLToPath(new URL('../../firmware.wasm', import.meta.url)))
  const sha384 = createHash('sha384').update(wasm).digest('hex')
  const { code, stdout } = await moonlet(['version'])
  assert.is(code, 0)
  assert.match(stdout, /^moonlet \d+\.\d+\.\d+\n/)
  assert.ok(stdout.includes(sha384))
  assert.is((await moonlet(['--version'])).stdout, stdout)
})

test('a line that is typed wrong ends with 2 and says what is wrong', async () => {
  const wrong: readonly (readonly [args: readonly string[], message: string])[] = [
    [[], 'A command is missing'],
    [['dance'], "There is no command 'dance'\n"],
    [['help', 'dance'], "There is no command 'dance'\n"],
    [['statsu'], "There is no command 'statsu': is 'status' meant?\n"],
    [['usb', 'bridges'], "There is no action 'bridges': is 'bridge' meant?\n"],
    [['init', '--dance'], "Unknown option '--dance'"],
    [['init', '--state'], "Option '--state <value>' argument missing"],
    [['init', '--state='], "Option '--state' needs a folder"],
    [['init', 'here'], "Unexpected argument 'here'"],
    [['import', '--slot', '1'], 'No file was named'],
    [['import', 'file'], "Option '--slot' is needed"],
    [['import', '--slot', 'one', 'file'], "The value of option '--slot' is no slot number"],
    [['demo', '--proof='], "Option '--proof' needs a folder"],
  ]
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await moonlet(args)
    assert.is(code, 2, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr, `moonlet: USAGE: ${message}`)
    assert.match(stderr, /\nTry 'moonlet( init| import| demo| usb)? --help'\.\n$/)
    assert.not.match(stderr, STACK)
  }
})

test('a failure ends with 1 and a code; the stack only comes where it is asked for', async () => {
  const state = join(temporaryFolder(), 'nothing')
  for (const args of [['status'], ['lunacm'], ['import', '--slot', '1', '--password', 'x', state]]) {
    const { code, stderr } = await moonlet([...args, '--state', state])
    assert.is(code, 1)
    assert.match(stderr, /^moonlet: (LAB_MISSING|IMPORT_READ): /)
    assert.not.match(stderr, STACK)
  }
  const plain = await moonlet(['status', '--state', state])
  assert.is(plain.stderr, `moonlet: LAB_MISSING: there is no lab in ${state}: run \`moonlet init\`\n`)
  assert.match((await moonlet(['status', '--state', state, '--debug'])).stderr, STACK)
  const shell = await lunacm(['--state', state])
  assert.is(shell.code, 1)
  assert.match(shell.stderr, 'lunacm: LAB_MISSING')
})

test('init, then status: in the folder of the XDG specification where none is named', async () => {
  const home = temporaryFolder()
  for (const [env, state] of [
    [{ XDG_STATE_HOME: join(home, 'xdg') }, join(home, 'xdg', 'moonlet')],
    [{ HOME: home, XDG_STATE_HOME: 'not/absolute' }, join(home, '.local', 'state', 'moonlet')],
  ] as const) {
    const made = await moonlet(['init', '--challenge', 'my challenge'], { env })
    assert.is(made.code, 0, made.stderr)
    assert.match(made.stderr, /^Moonlet is a test instrument: .*\n.*not affiliated/)
    assert.match(made.stdout, `A lab is ready in ${state}`)
    assert.match(made.stdout, 'my challenge')
    assert.match(made.stdout, /slot 1 +network +partition 500409014\n {2}slot 2 +backup/)
    const status = await moonlet(['status'], { env })
    assert.is(status.code, 0, status.stderr)
    for (const line of [
      'Network HSM "network": serial number 500409, label Network, firmware 6.27.0, OK',
      'partition SA52_P1: serial number 500409014, 0 objects',
      'flash: 502 of 502 sectors free, 0 bytes in use, each sector erased 0 times',
      'Backup HSM "backup": serial number 700101',
      'PED: answers at 192.20.10.190',
    ]) {
      assert.match(status.stdout, line)
    }
    const again = await moonlet(['init'], { env })
    assert.is(again.code, 1)
    assert.match(again.stderr, 'LAB_EXISTS')
  }
})

test('status without the box of PED keys says so, and nothing more', async () => {
  const state = join(temporaryFolder(), 'state')
  assert.is((await moonlet(['init', '--state', state])).code, 0)
  rmSync(join(state, 'ped-keys'), { recursive: true })
  const { code, stdout, stderr } = await moonlet(['status', '--state', state])
  assert.is(code, 1)
  assert.is(stdout, '')
  assert.match(stderr, /^moonlet: PED_BOX_UNREADABLE: [^\n]*\n$/)
})

test('Ctrl-C ends an init and a demo, and leaves nothing behind', async () => {
  const dir = temporaryFolder()
  const init = new Running('moonlet', ['init', '--state', join(dir, 'state')])
  await init.sees('network: ped vector init')
  init.child.kill('SIGINT')
  const interrupted = await init.result
  assert.is(interrupted.code, 130)
  assert.match(interrupted.stderr, 'ended before it was done')
  assert.not.match(interrupted.stderr, STACK)
  assert.equal(readdirSync(dir), [])

  const demo = new Running('moonlet', ['demo'], { TMPDIR: dir })
  await demo.sees('Backing up objects...')
  demo.child.kill('SIGTERM')
  assert.is((await demo.result).code, 143)
  assert.equal(readdirSync(dir), [])
})

test.run()
