import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readUvuReport, suitesNotRun } from './uvu-report.js'

const RUNNER = fileURLToPath(new URL('../run.js', import.meta.url))
const SAMPLES = fileURLToPath(new URL('./samples', import.meta.url))

interface Run {
  code: number | null
  output: string
  errors: string
  lastLine: string | undefined
}

function start(args: string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Run> } {
  const all = [RUNNER, '--in', SAMPLES, '--suffix', '.sample.js', ...args]
  const child = spawn(process.execPath, all, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    output,
    errors,
    lastLine: output.trimEnd().split('\n').at(-1),
  }))
  return { child, ended }
}

const run = (...args: string[]): Promise<Run> => start(args).ended

const verdict = suite('runner: verdicts')

verdict('a good file passes and the last line counts its tests', async () => {
  const { code, output, lastLine } = await run('passes')
  assert.is(lastLine, '2 passed, 0 failed')
  assert.is(code, 0)
  assert.match(output, /^ok {3}passes\.sample\.js {2}2 passed, /m)
})

verdict('a failing test fails its file, and its output is shown', async () => {
  const { code, output, lastLine } = await run('fails')
  assert.is(lastLine, '1 passed, 1 failed')
  assert.is(code, 1)
  assert.match(output, /^FAIL fails\.sample\.js/m)
  assert.match(output, /one is not two/)
})

verdict('patterns choose among the files; none that matches is a failure', async () => {
  const some = await run('passes', 'fails')
  assert.is(some.lastLine, '3 passed, 1 failed')
  const none = await run('there-is-no-such-file')
  assert.is(none.code, 1)
  assert.match(none.output, /no test file matches there-is-no-such-file/)
  assert.is(none.lastLine, '0 passed, 0 failed')
})

/** Sample file, what the runner says about it, and how many of its tests passed and failed. */
const TRAPS: [name: string, fault: RegExp, passed: number, failed: number][] = [
  ['no-tests', /no tests in it/, 0, 1],
  ['forgets-run', /ended without a summary/, 0, 1],
  ['forgets-one-run', /the suite "second" is never run/, 1, 1],
  ['open-server', /something is still open[\s\S]*still open: .*TCP/, 1, 1],
  ['never-settles', /ended without a summary/, 0, 1],
  ['floating-rejection', /ended without a summary[\s\S]*nobody caught this/, 0, 1],
  ['throws-at-import', /ended without a summary[\s\S]*thrown at import/, 0, 1],
  ['before-throws', /0 passed, 2 failed/, 0, 2],
  ['late-suite', /1 passed, 1 failed/, 1, 1],
  ['only-one', /1 tests skipped/, 1, 1],
  ['exits-early', /ended without a summary/, 0, 1],
  ['exits-badly', /exit code 3 although its tests passed/, 1, 1],
  ['killed', /killed by SIGKILL/, 0, 1],
  ['leaves-process', /left a process running/, 1, 1],
]

verdict('every trap is a failure by name', async () => {
  const { code, output, lastLine } = await run(
    '--grace',
    '3000',
    '--parallel',
    '4',
    ...TRAPS.map(([name]) => `${name}.sample`),
  )
  assert.is(code, 1)
  const sections = new Map(
    output.split(/^(?=(?:ok {3}|FAIL) )/m).map((text) => [/^\S+ +(\S+)\.sample\.js/.exec(text)?.[1], text]),
  )
  let passed = 0
  let failed = 0
  for (const [name, fault, good, bad] of TRAPS) {
    const section = sections.get(name) ?? ''
    assert.match(section, /^FAIL /, name)
    assert.match(section, fault, name)
    assert.match(section, `${good} passed, ${bad} failed`, name)
    passed += good
    failed += bad
  }
  assert.is(lastLine, `${passed} passed, ${failed} failed`)
})

verdict('a file that does not end is ended; its own line can give it more time', async () => {
  const { code, output, lastLine } = await run('--timeout', '1', 'busy', 'asks-for-time')
  assert.is(code, 1)
  assert.is(lastLine, '0 passed, 2 failed')
  assert.match(output, /^FAIL busy[\s\S]*?not done after 1 s/m)
  assert.match(output, /^FAIL asks-for-time[\s\S]*?not done after 2 s[\s\S]*?still open: .*Timeout/m)
})

verdict('an interrupt ends the files too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-runner-'))
  const server = createServer()
  try {
    const path = join(folder, 'socket')
    server.listen(path)
    await once(server, 'listening')
    const { child, ended } = start(['calls-home'], { MOONLET_SAMPLE_SOCKET: path })
    const [socket] = await once(server, 'connection')
    socket.on('error', () => undefined).resume()
    const gone = once(socket, 'close')
    child.kill('SIGINT')
    const { code, output, lastLine } = await ended
    await gone
    assert.is(code, 1)
    assert.match(output, /interrupted by SIGINT/)
    assert.is(lastLine, '0 passed, 1 failed')
  } finally {
    server.close()
    await rm(folder, { recursive: true })
  }
})

verdict('a bad option is refused before anything runs', async () => {
  for (const args of [
    ['--parallel', '0'],
    ['--timeout', 'soon'],
  ]) {
    const { code, output, errors } = await run(...args, 'passes')
    assert.is(code, 2)
    assert.match(errors, `${args[0]} takes a whole number above zero, not "${args[1]}"`)
    assert.is(output, '')
  }
})

verdict.run()

const parsing = suite('runner: reading uvu')

parsing('summaries are added up', () => {
  const summary = (total: number, passed: number) =>
    `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   1\n  Duration:  1.00ms\n\n`
  assert.equal(readUvuReport(`noise\n${summary(3, 2)}more\n${summary(4, 4)}`), {
    summaries: 2,
    total: 7,
    passed: 6,
    skipped: 2,
  })
  assert.equal(readUvuReport('nothing here'), { summaries: 0, total: 0, passed: 0, skipped: 0 })
})

parsing('a suite without run is found by its name', () => {
  assert.equal(suitesNotRun(`const a = suite('a')\na.run()\nlet b = suite ('b')\nb('x', f)`), ['b'])
  assert.equal(suitesNotRun(`import { test } from 'uvu'\ntest('x', f)`), ['test'])
  assert.equal(suitesNotRun(`import { test } from 'uvu'\ntest.run()`), [])
})

parsing.run()
