import { suite } from 'uvu'
import * as assert from 'uvu/assert'

// The second suite starts after uvu has summed up the first, and its good ending becomes the exit code.
const first = suite('first')
first('bad', () => assert.unreachable())
first.run()
await new Promise((resolve) => setTimeout(resolve, 100))
const second = suite('second')
second('good', () => assert.ok(true))
second.run()
