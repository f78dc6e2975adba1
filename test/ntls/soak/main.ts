#!/usr/bin/env node
// Many clients of one appliance at work, then all of them cut: `--help`.
import { parseArgs } from 'node:util'
import { soak } from './run.js'
import { verdictOf } from './verdict.js'

const HELP = `Usage: node dist/test/ntls/soak/main.js [OPTION]...

Clients with sessions each work on one appliance with the real firmware: they
open and close sessions, log in and out, make, find, read and destroy objects,
encrypt, wrap, and ask for what is not theirs. Every answer is checked. Then each
link is cut at a random byte, and nobody and nothing may be left.

  --seconds N    of work (60)
  --clients N    (64)
  --sessions N   of each client (16)
  --seed N       of all that is chosen; printed

Exit codes: 0, 1 = something was wrong or memory grew, 2 = wrong usage.
`

function number(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`"${text}" is no whole number above zero\n`)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    clients: { type: 'string' },
    sessions: { type: 'string' },
    seed: { type: 'string' },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const options = {
  seconds: number(values.seconds, 60),
  clients: number(values.clients, 64),
  sessions: number(values.sessions, 16),
  seed: number(values.seed, 1 + (Date.now() % 2 ** 31)),
}
console.log(
  `${options.clients} clients, ${options.sessions} sessions each, ${options.seconds} s, --seed ${options.seed}`,
)
const report = await soak(options)
const { growth, resident, flat } = verdictOf(report)
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
console.log(
  `${report.operations} operations, ${report.commands} commands, all answers right; all links cut, nothing left`,
)
console.log(`memory: ${growth.toFixed(1)} bytes more per command, process ${mebibytes(resident)} larger`)
if (!flat) {
  console.error(`memory is not flat: ${report.samples.map(({ heap }) => mebibytes(heap)).join(', ')}`)
  process.exitCode = 1
}
