// Runs in the guest of test/vm/run.sh, given a lab's state folder: the kernel's own USB/IP host (vhci_hcd) has our Backup HSM.
import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { promisify } from 'node:util'
import { importDevice, UsbTransport } from '../../host/usb/index.js'
import { Running } from '../cli/support.js'

const run = promisify(execFile)
/** Milliseconds between looks at a kernel that has no event for us. */
const LOOK = 200

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, args)
    return stdout + stderr
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Waits for the kernel; the guest's time limit ends what never comes. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, LOOK))
}

const shows = async (): Promise<boolean> => (await output('lsusb')).includes('1209:4c48')
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
const verbose = await output('lsusb', '-v', '-d', '1209:4c48')
for (const line of ['bcdUSB               2.01', 'iSerial                 3 700101', 'bNumEndpoints           3']) {
  check(verbose.includes(line), `lsusb -v: ${line}`)
}
const complaint = /.*(missing|can't|cannot|couldn't|error|invalid|warning|unrecognized|junk|too short|!).*/i.exec(
  verbose,
)
check(complaint === null, `lsusb -v has no complaint${complaint ? `: ${complaint[0].trim()}` : ''}`)

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
