import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('sample')
test('good', () => assert.is(1, 1))
test('bad', () => assert.is(1, 2, 'one is not two'))
test.run()
