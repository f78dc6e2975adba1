import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AUTH_PASSWORD } from '../../assembly/protocol.js'
import { createBoardFolder, manufacture } from '../../host/board/index.js'
import { Hsm, readLabFile, standardPlan, writeLabFile } from '../../host/lab/index.js'
import { newLab } from '../lab/support.js'
import { FAILURE, lunash, SUCCESS } from './support.js'

const test = suite("the appliance's shell, with an HSM that takes passwords")

const [PASSWORD, DOMAIN] = ['SoPassword1', 'red-domain']

/** A lab whose Network HSM was made anew, as one that takes passwords, and not initialized. */
async function passwordLab(): Promise<string> {
  const dir = await newLab()
  const planned = standardPlan().hsms.find(({ kind }) => kind === 'network')
  if (!planned) throw new Error('the plan has no Network HSM')
  const board = join(dir, 'hsm-network')
  rmSync(board, { recursive: true })
  createBoardFolder(board, { flashSize: planned.flashSize })
  const hsm = await Hsm.start({ name: 'network', kind: 'network', dir: board })
  await manufacture(hsm.token, { ...planned.record, auth: AUTH_PASSWORD })
  await hsm.close()
  const file = readLabFile(dir)
  const hsms = file.hsms.map((one) => (one.name === 'network' ? { ...one, auth: 'password' as const } : one))
  writeLabFile(dir, { ...file, hsms })
  return dir
}

test('secrets are asked for, twice where they are new, and stay unseen', async () => {
  const dir = await passwordLab()
  const { transcript, results } = await lunash(dir, [
    'hsm init -label Pw',
    'proceed',
    PASSWORD,
    'another',
    'hsm init -label Pw -force',
    PASSWORD,
    PASSWORD,
    DOMAIN,
    'hsm login',
    'wrong-password',
    'hsm login',
    PASSWORD,
    'partition create -partition par1 -force',
    'hsm show',
  ])
  assert.equal(results, [FAILURE, SUCCESS, FAILURE, SUCCESS, SUCCESS, SUCCESS], transcript)
  assert.match(transcript, 'Error:  The two entries are not the same.')
  assert.match(transcript, "Please enter the HSM Administrators' password:\n> *******\n")
  assert.match(transcript, "Error:  'hsm login' failed. (0xa0 : CKR_PIN_INCORRECT)")
  assert.match(transcript, /Authentication Method: +Passwords\n/)
  assert.match(transcript, /HSM Label: +Pw\n/)
  for (const secret of [PASSWORD, DOMAIN, 'another', 'wrong-password']) assert.not.match(transcript, secret)
})

test('an answer that never comes gives the command up and changes nothing', async () => {
  const dir = await passwordLab()
  const { transcript, results } = await lunash(dir, ['hsm init -label Pw', 'proceed', PASSWORD])
  assert.equal(results, [FAILURE])
  assert.match(transcript, "'hsm init' aborted.")
  assert.match((await lunash(dir, ['hsm show'])).transcript, /HSM Label: *\n/)
})

test.run()
