#!/usr/bin/env node
// The fuzzer: npm run fuzz -- [--seconds N] [--seed N] [--only TARGET]…
//
// Exit code 0: nothing was found. 1: something was. 2: the command line is wrong.
import { parseArgs } from 'node:util'
import { readFinding } from './engine/finding-file.js'
import { FAULTS } from './firmware/faults.js'
import { guardedFirmware } from './firmware/guarded-build.js'
import { TARGETS } from './targets/index.js'
import { watch } from './watch.js'

const HELP = `Usage: npm run fuzz -- [OPTION]…

Feeds targets with inputs that are nearly right, and holds what comes of them
against SPEC.md.

  --seconds N     how long, 60 unless given
  --seed N        the same seed gives the same inputs; random unless given
  --only TARGET   this target; may be given several times
  --out DIR       where findings are written, fuzz-findings unless given
  --replay FILE   runs the input of a finding once more
  --fault NAME    a firmware without one of its length checks, to be found
  --list          targets and faults
  --help          this text

Ctrl-C ends it, and the counts are printed. The exit code is 1 where something
was found.
`

class UsageError extends Error {}

function wholeNumber(text: string, name: string, most: number): number {
  const value = Number(text)
  if (text !== '' && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new UsageError(`--${name} takes a whole number up to ${most}, not "${text}"`)
}

function list(): void {
  const rows = (all: readonly (readonly [string, string])[]) => {
    const width = Math.max(...all.map(([name]) => name.length))
    for (const [name, what] of all) console.log(`  ${name.padEnd(width)}  ${what}`)
  }
  console.log('targets')
  rows(TARGETS.map(({ name, summary }) => [name, summary]))
  console.log('\nfaults')
  rows(FAULTS.map(({ name, file, check }) => [name, `${file} without: ${check}`]))
}

async function replay(path: string, given: string | undefined): Promise<number> {
  const { target: name, fault: recorded, steps } = readFinding(path)
  const target = TARGETS.find((each) => each.name === name)
  if (!target) throw new UsageError(`${path} is of a target that there is not: ${name}`)
  const fault = FAULTS.find((each) => each.name === (given ?? recorded))
  const fuzzer = await target.prepare({ firmware: () => guardedFirmware(fault) })
  const { finding } = await fuzzer.run(steps)
  console.log(finding ? `${finding.oracle} (${finding.where})\n${finding.message}` : 'nothing found')
  return finding ? 1 : 0
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      only: { type: 'string', multiple: true },
      out: { type: 'string', default: 'fuzz-findings' },
      replay: { type: 'string' },
      fault: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.list) {
    list()
    return 0
  }
  const { fault, out } = values
  if (fault !== undefined && !FAULTS.some(({ name }) => name === fault))
    throw new UsageError(`there is no fault ${fault}; see --list`)
  if (values.replay !== undefined) return await replay(values.replay, fault)
  const known = TARGETS.map(({ name }) => name)
  const targets = values.only ?? known
  const unknown = targets.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`there is no target ${unknown}; see --list`)
  const seconds = wholeNumber(values.seconds, 'seconds', 1_000_000)
  const seed = values.seed === undefined ? Date.now() & 0x7fffffff : wholeNumber(values.seed, 'seed', 0xffffffff)
  return await watch({ targets, seconds, seed, fault, out })
}

try {
  process.exitCode = await main()
} catch (error) {
  const usage =
    error instanceof UsageError ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  if (!usage && !(error instanceof SyntaxError)) throw error
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
