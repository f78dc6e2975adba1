// test-timeout: 180
// A backup that was captured at a Backup HSM in a process of its own, and again with no HSM behind the cable.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, lunacm, moonlet, Running, type RunResult, temporaryFolder } from './support.js'

const test = suite('moonlet usb replay')
const folder = temporaryFolder()
const path = (name: string): string => join(folder, name)
const SEED = ['--seed', 'replay']

const page = (label: string): string =>
  [
    'slot set slot 1',
    'role login -name Crypto Officer -password Crypto0fficer',
    'ped connect ip 192.20.10.190 -slot 2',
    `partition archive backup -slot 2 -partition ${label}`,
    'ped disconnect -slot 2 -force',
    `partition archive list -slot 2`,
    '',
  ].join('\n')

let copies = 0
/** The lab as it was before anything was captured. */
function copyOfLab(): string {
  const copy = path(`copy${++copies}`)
  cpSync(path('lab'), copy, { recursive: true })
  return copy
}

async function start(...args: string[]): Promise<{ server: Running; usb: string }> {
  const server = new Running('moonlet', ['usb', ...args, '--listen', '127.0.0.1:0'])
  await server.sees('"listening"')
  return { server, usb: `127.0.0.1:${/"port":(\d+)/.exec(server.stdout)?.[1]}` }
}

async function stop({ child, result }: Running): Promise<RunResult> {
  child.kill('SIGTERM')
  return result
}

const work = (usb: string, label: string, ...more: string[]): Promise<RunResult> =>
  lunacm(['--state', copyOfLab(), '--usb', usb, ...more], { input: page(label) })

let recorded: RunResult

test.before(async () => {
  assert.is((await moonlet(['init', '--state', path('lab')])).code, 0)
  const imported = await moonlet(['import', '--state', path('lab'), '--slot', '1', join(FIXTURES, 'keys')])
  assert.is(imported.code, 0, imported.stderr)
  const { server, usb } = await start('serve', '--state', copyOfLab(), '--capture', path('device.pcapng'))
  recorded = await work(usb, 'SAbck1', ...SEED, '--capture', path('host.pcapng'), '--capture-frames')
  assert.is(recorded.code, 0, recorded.stdout + recorded.stderr)
  assert.match(recorded.stdout, /objects have been backed up to partition SAbck1/)
  assert.is((await stop(server)).code, 0)
})

for (const name of ['device', 'host']) {
  test(`the same script is satisfied by a capture at the ${name}, with no HSM behind it`, async () => {
    const { server, usb } = await start('replay', path(`${name}.pcapng`))
    const again = await work(usb, 'SAbck1', ...SEED)
    assert.is(again.stdout, recorded.stdout, server.stdout)
    assert.is(again.code, 0)
    const { code, stdout, stderr } = await stop(server)
    assert.is(code, 0, stderr)
    assert.match(stdout, /"event":"finished"/)
  })
}

test('a changed script is told where it left the recording', async () => {
  const { server, usb } = await start('replay', path('device.pcapng'))
  const changed = await work(usb, 'Another', ...SEED)
  assert.is(changed.code, 1)
  assert.match(changed.stdout, /CKR_TOKEN_NOT_PRESENT/)
  const { code, stdout, stderr } = await server.result
  assert.is(code, 1, stdout)
  assert.match(
    stderr,
    /^moonlet: REPLAY_LEFT: the host left the recording at transfer \d+: expected was 71 bytes to endpoint 0x01, PARTITION_CREATE, what came is 72 bytes to endpoint 0x01, PARTITION_CREATE; they differ from byte 7 on/,
  )
})

test('a host that draws other random bytes leaves the recording, too', async () => {
  const { server, usb } = await start('replay', path('device.pcapng'))
  assert.is((await work(usb, 'SAbck1')).code, 1)
  const { code, stderr } = await server.result
  assert.is(code, 1)
  assert.match(stderr, /REPLAY_LEFT/)
})

test('a server that is killed leaves a capture that can be read', async () => {
  const file = path('killed.pcapng')
  const { server, usb } = await start('serve', '--state', copyOfLab(), '--capture', file)
  const listing = lunacm(['--state', copyOfLab(), '--usb', usb, ...SEED], { input: 'slot list\n' })
  await server.sees('"imported"')
  await listing
  server.child.kill('SIGKILL')
  await server.result
  const replay = await start('replay', file)
  const again = await lunacm(['--state', copyOfLab(), '--usb', replay.usb, ...SEED], { input: 'slot list\n' })
  assert.is(again.stdout, (await listing).stdout)
  assert.is((await stop(replay.server)).code, 0)
})

test('a redacted capture holds no ciphertext of the whole one, and is not replayed', async () => {
  const file = path('redacted.pcapng')
  const { server, usb } = await start('serve', '--state', copyOfLab(), '--capture', file, '--capture-redacted')
  assert.is((await work(usb, 'SAbck1', ...SEED)).code, 0)
  await stop(server)
  const { code, stderr } = await moonlet(['usb', 'replay', file])
  assert.is(code, 1)
  assert.match(stderr, /^moonlet: CAPTURE_INCOMPLETE: the capture is redacted/)
  // The batch of keys, the largest transfer that goes out, is there with its length and nothing else.
  const [whole, redacted] = [readFileSync(path('device.pcapng')), readFileSync(file)]
  const batch = Buffer.from('4f424331', 'hex')
  assert.ok(whole.includes(batch))
  assert.not(redacted.includes(batch))
})

test('what is typed wrong, and files that are no captures', async () => {
  const text = path('text')
  writeFileSync(text, 'no capture, but long enough to be one\n')
  const state = ['--state', path('lab')]
  for (const [args, code, words] of [
    [['usb', 'replay'], 2, /^moonlet: USAGE: The capture is missing/],
    [['usb', 'replay', text, 'more'], 2, /^moonlet: USAGE: Unexpected argument 'more'/],
    [['usb', 'replay', path('none')], 1, /^moonlet: CAPTURE_IO: /],
    [['usb', 'replay', text], 1, /^moonlet: CAPTURE_FORMAT: this is no capture/],
    [['usb', 'replay', path('device.pcapng'), '--device', '9.9'], 1, /^moonlet: CAPTURE_DEVICE: /],
    [['usb', 'serve', ...state, '--capture-redacted'], 2, /^moonlet: USAGE: Option '--capture-redacted' goes with/],
    [['usb', 'serve', ...state, '--capture', folder], 1, /^moonlet: CAPTURE_IO: /],
    [['lunacm', ...state, '--capture-frames'], 2, /^moonlet: USAGE: Option '--capture-frames' goes with/],
    [['lunacm', ...state, '--seed', ''], 2, /^moonlet: USAGE: Option '--seed' needs a text/],
  ] as const) {
    const result = await moonlet(args)
    assert.is(result.code, code, args.join(' '))
    assert.match(result.stderr, words)
  }
  assert.match((await moonlet(['usb', 'replay', '--help'])).stdout, /^Usage: moonlet usb replay/)
})

test.run()
