// test-timeout: 120
// `moonlet usb serve --ped-line`: the PED port of a Backup HSM as a serial port of its USB device, in a process of its own.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { standalonePed } from '../../host/lab/index.js'
import { SerialPlug } from '../../host/ped/index.js'
import { importDevice, UsbTransport } from '../../host/usb/index.js'
import { openAcm } from '../usb/acm-host.js'
import { RedirGuest, TYPES } from '../usb/redir-guest.js'
import { moonlet, Running, temporaryFolder } from './support.js'

const test = suite('moonlet usb --ped-line')
const state = join(temporaryFolder(), 'state')
const keys = join(temporaryFolder(), 'keys')
const running: Running[] = []

test.before(async () => {
  assert.is((await moonlet(['init', '--state', state])).code, 0)
  cpSync(state, keys, { recursive: true })
})

test.after.each(async () => {
  for (const server of running.splice(0)) {
    server.child.kill('SIGTERM')
    assert.is((await server.result).code, 0, server.stderr)
  }
})

async function start(verb: string, ...more: string[]): Promise<{ server: Running; port: number }> {
  const server = new Running('moonlet', ['usb', verb, '--state', state, '--listen', '127.0.0.1:0', ...more])
  running.push(server)
  await server.sees('"listening"')
  return { server, port: Number(/"port":(\d+)/.exec(server.stdout)?.[1]) }
}

/** The SO's log-in at the PED, over the token's own interface. */
async function logsIn(client: TokenClient): Promise<boolean> {
  const session = await client.openSession(protocol.ADMIN_PARTITION)
  try {
    await client.roles.login(session, protocol.ROLE_SO)
    return true
  } catch (error) {
    if (error instanceof TokenError) return false
    throw error
  } finally {
    await client.closeSession(session)
  }
}

/** Both functions of the device, which one program has here: the token, and a way to a PED of its own at the port. */
async function plugIn(port: number) {
  const device = await importDevice('127.0.0.1', port)
  const client = new TokenClient(await UsbTransport.open(device))
  const ped = await standalonePed(keys, {})
  const bringPed = (): Promise<SerialPlug> =>
    SerialPlug.plug({ role: 'ped', open: () => openAcm(device), onLink: (link) => ped.connect(link) })
  return { device, bringPed, succeeds: () => logsIn(client) }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

test('a PED at the serial port: log-ins, pulled out and plugged in again, taken away', async () => {
  const { server, port } = await start('serve', '--ped-line', '--commands')
  const first = await plugIn(port)
  assert.is(await first.succeeds(), false, 'no PED')
  const lost = await first.bringPed()
  await until(first.succeeds)
  server.child.stdin.write('unplug backup\n')
  await first.device.closed
  await lost.close()
  await server.sees('"unplugged"')
  server.child.stdin.write('plug backup\n')
  await until(async () => (await moonlet(['usb', 'list', `127.0.0.1:${port}`])).stdout.startsWith('1-1'))
  const second = await plugIn(port)
  const ped = await second.bringPed()
  await until(second.succeeds)
  await ped.close()
  await until(async () => !(await second.succeeds()))
  await second.device.detach()
})

test('by usbredir, too; and no second PED at the same connector', async () => {
  const { port } = await start('redir', '--ped-line')
  const guest = await RedirGuest.attached(port)
  assert.is((await guest.next(TYPES.interfaces)).body[0], 3)
  guest.socket.destroy()
  for (const verb of ['serve', 'redir', 'gadget']) {
    const { code, stderr } = await moonlet(['usb', verb, '--state', state, '--ped-line', '--local-ped', 'backup'])
    assert.is(code, 2)
    assert.match(stderr, /^moonlet: USAGE: '--ped-line' and '--local-ped' both/)
  }
})

test.run()
