// `moonlet pkcs11`: its socket, who may have it, and how it ends.

import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, Running, temporaryFolder } from './support.js'

const test = suite('moonlet pkcs11')

const state = join(temporaryFolder(), 'state')
const path = join(state, 'pkcs11', 'socket')

test.before(async () => {
  assert.is((await moonlet(['init', '--state', state])).code, 0)
})

async function serve(...args: string[]): Promise<Running> {
  const server = new Running('moonlet', ['pkcs11', '--state', state, ...args])
  await server.sees('"listening"')
  return server
}

async function stop(server: Running): Promise<void> {
  server.child.kill('SIGTERM')
  const { code, stdout, stderr } = await server.result
  assert.is(code, 0, stderr)
  assert.match(stdout, '"stopped"')
}

/** A client that has agreed on a version. */
async function client(at: string): Promise<Socket> {
  const socket = connect(at)
  await once(socket, 'connect')
  socket.write(Uint8Array.of(0))
  const [answer] = await once(socket, 'data')
  assert.equal([...answer], [0])
  return socket
}

test('serves on a socket of its own that only its owner can open, and takes it away', async () => {
  const server = await serve()
  assert.is(statSync(path).mode & 0o777, 0o600)
  const socket = await client(path)
  const second = await moonlet(['pkcs11', '--state', state])
  assert.is(second.code, 1)
  assert.match(second.stderr, /STATE_LOCKED|PKCS11_RUNNING/)
  const closed = once(socket, 'close')
  await stop(server)
  await closed
  assert.not.ok(existsSync(path))
})

test('serves at another place, where nobody else listens and nothing else is', async () => {
  const other = join(temporaryFolder(), 'door')
  writeFileSync(other, 'a file')
  const refused = await moonlet(['pkcs11', '--state', state, '--listen', other])
  assert.is(refused.code, 1)
  assert.match(refused.stderr, /LAB_IO/)
  const elsewhere = join(temporaryFolder(), 'door')
  const server = await serve('--listen', elsewhere)
  assert.is(statSync(elsewhere).mode & 0o777, 0o600)
  ;(await client(elsewhere)).destroy()
  server.child.kill('SIGKILL')
  await server.result
  assert.ok(existsSync(elsewhere))
  const again = await serve('--listen', elsewhere)
  ;(await client(elsewhere)).destroy()
  await stop(again)
  assert.not.ok(existsSync(elsewhere))
})

test('a line that is typed wrong, and help', async () => {
  assert.is((await moonlet(['pkcs11', 'what'])).code, 2)
  assert.is((await moonlet(['pkcs11', '--listen', ''])).code, 2)
  const help = await moonlet(['pkcs11', '--help'])
  assert.match(help.stdout, 'moonlet env')
})

test.run()
