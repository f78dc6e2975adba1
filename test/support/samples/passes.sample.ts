import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('sample')
test('one', () => assert.is(1, 1))
test('two', () => assert.is(2, 2))
test.run()
