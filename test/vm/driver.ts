// Runs in the guest of test/vm/run.sh, given a lab's state folder: our driver over the kernel's USB stack, by the package `usb` in
// both its kinds (3: nusb, 2: libusb), with the Backup HSM pulled out and plugged in again.
import { execFile } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { WebUSB } from 'usb2'
import { TokenClient } from '../../host/client/index.js'
import { openRealDevice, readDeviceName, realDevices, UsbTransport } from '../../host/usb/index.js'
import { Running } from '../cli/support.js'
import { check, until } from './support.js'

const run = promisify(execFile)
const SERIAL = '700101'

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

const isThere = async (): Promise<boolean> => (await realDevices()).some(({ vendorId }) => vendorId === 0x1209)

const [given = ''] = process.argv.slice(2)
const state = '/run/state'
cpSync(given, state, { recursive: true })
// A process of its own: a USB/IP server on the thread of its client would wait for itself.
const server = new Running('moonlet', ['usb', 'serve', '--state', state, '--commands'])
await server.sees('"listening"')
const attach = async (): Promise<void> => {
  await run('usbip', ['attach', '-r', '127.0.0.1', '-b', '1-1'])
  await until(isThere)
}
const unplug = (): unknown => server.child.stdin.write('unplug backup\n')
const plug = async (): Promise<void> => {
  server.child.stdin.write('plug backup\n')
  await until(async () => (await run('usbip', ['list', '-r', '127.0.0.1'])).stdout.includes('1-1:'))
  await attach()
}
await attach()

/** Works with the HSM, has it pulled out while a read waits, and says what the driver says of that. */
async function pull(kind: string, device: USBDevice): Promise<void> {
  const transport = await UsbTransport.open(device)
  const client = new TokenClient(transport)
  check(String((await client.status()).serial) === SERIAL, `${kind}: the driver talks to the token`)
  unplug()
  await transport.closed
  const code = await failure(client.status())
  check(code === 'TRANSPORT_REMOVED', `${kind}: pulled out, the driver says so (${code})`)
}

const name = readDeviceName(SERIAL)
const first = await openRealDevice(name)
await pull('usb 3 (nusb)', first)
await first.detach()
check((await failure(openRealDevice(name))) === 'USB_NO_DEVICE', 'usb 3 (nusb): nothing is found meanwhile')
await plug()
const libusb = new WebUSB({ allowAllDevices: true })
let found: USBDevice | undefined
await until(async () => {
  // It hears of new devices from udev, in its own time.
  found = (await libusb.getDevices()).find(({ vendorId }) => vendorId === 0x1209)
  return found !== undefined
})
if (found) await pull('usb 2 (libusb)', found)
await plug()
check(true, 'plugged in again')

const script = '/run/backup.txt'
const lines = [
  'slot set slot 1',
  'role login -name Crypto Officer -password Crypto0fficer',
  'ped connect ip 192.20.10.190 -slot 2',
  'partition archive backup -slot 2 -partition SAbck1',
  'partition clear -force',
  'partition archive restore -slot 2 -partition SAbck1 -add',
]
writeFileSync(script, `${lines.join('\n')}\n`)
const lunacm = new Running('lunacm', ['--state', state, '--usb-device', SERIAL, '-f', script])
// It takes its time: two of the lab's HSMs and the PED compute in here. What it says is seen as it comes.
for (const stream of [lunacm.child.stdout, lunacm.child.stderr]) stream.pipe(process.stdout, { end: false })
const { code, stdout } = await lunacm.result
const done = /Backup Complete[\s\S]*Restore Complete/.test(stdout)
check(code === 0 && done, 'lunacm --usb-device: backup and restore over a kernel')
server.child.kill('SIGTERM')
await server.result
// libusb keeps a thread for a device that has gone.
process.exit()
