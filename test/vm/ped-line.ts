// Runs in the guest of test/vm/run.sh, given a lab's state folder and a way, gadget or usbip: a Backup HSM that is a serial port, too, whose
// host's end is a PED's. The kernel's own cdc_acm is between 'moonlet ped --serial' and the HSM, and f_acm where it is a gadget.
import { cpSync, existsSync, readdirSync } from 'node:fs'
import * as protocol from '../../assembly/protocol.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { Running } from '../cli/support.js'
import { openPlugged } from './kernel-device.js'
import { COMPLAINT, check, output, shows, until } from './support.js'

const TTY = '/dev/ttyACM0'
const GADGETS = '/sys/kernel/config/usb_gadget'

const [given = '', way = 'gadget'] = process.argv.slice(2)
for (const folder of ['/run/state', '/run/ped']) cpSync(given, folder, { recursive: true })

const verb = way === 'gadget' ? 'gadget' : 'serve'
const server = new Running('moonlet', ['usb', verb, '--state', '/run/state', '--commands', '--ped-line'])
await server.sees('"listening"')
/** Until the kernel has it. */
async function plugged(): Promise<void> {
  if (way === 'usbip') {
    await until(async () => (await output('usbip', 'list', '-r', '127.0.0.1')).includes('1-1:'))
    await output('usbip', 'attach', '-r', '127.0.0.1', '-b', '1-1')
  }
  await until(async () => (await shows()) && existsSync(TTY))
}
await plugged()
check(true, `${way}: a Backup HSM and a serial port: cdc_acm has it, as ${TTY}`)
const verbose = await output('lsusb', '-v', '-d', '1209:4c48')
const complaint = COMPLAINT.exec(verbose)
check(complaint === null, `lsusb -v has no complaint${complaint ? `: ${complaint[0].trim()}` : ''}`)
check(/bNumInterfaces +3/.test(verbose) && verbose.includes('Abstract (modem)'), 'and shows both functions')

/** The SO's log-in at the PED, over the token's own interface: the code it ends with. */
async function login(): Promise<number> {
  const { device, transport } = await openPlugged()
  const client = new TokenClient(transport)
  try {
    const session = await client.openSession(protocol.ADMIN_PARTITION)
    await client.roles.login(session, protocol.ROLE_SO)
    return protocol.RC_OK
  } catch (error) {
    if (error instanceof TokenError) return error.rc
    throw error
  } finally {
    await client.close()
    await device.detach()
  }
}
const succeeds = async (): Promise<boolean> => (await login()) === protocol.RC_OK

check(!(await succeeds()), 'no PED, no log-in')
const ped = new Running('moonlet', ['ped', '--state', '/run/ped', '--serial', TTY])
await ped.sees(`The PED is at ${TTY}`)
await until(succeeds)
check(true, `moonlet ped --serial ${TTY}: the SO logs in with the blue key`)

server.child.stdin.write('unplug backup\n')
await until(async () => !(await shows()))
server.child.stdin.write('plug backup\n')
await plugged()
await until(succeeds)
check(true, 'pulled out and plugged in again: the PED is back, too')

ped.child.kill('SIGTERM')
check((await ped.result).code === 0, 'the PED is taken away')
await until(async () => !(await succeeds()))
check(true, 'and there are no log-ins any more')

server.child.kill('SIGTERM')
const { code, stderr } = await server.result
const left = existsSync(GADGETS) ? readdirSync(GADGETS) : []
check(code === 0 && left.length === 0, `ended: nothing is left${code === 0 ? '' : `\n${stderr}`}`)
// A reset on the way would hang up the PED's line whenever somebody has been at the HSM's other function.
const trouble = (await output('dmesg'))
  .split('\n')
  .filter((line) => /BUG:|Oops|WARNING:|Call Trace|reset .*USB device/.test(line))
check(trouble.length === 0, `no trouble in the kernel's log${trouble.map((line) => `\n       ${line}`).join('')}`)
process.exit()
