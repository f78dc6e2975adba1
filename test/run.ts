#!/usr/bin/env node
// The test runner: every *.test.js below dist/test, each in a process of its own, two at a time.
//
//   node dist/test/run.js [PATTERN…]      only files whose path contains one of the patterns
//     --in DIR        look below DIR instead of beside this file
//     --suffix .S.js  files that end in this instead of .test.js
//     --parallel N    processes at a time (2)
//     --timeout N     seconds a file may take (300); a file raises it with a line "// test-timeout: N"
//     --grace N       milliseconds a process may outlive its last test, whose clean-up a slow disk delays (30000)
//
// The last line is always "N passed, N failed"; the exit code is 1 where anything failed, and where nothing ran.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findTestFiles, runTestFiles } from './support/test-runner.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    in: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    suffix: { type: 'string', default: '.test.js' },
    parallel: { type: 'string', default: '2' },
    timeout: { type: 'string', default: '300' },
    grace: { type: 'string', default: '30000' },
  },
})

function positive(name: 'parallel' | 'timeout' | 'grace'): number {
  const value = Number(values[name])
  if (Number.isInteger(value) && value > 0) return value
  process.stderr.write(`--${name} takes a whole number above zero, not "${values[name]}"\n`)
  process.exit(2)
}

const root = resolve(values.in)
const files = await findTestFiles(root, values.suffix, positionals)
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(signal))

const { passed, failed } = await runTestFiles(files, {
  root,
  parallel: positive('parallel'),
  timeout: positive('timeout') * 1000,
  grace: positive('grace'),
  signal: interrupted.signal,
  print: (line) => console.log(line),
})
if (files.length === 0)
  console.log(`no test file${positionals.length ? ` matches ${positionals.join(', ')}` : ''} in ${values.in}`)
if (interrupted.signal.aborted) console.log(`interrupted by ${interrupted.signal.reason}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0
