import { spawn } from 'node:child_process'
import { suite } from 'uvu'

const test = suite('sample')
test('leaves a process that holds the output', () => {
  spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  }).unref()
})
test.run()
