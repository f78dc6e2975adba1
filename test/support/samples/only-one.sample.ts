import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const sample = suite('sample')
sample('left out', () => assert.unreachable())
sample.only('alone', () => assert.ok(true))
sample.run()
