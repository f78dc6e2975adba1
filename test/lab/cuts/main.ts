#!/usr/bin/env node
// Backups whose cables are pulled: `--help`.
import { parseArgs } from 'node:util'
import { cutBackups } from './run.js'

const HELP = `Usage: node dist/test/lab/cuts/main.js [OPTION]...

Backs a partition up over real cables (NTLS, USB/IP, the remote PED's)
and pulls one of them at a random byte, each time. Each backup has to end complete
or with an error, whole objects only, and the next one has to work.

  --backups N   (1000)
  --seed N      of all that is chosen; printed
`

const { values } = parseArgs({
  options: { backups: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
})
if (values.help) {
  process.stdout.write(HELP)
} else {
  const backups = Number(values.backups ?? 1000)
  const seed = Number(values.seed ?? 1 + (Date.now() % 2 ** 31))
  console.log(`${backups} backups, --seed ${seed}`)
  const report = await cutBackups({ backups, seed }, (done) => {
    if (done % 100 === 0) console.log(`${done} of ${backups}`)
  })
  const { complete, failed, cuts, errors } = report
  console.log(`cables pulled: NTLS ${cuts.ntls}, USB ${cuts.usb}, PED ${cuts.ped}`)
  console.log(`${complete} complete, ${failed} with an error; whole objects only; each next backup was complete`)
  for (const [error, count] of [...errors].sort(([, a], [, b]) => b - a)) console.log(`  ${count} × ${error}`)
}
