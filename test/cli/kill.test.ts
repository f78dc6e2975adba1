import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { asOfficer, DEFAULT_CHALLENGE, demoPlan, importItems, proveRestored, useLab } from '../../host/lab/index.js'
import { fixtureItems, newLab } from '../lab/support.js'
import { lunacm, Running } from './support.js'

const test = suite('kill -9 after a backup')

const login = ['role login -name Crypto Officer', DEFAULT_CHALLENGE]
const script = (...lines: readonly string[]) => `${lines.join('\n')}\n`

test('what one process has backed up when it is killed, another restores: nothing is missing', async () => {
  const state = await newLab(demoPlan())
  const items = await fixtureItems()
  const imported = await useLab(state, { view: 'backup' }, (lab) =>
    asOfficer(lab, 1, DEFAULT_CHALLENGE, (end) => importItems(end, items)),
  )

  const backup = new Running('lunacm', ['--state', state, '--view', 'backup'])
  const connect = 'ped connect ip localhost -slot 2'
  backup.child.stdin.write(script(...login, connect, 'partition archive backup -slot 2 -partition SAbck1'))
  await backup.sees('Backup Complete.')
  backup.child.kill('SIGKILL')
  assert.is((await backup.result).signal, 'SIGKILL')

  const restore = await lunacm(['--state', state, '--view', 'restore'], {
    input: script(
      ...login,
      'ped connect ip localhost -slot 21',
      'partition archive list -slot 21',
      'partition archive restore -slot 21 -partition SAbck1 -replace -force',
    ),
  })
  assert.is(restore.code, 0, restore.stdout)
  assert.match(restore.stdout, `${imported.length} objects have been restored from partition SAbck1 on slot 21.`)

  const proofs = await useLab(state, { view: 'restore' }, (lab) =>
    asOfficer(lab, 0, DEFAULT_CHALLENGE, (end) => proveRestored(end, imported)),
  )
  assert.is(proofs.length, 29)
  for (const { object, matches, how } of proofs) assert.ok(matches, `${object.kind} ${object.label}: ${how}`)
})

test.run()
