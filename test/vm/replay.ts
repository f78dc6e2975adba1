// Runs in the guest of test/vm/run.sh: a device that is not there, made of a capture of a serial adapter, used by the kernel's own
// driver for it as when it was captured.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FIXTURES, Running } from '../cli/support.js'
import { check, output, until } from './support.js'

const TTY = '/dev/ttyUSB0'

const server = new Running('moonlet', [
  ...['usb', 'replay', join(FIXTURES, 'captures', 'ftdi-usbmon.pcapng'), '--listen', '127.0.0.1:0'],
])
await server.sees('"listening"')
const port = /"port":(\d+)/.exec(server.stdout)?.[1] ?? ''
const usbip = (...args: string[]): Promise<string> => output('usbip', '--tcp-port', port, ...args)
check((await usbip('list', '-r', '127.0.0.1')).includes('(0403:6001)'), 'usbip list -r shows the recorded device')
await usbip('attach', '-r', '127.0.0.1', '-b', '1-1')
await until(() => existsSync(TTY))
check(true, `usbip attach: the kernel's ftdi_sio has it, as ${TTY}`)
await output('stty', '-F', TTY, 'raw', '-echo', '115200')
await output('bash', '-c', `exec 3<>${TTY}; for word in hello moonlet goodbye; do printf $word >&3; sleep 1; done`)
await server.sees('"finished"')
check(!server.stdout.includes('"left"'), 'all that was recorded has happened, and nothing else')
server.child.kill('SIGTERM')
const { code, stderr } = await server.result
check(code === 0, `the replay ends as it should${code === 0 ? '' : `: ${stderr}`}`)
