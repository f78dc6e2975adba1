// Runs in the guest of test/vm/run.sh, given a lab's state folder: the kernel's own USB/IP host (vhci_hcd) has our Backup HSM.
import { cpSync } from 'node:fs'
import { importDevice, UsbTransport } from '../../host/usb/index.js'
import { Running } from '../cli/support.js'
import { check, checkDescriptors, output, shows, until } from './support.js'

const attach = (): Promise<string> => output('usbip', 'attach', '-r', '127.0.0.1', '-b', '1-1')

const [given = ''] = process.argv.slice(2)
const state = '/run/state'
cpSync(given, state, { recursive: true })
const server = new Running('moonlet', ['usb', 'serve', '--state', state, '--commands'])
await server.sees('"listening"')

check(/1-1: .*\(1209:4c48\)/.test(await output('usbip', 'list', '-r', '127.0.0.1')), 'usbip list -r shows the device')
await attach()
await until(shows)
check(true, 'usbip attach: the kernel has configured it')
await checkDescriptors('2.01')

server.child.stdin.write('unplug backup\n')
await until(async () => !(await shows()))
check(true, 'pulled out at the server: gone in the kernel')
server.child.stdin.write('plug backup\n')
await until(async () => /1-1:/.test(await output('usbip', 'list', '-r', '127.0.0.1')))
await attach()
await until(shows)
check(true, 'plugged in and attached again')
const port = /Port (\d+): <Port in Use>/.exec(await output('usbip', 'port'))?.[1] ?? '0'
await output('usbip', 'detach', '-p', port)
await until(async () => !(await shows()) && /1-1:/.test(await output('usbip', 'list', '-r', '127.0.0.1')))
const device = await importDevice('127.0.0.1')
await (await UsbTransport.open(device)).close()
await device.detach()
check(true, 'usbip detach: the next host, in user space, has it')

const log = (await output('dmesg')).split('\n').filter((line) => /usb \d+-\d+[:.]|usbip|vhci_hcd vhci_hcd.0/.test(line))
const trouble = log.filter((line) => /unable|can't|bad |invalid|not accepting|timed? ?out|error(?! -104)/i.test(line))
check(trouble.length === 0, `no trouble in the kernel's log${trouble.map((line) => `\n       ${line}`).join('')}`)
server.child.kill('SIGTERM')
check((await server.result).code === 0, 'the server ends as it should')
