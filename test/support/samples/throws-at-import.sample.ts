import { suite } from 'uvu'

const test = suite('sample')
test('is never reached', () => undefined)
test.run()
throw new Error('thrown at import')
