import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, temporaryFolder } from './support.js'

const test = suite('moonlet status')

const state = join(temporaryFolder(), 'state')

/** The slot lines of both workstations. */
async function slotLines(): Promise<string[][]> {
  const { code, stdout, stderr } = await moonlet(['status', '--state', state])
  assert.is(code, 0, stderr)
  const parts = stdout.split(/^Workstation .*$/m).slice(1)
  return parts.map((part) => part.split('\n').flatMap((line) => (line.startsWith('  slot ') ? [line.trim()] : [])))
}

const onCard = (...lines: string[]) =>
  lunacm(['--state', state, '--local-ped', 'pcie'], {
    input: ['slot set slot 103', 'role login -name so', ...lines].map((line) => `${line}\n`).join(''),
  })

test('partitions that were made at the shell are in their slots, and say when they are gone', async () => {
  const made = await moonlet(['init', '--state', state, '--pcie'])
  assert.is(made.code, 0, made.stderr)
  const { code, stdout } = await onCard('partition create -slot 104 -force', 'partition create -label old -force')
  assert.is(code, 0, stdout)
  assert.match(stdout, 'A partition was created in slot 104, serial number 150518007.')
  const all = [
    'slot 1    network    partition 500409014',
    'slot 2    pcie       partition 150518006',
    'slot 3    backup     the HSM itself',
    'slot 4    pcie       partition 150518008',
    'slot 103  pcie       the HSM itself',
    'slot 104  pcie       partition 150518007',
  ]
  assert.equal(await slotLines(), [all, all])
  assert.is((await onCard('partition delete -slot 104 -force')).code, 0)
  const without = all.filter((line) => !line.startsWith('slot 104'))
  assert.equal(await slotLines(), [without, without])
  // All partitions go, and nothing says in which slots they were to show.
  assert.is((await onCard('hsm init -label again -force')).code, 0)
  const [lines] = await slotLines()
  assert.equal(
    lines?.filter((line) => line.includes('pcie')),
    ['slot 2    pcie       partition 150518006, not there', 'slot 103  pcie       the HSM itself'],
  )
})

test('the help does not say that nothing is written', async () => {
  const { stdout } = await moonlet(['status', '--help'])
  assert.not.match(stdout, 'changes nothing')
  assert.match(stdout, "every power-up is written down in an HSM's flash")
})

test.run()
