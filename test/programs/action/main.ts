// The action of fixtures/ci, carried out as in a job, and then the job's own steps.
//
//   node dist/test/programs/action/main.js CHECKOUT [--lab FILE] STEP...
//
// CHECKOUT is where the runner has the action's repository; each STEP is a line for bash, as `run:` of a step. Node has to be there
// already: actions/setup-node is somebody else's.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runAction } from './action.js'

const { values, positionals } = parseArgs({ options: { lab: { type: 'string' } }, allowPositionals: true })
const [checkout, ...steps] = positionals
if (checkout === undefined) throw new Error('the checkout is missing')

const work = mkdtempSync(join(tmpdir(), 'moonlet-action-'))
let code = 0
try {
  const { env, outputs, masks } = runAction({
    folder: join(resolve(checkout), 'fixtures', 'ci', 'action'),
    work,
    workspace: process.cwd(),
    inputs: values.lab === undefined ? {} : { lab: values.lab },
    env: process.env,
    uses: (name, { 'node-version': wanted }) => {
      const major = Number(process.versions.node.split('.')[0])
      if (!/^actions\/setup-node@v\d+$/.test(name) || !(major >= Number(wanted))) {
        throw new Error(`${name}, node ${wanted}: this runner has node ${major} and nothing else`)
      }
    },
    log: (text) => process.stdout.write(text),
  })
  process.stdout.write(`outputs: ${JSON.stringify(outputs)}, ${masks.length} masked\n`)
  for (const step of steps) {
    process.stdout.write(`==> ${step}\n`)
    const { status } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step], {
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    code = status ?? 1
    if (code !== 0) break
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
process.exitCode = code
