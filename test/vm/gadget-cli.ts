// Runs in the guest of test/vm/run.sh, given a lab's state folder: 'moonlet usb gadget' on dummy_hcd, from a kernel that has nothing of
// it to a process that is killed.
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { moonlet, Running } from '../cli/support.js'
import { openPlugged } from './kernel-device.js'
import { check, checkDescriptors, output, shows, until } from './support.js'

const GADGETS = '/sys/kernel/config/usb_gadget'
const [given = ''] = process.argv.slice(2)
const state = '/run/state'
cpSync(given, state, { recursive: true })

async function fails(code: RegExp, what: string): Promise<void> {
  const { stderr } = await moonlet(['usb', 'gadget', '--state', state])
  check(code.test(stderr), `${what}: ${stderr.trim()}`)
}

async function start(): Promise<Running> {
  const running = new Running('moonlet', ['usb', 'gadget', '--state', state, '--commands'])
  await running.sees('"listening"')
  await until(shows)
  return running
}

/** What Windows asks a device for that it does not know, so that its own WinUSB becomes the driver. */
async function checkWindows(): Promise<void> {
  const { device, transport } = await openPlugged()
  const ask = async (requestType: USBRequestType, request: number, value: number, index: number): Promise<string> => {
    const setup = { requestType, recipient: 'device', request, value, index } as const
    const { data } = await device.controlTransferIn(setup, 64)
    return data ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1') : ''
  }
  const signature = await ask('standard', 6, 0x03ee, 0)
  check(signature.startsWith('\x12\x03M\0S\0F\0T\x001\x000\x000\0'), 'a Microsoft OS string descriptor')
  const compatible = await ask('vendor', signature.charCodeAt(16), 0, 4)
  // A request that asks for no data has a direction all the same.
  const nothing = { requestType: 'vendor', recipient: 'interface', request: 3, value: 0, index: 0 } as const
  const { status } = await device.controlTransferIn(nothing, 0)
  check(status === 'stall', `a frame for a PED that is not there stalls (${status})`)
  check(compatible.length === 40 && compatible.includes('WINUSB'), 'whose vendor request names WinUSB')
  await transport.close()
  await device.detach()
}

const mounted = (): boolean => readFileSync('/proc/mounts', 'utf8').includes('functionfs')
const left = (): string[] => (existsSync(GADGETS) ? readdirSync(GADGETS) : [])

await fails(/GADGET_UNAVAILABLE.*modprobe libcomposite/, 'a kernel without gadgets')
await output('modprobe', 'libcomposite')
await output('mount', '-t', 'configfs', 'none', '/sys/kernel/config')
await fails(/GADGET_UNAVAILABLE.*no USB device controller/, 'a kernel without a controller')
await output('modprobe', 'dummy_hcd')

const first = await start()
check(/"udc":"dummy_udc.0"/.test(first.stdout), 'a gadget at dummy_udc.0: the kernel has configured it')
await first.sees('"imported"')
await checkDescriptors('2.00')
await checkWindows()
first.child.stdin.write('unplug backup\n')
await until(async () => !(await shows()))
check(true, 'pulled out: gone in the kernel')
first.child.stdin.write('plug backup\n')
await until(shows)
check(true, 'plugged in again')
const { stderr } = await moonlet(['usb', 'gadget', '--cleanup'])
check(stderr === '' && left().length === 1, '--cleanup leaves a gadget alone that is in use')

first.child.kill('SIGKILL')
await first.result
await until(async () => !(await shows()))
check(left().length === 1 && mounted(), 'killed: the device is gone, its gadget is left behind')
await fails(/GADGET_BUSY.*--cleanup/, 'the next one')
const cleaned = await moonlet(['usb', 'gadget', '--cleanup'])
check(cleaned.stdout === 'removed moonlet-700101\n' && left().length === 0 && !mounted(), '--cleanup removes it')

const second = await start()
check(true, 'the next one is there')
second.child.kill('SIGTERM')
const { code } = await second.result
check(
  code === 0 && left().length === 0 && !mounted(),
  `ended: nothing is left${code === 0 ? '' : `\n${second.stderr}`}`,
)
const trouble = (await output('dmesg')).split('\n').filter((line) => /BUG:|Oops|WARNING:|Call Trace/.test(line))
check(trouble.length === 0, `no trouble in the kernel's log${trouble.map((line) => `\n       ${line}`).join('')}`)
process.exit()
