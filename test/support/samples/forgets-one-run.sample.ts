import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const first = suite('first')
first('looked at', () => assert.ok(true))
first.run()

const second = suite('second')
second('never looked at', () => assert.unreachable())
