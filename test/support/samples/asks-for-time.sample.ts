// test-timeout: 2
import { suite } from 'uvu'

const test = suite('sample')
test('waits too long all the same', () => new Promise<void>((resolve) => setTimeout(resolve, 3_600_000)))
test.run()
