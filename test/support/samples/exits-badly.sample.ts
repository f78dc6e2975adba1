import { suite } from 'uvu'

const test = suite('sample')
test('passes', () => {
  process.on('exit', () => {
    process.exitCode = 3
  })
})
test.run()
