// test-timeout: 120
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CMD_ROLE_LOGIN, CMD_STATUS } from '../../assembly/protocol.js'
import { BoardError, FileCrashLog, Token } from '../../host/board/index.js'
import { restoreSnapshot, summarize } from '../../host/lab/index.js'
import { ask } from '../board/support.js'
import { lunacm, moonlet, type RunResult, temporaryFolder } from './support.js'

const test = suite('moonlet snapshot')

let original = ''

test.before(async () => {
  original = join(temporaryFolder(), 'lab')
  const { code, stderr } = await moonlet(['init', '--state', original])
  assert.is(code, 0, stderr)
})

/** A lab of its own. */
function newLab(): string {
  const state = join(temporaryFolder(), 'lab')
  cpSync(original, state, { recursive: true })
  return state
}

const snapshot = (state: string, ...args: string[]): Promise<RunResult> =>
  moonlet(['snapshot', ...args, '--state', state])

/** Asserts that a run failed with this code and says so. */
function refused({ code, stderr }: RunResult, expected: string): void {
  assert.is(code, expected === 'USAGE' ? 2 : 1, stderr)
  assert.match(stderr, new RegExp(`^moonlet: ${expected}: `))
}

test('saved, looked at, and put back: the HSM is as it was', async () => {
  const state = newLab()
  const file = join(state, '..', 'network.snap')
  const saved = await snapshot(state, 'save', file, '--hsm', 'network')
  assert.is(saved.code, 0, saved.stderr)
  assert.match(saved.stdout, /^HSM "network" saved to .*network\.snap, \d+ bytes\n$/)
  assert.match(saved.stderr, /every key of the HSM in the clear/)
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.ok(statSync(file).size < 500_000, 'blank memory takes no room')

  const shown = await moonlet(['snapshot', 'show', file])
  assert.is(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, /HSM {8}serial number 500409, label Network, OK\n/)
  assert.match(shown.stdout, /the one of this build\n/)
  assert.match(shown.stdout, /on a real clock, /)

  const key = join(state, '..', 'web.aes')
  writeFileSync(key, Buffer.alloc(32, 7))
  assert.is((await moonlet(['import', '--state', state, '--slot', '1', key])).code, 0)
  assert.match((await moonlet(['status', '--state', state])).stdout, /SA52_P1: .* 1 objects/)
  const restored = await snapshot(state, 'restore', file, '--hsm', 'network')
  assert.is(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /^HSM "network" is as it was at \d{4}-\d\d-\d\dT/)
  assert.match((await moonlet(['status', '--state', state])).stdout, /SA52_P1: .* 0 objects.* activated/)
  const login = 'role login -n co -p Crypto0fficer\npar con\n'
  assert.is((await lunacm(['--state', state], { input: login })).code, 0, 'and works')
})

test('a board of its own from a snapshot', async () => {
  const state = newLab()
  const [file, folder] = [join(state, '..', 'backup.snap'), join(state, '..', 'fork')]
  assert.is((await snapshot(state, 'save', file, '--hsm', 'backup')).code, 0)
  const made = await moonlet(['snapshot', 'restore', file, '--folder', folder])
  assert.is(made.code, 0, made.stderr)
  refused(await moonlet(['snapshot', 'restore', file, '--folder', folder]), 'STATE_EXISTS')
  const token = await Token.open({ dir: folder })
  try {
    assert.is((await ask(token, CMD_STATUS)).readBigUInt64BE(9), 700101n)
  } finally {
    await token.close()
  }
})

test('what cannot be done is said, and nothing changes', async () => {
  const state = newLab()
  const file = join(state, '..', 'a.snap')
  assert.is((await snapshot(state, 'save', file, '--hsm', 'backup')).code, 0)
  const bytes = readFileSync(file)
  refused(await snapshot(state, 'save', file, '--hsm', 'network'), 'LAB_EXISTS')
  assert.ok(readFileSync(file).equals(bytes))
  refused(await snapshot(state, 'save', join(state, '..', 'b.snap'), '--hsm', 'nobody'), 'LAB_HSM_UNKNOWN')
  refused(await snapshot(join(state, 'nowhere'), 'save', join(state, '..', 'b.snap'), '--hsm', 'backup'), 'LAB_MISSING')
  refused(await snapshot(state, 'save', join(state, 'no', 'folder'), '--hsm', 'backup'), 'LAB_IO')
  assert.not(existsSync(join(state, '..', 'b.snap')))
  const overwritten = await snapshot(state, 'save', file, '--hsm', 'network', '--force')
  assert.is(overwritten.code, 0, overwritten.stderr)
  assert.equal(
    readdirSync(join(state, '..')).filter((name) => name.endsWith('.tmp')),
    [],
  )

  refused(await snapshot(state, 'restore', file, '--hsm', 'backup'), 'SNAPSHOT_OTHER_HSM')
  refused(await snapshot(state, 'restore', join(state, '..', 'none'), '--hsm', 'backup'), 'LAB_IO')
  const variants: readonly (readonly [string, Buffer])[] = [
    ['SNAPSHOT_TRUNCATED', bytes.subarray(0, -1)],
    ['SNAPSHOT_DAMAGED', Buffer.concat([bytes.subarray(0, 5000), Buffer.of(99), bytes.subarray(5001)])],
    ['SNAPSHOT_NEWER', Buffer.concat([bytes.subarray(0, 7), Buffer.of(9), bytes.subarray(8)])],
    ['SNAPSHOT_INVALID', Buffer.from('{}')],
    ['SNAPSHOT_FOREIGN', foreign(bytes)],
  ]
  const flash = join(state, 'hsm-backup', 'flash.img')
  const before = createHash('sha256').update(readFileSync(flash)).digest('hex')
  for (const [code, content] of variants) {
    const codeOf = (error: unknown): unknown => (error instanceof BoardError ? error.code : error)
    const outcome = await restoreSnapshot(state, 'backup', content, { force: true }).catch(codeOf)
    assert.is(outcome, code)
    if (code !== 'SNAPSHOT_FOREIGN') assert.is(await summarize(content).catch(codeOf), code)
  }
  writeFileSync(file, foreign(bytes))
  refused(await snapshot(state, 'restore', file, '--hsm', 'backup'), 'SNAPSHOT_FOREIGN')
  assert.is(createHash('sha256').update(readFileSync(flash)).digest('hex'), before)
  const { stdout } = await moonlet(['snapshot', 'show', file])
  assert.match(stdout, /NOT the one of this build/)
})

/** As another build would have written it. */
function foreign(bytes: Buffer): Buffer {
  const body = Buffer.from(bytes.subarray(0, -48))
  body.fill(0xab, 16, 64)
  return Buffer.concat([body, createHash('sha384').update(body).digest()])
}

test('an HSM that does not start any more can be put back; its folder is kept', async () => {
  const state = newLab()
  const file = join(state, '..', 'backup.snap')
  assert.is((await snapshot(state, 'save', file, '--hsm', 'backup')).code, 0)
  truncateSync(join(state, 'hsm-backup', 'flash.img'), 100)
  refused(await snapshot(state, 'restore', file, '--hsm', 'backup'), 'STATE_DAMAGED')
  const { code, stderr } = await snapshot(state, 'restore', file, '--hsm', 'backup', '--force')
  assert.is(code, 0, stderr)
  assert.is(statSync(join(state, 'hsm-backup.damaged', 'flash.img')).size, 100)
  assert.match(
    (await moonlet(['status', '--state', state])).stdout,
    /"backup": serial number 700101, label Backup, .*OK/,
  )
  rmSync(join(state, 'hsm-backup', 'counter'))
  assert.is((await snapshot(state, 'restore', file, '--hsm', 'backup', '--force')).code, 0)
  assert.ok(existsSync(join(state, 'hsm-backup.damaged-2')))
})

test('lines that are typed wrong', async () => {
  const lines = [
    [],
    ['steal', 'x'],
    ['constructor', 'x'],
    ['save'],
    ['save', 'x'],
    ['save', 'x', 'y', '--hsm', 'backup'],
    ['save', 'x', '--hsm', 'backup', '--folder', 'y'],
    ['show', 'x', '--force'],
    ['restore', 'x'],
    ['restore', 'x', '--folder', 'y', '--hsm', 'backup'],
    ['restore', 'x', '--folder', ''],
    ['restore', 'x', '--bad'],
  ]
  const runs = await Promise.all(lines.map((args) => moonlet(['snapshot', ...args])))
  for (const run of runs) refused(run, 'USAGE')
  const { code, stdout } = await moonlet(['snapshot', '--help'])
  assert.is(code, 0)
  assert.match(stdout, /WARNING: the file holds every key of the HSM in the clear/)
  assert.ok(
    stdout.split('\n').every((line) => line.length <= 80),
    'fits on a terminal',
  )
})

test('moonlet status shows the last crash of an HSM', async () => {
  const state = newLab()
  assert.not.match((await moonlet(['status', '--state', state])).stdout, /crash/)
  const log = new FileCrashLog(join(state, 'hsm-backup'))
  const time = Date.UTC(2026, 4, 3, 2, 1)
  log.add({ code: 'FIRMWARE_ABORT', message: 'first', time, stack: [] })
  log.add({
    code: 'FIRMWARE_TRAP',
    message: 'unreachable',
    time,
    command: CMD_ROLE_LOGIN,
    stack: [{ function: 12, offset: 0x345 }],
  })
  const { stdout } = await moonlet(['status', '--state', state])
  const lines = stdout.split('\n')
  const at = lines.findIndex((line) => line.startsWith('Backup HSM'))
  assert.is(
    lines[at + 1],
    '  last crash, of 2: 2026-05-03T02:01:00.000Z FIRMWARE_TRAP: unreachable, function 12 at 0x345, after ROLE_LOGIN',
  )
})

test.run()
