// Secrets are gone after every command, whatever its way out: roles, the PED, the auditor.
// test-timeout: 400
import { suite } from 'uvu'
import { assertAllGone } from './exit-paths.js'
import { RECIPES } from './recipes.js'

const test = suite('firmware: secrets gone after commands of roles')

test('roles', () => assertAllGone('roles', RECIPES.ROLES))
test('the PED', () => assertAllGone('the PED', RECIPES.PEDS))
test('the auditor', () => assertAllGone('the auditor', RECIPES.AUDIT))

test.run()
