// The fuzzer as it is used: its help, its counts, a finding and its replay; and that it finds length checks that are gone.
// test-timeout: 400
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFinding } from './engine/finding-file.js'
import { FAULTS } from './firmware/faults.js'
import { TARGETS } from './targets/index.js'

const PROGRAM = fileURLToPath(new URL('run.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'moonlet-fuzz-test-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const test = suite('fuzz: the program')

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** @param when called with everything printed so far */
function fuzz(
  args: readonly string[],
  when: (out: string, interrupt: () => void) => void = () => undefined,
): Promise<Run> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    when(out, () => child.kill('SIGINT'))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

test('--help and --list', async () => {
  const help = await fuzz(['--help'])
  assert.is(help.code, 0)
  assert.match(help.out, /--seconds N .*60/)
  assert.ok(help.out.split('\n').every((line) => line.length <= 80))
  const { code, out } = await fuzz(['--list'])
  assert.is(code, 0)
  for (const { name } of [...TARGETS, ...FAULTS]) assert.match(out, new RegExp(`^  ${name} `, 'm'))
})

test('a command line that is wrong', async () => {
  for (const args of [
    ['--seconds', 'x'],
    ['--only', 'nothing'],
    ['--fault', 'nothing'],
    ['--nothing'],
    ['--replay', PROGRAM],
  ]) {
    const { code, out, err } = await fuzz(args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.match(err, /^fuzz: .+\n$/)
  }
})

test('counts per target, and the seed', async () => {
  const { code, out } = await fuzz([
    '--seconds',
    '1',
    '--seed',
    '7',
    '--only',
    'usb',
    '--only',
    'files',
    '--out',
    folder,
  ])
  assert.is(code, 0, out)
  assert.match(out, /^seed 7$/m)
  assert.match(out, /^target +inputs +per second +findings$/m)
  assert.match(out, /^usb +[1-9][0-9,]* +[1-9][0-9,]* +0$/m)
  assert.match(out, /^files +[1-9][0-9,]* +[0-9,]+ +0$/m)
  assert.match(out, /^[1-9][0-9,]* inputs, nothing found\n$/m)
})

test('Ctrl-C ends it with the counts', async () => {
  let sent = false
  const { code, out } = await fuzz(['--seconds', '3600', '--only', 'ntls'], (text, interrupt) => {
    if (sent || !text.includes('seed')) return
    sent = true
    interrupt()
  })
  assert.is(code, 0, out)
  assert.match(out, /inputs, nothing found \(interrupted\)\n$/)
})

test('a length check that is gone is found, its input made small, written and replayed', async () => {
  const args = ['--fault', 'ped-frame-length', '--only', 'ped', '--seed', '5', '--seconds', '120', '--out', folder]
  const { code, out, err } = await fuzz(args)
  assert.is(code, 1, out + err)
  const [file = ''] = readdirSync(folder)
  assert.match(out, `replay: npm run fuzz -- --replay ${join(folder, file)}`)
  assert.match(out, /^ped +[0-9,]+ +[0-9,]+ +1$/m)
  const path = join(folder, file)
  const { target, fault, steps } = readFinding(path)
  assert.is(target, 'ped')
  assert.is(fault, 'ped-frame-length')
  assert.ok(steps.length <= 4, `${steps.length} steps are left`)
  const again = await fuzz(['--replay', path])
  assert.is(again.code, 1)
  assert.match(again.out, /^ped \(/)
  // With the check it is an input like any other.
  const sound = join(folder, 'sound.json')
  writeFileSync(
    sound,
    JSON.stringify({ format: 1, target, steps: steps.map((step) => ({ ...step, bytes: step.bytes.toString('hex') })) }),
  )
  const whole = await fuzz(['--replay', sound])
  assert.is(whole.code, 0, whole.out)
  assert.is(whole.out, 'nothing found\n')
})

test.run()
