import { suite } from 'uvu'

const test = suite('sample')
test.before(() => {
  throw new Error('nothing was set up')
})
test('one', () => undefined)
test('two', () => undefined)
test.run()
