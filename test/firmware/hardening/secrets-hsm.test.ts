// Secrets are gone after every command, whatever its way out: device, HSM, partitions, recovery.
// test-timeout: 400
import { suite } from 'uvu'
import { assertAllGone } from './exit-paths.js'
import { RECIPES } from './recipes.js'

const test = suite('firmware: secrets gone after commands of the HSM')

test('device', () => assertAllGone('device', RECIPES.DEVICE))
test('hsm and partitions', () => assertAllGone('hsm and partitions', RECIPES.HSM))
test('recovery', () => assertAllGone('recovery', RECIPES.RECOVERY))

test.run()
