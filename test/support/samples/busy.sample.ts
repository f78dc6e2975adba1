import { suite } from 'uvu'

const test = suite('sample')
test('never lets go', () => {
  for (;;);
})
test.run()
