// test-timeout: 120
// `moonlet usb`: a Backup HSM in a process of its own at the end of a USB/IP connection.
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Chance } from '../../host/lab/chance.js'
import { type UsbLine, usbLine } from '../../host/lab/index.js'
import { setDesk } from '../../host/lab/lab.js'
import { readLabFile } from '../../host/lab/lab-file.js'
import { Workstation } from '../../host/lab/workstation.js'
import type { UsbEvent } from '../../host/usb/index.js'
import { run } from '../lunacm/fake-lab.js'
import { RedirGuest, TYPES } from '../usb/redir-guest.js'
import { moonlet, Running, temporaryFolder } from './support.js'

const test = suite('moonlet usb')
const running: Running[] = []
let state: string

test.before(async () => {
  state = join(temporaryFolder(), 'state')
  assert.is((await moonlet(['init', '--state', state])).code, 0)
})

test.after.each(async () => {
  for (const server of running.splice(0)) {
    server.child.kill('SIGTERM')
    assert.is((await server.result).code, 0, server.stderr)
  }
})

async function serve(...more: string[]): Promise<{ server: Running; port: number }> {
  const server = new Running('moonlet', ['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0', ...more])
  running.push(server)
  await server.sees('"listening"')
  const port = Number(/"port":(\d+)/.exec(server.stdout)?.[1])
  assert.ok(port > 0, server.stdout)
  return { server, port }
}

/** The Backup HSM at a workstation of its own with the lab's PED, as another process has it. */
async function plugIn(port: number): Promise<{ line: UsbLine; at: Workstation; events: UsbEvent[] }> {
  const events: UsbEvent[] = []
  const chance = new Chance(undefined, 'usb test')
  const file = readLabFile(state)
  const desk = await setDesk(state, file, {}, chance)
  const onEvent = (event: UsbEvent): void => {
    events.push(event)
  }
  const names = new Map([[700101n, 'backup']])
  const line = await usbLine({ host: '127.0.0.1', port, chance, desk, names, onEvent })
  return { line, at: new Workstation(() => ({ name: 'usb', persona: 'A', slots: [] }), [line]), events }
}

test('a Backup HSM is listed, imported, used with the PED of the workstation, and given back', async () => {
  const { server, port } = await serve()
  const listed = await moonlet(['usb', 'list', `127.0.0.1:${port}`])
  assert.is(listed.stdout, '1-1        1209:4c48  ff/4d/4c\n', listed.stderr)
  const { line, at, events } = await plugIn(port)
  assert.equal([line.hsm, line.found], [{ name: 'backup', kind: 'backup' }, true])
  const { code, transcript, greeting } = await run(at, [
    'ped connect ip 192.20.10.190',
    'role login -name so',
    'partition archive list -slot 1',
    'ped disconnect -force',
  ])
  assert.is(code, 0, transcript.join('\n'))
  assert.ok(greeting.some((words) => /Serial Number -> +700101/.test(words)))
  await server.sees('"imported"')
  assert.ok(events.some(({ event, detail }) => event === 'attend' && detail === 1))
  assert.is((await moonlet(['usb', 'list', `127.0.0.1:${port}`])).stdout, '')
  await line.close()
  await server.sees('"released"')
  assert.match((await moonlet(['usb', 'list', `127.0.0.1:${port}`])).stdout, /^1-1/)
})

test('orders on standard input: pulled out, plugged in again, tampered with', async () => {
  const { server, port } = await serve('--commands', '--ids', '1d6b:0104')
  const first = await plugIn(port)
  server.child.stdin.write('unplug backup\n')
  await first.line.closed
  assert.is((await run(first.at, ['role login -name so'])).code, 1)
  server.child.stdin.write('plug backup\n')
  await server.sees('"unplugged"')
  server.child.stdin.write('plug backup\nunplug network\nsing backup\ntamper backup loudly\n')
  for (const code of ['USBIP_BUSY', 'LAB_HSM_UNKNOWN']) await server.sees(code)
  await server.sees("There is no command 'sing'")
  await server.sees("There is no cause 'loudly'")
  assert.match((await moonlet(['usb', 'list', `127.0.0.1:${port}`])).stdout, /1d6b:0104/)
  const second = await plugIn(port)
  server.child.stdin.write('tamper backup chassis\n')
  while (!second.events.some(({ event }) => event === 'tamper')) await new Promise((resolve) => setImmediate(resolve))
  await second.line.close()
})

test('one process serves the devices of a lab, and only what is a Backup HSM', async () => {
  for (const name of ['network', 'backups']) {
    const refused = await moonlet(['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0', name])
    assert.match(refused.stderr, /^moonlet: LAB_HSM_UNKNOWN: /)
  }
  const { port } = await serve()
  const again = await moonlet(['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0'])
  assert.match(again.stderr, /^moonlet: STATE_LOCKED: /)
  assert.match((await moonlet(['usb', 'list', `127.0.0.1:${port}`])).stdout, /^1-1/)
})

test('by usbredir: a guest is given the device, loses it, and gets it again', async () => {
  const server = new Running('moonlet', ['usb', 'redir', '--state', state, '--listen', '127.0.0.1:0', '--commands'])
  running.push(server)
  await server.sees('"listening"')
  const guest = await RedirGuest.attached(Number(/"port":(\d+)/.exec(server.stdout)?.[1]))
  const { body } = await guest.next(TYPES.connect)
  assert.equal([body.readUInt16LE(4), body.readUInt16LE(6)], [0x1209, 0x4c48])
  server.child.stdin.write('unplug backup\n')
  await guest.next(TYPES.disconnect)
  server.child.stdin.write('plug backup\n')
  await guest.until(() => guest.hasDevice)
  guest.socket.destroy()
  await server.sees('"disconnected"')
})

test('no gadget where there can be none', async () => {
  // As root with configfs and a controller there could be one; then nothing is left of any, and that is said.
  const { code, stderr } = await moonlet(['usb', 'gadget', '--state', state, '--udc', 'no-such-controller'])
  assert.is(code, 1)
  assert.match(stderr, /^moonlet: GADGET_UNAVAILABLE: /)
})

test('what is typed wrong', async () => {
  for (const args of [
    ['usb'],
    ['usb', 'sing'],
    ['usb', 'list'],
    ['usb', 'list', 'a', 'b'],
    ['usb', 'list', 'host:99999'],
    ['usb', 'serve', '--ids', '12:34'],
    ['usb', 'serve', '--listen', ''],
    ['usb', 'redir', '--listen', 'host:99999'],
    ['usb', 'redir', 'backup', 'other'],
    ['usb', 'redir', '--ids', '12:34'],
    ['usb', 'gadget', 'backup', '--cleanup'],
  ]) {
    const { code, stderr } = await moonlet([...args, ...(args[1] === 'list' || !args[1] ? [] : ['--state', state])])
    assert.equal([code, stderr.split('\n')[0]?.slice(0, 15)], [2, 'moonlet: USAGE:'], args.join(' '))
  }
  assert.match((await moonlet(['usb', 'list', '127.0.0.1:1'])).stderr, /^moonlet: USBIP_CONNECT: /)
  for (const args of [
    ['usb', '--help'],
    ['usb', 'serve', '--help'],
    ['usb', 'list', '-h'],
    ['usb', 'redir', '-h'],
    ['usb', 'gadget', '-h'],
  ]) {
    assert.match((await moonlet(args)).stdout, /^Usage: moonlet usb/)
  }
})

test.run()
