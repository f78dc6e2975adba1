import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('sample')
test('never looked at', () => assert.unreachable())
