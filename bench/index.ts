#!/usr/bin/env node
// `npm run bench`: the table of ratios. `--help` says the rest.
import { mkdirSync, writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { GROUPS } from './catalog.js'
import { HELP, type Options, readOptions, UsageError } from './harness/command-line.js'
import { machineLine } from './harness/machine.js'
import { type Measured, measure, measureAgain } from './harness/run.js'
import { Scratch } from './harness/scratch.js'
import { missesGate } from './harness/statistics.js'
import { tableLines } from './harness/table.js'

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const complain = (text: string): void => void process.stderr.write(`${text}\n`)

const specs = GROUPS.flatMap(({ rows }) => rows)

function list(): void {
  const width = Math.max(...specs.map(({ id }) => id.length))
  for (const { id, what } of specs) console.log(`${id.padEnd(width)}  ${what}`)
}

async function run(options: Options): Promise<number> {
  mkdirSync(options.dir, { recursive: true })
  const scratch = new Scratch(options.dir)
  // Scratch cleans up when the process ends, which is now.
  for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => process.exit(code))
  const started = Date.now()
  const context = {
    quick: options.quick,
    folder: (name: string) => scratch.folder(name),
    adopt: scratch.adopt.bind(scratch),
    progress: (text: string) => {
      process.stderr.write(`bench: ${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)
    },
  }
  const machine = machineLine(options.dir)
  const measured: Measured[] = []
  for (const group of GROUPS) measured.push(...(await measure(group, options.only, context)))
  const final = options.gate ? await measureAgain(GROUPS, measured, context) : measured
  scratch.remove()
  return report(final, machine, options)
}

function report(measured: readonly Measured[], machine: string, options: Options): number {
  console.log(`\n${machine}\n`)
  for (const line of tableLines(measured)) console.log(line)
  const notes = measured.flatMap(({ note }) => note ?? [])
  if (notes.length > 0) console.log(`\n${notes.join('\n')}`)
  if (options.json !== undefined) {
    writeFileSync(
      options.json,
      `${JSON.stringify(
        measured.map(({ row }) => row),
        null,
        2,
      )}\n`,
    )
  }
  const failed = measured.filter(({ failure }) => failure !== undefined)
  for (const failure of new Set(failed.map((one) => one.failure))) complain(inspect(failure))
  const missing = options.require ? measured.filter(({ row }) => row.ratio === null) : []
  const slow = options.gate ? measured.filter(({ spec, row }) => missesGate(spec, row)) : []
  for (const { row } of missing) complain(`bench: ${row.id} was not measured: ${row.notMeasured}`)
  for (const { row } of slow) complain(`bench: ${row.id} misses its gate`)
  return failed.length + missing.length + slow.length > 0 ? 1 : 0
}

try {
  const options = readOptions(
    process.argv.slice(2),
    specs.map(({ id }) => id),
  )
  if (options.help) process.stdout.write(HELP)
  else if (options.list) list()
  else process.exitCode = await run(options)
} catch (error) {
  if (error instanceof UsageError) {
    complain(`bench: ${error.message}\nTry 'npm run bench -- --help'.`)
    process.exitCode = 2
  } else {
    complain(inspect(error))
    process.exitCode = 1
  }
}
