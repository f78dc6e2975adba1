import { suite } from 'uvu'

const test = suite('sample')
test('dies', () => {
  process.kill(process.pid, 'SIGKILL')
})
test.run()
