// The program usbip of Linux lists what `moonlet usb serve` exports. Run by .ci/suites/usb.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { importDevice } from '../../host/usb/index.js'
import { moonlet, Running, temporaryFolder } from '../cli/support.js'

const run = promisify(execFile)

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

const state = join(temporaryFolder(), 'state')
await moonlet(['init', '--state', state])
const server = new Running('moonlet', ['usb', 'serve', '--state', state, '--listen', '127.0.0.1:0'])
try {
  await server.sees('"listening"')
  const port = /"port":(\d+)/.exec(server.stdout)?.[1] ?? ''
  const list = async (): Promise<string> => {
    const { stdout, stderr } = await run('usbip', ['--tcp-port', port, 'list', '-r', '127.0.0.1'])
    return stdout + stderr
  }
  const shown = await list()
  process.stdout.write(shown)
  check(/^ +1-1: .*\(1209:4c48\)$/m.test(shown), 'usbip list -r shows the device with its ids')
  check(shown.includes('/sys/devices/platform/moonlet.0/usb1/1-1'), 'its path')
  check(/\(ff\/4d\/4c\)/.test(shown), 'its interface')
  const device = await importDevice('127.0.0.1', Number(port))
  check(!/1-1:/.test(await list()), 'not while a host has it')
  await device.detach()
  await server.sees('"released"')
  check(/1-1:/.test(await list()), 'and again when the host has let it go')
} finally {
  server.child.kill('SIGTERM')
  await server.result
}
