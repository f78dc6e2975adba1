// What `moonlet env` writes for shells, read by the shells that this computer has: every text comes out as it went in.
//
//   node dist/test/programs/shells.js [--seed N]

import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as fc from 'fast-check'
import { assignment, type Shell } from '../../host/cli/shells.js'
import { temporaryFolder } from '../cli/support.js'

interface Reading {
  readonly shell: Shell
  readonly program: string
  readonly package: string
  /** Arguments that evaluate a file as the help of `moonlet env` says, and then show variables, each with a 0 at its end. */
  readonly read: (file: string) => readonly string[]
}

const SHOW = 'printenv -0 $names'
const READINGS: readonly Reading[] = [
  {
    shell: 'sh',
    program: 'sh',
    package: 'dash',
    read: (file) => ['-c', `eval "$(cat '${file}')"; ${SHOW}`],
  },
  {
    shell: 'fish',
    program: 'fish',
    package: 'fish',
    read: (file) => ['--no-config', '-c', `cat '${file}' | source; printenv -0 (string split ' ' $names)`],
  },
  {
    shell: 'csh',
    program: 'tcsh',
    package: 'tcsh',
    read: (file) => ['-f', '-c', `eval "\`cat '${file}'\`"; env ${SHOW}`],
  },
]

/** Texts as paths, labels and secrets are, thick with what shells read something into. */
const special = fc.constantFrom(...`'"\\$\`!*?~#&|;<>(){}[]%^= \t@,-`)
const text = fc.array(
  fc.oneof(special, fc.constantFrom('a', 'Z', '0', '/', '.', 'é', '’', '$HOME', '$(false)', '!!')),
  {
    minLength: 1,
    maxLength: 30,
  },
)

const { values } = parseArgs({ options: { seed: { type: 'string' } } })
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed)
const samples = fc.sample(text, { seed, numRuns: 200 }).map((parts) => parts.join(''))
const names = samples.map((_, i) => `M${i}`)
let failed = 0
for (const { shell, program, package: from, read } of READINGS) {
  if (spawnSync(program, ['-c', 'true']).error) {
    process.stdout.write(`left out: ${program} (Debian: ${from})\n`)
    continue
  }
  const file = join(temporaryFolder(), 'lines')
  writeFileSync(file, samples.map((value, i) => `${assignment(shell, `M${i}`, value)}\n`).join(''))
  const env = { PATH: process.env.PATH, HOME: temporaryFolder(), LC_ALL: 'C.UTF-8', names: names.join(' ') }
  const shown = execFileSync(program, read(file), { env, encoding: 'utf8' }).split('\0')
  const wrong = samples.findIndex((value, i) => shown[i] !== value)
  process.stdout.write(`${wrong < 0 ? 'ok    ' : 'FAILED'} ${program} reads ${samples.length} texts, seed ${seed}\n`)
  if (wrong >= 0) {
    failed++
    process.stdout.write(`  ${JSON.stringify(samples[wrong])} came out as ${JSON.stringify(shown[wrong])}\n`)
  }
}
if (failed > 0) process.exitCode = 1
