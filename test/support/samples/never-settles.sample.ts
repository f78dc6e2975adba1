import { suite } from 'uvu'

const test = suite('sample')
test('waits for nobody', () => new Promise<void>(() => undefined))
test.run()
