// The program as a user starts it. What it measures here is small; no test looks at a number's size.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('npm run bench')

const PROGRAM = fileURLToPath(new URL('../../bench/index.js', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...output }))
  })
  return { child, ended }
}

const run = (args: readonly string[], env?: Readonly<Record<string, string>>) => start(args, env).ended

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'moonlet-bench-test-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const PROMISED = [
  'kw32-vs-node',
  'kw1216-vs-node',
  'kw32-vs-noble',
  'kw1216-vs-noble',
  'aes8-vs-openssl',
  'backup1000-vs-softhsm2',
  'growth-100k',
  'workers2',
  'boot',
  'roundtrip',
  'memory-per-object',
]

test('--list names every row once, with what it compares', async () => {
  const { code, stdout, stderr } = await run(['--list'])
  assert.is(code, 0)
  assert.is(stderr, '')
  const rows = stdout.trimEnd().split('\n')
  const ids = rows.map((row) => row.split(' ')[0])
  assert.is(new Set(ids).size, ids.length)
  for (const id of PROMISED) assert.ok(ids.includes(id), id)
  for (const row of rows) assert.match(row, /^\S+ {2,}\S.*\S$/)
})

test('--help explains, a row that there is not is a wrong usage', async () => {
  const help = await run(['--help'])
  assert.is(help.code, 0)
  assert.match(help.stdout, /^Usage: npm run bench/)
  const unknown = await run(['--only', 'kw32-vs-nothing'])
  assert.is(unknown.code, 2)
  assert.is(unknown.stdout, '')
  assert.match(unknown.stderr, 'There is no row kw32-vs-nothing')
  assert.match(unknown.stderr, '\n  kw32-vs-node\n')
})

test('a table with the machine above it, and the same rows as JSON', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'rows.json')
    const ids = ['kw32-vs-node', 'sha256-64-vs-node']
    const { code, stdout } = await run(['--quick', '--only', ...ids, '--json', file, '--dir', folder])
    assert.is(code, 0)
    const [, machine = '', , head = '', ...rows] = stdout.trimEnd().split('\n')
    for (const part of [/\d+ cores/, `Node ${process.versions.node}`, `OpenSSL ${process.versions.openssl}`])
      assert.match(machine, part)
    assert.match(head, /^id +ours +unit +baseline +against +ratio +min +max +spread +runs +wanted$/)
    assert.equal(
      rows.map((row) => row.split(' ')[0]),
      ids,
    )
    const written: Record<string, unknown>[] = JSON.parse(readFileSync(file, 'utf8'))
    assert.equal(
      written.map(({ id }) => id),
      ids,
    )
    for (const row of written) {
      assert.equal(Object.keys(row), ['id', 'unit', 'ours', 'baseline', 'baselineName', 'ratio', 'min', 'max', 'runs'])
      const { ratio, min, max } = row
      assert.ok(Number(min) > 0 && Number(min) <= Number(ratio) && Number(ratio) <= Number(max))
      assert.is(row.runs, 5)
    }
    assert.equal(readdirSync(folder), ['rows.json'])
  })
})

test('a baseline that is not installed is said so, and is a failure only with --require', async () => {
  await inFolder(async (folder) => {
    // Nothing is on this path, and the module is nowhere.
    const nothing = { PATH: folder, SOFTHSM2_MODULE: join(folder, 'none.so') }
    const args = ['--quick', '--dir', folder, '--only', 'aes8-vs-openssl', 'backup1000-vs-softhsm2']
    const lenient = await run(args, nothing)
    assert.is(lenient.code, 0)
    assert.match(lenient.stdout, /^aes8-vs-openssl .* not measured: /m)
    assert.match(lenient.stdout, /^backup1000-vs-softhsm2 .* not measured: SoftHSM2 is not installed/m)
    const strict = await run([...args, '--require'], nothing)
    assert.is(strict.code, 1)
    assert.match(strict.stderr, 'backup1000-vs-softhsm2 was not measured: SoftHSM2 is not installed')
    assert.equal(readdirSync(folder), [])
  })
})

test('a backup between two boards is measured on state folders, and Ctrl-C leaves none of them behind', async () => {
  await inFolder(async (folder) => {
    const { child, ended } = start(['--quick', '--dir', folder, '--only', 'backup10-aes256', 'backup10000-aes256'])
    // The second row has begun: the first one is done, and the folders of both are there soon.
    await new Promise<void>((resolve) => {
      let seen = ''
      child.stderr?.on('data', (text: string) => {
        seen += text
        if (seen.includes('backup of 2000')) resolve()
      })
    })
    assert.ok(readdirSync(folder).length > 0, 'state folders were made')
    child.kill('SIGINT')
    assert.is((await ended).code, 130)
    assert.equal(readdirSync(folder), [])
  })
})

test.run()
