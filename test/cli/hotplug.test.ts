// A Backup HSM that is pulled out and plugged in again while lunacm runs: its slot goes and comes.

import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, Running, temporaryFolder } from './support.js'

const test = suite('hot-plug')

const running: Running[] = []
test.after(() => {
  for (const { child } of running) child.kill('SIGKILL')
})

test('a slot goes with its device and comes back with it', async () => {
  const state = join(temporaryFolder(), 'state')
  await moonlet(['init', '--state', state])
  const server = new Running('moonlet', ['usb', 'serve', '--commands', '--state', state, '--listen', '127.0.0.1:0'])
  running.push(server)
  await server.sees('"listening"')
  const shell = new Running('lunacm', ['--state', state])
  running.push(shell)
  let lists = 0
  const list = async (): Promise<string> => {
    const from = shell.stdout.length
    shell.child.stdin.write('slot list\n')
    lists++
    await shell.until(() => shell.stdout.split('Command Result').length > lists, 'the end of a list')
    return shell.stdout.slice(from)
  }
  assert.match(await list(), /500409014[\s\S]*700101/)
  server.child.stdin.write('unplug backup\n')
  await server.sees('"unplugged"')
  let seen = await list()
  while (seen.includes('700101') || !shell.stderr.includes('USB: ')) seen = await list()
  assert.match(seen, /500409014/)
  server.child.stdin.write('plug backup\n')
  while (!(await list()).includes('700101'));
  shell.child.stdin.end('exit\n')
  assert.is((await shell.result).code, 0, shell.stdout + shell.stderr)
  server.child.kill('SIGTERM')
  assert.is((await server.result).code, 0, server.stderr)
})

test.run()
