// On processors without AVX one of V8's compilers is at fault (host/board/engine.ts): the HSM comes up all the same.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { temporaryFolder } from '../cli/support.js'

const test = suite('board: the engine below it')

const MOONLET = fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url))
// Other architectures have no such switch, and none of the fault.
const WITHOUT_AVX = process.arch === 'x64' ? ['--no-enable-avx'] : []

test('without AVX the firmware passes its self-test, and tokens are made', async () => {
  const args = [...WITHOUT_AVX, MOONLET, 'init', '--state', join(temporaryFolder(), 'state')]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  assert.match(`${stdout}${stderr}`, 'backup: ped vector init')
})

test.run()
