import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, temporaryFolder } from './support.js'

const test = suite('moonlet tamper')

async function newLab(profile: string): Promise<string> {
  const state = join(temporaryFolder(), 'state')
  const { code, stderr } = await moonlet(['init', '--state', state, '--profile', profile])
  assert.is(code, 0, stderr)
  return state
}

async function stateLine(state: string, hsm: string): Promise<string> {
  const { stdout } = await moonlet(['status', '--state', state])
  return stdout.split('\n').find((line) => line.includes(`HSM "${hsm}"`)) ?? ''
}

test('an opened box: the keys survive, and the shell says that there was a tamper until the SO clears it', async () => {
  const state = await newLab('6.27.0')
  const { code, stdout, stderr } = await moonlet(['tamper', 'backup', '--state', state])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^HSM "backup" is OK, a tamper was not cleared yet\n$/)
  assert.match(await stateLine(state, 'backup'), /a tamper was not cleared yet$/)
  assert.match(await stateLine(state, 'network'), /OK$/)
})

test('the decommission button: nothing is left', async () => {
  const state = await newLab('6.27.0')
  const { code, stdout, stderr } = await moonlet(['tamper', 'network', 'decommission', '--state', state])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^HSM "network" is zeroized, decommissioned\n$/)
  const shell = await lunacm(['--state', state], { input: 'slot list\nexit\n' })
  assert.is(shell.code, 0, shell.stderr)
})

test('wrong usage and an HSM that is not there change nothing', async () => {
  const state = await newLab('7.0.3')
  for (const [args, expected, code] of [
    [['tamper'], /USAGE: The HSM is missing/, 2],
    [['tamper', 'backup', 'hammer'], /USAGE: There is no cause 'hammer', only chassis, /, 2],
    [['tamper', 'backup', 'chassis', 'twice'], /USAGE: Unexpected argument 'twice'/, 2],
    [['tamper', 'nobody'], /LAB_HSM_UNKNOWN: /, 1],
  ] as const) {
    const run = await moonlet([...args, '--state', state])
    assert.is(run.code, code, run.stderr)
    assert.match(run.stderr, expected)
  }
  assert.match(await stateLine(state, 'backup'), /OK$/)
})

test.run()
