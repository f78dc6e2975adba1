#!/usr/bin/env node
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findTestFiles, runTestFiles } from './support/test-runner.js'

const HELP = `Usage: npm test -- [OPTION]... [PATTERN]...

The tests: every file in a process of its own, only those whose path contains
one of the patterns. Prints a line for each, with its output where it failed.

  --verbose       the output of files that passed, too
  --parallel N    processes at a time (2)
  --timeout N     seconds a file may take (300); a file raises it with a line
                  "// test-timeout: N"
  --grace N       milliseconds a process may outlive its last test, whose
                  clean-up a slow disk delays (30000)
  --in DIR        look below DIR
  --suffix .S.js  files that end in this instead of .test.js
  --help          this text

The last line is always "N passed, N failed". Exit codes: 0, 1 = something
failed or nothing ran, 2 = wrong usage.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    in: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    suffix: { type: 'string', default: '.test.js' },
    parallel: { type: 'string', default: '2' },
    timeout: { type: 'string', default: '300' },
    grace: { type: 'string', default: '30000' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

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
  verbose: values.verbose,
})
if (files.length === 0)
  console.log(`no test file${positionals.length ? ` matches ${positionals.join(', ')}` : ''} in ${values.in}`)
if (interrupted.signal.aborted) console.log(`interrupted by ${interrupted.signal.reason}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0
