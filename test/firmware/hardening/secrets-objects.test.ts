// Secrets are gone after every command, whatever its way out: objects, cryptography, cloning.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KEEPERS } from '../../fuzz/checks/secrets.js'
import { CLONING } from './cloning-recipes.js'
import { DERIVATION } from './derivation-recipes.js'
import { assertAllGone, neverSucceeding } from './exit-paths.js'
import { OLD } from './old-recipes.js'
import { RECIPES } from './recipes.js'

const test = suite('firmware: secrets gone after commands on objects')

test('objects', () => assertAllGone('objects', RECIPES.OBJECTS))
test('cryptography', () => assertAllGone('cryptography', RECIPES.CRYPTO))
test('parts and derivation', () => assertAllGone('parts and derivation', DERIVATION))

test('what is old', () => assertAllGone('what is old', OLD))
test('cloning', () => assertAllGone('cloning', CLONING))

test('there is a success of every command of SPEC.md among the recipes', () => {
  assert.equal(neverSucceeding([...Object.values(RECIPES).flat(), ...DERIVATION, ...OLD, ...CLONING]), [])
})

test('every secret that outlives a command has a reason', () => {
  for (const { place, reason } of KEEPERS) assert.ok(reason.length > 10, place)
})

test.run()
