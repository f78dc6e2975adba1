// What V8 does wrong (host/board/engine.ts): the HSM comes up, and stays up, all the same.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isEmulated } from '../../host/board/index.js'
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

test('a processor that QEMU emulates is told by its name', () => {
  for (const model of ['QEMU TCG CPU version 2.5+', 'QEMU Virtual CPU version 2.5+'])
    assert.ok(isEmulated(model), model)
  for (const model of ['Intel(R) Xeon(R) Processor @ 2.60GHz', 'Common KVM processor', ''])
    assert.not(isEmulated(model))
})

test('code that the engine has replaced stays where it is', async () => {
  const args = ['--trace-wasm-code-gc', MOONLET, 'demo', '--state', join(temporaryFolder(), 'state')]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 })
  assert.match(stdout, 'restored objects match')
  assert.not.match(stdout, '[wasm-gc]')
})

test.run()
