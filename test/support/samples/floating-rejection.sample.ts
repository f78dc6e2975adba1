import { suite } from 'uvu'

const test = suite('sample')
test('forgets to wait', async () => {
  void Promise.reject(new Error('nobody caught this'))
  await new Promise(setImmediate)
})
test.run()
