import { suite } from 'uvu'

const test = suite('sample')
test('leaves in the middle', () => process.exit(0))
test('is never reached', () => undefined)
test.run()
