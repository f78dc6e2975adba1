import { createServer } from 'node:net'
import { suite } from 'uvu'

const test = suite('sample')
test('leaves a server listening', () => {
  createServer().listen(0)
})
test.run()
